#include <algorithm>
#include <array>
#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "agent/probes/mysql/family_list.h"
#include "agent/probes/mysql/heartbeat.h"
#include "common/database_errors.h"
#include "common/metric_names.h"
#include "common/text.h"

namespace lapwing::agent::mysql {
namespace {

/// A shorter wait is told only if its reason tells trouble: an application may give up each of its writes
/// soon.
constexpr double kWorthTelling = 2;  // seconds

/// The list cuts a statement after 100 bytes, perhaps within a character.
constexpr std::size_t kListedBytes = 96;

bool begins(const std::string& statement, const std::string& with) {
    const auto size = std::min(with.size(), kListedBytes);
    return statement.compare(0, size, with, 0, size) == 0;
}

const char* partyName(WaitingParty who) {
    switch (who) {
        case WaitingParty::clients:
            return "clients";
        case WaitingParty::heartbeat:
            return "heartbeat";
        case WaitingParty::agent:
            return "agent";
    }
    return "clients";
}

struct Group {
    double longest = 0;
    double statements = 0;
};

}  // namespace

std::vector<Wait> findWaits(const std::vector<Process>& processes, const std::string& heartbeat,
                            const std::string& own) {
    const auto is_beat = [&](const std::string& statement) {
        return !heartbeat.empty() && (begins(statement, beatBeginning(heartbeat, false)) ||
                                      begins(statement, beatBeginning(heartbeat, true)));
    };
    std::vector<Wait> out;
    for (const auto& process : processes) {
        if (process.user == "system user" || process.command == "Sleep" || !isValidUtf8(process.state)) {
            continue;
        }
        const auto* known = database::knownState(process.state);
        const auto reason = known != nullptr ? known->reason : database::WaitReason::other;
        const bool beat = is_beat(process.statement);
        if (beat || process.id == own || database::stopsCommits(reason)) {
            out.push_back({process.id, reason, process.state, process.seconds,
                           beat ? WaitingParty::heartbeat : WaitingParty::clients});
        }
    }
    return out;
}

bool saysDiskFull(const Refusal& refusal) {
    const auto* known = database::knownError(refusal.code);
    if (known != nullptr && known->kind == database::ErrorClass::disk_full) {
        return true;
    }
    // The errors of files and storage engines have the operating system's number in their text.
    constexpr std::array<std::string_view, 4> no_space = {"No space left on device", "Errcode: 28",
                                                          "errno: 28", "error 28 from storage engine"};
    return refusal.code != 0 && std::any_of(no_space.begin(), no_space.end(), [&](std::string_view text) {
               return refusal.message.find(text) != std::string::npos;
           });
}

void addWaits(const std::vector<Wait>& waits, const std::string& own, std::optional<double> pending,
              Families& out) {
    std::map<std::tuple<std::string, std::string, std::string>, Group> groups;  // by reason, state, who
    for (const auto& wait : waits) {
        const bool is_own = !own.empty() && wait.id == own;
        const auto who = is_own ? WaitingParty::heartbeat : wait.who;
        const double seconds = is_own && pending ? std::max(*pending, wait.seconds) : wait.seconds;
        const bool waits_now =
            is_own ? pending.has_value() : seconds >= kWorthTelling || database::tellsTrouble(wait.reason);
        if (!waits_now || (who == WaitingParty::clients && !database::stopsCommits(wait.reason))) {
            continue;
        }
        auto& group = groups[{database::waitReasonName(wait.reason), wait.state, partyName(who)}];
        group.longest = std::max(group.longest, seconds);
        ++group.statements;
    }
    FamilyList families(out, "Of statements that cannot finish, by the server's own text.");
    for (const auto& [key, group] : groups) {
        const auto& [reason, state, who] = key;
        const LabelList labels = {{"reason", reason}, {"state", state}, {"who", who}};
        families.add(metric::kMysqlWaitingSeconds, labels, group.longest);
        families.add(metric::kMysqlWaitingStatements, labels, group.statements);
    }
}

}  // namespace lapwing::agent::mysql
