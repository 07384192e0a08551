#include "agent/snapshot/helper/read_rules.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>

#include "agent/snapshot/helper/generation.h"
#include "agent/snapshot/helper/last_snapshot.h"
#include "agent/snapshot/helper/unlisted.h"
#include "common/reach/compact.h"
#include "common/run_tool.h"

namespace lapwing::agent {

namespace {

/// The rules of a kernel that does not tell their changes are read again after a hundred times the time that
/// it took: 1 % of a core at most.
constexpr std::int64_t kPauseForCost = 100;
constexpr std::int64_t kLongestPauseMs = 300'000;

ToolOutput run(const CollectOptions& options, const std::vector<std::string>& argv) {
    return runTool(argv, options.rules_deadline, kMostRulesOutput);
}

void listLegacy(const CollectOptions& options, Snapshot& snapshot) {
    if (options.legacy_tables) {
        snapshot.legacy_tables = *options.legacy_tables;
        snapshot.legacy_status = ReadStatus::ok;
        return;
    }
    for (const auto* family : {"ip", "ip6"}) {
        // thread-self: this thread may be in another namespace than its process. The file exists only once
        // the module is loaded.
        const auto path = options.proc + "/thread-self/net/" + family + "_tables_names";
        const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
        if (fd < 0) {
            if (errno != ENOENT) {
                snapshot.legacy_status =
                    errno == EACCES || errno == EPERM ? ReadStatus::denied : ReadStatus::failed;
                snapshot.unread.push_back(path + ": " + std::strerror(errno));
            }
            continue;
        }
        close(fd);
        std::ifstream file(path);
        std::string table;
        while (std::getline(file, table)) {
            snapshot.legacy_tables.push_back(std::string(family) + " " + table);
        }
        if (snapshot.legacy_status == ReadStatus::absent) {
            snapshot.legacy_status = ReadStatus::ok;
        }
    }
}

bool holds(const std::string& text, const char* word) {
    return text.find(word) != std::string::npos;
}

/// The last rules still hold: nftables has not changed since, and what changes unseen was read a short while
/// ago.
bool stillHold(const CollectOptions& options, const Snapshot& last, const Snapshot& now) {
    const bool same_place = last.boot_id == now.boot_id && last.network_namespace == now.network_namespace;
    const bool same_rules = last.rules.generation != 0 && last.rules.generation == now.rules.generation &&
                            last.legacy_tables == now.legacy_tables && last.versions == now.versions;
    const bool read = last.ruleset.status == ReadStatus::ok && last.listing.status == ReadStatus::ok &&
                      std::all_of(last.iptables.begin(), last.iptables.end(),
                                  [](const auto& each) { return each.status == ReadStatus::ok; });
    const auto pause = std::min(kPauseForCost * last.rules.cost_ms, kLongestPauseMs);
    const bool recent = !last.rules.changes_unseen || std::abs(now.time - last.rules.read_ms) < pause;
    if (!same_place || !same_rules || !read || !recent) {
        return false;
    }
    const auto directory = options.previous.substr(0, options.previous.rfind('/') + 1);
    return last.rules.file.empty() || access((directory + last.rules.file).c_str(), R_OK) == 0;
}

void readAll(const CollectOptions& options, Snapshot& snapshot) {
    const auto start = nowMs();
    snapshot.ruleset = run(options, {options.nft, "-j", "-s", "list", "ruleset"});
    snapshot.ruleset.output = reach::compactSets(std::move(snapshot.ruleset.output));
    if (reach::mayLackFacts(snapshot.ruleset.output)) {
        snapshot.ruleset.output = reach::addUnlisted(std::move(snapshot.ruleset.output), readUnlisted());
    }
    const auto& rules = snapshot.ruleset.output;
    // Without the elements of sets: their rules are what people read.
    snapshot.listing = run(options, {options.nft, "-a", "-s", "-t", "list", "ruleset"});
    if (holds(rules, "\"xt\"")) {
        for (const auto* tool : {"/iptables-nft-save", "/ip6tables-nft-save"}) {
            snapshot.iptables.push_back(run(options, {options.tools + tool}));
        }
    }
    for (const auto& table : snapshot.legacy_tables) {
        const bool v4 = table.starts_with("ip ");
        snapshot.iptables.push_back(
            run(options, {options.tools + (v4 ? "/iptables" : "/ip6tables") + "-legacy-save", "-t",
                          table.substr(table.find(' ') + 1)}));
    }
    const bool names_sets = std::any_of(snapshot.iptables.begin(), snapshot.iptables.end(),
                                        [](const auto& save) { return holds(save.output, "-set "); });
    if (names_sets) {
        snapshot.ipsets = run(options, {options.tools + "/ipset", "save"});
        snapshot.ipsets.output = reach::compactIpsets(snapshot.ipsets.output);
    }
    snapshot.rules.read_ms = start;
    snapshot.rules.cost_ms = nowMs() - start;
    snapshot.rules.changes_unseen = !snapshot.legacy_tables.empty() || names_sets ||
                                    holds(rules, "\"dynamic\"") || holds(rules, "timeout") ||
                                    holds(rules, "\"expires\"");
    // A change in between may be in a part of what was read.
    if (rulesetGeneration() != snapshot.rules.generation) {
        snapshot.rules.generation = 0;
    }
}

}  // namespace

void readRules(const CollectOptions& options, Snapshot& snapshot) {
    snapshot.rules.generation = rulesetGeneration();
    listLegacy(options, snapshot);
    auto last = lastSnapshot(options.previous);
    if (last && stillHold(options, *last, snapshot)) {
        snapshot.ruleset = std::move(last->ruleset);
        snapshot.listing = std::move(last->listing);
        snapshot.iptables = std::move(last->iptables);
        snapshot.ipsets = std::move(last->ipsets);
        snapshot.rules = std::move(last->rules);
        return;
    }
    readAll(options, snapshot);
}

}  // namespace lapwing::agent
