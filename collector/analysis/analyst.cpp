#include "collector/analysis/analyst.h"

#include <atomic>
#include <ctime>
#include <optional>
#include <set>

#include "collector/analysis/acceptances.h"
#include "collector/analysis/assignments.h"
#include "collector/analysis/book.h"
#include "collector/analysis/evidence/network.h"
#include "collector/analysis/evidence/reader.h"
#include "collector/analysis/evidence/rules_history.h"
#include "collector/analysis/evidence/rulesets.h"
#include "collector/analysis/findings.h"
#include "collector/analysis/replication/watch.h"
#include "collector/analysis/standing_series.h"
#include "collector/analysis/topology/samples.h"
#include "common/metric_names.h"
#include "common/mutex.h"

namespace lapwing::analysis {

namespace {

/// Of an inventory.
constexpr std::size_t kMostDocumentText = 4U << 20;

constexpr const char* kBookState = "analysis/book";
constexpr const char* kRulesState = "analysis/rules";

/// The processor time that the calling thread has used.
std::chrono::milliseconds threadTime() {
    timespec used{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::seconds(used.tv_sec) +
                                                                 std::chrono::nanoseconds(used.tv_nsec));
}

}  // namespace

struct Analyst::State {
    State(storage::Store& the_store, Site the_site, AnalystOptions the_options)
        : store(the_store),
          site(std::move(the_site)),
          options(std::move(the_options)),
          rulesets(the_store),
          assignments(options) {}

    void restore();
    void noteRules(const evidence::Network& network);
    Expected<void> writeSamples(const std::vector<Finding>& findings, const topology::Model& model,
                                TimestampMs now);
    Expected<void> persist();

    storage::Store& store;
    const Site site;
    const AnalystOptions options;

    // Of run() alone.
    evidence::Rulesets rulesets;
    Book book;
    evidence::RulesHistory rules;
    StandingSeries standing;
    std::string persisted_book;
    std::string persisted_rules;

    mutable Mutex mutex;
    mutable ConditionVariable changed;
    Assignments assignments LAPWING_GUARDED_BY(mutex);
    std::vector<Finding> current LAPWING_GUARDED_BY(mutex);
    std::shared_ptr<const topology::Moment> moment LAPWING_GUARDED_BY(mutex);
    std::atomic<bool> interrupted{false};
};

namespace {

Labels acceptedLabelsOf(const Finding& finding, const Labels& extra) {
    auto labels = extra;
    labels.set("__name__", metric::kFindingAcceptedUntilTimestampSeconds);
    labels.set("id", finding.id);
    labels.set("subject", finding.subject);
    return labels;
}

Labels labelsOf(const Finding& finding, const Labels& extra) {
    auto labels = extra;
    labels.set("__name__", metric::kFinding);
    labels.set("id", finding.id);
    labels.set("subject", finding.subject);
    labels.set("severity", severityName(finding.severity));
    labels.set("confidence", confidenceName(finding.confidence));
    return labels;
}

}  // namespace

/// Without a readable state the book starts empty: the findings come again with the next run.
void Analyst::State::restore() {
    if (const auto saved = store.state(kBookState); saved && *saved) {
        persisted_book = **saved;
        if (!book.load(persisted_book)) {
            persisted_book.clear();
        }
    }
    if (const auto saved = store.state(kRulesState); saved && *saved) {
        persisted_rules = **saved;
        rules = evidence::RulesHistory::fromText(persisted_rules);
    }
    auto restored = book.findings();
    for (const auto& finding : restored) {
        standing.restore(labelsOf(finding, options.sample_labels));
        if (options.acceptances != nullptr && options.acceptances->of(finding.id, finding.subject, 0)) {
            standing.restore(acceptedLabelsOf(finding, options.sample_labels));
        }
    }
    const MutexLock lock(mutex);
    current = std::move(restored);
}

void Analyst::State::noteRules(const evidence::Network& network) {
    for (const auto& [name, host] : network.hosts) {
        if (!host.digest.empty()) {
            rules.note(name, host.digest, network.now);
        }
    }
}

Expected<void> Analyst::State::writeSamples(const std::vector<Finding>& findings,
                                            const topology::Model& model, TimestampMs now) {
    std::vector<TimeSeries> samples;
    samples.reserve(findings.size());
    for (const auto& finding : findings) {
        samples.push_back({labelsOf(finding, options.sample_labels), {{now, 1}}});
        const auto accepted = options.acceptances == nullptr
                                  ? std::nullopt
                                  : options.acceptances->of(finding.id, finding.subject, now);
        if (accepted && accepted->holds(now)) {
            samples.push_back({acceptedLabelsOf(finding, options.sample_labels),
                               {{now, static_cast<double>(accepted->until) / 1000}}});
        }
    }
    topology::appendSamples(model, options.sample_labels, now, samples);
    return standing.write(store, std::move(samples), now);
}

Expected<void> Analyst::State::persist() {
    if (auto text = book.toJson(); text != persisted_book) {
        if (auto saved = store.putState(kBookState, text); !saved) {
            return saved;
        }
        persisted_book = std::move(text);
    }
    if (auto text = rules.toText(); text != persisted_rules) {
        if (auto saved = store.putState(kRulesState, text); !saved) {
            return saved;
        }
        persisted_rules = std::move(text);
    }
    return {};
}

Analyst::Analyst(storage::Store& store, Site site, AnalystOptions options)
    : state_(std::make_unique<State>(store, std::move(site), std::move(options))) {
    state_->restore();
}

Analyst::~Analyst() = default;

Expected<void> Analyst::run(TimestampMs now) {
    auto& state = *state_;
    const auto budget = threadTime() + state.options.budget;
    const auto is_over = [&] { return state.interrupted || threadTime() > budget; };
    state.rulesets.beginRound();
    evidence::Reader reader(state.store, now, state.options.lookback_ms);
    auto network = evidence::readNetwork(reader);
    if (!network) {
        return tl::unexpected(network.error());
    }
    {
        // The canary's own listener is no service of the host.
        const MutexLock lock(state.mutex);
        for (auto& [name, host] : network->hosts) {
            std::erase_if(host.listeners,
                          [&, &host_name = name](const auto& listener) LAPWING_REQUIRES(state.mutex) {
                              return state.assignments.isCanaryPort(host_name, listener.port);
                          });
        }
    }
    for (auto& [name, host] : network->hosts) {
        host.ruleset_fault = state.rulesets.faultOf(host);
    }
    state.noteRules(*network);
    auto services = evidence::readServices(reader, state.site.deployment_ms);
    if (!services) {
        return tl::unexpected(services.error());
    }
    if (state.options.names) {
        services->names = state.options.names();
    }
    const auto replicas =
        state.options.replication == nullptr ? nullptr : state.options.replication->verdicts();
    const auto ruleset = [&](const evidence::Host& host) { return state.rulesets.of(host); };
    auto crossings = topology::findCrossings(*network, *services, state.site, ruleset);
    const Context context{*network,
                          state.site,
                          ruleset,
                          [&](const std::string& host) { return state.rules.since(host); },
                          replicas,
                          topology::Moment::of(*network, std::move(*services), std::move(crossings),
                                               state.site, state.options.setup, replicas),
                          [&](const std::string& digest) -> std::optional<std::string> {
                              auto found = state.store.document(digest, kMostDocumentText);
                              return found && *found ? std::optional(std::move((*found)->body))
                                                     : std::nullopt;
                          },
                          [&](const evidence::Host& host, const std::string& digest) {
                              return state.rulesets.of(host, digest);
                          },
                          [&](const std::string& host) { return state.rules.change(host); },
                          is_over};
    auto judgement = judgeAll(context);
    if (is_over()) {
        return state.interrupted ? fail(ErrorKind::unavailable, "interrupted")
                                 : fail(ErrorKind::timeout,
                                        "not finished after " + std::to_string(state.options.budget.count()) +
                                            " ms of processor time" + " for " +
                                            counted(network->hosts.size(), "host", "hosts") +
                                            "; the findings stay as they were");
    }
    state.book.update(std::move(judgement), now);
    const auto findings = state.book.findings();
    // An alert may begin from the samples: what is accepted of it must be known before.
    const auto accepted = state.options.acceptances == nullptr
                              ? Expected<void>()
                              : state.options.acceptances->judge(findings, now);
    {
        // Before the samples, from which an alert may begin: it takes the texts of its finding from here.
        const MutexLock lock(state.mutex);
        state.current = findings;
        state.moment = context.moment;
        state.assignments.update(context);
    }
    auto written = state.writeSamples(findings, context.moment->model, now);
    auto persisted = state.persist();
    state.changed.notifyAll();
    return !written ? written : !persisted ? persisted : accepted;
}

std::vector<Finding> Analyst::findings() const {
    const MutexLock lock(state_->mutex);
    return state_->current;
}

std::shared_ptr<const topology::Moment> Analyst::moment() const {
    const MutexLock lock(state_->mutex);
    return state_->moment;
}

Assignment Analyst::assignment(const std::string& agent) const {
    const MutexLock lock(state_->mutex);
    return state_->assignments.of(agent);
}

Assignment Analyst::awaitAssignment(const std::string& agent, const std::string& known,
                                    std::chrono::milliseconds longest) const {
    MutexLock lock(state_->mutex);
    state_->changed.waitFor(lock, longest, [&]() LAPWING_REQUIRES(state_->mutex) {
        return state_->interrupted.load() || state_->assignments.of(agent).version != known;
    });
    return state_->assignments.of(agent);
}

void Analyst::interrupt() {
    {
        // A waiting poll has looked at the flag, or waits already.
        const MutexLock lock(state_->mutex);
        state_->interrupted = true;
    }
    state_->changed.notifyAll();
}

}  // namespace lapwing::analysis
