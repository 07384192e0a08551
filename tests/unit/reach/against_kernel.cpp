#include "tests/unit/reach/against_kernel.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <future>
#include <sstream>

#include "agent/attempts/connect.h"
#include "agent/snapshot/helper/collect.h"
#include "common/reach/ruleset.h"

namespace lapwing::test {

namespace {

using agent::Attempted;
using reach::Address;
using reach::Verdict;

constexpr std::uint16_t kPorts[] = {22, 3306, 8080};
constexpr const char* kSources[] = {"10.213.7.2", "10.213.7.3", "fd13:7::2", "fd13:7::3"};
constexpr std::chrono::milliseconds kTimeout{150};
constexpr std::chrono::milliseconds kSecondTimeout{2'500};  // longer than TCP waits before it sends again

struct Case {
    Address source;
    std::uint16_t port;
    Attempted attempted;
};

Address serverAddress(reach::Family family) {
    return *Address::parse(family == reach::Family::ipv4 ? "10.213.7.1" : "fd13:7::1");
}

Attempted tryOnce(const Namespaces& namespaces, const Address& source, std::uint16_t port,
                  std::chrono::milliseconds timeout) {
    auto attempted = Attempted::not_tried;
    namespaces.inClient([&] {
        attempted = agent::tryConnect(source, serverAddress(source.family), port, timeout).attempted;
    });
    return attempted;
}

std::vector<Case> tryAll(const Namespaces& namespaces) {
    std::vector<std::future<Case>> running;
    for (const auto* text : kSources) {
        for (const auto port : kPorts) {
            running.push_back(std::async(std::launch::async, [&namespaces, text, port] {
                const auto source = *Address::parse(text);
                return Case{source, port, tryOnce(namespaces, source, port, kTimeout)};
            }));
        }
    }
    std::vector<Case> out;
    for (auto& one : running) {
        out.push_back(one.get());
    }
    return out;
}

/// Whether somebody listens where the packet ends.
bool isServed(const reach::Result& result, std::uint16_t port) {
    const auto& to = result.translated_to;
    const int end = to.empty() ? port : std::atoi(to.c_str() + to.rfind(':') + 1);
    return std::find(std::begin(kPorts), std::end(kPorts), end) != std::end(kPorts);
}

bool agrees(const reach::Result& result, std::uint16_t port, Attempted attempted) {
    if (result.verdict == Verdict::must_reach) {
        return attempted == (isServed(result, port) ? Attempted::open : Attempted::refused);
    }
    if (result.verdict == Verdict::may || result.rejected) {
        return result.verdict == Verdict::may || attempted == Attempted::refused;
    }
    // What a reject rule sends may be dropped on its way out.
    const bool rejects = std::any_of(result.path.begin(), result.path.end(),
                                     [](const auto& step) { return step.outcome.rejects; });
    return attempted == Attempted::silent || (rejects && attempted == Attempted::refused);
}

}  // namespace

Listeners::Listeners(const Namespaces& namespaces) {
    const auto listen_on = [&](std::uint16_t port) {
        const int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
        const int off = 0;
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
        sockaddr_in6 name{};
        name.sin6_family = AF_INET6;
        name.sin6_port = htons(port);
        // Nobody accepts: the queue must hold every connection of the test.
        if (bind(fd, reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0 || listen(fd, 4096) != 0) {
            std::abort();
        }
        fds_.push_back(fd);
    };
    const auto listen_on_all = [&] { std::for_each(std::begin(kPorts), std::end(kPorts), listen_on); };
    namespaces.inServer(listen_on_all);
    namespaces.inInner(listen_on_all);
}

Listeners::~Listeners() {
    for (const int fd : fds_) {
        close(fd);
    }
}

void Count::add(const Count& other) {
    rulesets += other.rulesets;
    reach += other.reach;
    block += other.block;
    may += other.may;
    forwarded += other.forwarded;
    contradictions.insert(contradictions.end(), other.contradictions.begin(), other.contradictions.end());
}

std::string listingIn(const Namespaces& namespaces) {
    std::string listing;
    namespaces.inServer([&] {
        const auto made = agent::listingOf(agent::collectSnapshot({}));
        listing = made ? *made : made.error().message;
    });
    return listing;
}

void compareWithKernel(const Namespaces& namespaces, const std::string& listing, Count& count) {
    ++count.rulesets;
    const auto ruleset = reach::Ruleset::parse(listing);
    if (!ruleset) {
        count.contradictions.push_back(ruleset.error().message + ": " + listing);
        return;
    }
    for (const auto& each : tryAll(namespaces)) {
        reach::Packet packet;
        packet.source = reach::AddressRange::of(each.source);
        packet.destination = serverAddress(each.source.family);
        packet.port = each.port;
        packet.interface = "veth-s";
        const auto result = ruleset->evaluate(packet);
        auto attempted = each.attempted;
        if (!agrees(result, each.port, attempted)) {
            attempted = tryOnce(namespaces, each.source, each.port, kSecondTimeout);
        }
        if (!agrees(result, each.port, attempted)) {
            std::ostringstream text;
            text << each.source.toString() << " to port " << each.port << ": "
                 << reach::verdictName(result.verdict) << (result.rejected ? " (rejected)" : "")
                 << ", the kernel: " << agent::attemptedName(attempted) << ", by";
            for (const auto& place : result.decided_by) {
                text << " [" << place << "]";
            }
            text << "\n" << listing;
            count.contradictions.push_back(text.str());
        }
        count.reach += result.verdict == Verdict::must_reach ? 1 : 0;
        count.forwarded += result.verdict == Verdict::must_reach && result.forwarded ? 1 : 0;
        count.block += result.verdict == Verdict::must_block ? 1 : 0;
        count.may += result.verdict == Verdict::may ? 1 : 0;
    }
}

}  // namespace lapwing::test
