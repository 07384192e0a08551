#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "agent/probes/mysql/family_list.h"
#include "agent/probes/mysql/row.h"
#include "common/metric_names.h"
#include "common/text.h"

namespace lapwing::agent::mysql {
namespace {

/// Every commit waits for a moment.
constexpr double kWorthTelling = 2;  // seconds

struct Group {
    double longest = 0;
    double statements = 0;
};

}  // namespace

std::vector<Wait> parseWaits(const Table& table) {
    std::vector<Wait> out;
    for (const auto& each : table.rows) {
        const Row row(table, each);
        Wait wait;
        wait.id = row.text({"id"});
        wait.state = row.text({"state"});
        wait.seconds = row.number({"seconds"}).value_or(0);
        wait.beat = row.text({"beat"}) == "1";
        if (const auto* known = database::knownState(wait.state)) {
            wait.reason = known->reason;
        }
        if (isValidUtf8(wait.state)) {
            out.push_back(std::move(wait));
        }
    }
    return out;
}

void addWaits(const std::vector<Wait>& waits, const std::string& own, std::optional<double> pending,
              Families& out) {
    std::map<std::tuple<std::string, std::string, std::string>, Group> groups;  // by reason, state, who
    for (const auto& wait : waits) {
        const bool beat = wait.beat || wait.id == own;
        const double seconds = wait.id == own && pending ? std::max(*pending, wait.seconds) : wait.seconds;
        const bool waits_now = wait.id == own ? pending.has_value() : seconds >= kWorthTelling;
        if (!waits_now || (!beat && !database::stopsCommits(wait.reason))) {
            continue;
        }
        auto& group =
            groups[{database::waitReasonName(wait.reason), wait.state, beat ? "heartbeat" : "clients"}];
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
