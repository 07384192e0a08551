#include <algorithm>
#include <initializer_list>
#include <sstream>
#include <string_view>

#include "collector/analysis/redundancy/redundancy.h"

namespace lapwing::analysis::redundancy {

namespace {

using evidence::Inventory;

constexpr std::size_t kMostDifferences = 8;
/// What only load balancers need alike: of them R9 speaks.
constexpr const char* kOfBalancers = "haproxy";

using Entries = std::map<std::string, std::string>;  ///< name -> digest or version

std::optional<Entries> entriesOf(const Context& context, const std::string& digest) {
    const auto text = context.document ? context.document(digest) : std::nullopt;
    if (!text) {
        return std::nullopt;
    }
    Entries out;
    std::istringstream in(*text);
    for (std::string line; std::getline(in, line);) {
        const auto space = line.find("  ");
        if (space != std::string::npos) {
            out[line.substr(space + 2)] = line.substr(0, space);
        }
    }
    return out;
}

const Inventory* inventoryOf(const Context& context, const std::string& host, const std::string& set) {
    const auto& all = context.moment->services.inventories;
    const auto found = all.find(host);
    if (found == all.end()) {
        return nullptr;
    }
    const auto one = found->second.find(set);
    return one == found->second.end() || one->second.digest.empty() ? nullptr : &one->second;
}

bool isVersion(const std::string& set) {
    return set == "packages";
}

/// "/srv/app/site.py differs", "nginx is 1.22 on web-01 and 1.24 on web-02"
std::vector<std::string> wordsOf(const std::string& set, const std::string& one, const Entries& ones,
                                 const std::string& other, const Entries& others) {
    std::vector<std::string> out;
    const auto say = [&](const std::string& name, std::initializer_list<std::string_view> rest) {
        out.push_back(name);
        for (const auto part : rest) {
            out.back().append(part);
        }
    };
    for (const auto& [name, value] : ones) {
        const auto found = others.find(name);
        if (found == others.end()) {
            say(name, {" is on ", one, " only"});
        } else if (found->second != value && isVersion(set)) {
            say(name, {" is ", value, " on ", one, " and ", found->second, " on ", other});
        } else if (found->second != value) {
            say(name, {" differs"});
        }
    }
    for (const auto& [name, value] : others) {
        if (!ones.contains(name)) {
            say(name, {" is on ", other, " only"});
        }
    }
    return out;
}

/// The hosts of one pool.
std::vector<std::string> hostsOf(const topology::Pool& pool) {
    std::set<std::string> out;
    for (const auto& member : pool.members) {
        out.insert(member.host);
    }
    return {out.begin(), out.end()};
}

void judgeHosts(const Context& context, const std::vector<std::string>& hosts, Judgement& out) {
    std::set<std::string> sets;
    for (const auto& host : hosts) {
        const auto found = context.moment->services.inventories.find(host);
        if (found != context.moment->services.inventories.end()) {
            for (const auto& [set, inventory] : found->second) {
                sets.insert(set);
            }
        }
    }
    sets.erase(kOfBalancers);
    Finding finding;
    bool compared = false;
    bool covered = true;
    for (const auto& set : sets) {
        const auto* first = inventoryOf(context, hosts.front(), set);
        for (std::size_t i = 1; i < hosts.size(); ++i) {
            const auto* other = inventoryOf(context, hosts[i], set);
            if (first == nullptr || other == nullptr) {
                finding.not_assessed.push_back(set + ": " + (first == nullptr ? hosts.front() : hosts[i]) +
                                               " does not tell of it");
                continue;
            }
            compared = true;
            if (first->digest == other->digest) {
                continue;
            }
            if (const auto text = differencesOf(context, set, hosts.front(), hosts[i], kMostDifferences)) {
                finding.evidence.push_back({"inventory of " + joined({hosts.front(), hosts[i]}), *text});
            } else {
                // Not for longer than a deployment takes, or not known for that long.
                covered = covered && first->covered && other->covered;
            }
        }
    }
    const FindingKey key{"R14", joined(hosts)};
    if (finding.evidence.empty()) {
        if (compared && covered) {
            conclude(out, key, std::nullopt);
        }
        return;
    }
    finding.severity = Severity::medium;
    finding.confidence = Confidence::confirmed;
    finding.title = joined(hosts) + " do not serve the same";
    finding.remedy =
        "Install the same version on each, and copy what was changed on one only. Files that may differ from "
        "host to host (a cache, a node's name) are to be left out: `probes.inventory.files[].exclude` in the "
        "agents' configuration.\nSimulated, the single points stay as they are: " +
        singlePointsText(context.moment->model) + ". What changes is that both answer alike.";
    finding.not_assessed.emplace_back("what an application reads from elsewhere than the declared files");
    conclude(out, key, std::move(finding));
}

}  // namespace

std::optional<std::string> differencesOf(const Context& context, const std::string& set,
                                         const std::string& one, const std::string& other, std::size_t most) {
    const auto* first = inventoryOf(context, one, set);
    const auto* second = inventoryOf(context, other, set);
    if (first == nullptr || second == nullptr || first->digest == second->digest || !first->covered ||
        !second->covered) {
        return std::nullopt;
    }
    // What one of them had within the time of a deployment the other may be about to get.
    const bool met = std::any_of(first->recent.begin(), first->recent.end(),
                                 [&](const auto& digest) { return second->recent.contains(digest); });
    if (met) {
        return std::nullopt;
    }
    const auto ones = entriesOf(context, first->digest);
    const auto others = entriesOf(context, second->digest);
    std::string text = set + ": ";
    if (!ones || !others) {
        return text + "not the same; what differs is not at hand";
    }
    auto words = wordsOf(set, one, *ones, other, *others);
    const auto all = words.size();
    words.resize(std::min(all, most));
    text += joined(words);
    return all > most ? text + ", and " + std::to_string(all - most) + " more" : text;
}

void judgeDifferences(const Context& context, Judgement& out) {
    std::set<std::vector<std::string>> seen;
    for (const auto& pool : context.moment->model.pools) {
        const auto hosts = hostsOf(pool);
        if (hosts.size() > 1 && seen.insert(hosts).second) {
            judgeHosts(context, hosts, out);
        }
    }
}

}  // namespace lapwing::analysis::redundancy
