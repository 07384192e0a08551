#include "collector/command/service.h"

#include <prometheus/text_serializer.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <sstream>
#include <tuple>
#include <utility>

#include "collector/analysis/acceptances.h"
#include "collector/analysis/alert_texts.h"
#include "collector/analysis/analyst.h"
#include "collector/analysis/replication/watch.h"
#include "collector/analysis/rounds.h"
#include "collector/api/admin.h"
#include "collector/api/agents.h"
#include "collector/api/join_desk.h"
#include "collector/api/lapwing.h"
#include "collector/api/parameters.h"
#include "collector/api/people.h"
#include "collector/api/prometheus.h"
#include "collector/clock/site_clock.h"
#include "collector/command/listeners.h"
#include "collector/forward/forwarder.h"
#include "collector/ingest/metadata_book.h"
#include "collector/ingest/receiver.h"
#include "collector/notify/dispatcher.h"
#include "collector/notify/heartbeat.h"
#include "collector/promql/engine.h"
#include "collector/rules/manager.h"
#include "collector/rules/own_word.h"
#include "collector/self/agent_book.h"
#include "collector/self/metrics.h"
#include "collector/storage/salvage.h"
#include "collector/storage/store.h"
#include "collector/trust/identities.h"
#include "collector/trust/invitations.h"
#include "common/metric_names.h"
#include "common/metric_speakers.h"
#include "common/model/clock.h"
#include "common/model/families.h"
#include "common/systemd.h"
#include "common/time_text.h"

namespace lapwing::collector {
namespace {

constexpr std::chrono::microseconds kSalvageTime = std::chrono::hours(1);
/// For all servers together: the program ends within 2 s.
constexpr std::chrono::milliseconds kGrace{500};
constexpr const char* kClockState = "site_clock";
constexpr std::int64_t kSaveClockMs = 60'000;
constexpr const char* kRevocationsState = "trust/revoked";

/// Creates the directory if it is missing and its parent exists; it must be writable.
Expected<void> prepareDirectory(const std::string& directory) {
    if (::mkdir(directory.c_str(), 0750) != 0 && errno != EEXIST) {
        return fail(ErrorKind::unavailable,
                    "make the data directory " + directory + ": " + std::strerror(errno));
    }
    if (::access(directory.c_str(), W_OK | X_OK) != 0) {
        return fail(ErrorKind::denied,
                    "the data directory " + directory + " is not writable: " + std::strerror(errno));
    }
    return {};
}

storage::SeriesLimits seriesLimits(const Config::Ingest& ingest) {
    storage::SeriesLimits limits;
    limits.series = static_cast<std::size_t>(ingest.max_series);
    limits.label_bytes = static_cast<std::size_t>(ingest.max_label_bytes);
    limits.agent_series = static_cast<std::size_t>(ingest.agent.max_series);
    limits.agent_label_bytes = static_cast<std::size_t>(ingest.agent.max_label_bytes);
    limits.agent_document_bytes = ingest.agent.max_document_bytes;
    limits.own_series = static_cast<std::size_t>(ingest.max_own_series);
    limits.kept_series = static_cast<std::size_t>(ingest.max_kept_series);
    return limits;
}

ingest::Limits ingestLimits(const Config::Ingest& ingest) {
    ingest::Limits limits;
    limits.write.labels_per_series = static_cast<std::size_t>(ingest.max_labels_per_series);
    limits.write.label_bytes = static_cast<std::size_t>(ingest.max_label_length);
    limits.samples_per_second = ingest.agent.max_samples_per_second;
    limits.observed_per_agent = static_cast<std::size_t>(ingest.agent.max_observed);
    return limits;
}

/// The configuration under Prometheus' names, for /api/v1/status.
api::ServerFacts serverFacts(const Config& config) {
    api::ServerFacts facts;
    for (const auto& each : config.notify.alertmanager) {
        std::string url = api::publicUrl(each.url);
        while (!url.empty() && url.back() == '/') {
            url.pop_back();
        }
        facts.alertmanagers.push_back(url + "/api/v2/alerts");
    }
    facts.rule_files = config.rules;
    facts.evaluation_interval = config::formatDuration(config.rules_interval_ms);
    if (config.retention_ms > 0) {
        facts.retention = config::formatDuration(config.retention_ms);
    }
    facts.hostname = config.host;
    facts.started = nowMs();
    facts.flags = {{"query.lookback-delta", config::formatDuration(config.promql.lookback_ms)},
                   {"query.max-concurrency", std::to_string(config.promql.max_concurrent)},
                   {"query.max-samples", std::to_string(config.promql.max_samples)},
                   {"query.timeout", config::formatDuration(config.promql.timeout_ms)},
                   {"storage.tsdb.retention.time", facts.retention},
                   {"web.enable-remote-write-receiver", config.ingest.local ? "true" : "false"}};
    return facts;
}

}  // namespace

/// Members are created in this order and destroyed in reverse.
struct Service::Parts {
    Config config;
    clock::SiteClock clock;
    std::optional<ClockCorrection> correction;
    std::unique_ptr<storage::Store> store;
    std::optional<trust::Authority> authority;
    std::optional<api::Users> users;
    std::optional<promql::Engine> engine;
    std::optional<rules::OwnWordFirst> rules_data;
    std::optional<promql::Engine> rules_engine;
    std::optional<analysis::Acceptances> acceptances;
    std::optional<notify::Dispatcher> dispatcher;
    std::optional<forward::Forwarder> forwarder;
    std::optional<rules::RuleManager> rules;
    std::optional<analysis::replication::Watch> replication;
    std::optional<analysis::evidence::EntryNames> names;
    std::optional<analysis::Analyst> analyst;
    std::optional<analysis::Rounds> analysis;
    std::optional<trust::Identities> identities;
    std::optional<trust::Invitations> invitations;
    std::optional<api::JoinDesk> join_desk;
    std::optional<self::AgentBook> agents;
    std::optional<ingest::MetadataBook> metadata;
    std::optional<self::Metrics> metrics;
    std::optional<ingest::Receiver> receiver;
    std::optional<api::PrometheusApi> prometheus_api;
    std::optional<api::LapwingApi> lapwing_api;
    api::Loop loop;
    std::vector<std::unique_ptr<api::Server>> servers;
    storage::StoreStats logged;                  // the store's statistics at the last log entry
    std::optional<std::int64_t> clock_saved_at;  // monotonic
    bool judging = false;                        // rules and the analysis have started
    bool own_refused = false;                    // samples of the collector itself were refused before that

    Expected<void> open();
    Expected<void> openTrust();
    void wire();
    void openClock();
    void saveClock();
    void addClockMetrics(std::vector<prometheus::MetricFamily>& out);
    void logStore();
    Labels annotate(const Labels& alert, const Labels& annotations) const;
    std::optional<notify::Accepted> accepted(const Labels& alert, TimestampMs now) const;
    void addIdentityMetrics(std::vector<prometheus::MetricFamily>& out);
    void addCertificateMetrics(std::vector<prometheus::MetricFamily>& out);
    void keepRevocations();
    Expected<void> forget(const std::string& host);
    Expected<api::AgentsContact> contact() const;
    Expected<void> loadRules();
    Expected<void> reloadRules();
    Handlers handlers();
};

Expected<void> Service::Parts::openTrust() {
    const bool needed = !config.agents.listen.empty() || (config.http.tls_auto && config.http.offLoopback());
    if (!needed) {
        return {};
    }
    auto opened = trust::Authority::open(config.directory() + "/ca");
    if (!opened) {
        return fail(opened.error());
    }
    authority = std::move(*opened);
    if (authority->isRemade()) {
        spdlog::warn("{} was lost; it was made again from ca.key, and every certificate stays valid",
                     authority->caFile());
    }
    const auto made = authority->ensureServer(certificateNames(config, config.host));
    if (!made) {
        return fail(made.error());
    }
    if (*made) {
        spdlog::info("made a new certificate for the collector");
    }
    keepRevocations();
    return {};
}

Expected<void> Service::Parts::open() {
    if (auto prepared = prepareDirectory(config.directory()); !prepared) {
        return prepared;
    }
    storage::StoreOptions options;
    options.path = config.data;
    options.retention_ms = config.retention_ms;
    options.retention_bytes = config.retention_bytes;
    options.limits = seriesLimits(config.ingest);
    options.out_of_order_ms = config.ingest.out_of_order_ms;
    options.expiry_clock = [this] { return clock.expiryTime(readClocks()); };
    // systemd waits longer for a start while notifications come: reading a large damaged file takes its time.
    notifySystemd("EXTEND_TIMEOUT_USEC=" + std::to_string(kSalvageTime.count()));
    auto opened = storage::openOrSalvage(options);
    if (!opened) {
        return fail(opened.error());
    }
    store = std::move(*opened);
    openClock();
    if (auto trusted = openTrust(); !trusted) {
        return trusted;
    }
    if (!config.http.users_file.empty()) {
        auto loaded = api::Users::load(config.http.users_file);
        if (!loaded) {
            return fail(loaded.error());
        }
        users = std::move(*loaded);
    }
    wire();
    if (auto loaded = loadRules(); !loaded) {
        return loaded;
    }
    auto listening =
        listenAll(config, authority ? &*authority : nullptr, handlers(), loop,
                  [this](const std::string& listener, int status) { metrics->answered(listener, status); });
    if (!listening) {
        return fail(listening.error());
    }
    servers = std::move(*listening);
    return {};
}

void Service::Parts::openClock() {
    clock::SiteClock::Memory memory;
    if (const auto saved = store->state(kClockState); !saved) {
        spdlog::error("read the time of the last run: {}", saved.error().message);
    } else if (*saved) {
        std::istringstream(**saved) >> memory.site >> memory.expiry;
    }
    clock.restore(memory, readClocks());
    correction.emplace([this](const ClockReading& now) { return clock.correction(now); });
}

void Service::Parts::saveClock() {
    const auto now = readClocks();
    const auto memory = clock.memory(now);
    const auto saved =
        store->putState(kClockState, std::to_string(memory.site) + " " + std::to_string(memory.expiry));
    if (saved) {
        clock_saved_at = now.steady;
    } else {
        spdlog::error("save the time: {}", saved.error().message);
    }
}

void Service::Parts::addClockMetrics(std::vector<prometheus::MetricFamily>& out) {
    const auto report = clock.report(readClocks());
    auto ahead = gauge(metric::kCollectorClockAheadSeconds, "This machine's clock minus the site's time.");
    add(ahead, {}, static_cast<double>(report.collector_ahead_ms) / 1000);
    out.push_back(std::move(ahead));
    auto disputed = gauge(metric::kCollectorClockDisputed,
                          "1 while it is unknown whether an agent's clock or the collector's is wrong.");
    add(disputed, {}, report.disputed ? 1 : 0);
    out.push_back(std::move(disputed));
    auto differences = gauge(metric::kAgentClockAheadSeconds, "The agent's clock minus the site's time.");
    for (const auto& agent : report.agents) {
        add(differences, {{"host", agent.host}}, static_cast<double>(agent.ahead_ms) / 1000);
    }
    if (!differences.metric.empty()) {
        out.push_back(std::move(differences));
    }
}

void Service::Parts::wire() {
    promql::EngineOptions engine_options;
    engine_options.compat = config.promql.compat;
    engine_options.lookback_ms = config.promql.lookback_ms;
    engine_options.max_samples = static_cast<std::size_t>(config.promql.max_samples);
    engine_options.max_memory = static_cast<std::size_t>(config.promql.max_memory);
    engine_options.timeout_ms = config.promql.timeout_ms;
    engine_options.default_interval_ms = config.rules_interval_ms;
    engine.emplace(*store, engine_options);
    rules_data.emplace(*store, config.promql.lookback_ms);
    rules_engine.emplace(*rules_data, engine_options);

    const std::string url = config.externalUrl();
    config.notify.external_url = url;
    config.notify.instance = config.host;
    acceptances.emplace(*store, config.site.accept, nowMs());
    notify::DispatcherOptions notify_options;
    notify_options.accepted = [this](const Labels& alert, TimestampMs now) { return accepted(alert, now); };
    dispatcher.emplace(config.notify, *store, notify_options);
    acceptances->onChange([this] { dispatcher->wake(); });
    rules::ManagerOptions rule_options;
    rule_options.interval_ms = config.rules_interval_ms;
    rule_options.external_url = url;
    rule_options.hold_silent_ms = config.hold_alerts.silent_ms;
    rule_options.hold_partial_ms = config.hold_alerts.partial_ms;
    rule_options.annotate = [this](const Labels& labels, const Labels& annotations) {
        return annotate(labels, annotations);
    };
    rule_options.builtin_rules = notify::heartbeatRules(config.notify);
    rules.emplace(*rules_engine, *store, &*dispatcher, rule_options);

    analysis::AnalystOptions analyst_options;
    analyst_options.sample_labels = Labels{{"job", "collector"}, {"instance", config.host}};
    replication.emplace(*store, config.site, analyst_options.sample_labels);
    analyst_options.replication = &*replication;
    analyst_options.setup = {config.host, config.notify.heartbeat.has_value(), config.notify.receivers()};
    names.emplace(analysis::evidence::namesOf(config.site.entry));
    analyst_options.acceptances = &*acceptances;
    analyst_options.names = [this] { return names->current(); };
    analyst.emplace(*store, config.site, analyst_options);
    analysis.emplace(*analyst, nowMs);

    if (authority) {
        identities.emplace(*authority);
        invitations.emplace(*authority);
        join_desk.emplace(*invitations);
    }
    agents.emplace(authority ? &*authority : nullptr, *store, config.retention_ms);
    metadata.emplace(*store);
    if (auto loaded = metadata->load(); !loaded) {
        spdlog::warn("{}", loaded.error().message);
    }
    metrics.emplace(
        *store, *agents,
        self::MetricsOptions{config.host, config.data, config.site.replication, seriesLimits(config.ingest),
                             [this](const auto& described) { metadata->note(described); }});
    receiver.emplace(*store, ingestLimits(config.ingest), nowMs, &*metadata);
    prometheus_api.emplace(api::PrometheusParts{*engine, *store, *rules, *metadata, dispatcher->silences(),
                                                [this] { return store->stats(); }},
                           serverFacts(config), static_cast<unsigned>(config.promql.max_concurrent));
    metrics->addSource([this](auto& out) { receiver->addMetrics(out); });
    metrics->addSource([this](auto& out) { rules->addMetrics(out); });
    metrics->addSource([this](auto& out) { dispatcher->addMetrics(out); });
    metrics->addSource([this](auto& out) { metadata->addMetrics(out); });
    metrics->addSource([this](auto& out) { analysis->addMetrics(out); });
    if (users) {
        metrics->addSource([this](auto& out) { users->addMetrics(out); });
    }
    metrics->addSource([this](auto& out) { prometheus_api->addMetrics(out); });
    forwarder.emplace(config.forward, *store);
    metrics->addSource([this](auto& out) { forwarder->addMetrics(out); });
    lapwing_api.emplace(*analyst, *replication, *agents, clock, identities ? &*identities : nullptr,
                        *acceptances, *dispatcher);
    metrics->addSource([this](auto& out) { addClockMetrics(out); });
    metrics->addSource([this](auto& out) {
        auto objective = gauge(metric::kSiteObjectiveRatio, "The share of requests that should succeed.");
        add(objective, {}, config.site.objective / 100);
        out.push_back(std::move(objective));
    });
    metrics->addSource([this](auto& out) { addIdentityMetrics(out); });
    metrics->addSource([this](auto& out) { addCertificateMetrics(out); });
    metrics->addSource([this](auto& out) { api::Server::addMetrics(servers, out); });
}

void Service::Parts::addIdentityMetrics(std::vector<prometheus::MetricFamily>& out) {
    if (!identities) {
        return;
    }
    auto family = gauge(metric::kAgentIdentityConflict, "1 while the name of an agent is used twice.");
    for (const auto& agent : agents->list(nowMs())) {
        for (const auto& warning : identities->warnings(agent.host, trust::Identities::Clock::now())) {
            if (warning.isHarmful()) {
                add(family,
                    {{"host", agent.host}, {"kind", nameOf(trust::kIdentityWarningNames, warning.kind)}}, 1);
            }
        }
    }
    out.push_back(std::move(family));
}

void Service::Parts::addCertificateMetrics(std::vector<prometheus::MetricFamily>& out) {
    if (!authority) {
        return;
    }
    auto family = gauge(metric::kCertificateEndTimestampSeconds,
                        "When a certificate ends: an agent's that it uses, the collector's, the CA's.");
    const auto used = identities->certificateEnds();
    for (const auto& agent : authority->enrolled()) {
        if (agent.revoked) {
            continue;
        }
        const auto found = used.find(agent.host);
        const auto ends = found == used.end() ? agent.not_after : found->second;
        add(family, {{"certificate", "agent"}, {"host", agent.host}}, static_cast<double>(ends));
    }
    for (const auto& [certificate, ends] :
         {std::pair("collector", authority->serverEnds()), std::pair("ca", authority->caEnds())}) {
        if (ends != 0) {
            add(family, {{"certificate", certificate}}, static_cast<double>(ends));
        }
    }
    out.push_back(std::move(family));
}

/// The revocations are in the CA's directory and in the database: whichever is restored from an old backup,
/// the other one still has them.
void Service::Parts::keepRevocations() {
    if (!authority) {
        return;
    }
    const auto saved = store->state(kRevocationsState);
    const std::string known = saved ? saved->value_or("") : "";
    if (auto added = authority->addRevocations(trust::Revocations::parse(known)); !added) {
        spdlog::error("keep the revocations: {}", added.error().message);
    }
    if (const auto all = authority->revocations().toText(); saved && all != known) {
        if (auto put = store->putState(kRevocationsState, all); !put) {
            spdlog::error("keep the revocations: {}", put.error().message);
        }
    }
}

Expected<api::AgentsContact> Service::Parts::contact() const {
    auto pin = authority->serverPin();
    if (!pin) {
        return fail(pin.error());
    }
    auto reached = agentsAddresses(config, servers);
    return api::AgentsContact{std::move(*pin), std::move(reached.addresses), reached.port};
}

Expected<void> Service::Parts::forget(const std::string& host) {
    if (!trust::isValidHostName(host)) {
        return fail(ErrorKind::invalid, "\"" + host + "\" cannot be a host's name");
    }
    if (authority) {
        if (auto forgotten = authority->forget(host); !forgotten) {
            return forgotten;
        }
        identities->forget(host);
        keepRevocations();
    }
    agents->forget(host);
    clock.forget(host);
    std::vector<storage::Matchers> any;
    using Type = storage::Matcher::Type;
    using Match = std::tuple<Type, const char*, std::string>;
    const std::vector<std::vector<Match>> selectors{
        {{Type::equal, "agent", host}},
        {{Type::equal, "instance", host}, {Type::not_equal, "job", metric::kCollectorJob}},
        {{Type::equal, "host", host}, {Type::equal, "job", metric::kCollectorJob}}};
    for (const auto& selector : selectors) {
        storage::Matchers matchers;
        for (const auto& [type, name, value] : selector) {
            auto matcher = storage::Matcher::create(type, name, value);
            if (!matcher) {
                return fail(matcher.error());
            }
            matchers.push_back(std::move(*matcher));
        }
        any.push_back(std::move(matchers));
    }
    spdlog::info("{} is forgotten, with its samples", host);
    return store->deleteSeries(any, 0, std::numeric_limits<TimestampMs>::max());
}

Labels Service::Parts::annotate(const Labels& alert, const Labels& annotations) const {
    if (alert.has("id") && alert.has("subject")) {
        const auto findings = analyst->findings();
        const auto* finding = analysis::findingOf(alert, findings);
        return finding == nullptr ? Labels() : analysis::annotationsOf(*finding, annotations);
    }
    const auto verdicts = replication->verdicts();
    const auto* verdict = analysis::verdictOf(alert, *verdicts);
    return verdict == nullptr ? Labels() : analysis::annotationsOf(*verdict, annotations);
}

std::optional<notify::Accepted> Service::Parts::accepted(const Labels& alert, TimestampMs now) const {
    if (!alert.has("id") || !alert.has("subject")) {
        return std::nullopt;
    }
    const auto found = acceptances->of(std::string(alert.get("id")), std::string(alert.get("subject")), now);
    return found && found->holds(now)
               ? std::optional(notify::Accepted{found->by, found->until, found->reason})
               : std::nullopt;
}

Expected<void> Service::Parts::loadRules() {
    const auto problems = rules->loadFiles(config.rules);
    for (const auto& problem : problems) {
        spdlog::error("{}", problem.toString());
    }
    if (problems.empty()) {
        if (rules->groups().empty()) {
            spdlog::warn("no rules are loaded, so no alert will be sent");
        }
        return {};
    }
    return fail(ErrorKind::invalid, "the rule files have " + std::to_string(problems.size()) + " problem" +
                                        (problems.size() == 1 ? "" : "s") + ", named above");
}

void Service::Parts::logStore() {
    auto now = store->stats();
    if (now.trouble != logged.trouble && !now.trouble.empty()) {
        spdlog::error("the maintenance of the store fails, and samples stay in its log: {}", now.trouble);
    }
    if (now.age_dropped_before != logged.age_dropped_before) {
        spdlog::info("retention.time: everything before {} was deleted, {} samples",
                     rfc3339(now.age_dropped_before), now.age_dropped_samples - logged.age_dropped_samples);
    }
    if (now.size_dropped_before != logged.size_dropped_before) {
        spdlog::warn("retention.size: everything before {} was deleted, {} samples",
                     rfc3339(now.size_dropped_before),
                     now.size_dropped_samples - logged.size_dropped_samples);
    }
    if (now.damaged_blocks > logged.damaged_blocks) {
        spdlog::error("the database has {} damaged blocks; queries that need their unreadable samples fail",
                      now.damaged_blocks);
    }
    if (now.found_damage && !logged.found_damage) {
        spdlog::error("SQLite met damage in the database");
    }
    for (const auto& [sender, series] : now.senders) {
        if (series.refused != 0 && logged.senders[sender].refused == 0) {
            spdlog::error("{}: new series are refused; it has {} active series, with {} bytes of labels",
                          sender, series.series, series.label_bytes);
        }
    }
    for (const auto& [sender, documents] : now.documents) {
        const auto& before = logged.documents[sender];
        if (documents.dropped > before.dropped || documents.refused > before.refused) {
            spdlog::warn(
                "{}: its documents have {} bytes, its limit: {} older ones were deleted, {} new ones refused",
                sender, documents.bytes, documents.dropped - before.dropped,
                documents.refused - before.refused);
        }
    }
    const bool refusing = now.own_refused > logged.own_refused;
    if (refusing && !own_refused) {
        spdlog::error(
            "the store refuses samples of the collector itself (its metrics, findings, verdicts, results of "
            "rules): ingest.max_own_series is reached, or the clock was set back");
    }
    own_refused = refusing;
    logged = std::move(now);
}

Expected<void> Service::Parts::reloadRules() {
    auto loaded = loadRules();
    prometheus_api->reloaded(loaded.has_value());
    if (loaded) {
        spdlog::info("the rules were reloaded");
    } else {
        spdlog::error("the previous rules stay in force");
    }
    return loaded;
}

Handlers Service::Parts::handlers() {
    api::PeopleParts people;
    people.prometheus = &*prometheus_api;
    people.lapwing = &*lapwing_api;
    people.ready = [this] { return analysis->hasRun() || !clock.settled(readClocks()); };
    people.metrics_text = [this] {
        return prometheus::TextSerializer().Serialize(metrics->collect(nowMs()));
    };
    const api::AgentsParts parts{*receiver,
                                 *store,
                                 *analyst,
                                 *agents,
                                 *metrics,
                                 clock,
                                 identities ? &*identities : nullptr,
                                 authority ? &*authority : nullptr,
                                 authority ? authority->trust() : "",
                                 join_desk ? &*join_desk : nullptr};
    api::Admission open;
    api::Admission loopback;
    loopback.check_host = true;
    loopback.names = config.http.names;
    loopback.external_url = config.http.external_url;
    if (const auto server = Endpoint::ofUrl(config.http.external_url)) {
        loopback.names.push_back(server->host);
    }
    api::Admission off_loopback;
    off_loopback.external_url = config.http.external_url;
    off_loopback.users = users ? &*users : nullptr;
    Handlers out;
    out.loopback = {
        api::peopleGate(loopback),
        api::peopleHandler(people, config.ingest.local ? api::localWriteHandler(parts) : nullptr)};
    out.off_loopback = {api::peopleGate(off_loopback), api::peopleHandler(people)};
    const api::AdminParts administration{
        *store,
        dispatcher->silences(),
        [this] { return reloadRules(); },
        [this](const std::string& host) { return forget(host); },
        {config.agents.listen.empty() ? nullptr : &*invitations, [this] { return contact(); }},
        {*acceptances, *analyst}};
    out.admin = {api::peopleGate(open), api::adminHandler(administration, api::peopleHandler(people))};
    out.agents = {api::agentsGate(parts), api::agentsHandler(parts)};
    return out;
}

Service::Service(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

Service::~Service() = default;

Expected<std::unique_ptr<Service>> Service::create(const Config& config) {
    auto parts = std::make_unique<Parts>();
    parts->config = config;
    if (auto opened = parts->open(); !opened) {
        return fail(opened.error());
    }
    return std::unique_ptr<Service>(new Service(std::move(parts)));
}

void Service::start() {
    parts_->dispatcher->start();
    parts_->forwarder->start();
    for (auto& server : parts_->servers) {
        server->start();
    }
}

bool Service::clockSettled() {
    if (!parts_->clock.settled(readClocks())) {
        return false;
    }
    if (!std::exchange(parts_->judging, true)) {
        parts_->rules->start();
        parts_->analysis->start();
    }
    return true;
}

void Service::watchReplication() {
    if (!clockSettled()) {
        return;
    }
    if (auto judged = parts_->replication->update(nowMs()); !judged) {
        spdlog::error("replication: {}", judged.error().message);
    }
}

void Service::keepRecords() {
    if (!clockSettled()) {
        return;
    }
    const TimestampMs now = nowMs();
    if (auto stored = parts_->metrics->storeSamples(now); !stored) {
        spdlog::error("own metrics: {}", stored.error().message);
    }
    if (auto saved = parts_->metadata->save(); !saved) {
        spdlog::error("save the metadata of metrics: {}", saved.error().message);
    }
    if (!parts_->clock_saved_at || readClocks().steady - *parts_->clock_saved_at >= kSaveClockMs) {
        parts_->saveClock();
    }
    parts_->keepRevocations();
    parts_->logStore();
}

bool Service::foundDamage() const {
    return parts_->logged.found_damage;
}

void Service::reload() {
    static_cast<void>(parts_->reloadRules());
}

void Service::stop() {
    parts_->rules->askToStop();
    parts_->forwarder->askToStop();
    parts_->analysis->stop();
    parts_->prometheus_api->interrupt();
    for (auto& server : parts_->servers) {
        server->askToStop(kGrace);
    }
    for (auto& server : parts_->servers) {
        server->stop();
    }
    parts_->rules->stop();
    parts_->dispatcher->stop();
    if (auto saved = parts_->metadata->save(); !saved) {
        spdlog::error("{}", saved.error().message);
    }
    parts_->forwarder->stop();
    parts_->saveClock();
}

}  // namespace lapwing::collector
