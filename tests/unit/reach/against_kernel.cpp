#include "tests/unit/reach/against_kernel.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <regex>
#include <set>
#include <sstream>
#include <utility>
#include <vector>

#include "agent/snapshot/helper/collect.h"
#include "common/reach/ruleset.h"
#include "tests/unit/reach/exchange.h"

namespace lapwing::test {

namespace {

using reach::Address;
using reach::Verdict;

constexpr std::uint16_t kPorts[] = {22, 3306, 8080};
constexpr std::chrono::milliseconds kTimeout{200};
constexpr std::chrono::milliseconds kSecondTimeout{2'500};  // longer than TCP waits before it sends again

Address serverAddress(reach::Family family) {
    return *Address::parse(family == reach::Family::ipv4 ? "10.213.7.1" : "fd13:7::1");
}

std::vector<Exchange> allExchanges() {
    std::vector<Exchange> out;
    for (int last = Namespaces::kFirstClient; last <= Namespaces::kLastClient; ++last) {
        for (const auto* network : {"10.213.7.", "fd13:7::"}) {
            const auto source = *Address::parse(network + std::to_string(last));
            for (const auto port : kPorts) {
                for (const bool udp : {false, true}) {
                    out.push_back({source, serverAddress(source.family), port, udp, Exchanged::silent});
                }
            }
        }
    }
    return out;
}

void tryAll(const Namespaces& namespaces, std::vector<Exchange>& exchanges,
            std::chrono::milliseconds timeout) {
    namespaces.inClient([&] { exchangeAll(exchanges, timeout); });
}

/// Whether somebody listens where the packet ends.
bool isServed(const reach::Result& result, std::uint16_t port) {
    const auto& to = result.translated_to;
    const int end = to.empty() ? port : std::atoi(to.c_str() + to.rfind(':') + 1);
    return std::find(std::begin(kPorts), std::end(kPorts), end) != std::end(kPorts);
}

bool agrees(const reach::Result& result, const Exchange& exchange) {
    const auto seen = exchange.outcome;
    if (result.verdict == Verdict::must_reach) {
        return seen == (isServed(result, exchange.port) ? Exchanged::complete : Exchanged::refused);
    }
    if (result.verdict == Verdict::may || result.rejected) {
        return result.verdict == Verdict::may || seen == Exchanged::refused;
    }
    // What a reject rule sends may be dropped on its way out.
    const bool rejects = std::any_of(result.path.begin(), result.path.end(),
                                     [](const auto& step) { return step.outcome.rejects; });
    return seen == Exchanged::silent || seen == Exchanged::broken || (rejects && seen == Exchanged::refused);
}

/// Why a verdict is MAY, without the names of rules and addresses.
std::string kindOfDoubt(const reach::Result& result) {
    static const std::regex place("^.* handle [0-9?]+: ");
    static const std::regex address("[0-9a-f:.]*(10\\.213|fd13:)[0-9a-f:./-]*");
    std::set<std::string> kinds;
    for (const auto& unknown : result.unknowns) {
        kinds.insert(std::regex_replace(std::regex_replace(unknown, place, ""), address, "ADDRESS"));
    }
    std::string text;
    for (const auto& kind : kinds) {
        text += (text.empty() ? "" : " + ") + kind;
    }
    return text.empty() ? "the order of chains, or the ways of a packet" : text;
}

/// No rule tells: hosts may know hardware addresses from earlier packets.
bool dependsOnHistory(const reach::Result& result) {
    return std::any_of(result.unknowns.begin(), result.unknowns.end(), [](const auto& unknown) {
        return unknown.find("know each other's hardware address") != std::string::npos;
    });
}

}  // namespace

void Count::add(const Count& other) {
    rulesets += other.rulesets;
    reach += other.reach;
    block += other.block;
    may += other.may;
    modelled += other.modelled;
    may_modelled += other.may_modelled;
    may_history += other.may_history;
    complete += other.complete;
    forwarded += other.forwarded;
    for (const auto& [reason, number] : other.may_reasons) {
        may_reasons[reason] += number;
    }
    contradictions.insert(contradictions.end(), other.contradictions.begin(), other.contradictions.end());
}

void printReasons(const Count& count) {
    constexpr std::size_t shown = 25;
    std::vector<std::pair<int, std::string>> reasons;
    for (const auto& [reason, number] : count.may_reasons) {
        reasons.emplace_back(number, reason);
    }
    std::sort(reasons.rbegin(), reasons.rend());
    reasons.resize(std::min(reasons.size(), shown));
    for (const auto& [number, reason] : reasons) {
        std::printf("%6d MAY: %s\n", number, reason.c_str());
    }
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
    auto exchanges = allExchanges();
    tryAll(namespaces, exchanges, kTimeout);
    for (auto& each : exchanges) {
        reach::Packet packet;
        packet.source = reach::AddressRange::of(each.source);
        packet.destination = each.destination;
        packet.protocol = each.udp ? reach::Protocol::udp : reach::Protocol::tcp;
        packet.port = each.port;
        packet.interface = "veth-s";
        const auto result = ruleset->evaluate(packet);
        if (!agrees(result, each)) {
            std::vector<Exchange> again{each};
            namespaces.forgetNeighbours();
            tryAll(namespaces, again, kSecondTimeout);
            each = again[0];
        }
        if (!agrees(result, each)) {
            std::ostringstream text;
            text << each.source.toString() << " to port " << each.port << (each.udp ? "/udp: " : "/tcp: ")
                 << reach::verdictName(result.verdict) << (result.rejected ? " (rejected)" : "")
                 << ", the kernel: " << exchangedName(each.outcome) << ", by";
            for (const auto& place : result.decided_by) {
                text << " [" << place << "]";
            }
            for (const auto& step : result.path) {
                text << "\n  " << reach::packetKindName(step.packet) << " " << step.chain << " "
                     << step.outcome.toString();
            }
            text << "\n" << listing;
            count.contradictions.push_back(text.str());
        }
        count.reach += result.verdict == Verdict::must_reach ? 1 : 0;
        count.forwarded += result.verdict == Verdict::must_reach && result.forwarded ? 1 : 0;
        count.block += result.verdict == Verdict::must_block ? 1 : 0;
        if (result.verdict == Verdict::may) {
            ++count.may;
            ++count.may_reasons[kindOfDoubt(result)];
            count.may_history += dependsOnHistory(result) ? 1 : 0;
        }
        count.complete += each.outcome == Exchanged::complete ? 1 : 0;
    }
}

}  // namespace lapwing::test
