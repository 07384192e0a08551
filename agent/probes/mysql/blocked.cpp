#include "agent/probes/mysql/blocked.h"

#include <cctype>
#include <set>
#include <string_view>
#include <utility>

#include "agent/probes/mysql/family_list.h"
#include "agent/probes/mysql/row.h"
#include "common/digest.h"
#include "common/metric_names.h"

namespace lapwing::agent::mysql {
namespace {

constexpr std::size_t kLongestStatement = 500;
constexpr double kStall = 1.5;  // seconds: not the pause between two transactions

std::string documentOf(const Blocker& blocker) {
    const auto known = [](const std::string& text) { return text.empty() ? std::string("unknown") : text; };
    std::string out = "waits for: " + blocker.kind + "\non: " + known(blocker.object);
    out += "\nheld by connection: " + known(blocker.id);
    if (!blocker.user.empty()) {
        out += " (" + blocker.user + "@" + blocker.host + ")";
    }
    out += "\nits statement: " + known(blocker.statement) + "\n";
    return out;
}

bool isWordCharacter(char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '$' || (c & 0x80) != 0;
}

/// The position after the string that begins at `at`: quotes are doubled or escaped inside.
std::size_t endOfString(std::string_view text, std::size_t at) {
    const char quote = text[at++];
    while (at < text.size()) {
        const bool doubled = text[at] == quote && at + 1 < text.size() && text[at + 1] == quote;
        if (text[at] == '\\' || doubled) {
            at += 2;
        } else if (text[at] != quote) {
            ++at;
        } else {
            return at + 1;
        }
    }
    return text.size();
}

}  // namespace

std::map<std::string, double> Stalls::update(const std::vector<ChannelState>& channels,
                                             Clock::time_point now) {
    std::map<std::string, double> out;
    decltype(seen_) seen;
    for (const auto& channel : channels) {
        if (!channel.applier_runs || !channel.backlog) {
            continue;
        }
        const auto before = seen_.find(channel.name);
        const bool still = before != seen_.end() && before->second.applied == channel.applied;
        const auto since = still ? before->second.since : now;
        seen[channel.name] = {channel.applied, since};
        const double seconds = std::chrono::duration<double>(now - since).count();
        if (seconds >= kStall) {
            out[channel.name] = seconds;
        }
    }
    seen_ = std::move(seen);
    return out;
}

std::string withoutLiterals(std::string_view statement) {
    std::string out;
    for (std::size_t at = 0; at < statement.size() && out.size() < kLongestStatement;) {
        const char c = statement[at];
        if (c == '\'' || c == '"') {
            at = endOfString(statement, at);
            out += '?';
        } else if (c >= '0' && c <= '9' && (out.empty() || !isWordCharacter(out.back()))) {
            while (at < statement.size() && (isWordCharacter(statement[at]) || statement[at] == '.')) {
                ++at;
            }
            out += '?';
        } else if (std::isspace(static_cast<unsigned char>(c)) != 0) {
            if (!out.empty() && out.back() != ' ') {
                out += ' ';
            }
            ++at;
        } else {
            out += c;
            ++at;
        }
    }
    while (!isValidUtf8(out)) {
        out.pop_back();
    }
    return out;
}

std::vector<Blocker> parseBlockers(const Table& table) {
    std::vector<Blocker> out;
    for (const auto& each : table.rows) {
        const Row row(table, each);
        Blocker blocker;
        if (const auto channel = row.get({"channel"})) {
            blocker.channel = std::string(*channel);
        }
        blocker.kind = row.text({"kind"});
        blocker.id = row.text({"blocker"});
        blocker.user = row.text({"user"});
        blocker.host = row.text({"host"});
        blocker.statement = withoutLiterals(row.text({"statement"}));
        blocker.object = row.text({"object"});
        if (!blocker.kind.empty() && isValidUtf8(blocker.kind)) {
            out.push_back(std::move(blocker));
        }
    }
    return out;
}

void nameHolder(const Table& locks, std::vector<Blocker>& blockers) {
    std::set<std::string> holders;
    for (const auto& each : locks.rows) {
        holders.insert(Row(locks, each).text({"blocker"}));
    }
    if (holders.size() != 1) {
        return;
    }
    const Row row(locks, locks.rows.front());
    for (auto& blocker : blockers) {
        if (blocker.kind == "transaction" || !blocker.id.empty()) {
            continue;
        }
        blocker.id = *holders.begin();
        blocker.user = row.text({"user"});
        blocker.host = row.text({"host"});
        blocker.statement = withoutLiterals(row.text({"statement"}));
        // One of the tables that it holds; the server does not tell which of several the applier wants.
        if (locks.rows.size() == 1) {
            blocker.object = row.text({"object"});
        }
    }
}

void Blockings::add(const std::map<std::string, double>& stalled, const std::vector<Blocker>& blockers,
                    ProbeResult& out) {
    FamilyList families(out.families, "Of what the applier waits for.");
    decltype(documents_) documents;
    std::set<std::string> told;
    for (const auto& [channel, seconds] : stalled) {
        for (const auto& blocker : blockers) {
            if (blocker.channel && *blocker.channel != channel) {
                continue;
            }
            const auto key = channel + "\n" + blocker.kind + "\n" + blocker.id;
            if (!told.insert(key).second) {
                continue;
            }
            const auto before = documents_.find(key);
            auto document = before == documents_.end() ? documentOf(blocker) : before->second;
            families.add(metric::kMysqlApplierBlockedSeconds,
                         {{"channel_name", channel},
                          {"kind", blocker.kind},
                          {"blocker", isValidUtf8(blocker.id) ? blocker.id : ""},
                          {"digest", sha256(document)}},
                         seconds);
            out.documents.push_back({"mysql_blocker", document});
            documents[key] = std::move(document);
        }
    }
    documents_ = std::move(documents);
}

}  // namespace lapwing::agent::mysql
