#include <algorithm>

#include "collector/analysis/redundancy/redundancy.h"

namespace lapwing::analysis::redundancy {

namespace {

/// While an address moves, both hosts or neither may report it.
constexpr std::int64_t kMovingMs = 30'000;

/// An address that one host should hold at any time.
struct Held {
    std::set<std::string> may_hold;  ///< hosts whose keepalived moves it; empty for a fixed address
    std::set<std::string> holders;
};

std::map<reach::Address, Held> addressesOf(const Context& context) {
    const auto& moment = *context.moment;
    std::map<reach::Address, Held> out;
    for (const auto& entry : moment.model.entries) {
        if (entry.address) {
            out[*entry.address];
        }
    }
    for (const auto& address : moment.services.moving()) {
        out[address].may_hold = moment.services.moversOf(address);
    }
    for (const auto& [name, host] : context.network.hosts) {
        for (const auto& each : host.addresses) {
            if (const auto found = out.find(each.address); found != out.end()) {
                found->second.holders.insert(name);
            }
        }
    }
    return out;
}

void judgeSeveral(const Context& context, const reach::Address& address, const Held& held, Judgement& out) {
    const FindingKey key{"R8", address.toString()};
    const auto& since = context.moment->services.held_since;
    for (const auto& host : held.holders) {
        const auto found = since.find({host, address});
        if (found == since.end() || context.network.now - found->second < kMovingMs) {
            return;
        }
    }
    const std::vector<std::string> holders(held.holders.begin(), held.holders.end());
    Finding finding;
    finding.severity = Severity::critical;
    finding.confidence = Confidence::confirmed;
    finding.title = joined(holders) + " hold " + key.second + " at once";
    for (const auto& host : holders) {
        finding.evidence.push_back({"addresses of " + host, "it holds " + key.second});
    }
    for (const auto& from : holders) {
        for (const auto& to : holders) {
            const auto found = context.moment->crossings.advertisements.find({from, to, address});
            if (found != context.moment->crossings.advertisements.end() &&
                found->second.passes != Truth::yes) {
                finding.evidence.push_back(found->second.evidence);
            }
        }
    }
    std::string steps;
    for (const auto& entry : context.moment->model.entries) {
        for (const auto& standby :
             entry.address == address ? entry.standbys : std::vector<topology::Standby>{}) {
            for (const auto& obstacle : standby.obstacles) {
                if (obstacle.kind == topology::ObstacleKind::deaf) {
                    finding.evidence.push_back(obstacle.evidence);
                }
            }
            steps += takeoverSteps(context, entry, standby);
        }
    }
    finding.remedy =
        (steps.empty() ? "If keepalived moves it: let protocol 112 pass between " + joined(holders) +
                             " (on each, before the rule that drops: `meta l4proto 112 accept`), and "
                             "compare virtual_router_id, authentication and interface. Else take the "
                             "address away from one of them.\n"
                       : steps) +
        simulatedBalancer(context);
    finding.not_assessed = {"which of them the switches send packets to"};
    conclude(out, key, std::move(finding));
}

void judgeNone(const Context& context, const reach::Address& address, const Held& held, Judgement& out) {
    const FindingKey key{"R8", address.toString()};
    const auto& last = context.moment->services.last_held;
    const auto found = last.find(address);
    const bool moving = found != last.end() && context.network.now - found->second < kMovingMs;
    // A silent host may hold it.
    const bool all_heard = std::all_of(held.may_hold.begin(), held.may_hold.end(), [&](const auto& name) {
        const auto host = context.network.hosts.find(name);
        return host != context.network.hosts.end() && host->second.agent_present &&
               !host->second.addresses.empty();
    });
    if (held.may_hold.size() < 2 || !all_heard || moving) {
        return;
    }
    const std::vector<std::string> hosts(held.may_hold.begin(), held.may_hold.end());
    Finding finding;
    finding.severity = Severity::critical;
    finding.confidence = Confidence::confirmed;
    finding.title = "Nobody holds " + key.second;
    for (const auto& host : hosts) {
        const bool runs = context.moment->services.vrrp.at(host).runs;
        finding.evidence.push_back(
            {"keepalived of " + host, runs ? "it runs, but the address is not there" : "it does not run"});
    }
    finding.remedy =
        "On " + joined(hosts) +
        ": `systemctl status keepalived` and `journalctl -u keepalived`. An instance in the state "
        "FAULT waits for its interface, or for a check (HAProxy must run).\n" +
        simulatedBalancer(context);
    finding.not_assessed = {"hosts without an agent"};
    conclude(out, key, std::move(finding));
}

}  // namespace

void judgeEntries(const Context& context, Judgement& out) {
    for (const auto& [address, held] : addressesOf(context)) {
        if (held.holders.size() > 1) {
            judgeSeveral(context, address, held, out);
        } else if (held.holders.size() == 1) {
            conclude(out, {"R8", address.toString()}, std::nullopt);
        } else {
            judgeNone(context, address, held, out);
        }
    }
}

}  // namespace lapwing::analysis::redundancy
