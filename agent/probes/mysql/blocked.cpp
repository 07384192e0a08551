#include "agent/probes/mysql/blocked.h"

#include <algorithm>
#include <cctype>
#include <cstddef>
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
constexpr std::size_t kMostBlockers = 10;
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

const Process* processOf(const std::vector<Process>& processes, const std::string& id) {
    const auto found = std::find_if(processes.begin(), processes.end(),
                                    [&](const Process& process) { return process.id == id; });
    return found == processes.end() ? nullptr : &*found;
}

bool isReplication(const Process& process) {
    return process.user == "system user";
}

bool waitsForLock(std::string_view state) {
    constexpr std::string_view waiting = "Waiting for ";
    constexpr std::string_view for_backup = "Waiting for backup";
    constexpr std::string_view lock_end = " lock";
    const bool lock = state.size() > waiting.size() + lock_end.size() &&
                      state.substr(0, waiting.size()) == waiting &&
                      state.substr(state.size() - lock_end.size()) == lock_end;
    return lock || state.substr(0, for_backup.size()) == for_backup;
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
        blocker.waiter = row.text({"waiter"});
        if (!blocker.kind.empty() && isValidUtf8(blocker.kind)) {
            out.push_back(std::move(blocker));
        }
    }
    return out;
}

void nameAppliersBlockers(const std::vector<Process>& processes, std::vector<Blocker>& blockers) {
    std::vector<Blocker> out;
    for (auto& blocker : blockers) {
        const auto* waiter = processOf(processes, blocker.waiter);
        const auto* holder = processOf(processes, blocker.id);
        if (waiter == nullptr || holder == nullptr || !isReplication(*waiter) || isReplication(*holder)) {
            continue;
        }
        blocker.user = holder->user;
        blocker.host = holder->host;
        out.push_back(std::move(blocker));
    }
    for (const auto& process : processes) {
        if (!isReplication(process) || !waitsForLock(process.state)) {
            continue;
        }
        Blocker blocker;
        blocker.kind = process.state == "Waiting for table metadata lock" ? "metadata_lock" : "lock";
        out.push_back(std::move(blocker));
    }
    out.resize(std::min(out.size(), kMostBlockers));
    blockers = std::move(out);
}

void nameHolder(const Table& locks, const std::vector<Process>& processes, std::vector<Blocker>& blockers) {
    std::set<std::string> objects;
    const Process* holder = nullptr;
    for (const auto& each : locks.rows) {
        const Row row(locks, each);
        const auto* process = processOf(processes, row.text({"blocker"}));
        if (process == nullptr || isReplication(*process)) {
            continue;
        }
        if (holder != nullptr && holder != process) {
            return;
        }
        holder = process;
        // A global lock and the lock of a whole database name no table.
        if (const auto object = row.text({"object"}); !object.empty() && object.back() != '.') {
            objects.insert(object);
        }
    }
    if (holder == nullptr) {
        return;
    }
    for (auto& blocker : blockers) {
        if (blocker.kind == "transaction" || !blocker.id.empty()) {
            continue;
        }
        blocker.id = holder->id;
        blocker.user = holder->user;
        blocker.host = holder->host;
        blocker.statement = withoutLiterals(holder->statement);
        // One of the tables that it holds; the server does not tell which of several the applier wants.
        if (objects.size() == 1) {
            blocker.object = *objects.begin();
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
