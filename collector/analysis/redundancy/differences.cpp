#include <algorithm>
#include <initializer_list>
#include <string_view>

#include "collector/analysis/redundancy/redundancy.h"
#include "common/memory_budget.h"

namespace lapwing::analysis::redundancy {

namespace {

using evidence::Inventory;

constexpr std::size_t kMostDifferences = 8;
/// The set that only load balancers need alike: R9 compares it.
constexpr const char* kOfBalancers = "haproxy";

using Entries = std::map<std::string, std::string>;  ///< name -> digest or version

std::optional<Entries> entriesOf(const Context& context, const std::string& digest) {
    const auto text = context.document ? context.document(digest) : std::nullopt;
    if (!text) {
        return std::nullopt;
    }
    auto entries = readWithinBudget(text->size(), "reading an inventory", [&]() -> Expected<Entries> {
        Entries out;
        std::string_view rest(*text);
        while (!rest.empty()) {
            const auto line = rest.substr(0, rest.find('\n'));
            rest.remove_prefix(std::min(rest.size(), line.size() + 1));
            const auto space = line.find("  ");
            if (space != std::string_view::npos) {
                out[std::string(line.substr(space + 2))] = line.substr(0, space);
            }
        }
        return out;
    });
    return entries ? std::optional(std::move(*entries)) : std::nullopt;
}

const Inventory* inventoryOf(const Context& context, const std::string& host, const std::string& set) {
    const auto& all = context.moment->services.inventories;
    const auto found = all.find(host);
    if (found == all.end()) {
        return nullptr;
    }
    const auto inventory = found->second.find(set);
    return inventory == found->second.end() || inventory->second.digest.empty() ? nullptr
                                                                                : &inventory->second;
}

bool isVersion(const std::string& set) {
    return set == "packages";
}

/// "/srv/app/site.py differs", "nginx is 1.22 on web-01 and 1.24 on web-02"
std::vector<std::string> wordsOf(const std::string& set, const std::string& left, const Entries& left_entries,
                                 const std::string& right, const Entries& right_entries) {
    std::vector<std::string> out;
    const auto say = [&](const std::string& name, std::initializer_list<std::string_view> rest) {
        out.push_back(name);
        for (const auto part : rest) {
            out.back().append(part);
        }
    };
    for (const auto& [name, value] : left_entries) {
        const auto found = right_entries.find(name);
        if (found == right_entries.end()) {
            say(name, {" is on ", left, " only"});
        } else if (found->second != value && isVersion(set)) {
            say(name, {" is ", value, " on ", left, " and ", found->second, " on ", right});
        } else if (found->second != value) {
            say(name, {" differs"});
        }
    }
    for (const auto& [name, value] : right_entries) {
        if (!left_entries.contains(name)) {
            say(name, {" is on ", right, " only"});
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
                finding.parts.push_back({set + " of " + joined({hosts.front(), hosts[i]})});
            } else {
                // The difference is younger than a deployment takes, or not known for that long.
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
        "agents' configuration.\nBoth then answer alike.";
    finding.not_assessed.emplace_back("what an application reads from elsewhere than the declared files");
    conclude(out, key, std::move(finding));
}

}  // namespace

std::optional<std::string> differencesOf(const Context& context, const std::string& set,
                                         const std::string& left, const std::string& right,
                                         std::size_t most) {
    const auto* first = inventoryOf(context, left, set);
    const auto* second = inventoryOf(context, right, set);
    if (first == nullptr || second == nullptr || first->digest == second->digest || !first->covered ||
        !second->covered) {
        return std::nullopt;
    }
    // A deployment may be under way: one host had lately what the other has.
    const bool met = std::any_of(first->recent.begin(), first->recent.end(),
                                 [&](const auto& digest) { return second->recent.contains(digest); });
    if (met) {
        return std::nullopt;
    }
    const auto left_entries = entriesOf(context, first->digest);
    const auto right_entries = entriesOf(context, second->digest);
    std::string text = set + ": ";
    if (!left_entries || !right_entries) {
        return text + "not the same; what differs is not at hand";
    }
    auto words = wordsOf(set, left, *left_entries, right, *right_entries);
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
