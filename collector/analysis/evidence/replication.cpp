#include "collector/analysis/evidence/replication.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "common/metric_names.h"

namespace lapwing::analysis::evidence {

namespace {

constexpr std::size_t kMostSamples = 5'000'000;
constexpr double kMsPerSecond = 1000;
/// What a round reads; a track that ends before that is read again as far as it is kept.
constexpr std::int64_t kWindowMs = 120'000;
constexpr std::int64_t kTrackMs = 6 * 3'600'000LL;
constexpr std::int64_t kRecentMs = 15 * 60'000LL;
/// Samples of a host whose clock is ahead.
constexpr std::int64_t kAheadMs = 600'000;
/// A sample that is older says nothing of the present; the slowest ones come every ten seconds.
constexpr std::int64_t kPresentMs = 45'000;

constexpr const char* kTrackNames =
    "lapwing_mysql_binlog_(file_number|position_bytes|written_bytes_total)|lapwing_mysql_gtid_sequence|"
    "lapwing_mysql_replica_(read|exec)_(file_number|position_bytes)|lapwing_mysql_replica_received_"
    "heartbeats_total";
constexpr const char* kNames =
    "up|lapwing_probe_failure|lapwing_clock_offset_seconds|lapwing_clock_offset_error_seconds|"
    "lapwing_agent_address_info|lapwing_attempt_result|lapwing_attempt_timestamp_seconds|mysql_version_info|"
    "mysql_global_variables_(server_id|log_bin|read_only|super_read_only)|mysql_slave_status_seconds_behind_"
    "master|"
    "lapwing_mysql_.*";

std::string get(const Labels& labels, const char* name) {
    return std::string(labels.get(name));
}

/// metric::kMysqlReplicaLagKnown of a channel, "mysql_slave_status_..." of a connection.
std::string channelOf(const Labels& labels) {
    auto name = get(labels, "connection_name");
    return name.empty() ? get(labels, "channel_name") : name;
}

}  // namespace

/// One round's samples, and what becomes of them.
class ReplicationReader::Round {
  public:
    Round(ReplicationReader& owner, TimestampMs now) : owner_(owner) { facts_.now = now; }

    Expected<Databases> run() {
        const auto now = facts_.now;
        auto read = select(kNames, now - kWindowMs, now + kAheadMs);
        if (!read) {
            return tl::unexpected(read.error());
        }
        series_ = std::move(*read);
        clocks();
        observers();
        if (auto loaded = tracks(); !loaded) {
            return tl::unexpected(loaded.error());
        }
        for (const auto& one : series_) {
            const auto& sample = one.samples.back();
            if (isStaleNaN(sample.value) || std::isnan(sample.value)) {
                continue;
            }
            const auto at = corrected(*one.labels, sample.timestamp);
            if (now - at <= kPresentMs) {
                take(*one.labels, get(*one.labels, "__name__"), sample.value, at);
            }
        }
        finish();
        return std::move(facts_);
    }

  private:
    Expected<std::vector<storage::SeriesSamples>> select(const char* names, TimestampMs from,
                                                         TimestampMs to) const {
        auto matcher = storage::Matcher::create(storage::Matcher::Type::regex, "__name__", names);
        if (!matcher) {
            return tl::unexpected(matcher.error());
        }
        return owner_.store_.select({std::move(*matcher)}, from, to, kMostSamples);
    }

    static std::string observerOf(const Labels& labels) {
        auto agent = get(labels, "agent");
        return agent.empty() ? get(labels, "instance") : agent;
    }

    TimestampMs corrected(const Labels& labels, TimestampMs at) const {
        const auto offset = offsets_.find(observerOf(labels));
        return offset == offsets_.end() ? at : at + std::llround(offset->second * kMsPerSecond);
    }

    /// The collector's clock minus each agent's.
    void clocks() {
        for (const auto& one : series_) {
            const auto name = one.labels->metricName();
            const double value = one.samples.back().value;
            if (std::isnan(value)) {
                continue;
            }
            if (name == metric::kClockOffsetSeconds) {
                offsets_[observerOf(*one.labels)] = value;
            } else if (name == metric::kClockOffsetErrorSeconds) {
                errors_[observerOf(*one.labels)] = value;
            }
        }
    }

    /// A server that two agents observe is taken from its own host's, so that no two clocks mix.
    void observers() {
        for (const auto& one : series_) {
            if (one.labels->metricName() != exporter::kUp || one.labels->get("job") != "mysql" ||
                isStaleNaN(one.samples.back().value)) {
                continue;
            }
            const auto instance = get(*one.labels, "instance");
            auto& chosen = observers_[instance];
            const auto agent = get(*one.labels, "agent");
            if (chosen.empty() || agent == instance) {
                chosen = agent;
            }
        }
    }

    bool isChosen(const Labels& labels) const {
        const auto chosen = observers_.find(get(labels, "instance"));
        return chosen == observers_.end() || chosen->second == labels.get("agent");
    }

    Expected<void> tracks() {
        const auto now = facts_.now;
        bool whole = owner_.last_round_ == 0 || now - owner_.last_round_ > kWindowMs / 2;
        for (const auto& one : series_) {
            const auto key = keyOf(*one.labels);
            const auto known = owner_.tracks_.find(key);
            // Somebody delivers what he could not deliver for a while.
            whole = whole || (known != owner_.tracks_.end() && known->second.newest < now - kWindowMs &&
                              one.samples.back().timestamp > known->second.newest);
        }
        owner_.last_round_ = now;
        if (!whole) {
            feed(series_);
        } else {
            auto read = select(kTrackNames, now - kTrackMs, now + kAheadMs);
            if (!read) {
                return tl::unexpected(read.error());
            }
            owner_.tracks_.clear();
            feed(*read);
        }
        for (auto kept = owner_.tracks_.begin(); kept != owner_.tracks_.end();) {
            if (kept->second.newest < now - kTrackMs) {
                kept = owner_.tracks_.erase(kept);
                continue;
            }
            auto& track = kept->second.track;
            constexpr std::size_t many = 2048;
            if (track.points().size() > many && track.first().at < now - kRecentMs) {
                track.thin(now - kTrackMs, now - kRecentMs);
            }
            ++kept;
        }
        return {};
    }

    /// Of a series that no track is made of, the metric is "".
    static TrackKey keyOf(const Labels& labels) {
        const std::string_view name = labels.metricName();
        const auto instance = get(labels, "instance");
        const auto key = [&](const char* what, std::string channel = "", std::string gtid = "") {
            return TrackKey{instance, what, std::move(channel), std::move(gtid)};
        };
        if (name == metric::kMysqlBinlogFileNumber || name == metric::kMysqlBinlogPositionBytes) {
            return key("written");
        }
        if (name == metric::kMysqlBinlogWrittenBytesTotal) {
            return key("written_bytes");
        }
        if (name.starts_with("lapwing_mysql_replica_read_")) {
            return key("read", channelOf(labels));
        }
        if (name.starts_with("lapwing_mysql_replica_exec_")) {
            return key("exec", channelOf(labels));
        }
        if (name == metric::kMysqlReplicaReceivedHeartbeatsTotal) {
            return key("heartbeats", channelOf(labels));
        }
        if (name == metric::kMysqlGtidSequence) {
            const auto set = get(labels, "set");
            const auto domain = get(labels, "domain");
            const auto source = get(labels, "source");
            if (set == "binlog_state") {
                return key("binlog_state", "", domain + "-" + source);
            }
            return key(set == "received" ? "received" : "executed",
                       set == "received" ? channelOf(labels) : "", domain.empty() ? source : domain);
        }
        return key("");
    }

    /// Coordinates are two series of one run: the file's number, and the place in it.
    struct Pending {
        std::map<TimestampMs, double> values;
        std::map<TimestampMs, double> files;
    };

    void feed(const std::vector<storage::SeriesSamples>& all) {
        std::map<TrackKey, Pending> pending;
        std::map<std::string, std::int64_t> shift;
        for (const auto& one : all) {
            const auto key = keyOf(*one.labels);
            if (std::get<1>(key).empty() || !isChosen(*one.labels)) {
                continue;
            }
            const auto known = owner_.tracks_.find(key);
            const auto from = known == owner_.tracks_.end() ? 0 : known->second.newest + 1;
            const bool is_file = one.labels->metricName().ends_with("_file_number");
            auto& into = is_file ? pending[key].files : pending[key].values;
            for (const auto& sample : one.samples) {
                if (sample.timestamp >= from && !std::isnan(sample.value)) {
                    // A MariaDB domain's series changes its name with the server that wrote last.
                    auto& value = into[sample.timestamp];
                    value = std::max(value, sample.value);
                }
            }
            shift[std::get<0>(key)] = corrected(*one.labels, 0);
        }
        for (const auto& [key, samples] : pending) {
            auto& kept = owner_.tracks_[key];
            const bool coordinates =
                std::get<1>(key) == "written" || std::get<1>(key) == "read" || std::get<1>(key) == "exec";
            for (const auto& [at, value] : samples.values) {
                const auto file = coordinates ? samples.files.find(at) : samples.files.end();
                if (coordinates && file == samples.files.end()) {
                    continue;
                }
                kept.track.add(at + shift[std::get<0>(key)], coordinates ? coordinate(file->second, value)
                                                                         : static_cast<std::int64_t>(value));
                kept.newest = at;
            }
        }
        std::erase_if(owner_.tracks_, [](const auto& kept) { return kept.second.track.empty(); });
    }

    std::string documentText(const Labels& labels) const {
        constexpr std::size_t longest = 400;
        const auto digest = get(labels, "digest");
        if (digest.empty()) {
            return {};
        }
        const auto found = owner_.store_.document(digest);
        if (!found || !*found) {
            return {};
        }
        // A text of several lines becomes one.
        std::string text;
        for (const char c : (*found)->body.substr(0, longest)) {
            text +=
                c == '\n' ? std::string("; ") : std::string(1, static_cast<unsigned char>(c) < ' ' ? ' ' : c);
        }
        while (text.ends_with("; ")) {
            text.resize(text.size() - 2);
        }
        return text;
    }

    void take(const Labels& labels, const std::string& name, double value, TimestampMs at) {
        const auto instance = get(labels, "instance");
        if (name == metric::kAgentAddressInfo) {
            if (const auto address = reach::Address::parse(labels.get("address"))) {
                facts_.hosts[*address] = instance;
            }
            return;
        }
        if (name.starts_with("lapwing_attempt_")) {
            takeAttempt(labels, name, value, at);
            return;
        }
        if (labels.get("job") != "mysql" || !isChosen(labels)) {
            return;
        }
        auto& server = facts_.servers[instance];
        if (name == exporter::kUp) {
            server.up = value == 1;
            server.heard = at;
        } else if (name == metric::kProbeFailure) {
            server.failure = get(labels, "reason");
        } else if (name.starts_with("mysql_global_variables_") || name == exporter::kMysqlVersionInfo) {
            takeVariable(server, labels, name, value);
        } else if (name.starts_with("lapwing_mysql_replica_") ||
                   name == exporter::kMysqlSlaveStatusSecondsBehindMaster ||
                   name == metric::kMysqlApplierBlockedSeconds) {
            takeChannel(server, labels, name, value, at);
        } else {
            takeServer(server, labels, name, value, at);
        }
    }

    void takeAttempt(const Labels& labels, const std::string& name, double value, TimestampMs at) {
        if (labels.get("service") != "mysql" || labels.get("source_kind") == "second") {
            return;
        }
        auto& attempt =
            attempts_[get(labels, "agent") + ' ' + get(labels, "instance") + ' ' + get(labels, "address") +
                      ' ' + get(labels, "port") + ' ' + get(labels, "source")];
        attempt.from = observerOf(labels);
        attempt.to = get(labels, "instance");
        if (name == metric::kAttemptResult) {
            attempt.fact.result = get(labels, "result");
            if (attempt.fact.at == 0) {
                attempt.fact.at = at;
            }
        } else {
            attempt.fact.at = corrected(labels, std::llround(value * kMsPerSecond));
        }
    }

    static void takeVariable(Database& server, const Labels& labels, const std::string& name, double value) {
        if (name == exporter::kMysqlVersionInfo) {
            const auto version = get(labels, "version");
            server.mariadb = server.mariadb || version.find("MariaDB") != std::string::npos;
            if (server.version.empty()) {
                server.version = version;
            }
        } else if (name.ends_with("_server_id")) {
            server.server_id = std::to_string(std::llround(value));
        } else if (name.ends_with("_log_bin")) {
            server.log_bin = value == 1;
        } else if (name.ends_with("_super_read_only")) {
            server.super_read_only = value != 0;
        } else {
            server.read_only = value != 0;
        }
    }

    static void takeServer(Database& server, const Labels& labels, const std::string& name, double value,
                           TimestampMs at) {
        if (name == metric::kMysqlServerInfo) {
            server.mariadb = labels.get("flavour") == "mariadb";
            server.version = get(labels, "version");
            server.server_uuid = get(labels, "server_uuid");
            if (const auto id = get(labels, "server_id"); !id.empty()) {
                server.server_id = id;
            }
            if (labels.has("log_bin")) {
                server.log_bin = labels.get("log_bin") == "ON";
            }
        } else if (name == metric::kMysqlClockOffsetSeconds) {
            server.clock = value;
        } else if (name == metric::kMysqlHeartbeatAgeSeconds) {
            server.heartbeats[get(labels, "server_id")] = {at, value};
        } else if (name == metric::kMysqlHeartbeatWriting) {
            server.heartbeat_writing = value == 1;
        } else if (name == metric::kMysqlHeartbeatRefusedInfo) {
            server.heartbeat_refused = get(labels, "reason");
        } else if (name == metric::kMysqlLongestTransactionSeconds) {
            server.longest_transaction = value;
        } else if (name == metric::kMysqlPrivilegeMissing) {
            server.missing_privileges.push_back(get(labels, "privilege"));
        }
    }

    void takeChannel(Database& server, const Labels& labels, const std::string& full_name, double value,
                     TimestampMs at) {
        const std::string_view prefix = "lapwing_mysql_replica_";
        const auto name = full_name.starts_with(prefix) ? full_name.substr(prefix.size()) : full_name;
        if (name == "configured") {
            server.configured = value == 1;
            return;
        }
        auto& channel = server.channels[channelOf(labels)];
        auto& thread = labels.get("thread") == "sql" ? channel.applier : channel.receiver;
        if (name == "thread_state") {
            if (value == 1) {
                thread.state = valueOf(kThreadStateNames, labels.get("state")).value_or(ThreadState::unknown);
                channel.at = std::max(channel.at, at);
            }
        } else if (name == "error_info") {
            thread.errors.push_back({std::atoi(get(labels, "errno").c_str()), documentText(labels)});
        } else if (name == "delay_seconds") {
            channel.delay_seconds = value;
        } else if (name == "source_info") {
            channel.source = {get(labels, "source_host"),
                              parsePort(labels.get("source_port")).value_or(std::uint16_t{0})};
            channel.source_server_id = get(labels, "source_server_id");
            channel.source_uuid = get(labels, "source_uuid");
        } else if (name == "relay_log_bytes") {
            channel.relay_log_bytes = value;
        } else if (name == "last_heartbeat_age_seconds") {
            channel.last_heartbeat_age = value;
        } else if (name == "applying_age_seconds") {
            channel.applying_age = value;
        } else if (name == "last_event_age_seconds") {
            (labels.get("side") == "source" ? channel.last_event_age_source
                                            : channel.last_event_age_applied) = value;
        } else if (name == "filters_info") {
            channel.filters.push_back(get(labels, "filter"));
        } else if (name == exporter::kMysqlSlaveStatusSecondsBehindMaster) {
            channel.seconds_behind = value;
        } else if (name == metric::kMysqlApplierBlockedSeconds) {
            channel.blocked.push_back(
                {value, valueOf(kBlockerKindNames, labels.get("kind")).value_or(BlockerKind::lock),
                 get(labels, "blocker"), documentText(labels)});
        }
    }

    void finish() {
        for (const auto& [key, kept] : owner_.tracks_) {
            const auto& [instance, what, channel_name, gtid] = key;
            // What a server that is silent now did before is worth knowing.
            auto& server = facts_.servers[instance];
            if (what == "written") {
                server.written = kept.track;
            } else if (what == "written_bytes") {
                server.written_bytes = kept.track;
            } else if (what == "executed") {
                server.executed[gtid] = kept.track;
            } else if (what == "binlog_state") {
                server.binlog_state[gtid] = kept.track;
            } else if (const auto channel = server.channels.find(channel_name);
                       channel != server.channels.end()) {
                auto& into = what == "read"         ? channel->second.read
                             : what == "exec"       ? channel->second.executed
                             : what == "heartbeats" ? channel->second.heartbeats
                                                    : channel->second.received[gtid];
                into = kept.track;
            }
        }
        for (auto& [instance, server] : facts_.servers) {
            const auto observer = observers_.find(instance);
            const auto& agent =
                observer == observers_.end() || observer->second.empty() ? instance : observer->second;
            const auto offset = offsets_.find(agent);
            if (server.clock && offset != offsets_.end()) {
                *server.clock -= offset->second;
                server.clock_error = errors_[agent];
            } else {
                server.clock.reset();
            }
            // A channel of which no thread is reported is none.
            std::erase_if(server.channels, [](const auto& channel) { return channel.second.at == 0; });
        }
        for (auto& [name, attempt] : attempts_) {
            auto& known = facts_.reach[{attempt.from, attempt.to}];
            if (!attempt.fact.result.empty() && attempt.fact.at >= known.at) {
                known = attempt.fact;
            }
        }
    }

    struct Attempt {
        std::string from;
        std::string to;
        ReachAttempt fact;
    };

    ReplicationReader& owner_;
    Databases facts_;
    std::vector<storage::SeriesSamples> series_;
    std::map<std::string, double> offsets_;
    std::map<std::string, double> errors_;
    std::map<std::string, std::string> observers_;
    std::map<std::string, Attempt> attempts_;
};

Expected<Databases> ReplicationReader::read(TimestampMs now) {
    return Round(*this, now).run();
}

}  // namespace lapwing::analysis::evidence
