#include "collector/analysis/evidence/rules_history.h"

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <sstream>

namespace lapwing::analysis::evidence {

namespace {

constexpr std::int64_t kDayMs = 86'400'000;
/// fail2ban may change the rules every few minutes.
constexpr std::size_t kMostEntries = 64;
constexpr std::size_t kMostCompared = 4;

}  // namespace

void RulesHistory::note(const std::string& host, const std::string& digest, TimestampMs now) {
    auto& entries = hosts_[host];
    if (entries.empty() || entries.back().digest != digest) {
        entries.push_back({digest, entries.empty() ? 0 : now});
    }
    while (entries.size() > 1 && entries[1].since <= now - kDayMs) {
        entries.erase(entries.begin());
    }
    // Keep the first: later rulesets are compared with it.
    if (entries.size() > kMostEntries) {
        entries.erase(entries.begin() + 1);
    }
}

TimestampMs RulesHistory::since(const std::string& host) const {
    const auto found = hosts_.find(host);
    return found == hosts_.end() ? 0 : found->second.back().since;
}

std::optional<RulesChange> RulesHistory::change(const std::string& host) const {
    const auto found = hosts_.find(host);
    if (found == hosts_.end() || found->second.size() < 2) {
        return std::nullopt;
    }
    const auto& entries = found->second;
    RulesChange change{{}, entries[1].since, entries.back().since, entries.size() - 1};
    for (auto entry = entries.rbegin(); entry != entries.rend(); ++entry) {
        const bool fresh =
            entry->digest != entries.back().digest &&
            std::find(change.before.begin(), change.before.end(), entry->digest) == change.before.end();
        if (fresh && (change.before.size() < kMostCompared || std::next(entry) == entries.rend())) {
            change.before.push_back(entry->digest);
        }
    }
    return change;
}

std::string RulesHistory::toText() const {
    std::string out;
    for (const auto& [host, entries] : hosts_) {
        for (const auto& each : entries) {
            out += host + " " + each.digest + " " + std::to_string(each.since) + "\n";
        }
    }
    return out;
}

RulesHistory RulesHistory::fromText(const std::string& text) {
    RulesHistory out;
    std::istringstream lines(text);
    std::string line;
    while (std::getline(lines, line)) {
        const auto first = line.find(' ');
        const auto last = line.rfind(' ');
        if (first != std::string::npos && last > first) {
            out.hosts_[line.substr(0, first)].push_back(
                {line.substr(first + 1, last - first - 1), std::atoll(line.c_str() + last)});
        }
    }
    return out;
}

}  // namespace lapwing::analysis::evidence
