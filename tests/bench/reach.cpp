// How long the evaluator takes with large rulesets, and how much memory. Without arguments.
#include <fcntl.h>
#include <malloc.h>
#include <unistd.h>

#include <cstdio>
#include <ctime>
#include <fstream>
#include <string>
#include <vector>

#include "common/reach/compact.h"
#include "common/reach/ruleset.h"

using namespace lapwing::reach;

namespace {

double kilobytes(const char* name) {
    std::ifstream file("/proc/self/status");
    for (std::string line; std::getline(file, line);) {
        if (line.starts_with(name)) {
            return std::stod(line.substr(line.find(':') + 1));
        }
    }
    return 0;
}

void resetPeak() {
    const int fd = open("/proc/self/clear_refs", O_WRONLY);
    if (fd >= 0) {
        static_cast<void>(!write(fd, "5", 1));
        close(fd);
    }
}

/// Of this process: other programs do not count.
double milliseconds(const auto& work) {
    const auto start = std::clock();
    work();
    constexpr double ms_per_second = 1000;
    return static_cast<double>(std::clock() - start) * ms_per_second / CLOCKS_PER_SEC;
}

std::string address(unsigned number) {
    return std::to_string(11 + (number >> 22U) % 100) + "." + std::to_string((number >> 14U) & 255U) + "." +
           std::to_string((number >> 6U) & 255U) + "." + std::to_string((number * 4 + 1) & 255U);
}

std::string setOf(unsigned elements, bool timed) {
    std::string json = R"({"nftables":[{"table":{"family":"ip","name":"b","handle":1}},
        {"chain":{"family":"ip","table":"b","name":"c","handle":2,"type":"filter","hook":"input","prio":-10,"policy":"accept"}},
        {"set":{"family":"ip","name":"s","table":"b","type":"ipv4_addr","handle":3,"elem":[)";
    for (unsigned i = 0; i < elements; ++i) {
        json += i == 0 ? "" : ",";
        json += timed ? R"({"elem":{"val":")" + address(i) + R"(","timeout":14400,"expires":14399}})"
                      : "\"" + address(i) + "\"";
    }
    json += R"(]}},{"rule":{"family":"ip","table":"b","chain":"c","handle":4,"expr":[{"match":{"op":"==",
        "left":{"payload":{"protocol":"ip","field":"saddr"}},"right":"@s"}},{"drop":null}]}}]})";
    return json;
}

std::string rulesOf(unsigned count, bool of_one_kind) {
    std::string save = "*filter\n:INPUT DROP [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n";
    save += "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n";
    for (unsigned i = 0; i < count; ++i) {
        save += "-A INPUT -s " + address(i * 7) + "/32 -p tcp -m tcp --dport " +
                (of_one_kind ? "22" : std::to_string(i % 100)) +
                (of_one_kind || (i / 100) % 2 == 0 ? " -j ACCEPT\n" : " -j DROP\n");
    }
    return listingOf(R"({"nftables":[]})", {{Family::ipv4, true, save + "COMMIT\n"}}, {}, Host{});
}

/// A set of ipset with timeouts, which a rule of iptables drops. Prints what the snapshot helper adds.
std::string ipsetOf(unsigned elements) {
    std::string save = "create b hash:ip family inet hashsize 16384 maxelem 65536 timeout 14400\n";
    for (unsigned i = 0; i < elements; ++i) {
        save += "add b " + address(i) + " timeout 14399\n";
    }
    std::string sets;
    const double compacting = milliseconds([&] { sets = compactIpsets(save); });
    std::printf("compacting %u entries of ipset: %.1f ms, %zu to %zu bytes\n", elements, compacting,
                save.size(), sets.size());
    const std::string rules =
        "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"
        "-A INPUT -m set --match-set b src -j DROP\nCOMMIT\n";
    return listingOf(R"({"nftables":[]})", {{Family::ipv4, true, rules}}, {}, Host{}, sets);
}

void measure(const char* name, const std::string& listing) {
    malloc_trim(0);
    resetPeak();
    const double before = kilobytes("VmRSS");
    double parsing = 0;
    double single = 0;
    double all = 0;
    double again = 0;
    std::size_t ranges = 0;
    {
        auto rules = Ruleset::parse("{\"nftables\":[]}");
        parsing = milliseconds([&] { rules = Ruleset::parse(listing); });
        Packet packet;
        packet.source = AddressRange::of(*Address::parse("8.8.8.8"));
        packet.destination = *Address::parse("10.77.0.11");
        packet.interface = "eth0";
        packet.port = 22;
        single = milliseconds([&] { static_cast<void>(rules->evaluate(packet)); });
        all = milliseconds([&] {
            const auto found = rules->sources(packet);
            ranges = found ? (*found)->reach.size() : 0;
        });
        packet.port = 80;
        again = milliseconds([&] { static_cast<void>(rules->sources(packet)); });
    }
    const double peak = kilobytes("VmHWM");
    malloc_trim(0);
    constexpr double kb_per_mb = 1024;
    std::printf(
        "%-34s %5.1f MB: parse %6.1f ms, one source %6.1f ms, all sources %6.1f ms (%zu ranges), "
        "another port %6.1f ms, peak +%.1f MB, afterwards +%.1f MB\n",
        name, static_cast<double>(listing.size()) / kb_per_mb / kb_per_mb, parsing, single, all, ranges,
        again, (peak - before) / kb_per_mb, (kilobytes("VmRSS") - before) / kb_per_mb);
}

}  // namespace

int main() {
    measure("a set of 150,000 addresses", setOf(150'000, false));
    measure("the same with timeouts", setOf(150'000, true));
    measure("50,000 entries of ipset", ipsetOf(50'000));
    measure("10,000 rules of one kind", rulesOf(10'000, true));
    measure("10,000 rules for 100 ports", rulesOf(10'000, false));
    measure("5,000 addresses", setOf(5'000, true));
    return 0;
}
