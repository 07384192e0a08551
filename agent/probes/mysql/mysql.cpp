#include "agent/probes/mysql/mysql.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include "agent/probes/mysql/family_list.h"
#include "agent/probes/mysql/grants.h"
#include "agent/probes/mysql/row.h"
#include "agent/probes/mysql/statements.h"
#include "common/metric_names.h"

namespace lapwing::agent::mysql {
namespace {

using std::chrono::milliseconds;

constexpr const char* kSource = "source";
constexpr const char* kProcess = "process";
constexpr const char* kThreads = "threads";
constexpr const char* kReplicas = "replicas";
constexpr const char* kLocks = "locks";

constexpr milliseconds kBeatIsFresh{1'600};
constexpr int kRenewals = 6;               // status intervals
constexpr double kLongestRoundTrip = 0.2;  // seconds: half of it is the error of the clock offset

// Error numbers of the servers (mysqld_error.h). kAbsent: the object does not exist, and will not.
constexpr unsigned kLockWaitTimeout = 1205;
constexpr std::array<unsigned, 7> kAbsent = {1049, 1054, 1064, 1109, 1146, 1193, 1305};

bool isAbsent(unsigned code) {
    return std::find(kAbsent.begin(), kAbsent.end(), code) != kAbsent.end();
}

double wallClock() {
    return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace

MysqlProbe::MysqlProbe(Settings settings, HeartbeatSettings heartbeat, milliseconds status_interval)
    : connection_(std::move(settings)),
      heartbeat_(std::move(heartbeat)),
      status_interval_(status_interval),
      beater_(connection_, mutex_, heartbeat_) {}

/// Asks for the server's version and our account: once a session.
Expected<void> MysqlProbe::greet(Clock::time_point until) {
    if (greeted_session_ == connection_.session()) {
        return {};
    }
    const auto answer =
        connection_.query("SELECT VERSION(), @@version_comment, CURRENT_USER(), @@global.server_id", until);
    if (!answer) {
        return tl::unexpected(answer.error());
    }
    if (answer->rows.size() != 1 || answer->rows[0].size() != 4 || !answer->rows[0][0]) {
        return fail(ErrorKind::protocol,
                    connection_.settings().place() + ": the server does not tell its version");
    }
    version_text_ = *answer->rows[0][0];
    version_comment_ = answer->rows[0][1].value_or("");
    version_ = parseVersion(version_text_);
    account_ = answer->rows[0][2].value_or("");
    connection_.setAccount(account_);
    server_id_ = answer->rows[0][3].value_or("");
    if (const auto set = connection_.query(sessionStatement(version_), until); !set) {
        return tl::unexpected(set.error());
    }
    performance_schema_ = false;
    if (!version_.mariadb) {
        const auto on = connection_.query("SELECT @@global.performance_schema", until);
        if (!on && on.error().kind != ErrorKind::execution) {
            return tl::unexpected(on.error());
        }
        performance_schema_ = on && on->rows.size() == 1 && on->rows[0].at(0) == "1";
    }
    parts_.clear();
    parts_[kSource].privilege = sourcePrivilege(version_);
    parts_[kProcess].privilege = "PROCESS";
    parts_[kThreads].privilege = "SELECT ON performance_schema.*";
    parts_[kLocks].privilege = version_.mariadb ? "PROCESS" : "SELECT ON performance_schema.*";
    // A session keeps the format that it began with. Versions without the variable log rows.
    const auto format = connection_.query("SELECT @@session.binlog_format", until);
    if (!format && format.error().kind != ErrorKind::execution) {
        return tl::unexpected(format.error());
    }
    by_statement_ = format && format->rows.size() == 1 && format->rows[0].at(0) == "STATEMENT";
    has_replicas_.reset();
    greeted_session_ = connection_.session();
    greeted_ = Clock::now();
    return {};
}

/// Privileges granted ON *.* apply from the next session on.
void MysqlProbe::renewSession(Clock::time_point now) {
    const bool denied =
        replica_denied_ || std::any_of(parts_.begin(), parts_.end(), [](const auto& entry) {
            return entry.second.state == Part::State::denied && !entry.second.privilege.empty();
        });
    if (!denied || greeted_session_ == 0 || now - greeted_ < kRenewals * status_interval_) {
        return;
    }
    if (connection_.idle(greeted_session_)) {
        connection_.close();
    }
}

/// Asks for a part, unless it is known to be refused; nothing then.
Expected<std::optional<Table>> MysqlProbe::askPart(Part& part, const std::string& statement,
                                                   Clock::time_point until) {
    if (part.state == Part::State::absent || part.state == Part::State::denied) {
        return std::nullopt;
    }
    auto answer = connection_.query(statement, until);
    if (answer) {
        part.state = Part::State::able;
        return std::optional<Table>(std::move(*answer));
    }
    const auto kind = answer.error().kind;
    if (kind == ErrorKind::denied) {
        part.state = Part::State::denied;
        part.statement = statement.substr(0, 60);
    } else if (kind == ErrorKind::execution) {
        if (isAbsent(connection_.refusal().code)) {
            part.state = Part::State::absent;
        }
    } else {
        return tl::unexpected(answer.error());
    }
    return std::nullopt;
}

/// Finds out which parts the account may see now: it may have been granted more.
Expected<void> MysqlProbe::tryParts(Clock::time_point until) {
    for (auto& [name, part] : parts_) {
        if (part.state == Part::State::denied) {
            part.state = Part::State::untried;
        }
    }
    auto& process = parts_[kProcess];
    if (process.state == Part::State::untried) {
        const auto answer = askPart(process, processStatement(version_, performance_schema_), until);
        if (!answer) {
            return tl::unexpected(answer.error());
        }
        process.statement = "information_schema.INNODB_TRX";
    }
    if (heartbeat_.mode == HeartbeatMode::off) {
        return {};
    }
    beater_.forgetDenial();
    Part table;
    const auto answer =
        askPart(table, "SELECT server_id, ts FROM " + heartbeat_.quoted() + " LIMIT 0", until);
    if (!answer) {
        return tl::unexpected(answer.error());
    }
    if (table.state == Part::State::untried) {
        return {};  // locked for now, or the like
    }
    // The server reports a hidden database like a missing database.
    table_refusal_ = table.state == Part::State::able     ? HeartbeatRefusal::none
                     : table.state == Part::State::denied ? HeartbeatRefusal::no_grant
                                                          : HeartbeatRefusal::no_table;
    return {};
}

Expected<Pulse> MysqlProbe::takePulse(Clock::time_point until, ProbeResult& out) {
    PulseParts parts;
    parts.performance_schema = performance_schema_;
    parts.process = parts_[kProcess].state == Part::State::able;
    if (table_refusal_ == HeartbeatRefusal::none) {
        parts.heartbeat = heartbeat_.quoted();
    }
    auto before = wallClock();
    auto answer = connection_.query(pulseStatement(version_, parts), until);
    if (!answer &&
        (answer.error().kind == ErrorKind::denied || answer.error().kind == ErrorKind::execution)) {
        parts.heartbeat.clear();
        // Unless the table is locked for the moment, one part has gone; the next run finds out which.
        if (connection_.refusal().code != kLockWaitTimeout) {
            parts.process = false;
            parts_[kProcess].state = Part::State::untried;
            table_refusal_ = HeartbeatRefusal::no_table;
            next_whole_ = {};
        }
        before = wallClock();
        answer = connection_.query(pulseStatement(version_, parts), until);
    }
    const auto after = wallClock();
    if (!answer) {
        return tl::unexpected(answer.error());
    }
    auto pulse = parsePulse(*answer);
    std::optional<double> offset;
    const double round_trip = after - before;
    if (pulse.utc && round_trip >= 0 && round_trip < kLongestRoundTrip) {
        offset = *pulse.utc - (before + after) / 2;
    }
    addPulse(pulse, offset, out.families);
    return pulse;
}

Expected<void> MysqlProbe::askSource(Clock::time_point until, bool whole, ProbeResult& out) {
    auto& part = parts_[kSource];
    const auto status = askPart(part, sourceStatement(version_), until);
    if (!status) {
        return tl::unexpected(status.error());
    }
    binlog_ = *status ? parseBinlogPlace(**status) : std::nullopt;
    if (!binlog_) {
        return {};
    }
    addBinlogPlace(*binlog_, out.families);
    std::vector<BinlogFile> files;
    if (whole || binlog_counter_.needsFiles(*binlog_)) {
        const auto logs = askPart(part, "SHOW BINARY LOGS", until);
        if (!logs) {
            return tl::unexpected(logs.error());
        }
        if (*logs) {
            files = parseBinaryLogs(**logs);
        }
        if (whole && *logs) {
            addBinaryLogs(files, out.families);
        }
    }
    out.families.push_back(counter(metric::kMysqlBinlogWrittenBytesTotal,
                                   "Written to the binary log since the agent began to look."));
    add(out.families.back(), {}, binlog_counter_.update(*binlog_, files));
    return {};
}

Expected<void> MysqlProbe::askAppliers(Clock::time_point until, const std::vector<ChannelState>& channels,
                                       ProbeResult& out) {
    const auto stalled = stalls_.update(channels, Clock::now());
    if (!channels.empty() && performance_schema_) {
        const auto threads = askPart(parts_[kThreads], threadsStatement(version_), until);
        if (!threads) {
            return tl::unexpected(threads.error());
        }
        if (*threads) {
            parseThreads(**threads, channels, out);
        }
    }
    std::vector<Blocker> blockers;
    // Expensive statements, only for an applier that makes no progress.
    if (!stalled.empty()) {
        const auto waits = askPart(parts_[kLocks], blockerStatement(version_), until);
        if (!waits) {
            return tl::unexpected(waits.error());
        }
        if (*waits) {
            blockers = parseBlockers(**waits);
        }
        const bool unnamed = std::any_of(blockers.begin(), blockers.end(),
                                         [](const Blocker& blocker) { return blocker.id.empty(); });
        if (unnamed && version_.mariadb) {
            // The plugin may be installed at any time: never give up, and conclude nothing from its absence.
            Part plugin;
            const auto locks = askPart(plugin, metadataLocksStatement(version_), until);
            if (!locks) {
                return tl::unexpected(locks.error());
            }
            if (*locks) {
                nameHolder(**locks, blockers);
            }
        }
    }
    blockings_.add(stalled, blockers, out);
    return {};
}

Expected<void> MysqlProbe::askStatus(Clock::time_point until, ProbeResult& out) {
    out.families.push_back(gauge(exporter::kMysqlVersionInfo, "1."));
    add(out.families.back(), {{"version", version_text_}, {"version_comment", version_comment_}}, 1);
    const auto status = connection_.query(globalStatusStatement(), until);
    if (!status) {
        return tl::unexpected(status.error());
    }
    parseGlobalStatus(*status, out.families);
    parseSemiSync(*status, out.families);
    const auto variables = connection_.query(globalVariablesStatement(), until);
    if (!variables) {
        return tl::unexpected(variables.error());
    }
    parseGlobalVariables(*variables, out.families);
    parseServerInfo(version_, version_text_, *variables, out.families);
    const auto replicas = askPart(parts_[kReplicas], replicasStatement(version_), until);
    if (!replicas) {
        return tl::unexpected(replicas.error());
    }
    if (*replicas) {
        parseReplicas(**replicas, out.families);
    }
    has_replicas_ = slavesConnected(*status);
    if (!has_replicas_ && *replicas) {
        has_replicas_ = !(*replicas)->rows.empty();
    }
    return {};
}

void MysqlProbe::planBeat(const Pulse& pulse, std::size_t channels, bool whole, ProbeResult& out) {
    if (channels > 0) {
        had_channel_ = true;
    }
    const auto now = Clock::now();
    const auto& state = beater_.state();
    const bool beats = state.last && now - *state.last < kBeatIsFresh;
    // A server that has beaten is a primary, until it has a channel again.
    if (beats && channels == 0) {
        had_channel_ = false;
    }

    HeartbeatFacts facts;
    facts.mode = heartbeat_.mode;
    facts.table = state.denied ? HeartbeatRefusal::no_grant : table_refusal_;
    facts.read_only = pulse.read_only.value_or(true) || pulse.super_read_only.value_or(false);
    facts.channels = channels;
    facts.was_replica = had_channel_ || !pulse.heartbeats || othersBeatLast(*pulse.heartbeats, server_id_);
    facts.has_replicas = pulse.dump_threads ? std::optional<bool>(*pulse.dump_threads > 0) : has_replicas_;
    const auto refusal = mayBeat(facts);

    std::optional<BeatPlan> plan;
    if (refusal == HeartbeatRefusal::none && pulse.utc) {
        plan.emplace();
        plan->session = connection_.session();
        plan->version = version_;
        plan->beat.server_id = server_id_;
        if (binlog_) {
            plan->beat.file = binlog_->file;
        }
        if (binlog_) {
            plan->beat.position = std::to_string(static_cast<std::uint64_t>(binlog_->position));
        }
        plan->beat.guard_read_only = canGuardReadOnly(by_statement_);
        plan->beat.guard_channels = heartbeat_.mode != HeartbeatMode::multi_primary &&
                                    parts_[kThreads].state == Part::State::able &&
                                    canGuardChannels(version_, performance_schema_, by_statement_);
        plan->row_exists =
            pulse.heartbeats && std::any_of(pulse.heartbeats->begin(), pulse.heartbeats->end(),
                                            [&](const auto& row) { return row.server_id == server_id_; });
        plan->server_time = *pulse.utc;
        plan->made = now;
    }
    beater_.setPlan(std::move(plan));

    if (refusal == HeartbeatRefusal::off) {
        return;
    }
    const bool may = refusal != HeartbeatRefusal::no_table && refusal != HeartbeatRefusal::no_grant &&
                     heartbeat_.mode != HeartbeatMode::read;
    if (may) {
        out.families.push_back(gauge(metric::kMysqlHeartbeatWriting, "1 while this agent beats."));
        add(out.families.back(), {}, beats ? 1 : 0);
    }
    if (whole && refusal != HeartbeatRefusal::none) {
        out.families.push_back(gauge(metric::kMysqlHeartbeatRefusedInfo, "Why this agent does not beat."));
        add(out.families.back(), {{"reason", heartbeatRefusalName(refusal)}}, 1);
    }
}

void MysqlProbe::reportMissing(bool whole, ProbeResult& out) const {
    std::map<std::string, std::string> missing;  // by privilege
    for (const auto& [name, part] : parts_) {
        if (part.state == Part::State::denied && !part.privilege.empty()) {
            missing.try_emplace(part.privilege, part.statement);
        }
    }
    for (const auto& [privilege, statement] : missing) {
        out.note += (out.note.empty() ? "not seen: " : "; ") + statement + " (" +
                    grantStatement(privilege, account_) + ")";
    }
    if (!whole || missing.empty()) {
        return;
    }
    FamilyList families(out.families, "What the account may not see; the status says what to grant.");
    for (const auto& [privilege, statement] : missing) {
        families.add(metric::kMysqlPrivilegeMissing, {{"privilege", privilege}, {"statement", statement}}, 1);
    }
}

Expected<std::optional<Error>> MysqlProbe::run(Clock::time_point until, bool whole, ProbeResult& out) {
    if (whole) {
        renewSession(Clock::now());
    }
    if (auto ready = connection_.ready(until); !ready) {
        return tl::unexpected(ready.error());
    }
    if (auto greeted = greet(until); !greeted) {
        return tl::unexpected(greeted.error());
    }
    if (whole) {
        if (auto tried = tryParts(until); !tried) {
            return tl::unexpected(tried.error());
        }
    }
    const auto pulse = takePulse(until, out);
    if (!pulse) {
        return tl::unexpected(pulse.error());
    }
    const auto replica = connection_.query(replicaStatement(version_), until);
    // Without this privilege the remaining data is still useful.
    replica_denied_ = !replica && replica.error().kind == ErrorKind::denied;
    if (!replica && replica.error().kind != ErrorKind::denied) {
        return tl::unexpected(replica.error());
    }
    if (replica) {
        parseReplicaStatus(*replica, {pulse->utc, whole}, out);
        const auto channels = channelStates(*replica);
        if (auto asked = askAppliers(until, channels, out); !asked) {
            return tl::unexpected(asked.error());
        }
    }
    if (auto asked = askSource(until, whole, out); !asked) {
        return tl::unexpected(asked.error());
    }
    if (whole) {
        if (auto asked = askStatus(until, out); !asked) {
            return tl::unexpected(asked.error());
        }
    }
    if (replica) {
        planBeat(*pulse, replica->rows.size(), whole, out);
    } else {
        beater_.setPlan(std::nullopt);
    }
    reportMissing(whole, out);
    return replica ? std::nullopt : std::optional<Error>(replica.error());
}

Expected<ProbeResult> MysqlProbe::collect(const Deadline& deadline) {
    const auto now = Clock::now();
    const auto until = now + deadline.budget();
    const std::unique_lock lock(mutex_, until);
    if (!lock.owns_lock()) {
        return fail(ErrorKind::timeout, "a beat has not come back within the deadline");
    }
    const bool whole = now >= next_whole_ || greeted_session_ == 0;
    ProbeResult out;
    next_whole_ = whole ? now + status_interval_ - milliseconds(100) : next_whole_;
    const auto done = run(until, whole, out);
    out.families.push_back(gauge(exporter::kMysqlUp, "1 if the server answered."));
    add(out.families.back(), {}, done ? 1 : 0);
    out.failure = done ? *done : std::optional<Error>(done.error());
    // The series of a failed run end, so the next run asks for everything.
    out.partial = !whole && !out.failure;
    if (out.failure) {
        next_whole_ = {};
    }
    return out;
}

}  // namespace lapwing::agent::mysql
