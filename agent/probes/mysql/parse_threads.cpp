#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "agent/probes/mysql/family_list.h"
#include "agent/probes/mysql/row.h"
#include "common/digest.h"
#include "common/metric_names.h"

namespace lapwing::agent::mysql {
namespace {

/// A summary of a channel's threads.
struct Threads {
    std::optional<double> heartbeats;
    std::optional<double> heartbeat_age;
    std::string queued;             ///< the last transaction that arrived
    std::set<std::string> applied;  ///< the last of each worker
    std::optional<double> coordinator_age;
    bool coordinating = false;
    std::optional<double> oldest;  ///< age of the oldest transaction that a worker applies
    std::size_t workers = 0;
    std::size_t applying = 0;
    std::size_t stopped = 0;
    bool tells_transactions = false;  ///< MySQL from 8.0
};

/// Nothing if unknown: an idle worker keeps the times of its last transaction, so a positive lag needs a
/// transaction that is being applied, and 0 needs proof that nothing waits.
std::optional<double> applyingAge(const Threads& threads, const ChannelState& channel) {
    if (threads.oldest) {
        return threads.oldest;
    }
    if (threads.applying > 0) {
        return std::nullopt;  // the source does not send commit times
    }
    if (threads.coordinating) {
        return threads.coordinator_age;
    }
    if (!channel.applier_runs || !channel.receiver_runs) {
        return std::nullopt;
    }
    // Transactions without a GTID are all called ANONYMOUS.
    const bool named = !threads.queued.empty() && threads.queued != "ANONYMOUS";
    const bool drained = named ? threads.applied.count(threads.queued) > 0 : !channel.backlog;
    return drained ? std::optional<double>(0) : std::nullopt;
}

void addWorkerError(const std::string& channel, const Row& row, std::set<std::string>& told,
                    FamilyList& families, ProbeResult& out) {
    const auto number = row.number({"error_number"});
    if (!number || *number == 0) {
        return;
    }
    auto text = row.text({"error_message"});
    const auto digest = text.empty() ? std::string() : sha256(text);
    const auto code = std::to_string(static_cast<long long>(*number));
    if (!told.insert(channel + "\n" + code + digest).second) {
        return;
    }
    families.add(metric::kMysqlReplicaErrorInfo,
                 {{"channel_name", channel}, {"thread", "worker"}, {"errno", code}, {"digest", digest}}, 1);
    if (!text.empty()) {
        out.documents.push_back({"mysql_error", std::move(text)});
    }
}

}  // namespace

void parseThreads(const Table& table, const std::vector<ChannelState>& channels, ProbeResult& out) {
    FamilyList families(out.families, "Of the replication tables of performance_schema.");
    std::map<std::string, Threads> all;
    std::set<std::string> told;
    for (const auto& each : table.rows) {
        const Row row(table, each);
        const auto name = row.text({"channel"});
        const auto side = row.text({"side"});
        auto& threads = all[name];
        const bool applies = !row.text({"present"}).empty();
        if (side == "receiver") {
            threads.heartbeats = row.number({"heartbeats"});
            threads.heartbeat_age = row.number({"age"});
            threads.queued = row.text({"last"});
            threads.tells_transactions = row.get({"last"}).has_value();
        } else if (side == "coordinator") {
            threads.coordinating = applies;
            if (applies) {
                threads.coordinator_age = row.number({"age"});
            }
        } else if (side == "worker") {
            ++threads.workers;
            threads.applied.insert(row.text({"last"}));
            if (row.text({"state"}) != "ON") {
                ++threads.stopped;
            } else if (applies) {
                ++threads.applying;
                if (const auto age = row.number({"age"})) {
                    threads.oldest = std::max(threads.oldest.value_or(*age), *age);
                }
            }
            addWorkerError(name, row, told, families, out);
        }
    }
    for (const auto& channel : channels) {
        const auto found = all.find(channel.name);
        if (found == all.end()) {
            continue;
        }
        const auto& threads = found->second;
        const LabelList labels = {{"channel_name", channel.name}};
        if (threads.heartbeats) {
            families.addCounter(metric::kMysqlReplicaReceivedHeartbeatsTotal, labels, *threads.heartbeats);
        }
        if (threads.heartbeat_age) {
            families.add(metric::kMysqlReplicaLastHeartbeatAgeSeconds, labels, *threads.heartbeat_age);
        }
        const auto workers = [&](const char* state, std::size_t count) {
            families.add(metric::kMysqlReplicaWorkers, {{"channel_name", channel.name}, {"state", state}},
                         static_cast<double>(count));
        };
        workers("stopped", threads.stopped);
        if (!threads.tells_transactions) {
            continue;
        }
        workers("applying", threads.applying);
        workers("idle", threads.workers - threads.applying - threads.stopped);
        if (const auto age = applyingAge(threads, channel)) {
            families.add(metric::kMysqlReplicaApplyingAgeSeconds, labels, *age);
        }
    }
}

}  // namespace lapwing::agent::mysql
