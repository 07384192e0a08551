#include "tests/unit/reach/namespaces.h"

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <thread>
#include <vector>

#include "common/run_tool.h"
#include "tests/unit/catch.h"

namespace lapwing::test {

namespace {

constexpr std::chrono::milliseconds kDeadline{10'000};
constexpr std::size_t kMost = 1U << 24;
constexpr const char* kServerMac = "02:13:07:00:00:01";
constexpr const char* kClientMac = "02:13:07:00:00:02";
constexpr const char* kInnerMac = "02:13:08:00:00:02";
constexpr const char* kServerInnerMac = "02:13:08:00:00:01";

std::string ip(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "/usr/sbin/ip");
    const auto result = runTool(arguments, kDeadline, kMost);
    return result.status == ReadStatus::ok ? "" : "ip " + arguments[1] + ": " + result.error;
}

}  // namespace

Namespaces::Namespaces(int last_client) {
    static std::atomic<int> count{0};
    const auto suffix = std::to_string(getpid()) + "-" + std::to_string(count++);
    server_ = "lwt-s-" + suffix;
    client_ = "lwt-c-" + suffix;
    inner_ = "lwt-i-" + suffix;
    if (geteuid() != 0) {
        missing_ = "network namespaces need root";
        return;
    }
    const std::vector<std::vector<std::string>> steps{
        {"netns", "add", server_},
        {"netns", "add", client_},
        {"netns", "add", inner_},
        {"-n", server_, "link", "add", "veth-s", "address", kServerMac, "type", "veth", "peer", "name",
         "veth-c", "address", kClientMac, "netns", client_},
        {"-n", server_, "addr", "add", "10.213.7.1/24", "dev", "veth-s"},
        {"-n", server_, "addr", "add", "fd13:7::1/64", "dev", "veth-s", "nodad"},
        {"-n", server_, "link", "add", "veth-i", "type", "veth", "peer", "name", "veth-n", "address",
         kInnerMac, "netns", inner_},
        {"-n", server_, "addr", "add", "10.213.8.1/24", "dev", "veth-i"},
        {"-n", server_, "addr", "add", "fd13:8::1/64", "dev", "veth-i", "nodad"},
        {"-n", server_, "link", "set", "veth-i", "address", kServerInnerMac},
        {"-n", inner_, "addr", "add", "10.213.8.2/24", "dev", "veth-n"},
        {"-n", inner_, "addr", "add", "fd13:8::2/64", "dev", "veth-n", "nodad"},
        {"-n", inner_, "link", "set", "lo", "up"},
        {"-n", inner_, "link", "set", "veth-n", "up"},
        {"-n", server_, "link", "set", "veth-i", "up"},
        {"-n", server_, "link", "set", "lo", "up"},
        {"-n", client_, "link", "set", "lo", "up"},
        {"-n", server_, "link", "set", "veth-s", "up"},
        {"-n", client_, "link", "set", "veth-c", "up"},
        {"-n", inner_, "route", "add", "default", "via", "10.213.8.1"},
        {"-n", inner_, "-6", "route", "add", "default", "via", "fd13:8::1"},
        {"netns", "exec", server_, "/usr/sbin/sysctl", "-qw", "net.ipv4.ip_forward=1",
         "net.ipv6.conf.all.forwarding=1",
         // Each rejected packet is answered, however many there are.
         "net.ipv4.icmp_ratelimit=0", "net.ipv6.icmp.ratelimit=0"},
    };
    auto all = steps;
    for (int last = kFirstClient; last <= last_client; ++last) {
        const auto number = std::to_string(last);
        all.push_back({"-n", client_, "addr", "add", "10.213.7." + number + "/24", "dev", "veth-c"});
        all.push_back({"-n", client_, "addr", "add", "fd13:7::" + number + "/64", "dev", "veth-c", "nodad"});
    }
    for (const auto& step : all) {
        missing_ = ip(step);
        if (!missing_.empty()) {
            return;
        }
    }
    // A veth has its carrier a moment after it was set up.
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
}

void Namespaces::need() const {
    if (!missing_.empty()) {
        skip(missing_);
    }
}

Namespaces::~Namespaces() {
    if (geteuid() == 0) {
        ip({"netns", "del", server_});
        ip({"netns", "del", client_});
        ip({"netns", "del", inner_});
    }
}

void Namespaces::in(const std::string& name, const std::function<void()>& work) {
    // setns() is of the calling thread alone.
    std::thread([&] {
        const int fd = open(("/run/netns/" + name).c_str(), O_RDONLY | O_CLOEXEC);
        if (fd < 0 || setns(fd, CLONE_NEWNET) != 0) {
            std::abort();
        }
        close(fd);
        work();
    }).join();
}

std::string Namespaces::loadRules(const std::string& text) const {
    const auto file = "/tmp/" + server_ + ".nft";
    std::ofstream(file) << "flush ruleset\n" << text;
    std::string error;
    inServer([&] {
        const auto result = runTool({"/usr/sbin/nft", "-f", file}, kDeadline, kMost);
        error = result.status == ReadStatus::ok ? "" : result.error;
    });
    unlink(file.c_str());
    return error;
}

std::string Namespaces::runInServer(const std::vector<std::string>& argv) const {
    std::string error;
    inServer([&] {
        const auto result = runTool(argv, kDeadline, kMost);
        error = result.status == ReadStatus::ok ? "" : argv[0] + ": " + result.error;
    });
    return error;
}

void Namespaces::forgetNeighbours() const {
    for (const auto& name : {server_, client_, inner_}) {
        ip({"-n", name, "neigh", "flush", "all"});
    }
}

std::string Namespaces::listRules() const {
    std::string listing;
    inServer([&] {
        listing = runTool({"/usr/sbin/nft", "-j", "-s", "list", "ruleset"}, kDeadline, kMost).output;
    });
    return listing;
}

}  // namespace lapwing::test
