#include "agent/probes/mysql/mysql.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "agent/probes/http_target.h"
#include "agent/probes/mysql/family_list.h"
#include "agent/probes/mysql/grants.h"
#include "agent/probes/mysql/row.h"
#include "agent/probes/mysql/statements.h"
#include "common/database_errors.h"
#include "common/memory_budget.h"
#include "common/metric_names.h"
#include "common/model/clock.h"
#include "common/text.h"

namespace lapwing::agent::mysql {
namespace {

using std::chrono::milliseconds;

constexpr const char* kReplica = "replica";
constexpr const char* kSource = "source";
constexpr const char* kProcess = "process";
constexpr const char* kThreads = "threads";
constexpr const char* kReplicas = "replicas";
constexpr const char* kLocks = "locks";
constexpr const char* kStatus = "status";
constexpr const char* kInnodb = "innodb";
constexpr const char* kResponseTimes = "response_times";

constexpr milliseconds kBeatIsFresh{1'600};
/// By then the first beat after a wait has come.
constexpr milliseconds kRecovery{10'000};
constexpr milliseconds kBeatIsLate{1'000};
constexpr milliseconds kPartMayTake{2'000};  // a part that takes longer must not take the others with it
constexpr milliseconds kLook{10};            // for the answer to a statement that was set aside
constexpr int kRenewals = 6;                 // status intervals
constexpr int kWholeRuns = 6;                // status intervals
constexpr std::chrono::seconds kCloseLook{30};
constexpr double kLongestBeat = 1;         // seconds: a longer beat waits
constexpr double kLongestRoundTrip = 0.2;  // seconds: half of it is the error of the clock offset

// Error numbers of the servers (mysqld_error.h). kAbsent: the object does not exist, and will not.
constexpr unsigned kLockWaitTimeout = 1205;
constexpr std::array<unsigned, 7> kAbsent = {1049, 1054, 1064, 1109, 1146, 1193, 1305};

bool isAbsent(unsigned code) {
    return std::find(kAbsent.begin(), kAbsent.end(), code) != kAbsent.end();
}

/// The result of a run whose pulse was answered: lost connections alone mean that the server is gone.
Expected<std::optional<Error>> ofAnswering(const Error& error) {
    const bool answers = error.kind == ErrorKind::timeout || error.kind == ErrorKind::execution ||
                         error.kind == ErrorKind::denied;
    return answers ? Expected<std::optional<Error>>(error) : tl::unexpected(error);
}

double wallClock() {
    return static_cast<double>(nowUs()) / 1e6;
}

}  // namespace

MysqlProbe::MysqlProbe(Settings settings, HeartbeatSettings heartbeat, milliseconds status_interval)
    : connection_(std::move(settings)),
      heartbeat_(std::move(heartbeat)),
      status_interval_(status_interval),
      beater_(connection_.settings(), heartbeat_) {}

Expected<Table> MysqlProbe::ask(const std::string& statement, Clock::time_point until) {
    auto answer = connection_.query(statement, until);
    if (!answer) {
        noteRefusal(connection_.refusal());
    }
    return answer;
}

void MysqlProbe::noteRefusal(const Refusal& refusal) {
    if (!saysDiskFull(refusal)) {
        return;
    }
    refused_for_disk_ = true;
    if (!disk_full_) {
        // The first text: the names of temporary files differ from one statement to the next.
        const auto text = "error " + std::to_string(refusal.code) + ": " + refusal.message;
        disk_full_ =
            DiskFull{isValidUtf8(text) ? text : "error " + std::to_string(refusal.code), Clock::now()};
    }
}

/// The list of processes, at most once a run.
Expected<const std::vector<Process>*> MysqlProbe::askProcesses(Clock::time_point until) {
    if (!processes_) {
        const auto answer = ask(processListStatement(version_, performance_schema_), until);
        const bool refused = !answer && (answer.error().kind == ErrorKind::denied ||
                                         answer.error().kind == ErrorKind::execution);
        if (!answer && !refused) {
            return tl::unexpected(answer.error());
        }
        processes_ = answer ? parseProcesses(*answer) : std::vector<Process>();
    }
    return &*processes_;
}

/// Asks for the server's version and our account: once a session.
Expected<void> MysqlProbe::greet(Clock::time_point until) {
    if (greeted_session_ == connection_.session()) {
        return {};
    }
    const auto answer = ask("SELECT VERSION(), @@version_comment, CURRENT_USER(), @@global.server_id", until);
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
    if (const auto set = ask(sessionStatement(version_), until); !set) {
        return tl::unexpected(set.error());
    }
    performance_schema_ = false;
    if (!version_.mariadb) {
        const auto on = ask("SELECT @@global.performance_schema", until);
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
    auto answer = ask(statement, until);
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
    auto answer = ask(pulseStatement(version_, parts), until);
    if (!answer &&
        (answer.error().kind == ErrorKind::denied || answer.error().kind == ErrorKind::execution)) {
        parts.heartbeat.clear();
        // Unless the table is locked for the moment, one part has gone; the next run finds out which.
        if (connection_.refusal().code != kLockWaitTimeout) {
            parts.process = false;
            parts_[kProcess].state = Part::State::untried;
            table_refusal_ = HeartbeatRefusal::no_table;
            next_status_ = {};
        }
        before = wallClock();
        answer = ask(pulseStatement(version_, parts), until);
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

Expected<std::vector<Blocker>> MysqlProbe::askBlockers(Clock::time_point until) {
    const auto waits = askPart(parts_[kLocks], blockerStatement(version_), until);
    if (!waits) {
        return tl::unexpected(waits.error());
    }
    if (!*waits) {
        return std::vector<Blocker>();
    }
    auto blockers = parseBlockers(**waits);
    if (hasLockTables(version_)) {
        return blockers;
    }
    const auto processes = askProcesses(until);
    if (!processes) {
        return tl::unexpected(processes.error());
    }
    nameAppliersBlockers(**processes, blockers);
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
            nameHolder(**locks, **processes, blockers);
        }
    }
    return blockers;
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
        auto found = askBlockers(until);
        if (!found) {
            return tl::unexpected(found.error());
        }
        blockers = std::move(*found);
    }
    blockings_.add(stalled, blockers, out);
    return {};
}

/// Looks for statements that cannot finish. A long list of processes is expensive: it is looked at every
/// second only while a beat or a commit waits, and for a while after a wait that tells trouble: an
/// application may give up each of its writes soon.
Expected<void> MysqlProbe::askWaits(Clock::time_point until, bool whole, ProbeResult& out) {
    const auto state = beater_.state();
    const auto now = Clock::now();
    std::optional<double> pending;
    if (state.pending_since && now - *state.pending_since >= kBeatIsLate) {
        pending = std::chrono::duration<double>(now - *state.pending_since).count();
        out.families.push_back(
            gauge(metric::kMysqlHeartbeatPendingSeconds, "How long a write of the heartbeat has waited."));
        add(out.families.back(), {}, *pending);
    }
    if (now - state.refused_at < kBeatIsFresh) {
        noteRefusal(state.refusal);
    }
    const auto own = state.thread != 0 ? std::to_string(state.thread) : std::string();
    if (whole || pending || !waits_.empty() || now < looks_closely_until_) {
        const auto processes = askProcesses(until);
        if (!processes) {
            return tl::unexpected(processes.error());
        }
        const bool reads_table = heartbeat_.mode != HeartbeatMode::off;
        waits_ = findWaits(**processes, reads_table ? heartbeat_.quoted() : std::string(), own);
        if (!pending) {
            std::erase_if(waits_, [&](const Wait& wait) { return wait.id == own; });
        }
        if (std::any_of(waits_.begin(), waits_.end(),
                        [](const Wait& wait) { return database::tellsTrouble(wait.reason); })) {
            looks_closely_until_ = now + kCloseLook;
        }
    }
    const bool counts = !hasProcessTable(version_, performance_schema_) && processes_ &&
                        !processes_->empty() && parts_[kProcess].state == Part::State::able;
    if (whole && counts) {
        addDumpThreads(dumpThreads(*processes_), out.families);
    }
    auto waits = waits_;
    if (disk_full_) {
        const double seconds = std::chrono::duration<double>(now - disk_full_->since).count();
        waits.push_back(
            {"", database::WaitReason::disk_full, disk_full_->text, seconds, WaitingParty::agent});
    }
    addWaits(waits, own, pending, out.families);
    return {};
}

/// All variables in a whole run. Where the server refuses that (for want of disk space), and in other runs,
/// the chosen ones.
Expected<Table> MysqlProbe::askVariables(VariableSource source, Reach reach, Clock::time_point until) {
    if (reach == Reach::everything) {
        auto answer = ask(allVariablesStatement(source), until);
        if (answer || answer.error().kind != ErrorKind::execution) {
            return answer;
        }
    }
    return ask(chosenVariablesStatement(source), until);
}

Expected<void> MysqlProbe::askStatus(Clock::time_point until, Reach reach, ProbeResult& out) {
    const auto status = askVariables(VariableSource::status, reach, until);
    if (!status) {
        return tl::unexpected(status.error());
    }
    const auto variables = askVariables(VariableSource::variables, reach, until);
    if (!variables) {
        return tl::unexpected(variables.error());
    }
    parseSemiSync(*status, out.families);
    addVersion(version_text_, version_comment_, *variables, out.families);
    parseServerInfo(version_, version_text_, *variables, out.families);
    if (reach == Reach::everything) {
        addIsolation(*variables, out.families);
        addGalera(*status, *variables, out.families);
        response_times_ = variableValue(variable(*variables, "query_response_time_stats")) == 1;
    }
    const auto families = std::make_shared<std::array<VariableFamilies, 2>>(std::array{
        VariableFamilies(VariableSource::status, *status),
        VariableFamilies(VariableSource::variables, *variables),
    });
    left_out_[allVariablesStatement(VariableSource::status)] = families->front().leftOut();
    left_out_[allVariablesStatement(VariableSource::variables)] = families->back().leftOut();
    out.more = [families](prometheus::MetricFamily& family) {
        return families->front().next(family) || families->back().next(family);
    };
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

/// Without PROCESS, whose absence is reported already, the server refuses this.
Expected<void> MysqlProbe::askInnodb(Clock::time_point until, ProbeResult& out) {
    if (parts_[kProcess].state != Part::State::able) {
        return {};
    }
    using Parse = void (*)(const Table&, Families&);
    for (const auto& [statement, parse] :
         {std::pair<const char*, Parse>(compressionStatement(), &parseCompression),
          std::pair<const char*, Parse>(compressedPagesStatement(), &parseCompressedPages)}) {
        const auto pages = askPart(parts_[statement], statement, until);
        if (!pages) {
            return tl::unexpected(pages.error());
        }
        if (*pages) {
            parse(**pages, out.families);
        }
    }
    return {};
}

Expected<void> MysqlProbe::askResponseTimes(Clock::time_point until, ProbeResult& out) {
    constexpr auto tables = std::to_array<std::pair<ResponseTimes, const char*>>({
        {ResponseTimes::all, "mysql_info_schema_query_response_time_seconds"},
        {ResponseTimes::reads, "mysql_info_schema_read_query_response_time_seconds"},
        {ResponseTimes::writes, "mysql_info_schema_write_query_response_time_seconds"},
    });
    for (const auto& [kind, family] : tables) {
        const auto* statement = responseTimesStatement(kind);
        const auto times =
            response_times_ ? askPart(parts_[statement], statement, until) : std::optional<Table>();
        if (!times) {
            return tl::unexpected(times.error());
        }
        if (*times) {
            parseResponseTimes(**times, family, out.families);
        }
    }
    return {};
}

HeartbeatFacts MysqlProbe::heartbeatFacts(const Pulse& pulse, std::size_t channels, bool beats,
                                          bool denied) const {
    HeartbeatFacts facts;
    facts.mode = heartbeat_.mode;
    facts.table = denied ? HeartbeatRefusal::no_grant : table_refusal_;
    facts.read_only = pulse.read_only.value_or(true) || pulse.super_read_only.value_or(false);
    facts.channels = channels;
    facts.was_replica = had_channel_ || !pulse.heartbeats || othersBeatLast(*pulse.heartbeats, server_id_);
    const auto replicas = pulse.dump_threads ? pulse.dump_threads : pulse.registered_replicas;
    facts.has_replicas = replicas ? std::optional<bool>(*replicas > 0) : has_replicas_;
    facts.waiting = !beats && std::any_of(waits_.begin(), waits_.end(), [](const Wait& wait) {
        return wait.who == WaitingParty::heartbeat && wait.seconds > kLongestBeat;
    });
    return facts;
}

BeatPlan MysqlProbe::beatPlan(const Pulse& pulse, Clock::time_point now) {
    BeatPlan plan;
    plan.version = version_;
    plan.beat.server_id = server_id_;
    if (binlog_) {
        plan.beat.file = binlog_->file;
        plan.beat.position = std::to_string(static_cast<std::uint64_t>(binlog_->position));
    }
    plan.channels_table = performance_schema_ && parts_[kThreads].state == Part::State::able;
    plan.row_exists =
        pulse.heartbeats && std::any_of(pulse.heartbeats->begin(), pulse.heartbeats->end(),
                                        [&](const auto& row) { return row.server_id == server_id_; });
    plan.server_time = pulse.utc.value_or(0);
    plan.made = now;
    return plan;
}

void MysqlProbe::planBeat(const Pulse& pulse, std::size_t channels, bool whole, ProbeResult& out) {
    if (channels > 0) {
        had_channel_ = true;
    }
    const auto now = Clock::now();
    const auto state = beater_.state();
    const bool beats = state.last && now - *state.last < kBeatIsFresh;
    // A server that has beaten is a primary, until it has a channel again.
    if (beats && channels == 0) {
        had_channel_ = false;
    }
    const auto refusal = mayBeat(heartbeatFacts(pulse, channels, beats, state.denied));
    const bool plans = refusal == HeartbeatRefusal::none && pulse.utc;
    beater_.setPlan(plans ? std::optional(beatPlan(pulse, now)) : std::nullopt);

    if (refusal == HeartbeatRefusal::off) {
        return;
    }
    const bool may = refusal != HeartbeatRefusal::no_table && refusal != HeartbeatRefusal::no_grant &&
                     heartbeat_.mode != HeartbeatMode::read;
    if (may) {
        out.families.push_back(gauge(metric::kMysqlHeartbeatWriting, "1 while this agent beats."));
        add(out.families.back(), {}, beats ? 1 : 0);
    }
    if (refusal == HeartbeatRefusal::waiting) {
        waited_ = now;
    }
    // The wait explains the old row until the next beat.
    const bool recovers =
        refusal == HeartbeatRefusal::none && !beats && waited_ && now - *waited_ < kRecovery;
    const auto reason = recovers ? HeartbeatRefusal::waiting : refusal;
    if (whole && reason != HeartbeatRefusal::none) {
        out.families.push_back(gauge(metric::kMysqlHeartbeatRefusedInfo, "Why this agent does not beat."));
        add(out.families.back(), {{"reason", heartbeatRefusalName(reason)}}, 1);
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

/// A limit that is met is told.
void MysqlProbe::reportLeftOut(ProbeResult& out) const {
    FamilyList families(out.families,
                        "Values of an answer without a series: too many, or with names that do not fit.");
    for (const auto& [statement, values] : left_out_) {
        if (values > 0) {
            families.add(metric::kMysqlValuesLeftOut, {{"statement", statement}},
                         static_cast<double>(values));
            out.note += (out.note.empty() ? "" : "; ") + counted(values, "value", "values") + " of " +
                        statement + " left out";
        }
    }
}

/// Leaves a statement that the server does not answer on the connection that it has, and goes on with a new
/// one: `SHOW BINLOG STATUS` waits for a commit that waits for disk space, while the other statements work.
bool MysqlProbe::setAside(const char* part, const Error& error, Clock::time_point since) {
    if (error.kind != ErrorKind::timeout || aside_ || !connection_.busy()) {
        return false;
    }
    auto settings = connection_.settings();
    auto statement = connection_.statement().substr(0, 60);
    aside_.emplace(Aside{std::move(connection_), part, std::move(statement), since});
    connection_ = Connection(std::move(settings));
    greeted_session_ = 0;
    next_status_ = {};
    return true;
}

void MysqlProbe::reportAside(ProbeResult& out) {
    if (!aside_) {
        return;
    }
    static_cast<void>(aside_->connection.ready(Clock::now() + kLook));
    if (!aside_->connection.busy()) {
        aside_.reset();
        return;
    }
    const double seconds = std::chrono::duration<double>(Clock::now() - aside_->since).count();
    out.families.push_back(gauge(metric::kMysqlUnansweredSeconds, "How long a statement has no answer."));
    add(out.families.back(), {{"statement", aside_->statement}}, seconds);
    out.note = "no answer to " + aside_->statement;
}

/// The server answered and refused the connection, or a statement that everything rests on.
void MysqlProbe::reportRefusal(ProbeResult& out) const {
    const auto& refusal = connection_.refusal();
    const auto* known = database::knownError(refusal.code);
    if (known == nullptr || !database::isRefusal(known->kind)) {
        return;
    }
    out.families.push_back(gauge(metric::kMysqlRefusedInfo, "1 while the server refuses the agent."));
    add(out.families.back(),
        {{"errno", std::to_string(refusal.code)}, {"reason", database::errorClassName(known->kind)}}, 1);
    out.families.push_back(refusalFamily("error " + std::to_string(refusal.code) + ": " + refusal.message));
}

/// Everything after the pulse. A failure here is one of a server that answers.
Expected<std::optional<Error>> MysqlProbe::askParts(Clock::time_point until, Reach reach, const Pulse& pulse,
                                                    ProbeResult& out) {
    const auto began = Clock::now();
    const bool whole = reach != Reach::replication;
    const auto soon = [&] { return std::min(until, Clock::now() + kPartMayTake); };
    std::optional<Error> failure;
    std::vector<ChannelState> channels;
    std::size_t channel_count = 0;
    if (isAside(kReplica)) {
        failure =
            Error{ErrorKind::timeout, connection_.settings().place() + ": no answer to " + aside_->statement};
    } else {
        const auto replica = ask(replicaStatement(version_), soon());
        if (!replica && replica.error().kind != ErrorKind::denied) {
            setAside(kReplica, replica.error(), began);
            return ofAnswering(replica.error());
        }
        // Without this privilege the remaining data are still useful.
        replica_denied_ = !replica;
        if (replica) {
            left_out_[replicaStatement(version_)] = parseReplicaStatus(*replica, {pulse.utc, whole}, out);
            channels = channelStates(*replica);
            channel_count = replica->rows.size();
        } else {
            failure = replica.error();
            reportRefusal(out);
        }
    }
    struct Step {
        const char* part;
        std::function<Expected<void>()> ask;
    };
    std::vector<Step> steps;
    if (!failure) {
        steps.push_back({kLocks, [&] { return askAppliers(soon(), channels, out); }});
    }
    steps.push_back({kProcess, [&] { return askWaits(soon(), whole, out); }});
    steps.push_back({kSource, [&] { return askSource(soon(), whole, out); }});
    if (whole) {
        steps.push_back({kStatus, [&] { return askStatus(soon(), reach, out); }});
    }
    if (reach == Reach::everything) {
        steps.push_back({kInnodb, [&] { return askInnodb(soon(), out); }});
        steps.push_back({kResponseTimes, [&] { return askResponseTimes(soon(), out); }});
    }
    for (const auto& step : steps) {
        if (isAside(step.part)) {
            continue;
        }
        const auto asked = step.ask();
        if (asked) {
            continue;
        }
        if (!setAside(step.part, asked.error(), began)) {
            return ofAnswering(asked.error());
        }
        break;  // the new connection is for the next run
    }
    if (failure) {
        beater_.setPlan(std::nullopt);
    } else {
        planBeat(pulse, channel_count, whole, out);
    }
    return failure;
}

Expected<std::optional<Error>> MysqlProbe::run(Clock::time_point until, Reach reach, ProbeResult& out) {
    const bool whole = reach != Reach::replication;
    if (whole) {
        renewSession(Clock::now());
    }
    processes_.reset();
    refused_for_disk_ = false;
    if (reach == Reach::everything) {
        left_out_.clear();
    }
    reportAside(out);
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
    auto asked = askParts(until, reach, *pulse, out);
    if (asked) {
        reportMissing(whole, out);
        reportLeftOut(out);
        if (whole && !refused_for_disk_) {
            disk_full_.reset();
        }
    }
    return asked;
}

Expected<ProbeResult> MysqlProbe::collect(const Deadline& deadline) {
    const auto now = Clock::now();
    const auto until = now + deadline.budget();
    auto reach = Reach::replication;
    if (now >= next_status_ || greeted_session_ == 0) {
        // While runs fail, each asks for the status, and none for everything.
        reach = now >= next_whole_ && !failed_ ? Reach::everything : Reach::status;
        next_status_ = now + status_interval_ - milliseconds(100);
    }
    if (reach == Reach::everything) {
        next_whole_ = now + kWholeRuns * status_interval_ - milliseconds(100);
    }
    ProbeResult out;
    const auto done =
        readWithinBudget(0, "the answers of the server", [&] { return run(until, reach, out); });
    if (!done) {
        reportRefusal(out);
    }
    out.families.push_back(gauge(exporter::kMysqlUp, "1 if the server answered."));
    add(out.families.back(), {}, done ? 1 : 0);
    out.failure = done ? *done : std::optional<Error>(done.error());
    out.partial = reach != Reach::everything && !out.failure;
    out.depth = reach == Reach::replication ? 0 : 1;
    // The series of a failed run end: the next runs bring them back.
    if (out.failure || failed_) {
        next_status_ = {};
        next_whole_ = {};
    }
    if (aside_) {
        next_whole_ = {};
    }
    failed_ = out.failure.has_value();
    return out;
}

}  // namespace lapwing::agent::mysql
