#include "collector/rules/group_runner.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <new>
#include <optional>
#include <string_view>
#include <utility>

#include "collector/limits/query_limits.h"
#include "collector/rules/links.h"
#include "collector/rules/template/template.h"
#include "collector/storage/series_budget.h"

namespace lapwing::rules {
namespace {

using Clock = std::chrono::steady_clock;

// Alert states are saved at least this often while alerts are active, so that a restart knows how old they
// are.
constexpr std::int64_t kSaveEveryMs = 60'000;

std::string stateName(const RuleGroup& group, const std::string& rule_name, std::size_t ordinal) {
    return kStatePrefix + group.file + ";" + group.name + rule_name + std::to_string(ordinal);
}

/// Whether a saved state belongs to a rule of that name, in any file and group.
bool isStateOf(const std::string& state_name, const std::string& rule_name) {
    const auto ordinal = state_name.find_last_not_of("0123456789") + 1;
    return ordinal < state_name.size() &&
           std::string_view(state_name).substr(0, ordinal).ends_with(rule_name);
}

/// Gives a state in the store another name. A crash in between leaves both names, and the next start takes
/// the new one.
Expected<void> renameState(storage::Store& store, const std::string& from, const std::string& to,
                           const std::string& value) {
    if (auto saved = store.putState(to, value); !saved) {
        return saved;
    }
    return store.putState(from, "");
}

Expected<promql::Vector> toVector(promql::Result result) {
    if (auto* vector = std::get_if<promql::Vector>(&result.value)) {
        return std::move(*vector);
    }
    if (const auto* scalar = std::get_if<promql::Scalar>(&result.value)) {
        return promql::Vector{{Labels{}, {scalar->timestamp, scalar->value}}};
    }
    return fail(ErrorKind::execution, "rule result is not a vector or scalar");
}

/// A part of a rule's evaluation within the limits of a query. All parts have the time of one query together.
template <class Work>
auto withinLimits(const RunnerContext& context, Clock::time_point until, Work work) -> decltype(work()) {
    const QueryLimits limits(context.engine.options().max_memory, until, &context.cancelled);
    try {
        return work();
    } catch (const std::bad_alloc&) {
        return fail(QueryLimits::outOfMemory());
    }
}

Expected<std::vector<TemplateSample>> templateQuery(const promql::Engine& engine, std::string_view query,
                                                    TimestampMs at) {
    auto result = engine.instant(query, at);
    if (!result) {
        return fail(result.error());
    }
    std::vector<TemplateSample> out;
    if (const auto* string = std::get_if<promql::String>(&result->value)) {
        out.push_back({Labels{{"__value__", string->value}}, 0});
        return out;
    }
    auto vector = toVector(std::move(*result));
    if (!vector) {
        return fail(ErrorKind::execution, "query result is not a vector or scalar");
    }
    for (auto& element : *vector) {
        out.push_back({std::move(element.labels), element.sample.value});
    }
    return out;
}

std::string expand(const TemplatedLabel& label, const TemplateData& data) {
    if (!label.expansion) {
        return label.text;
    }
    auto text = label.expansion->expand(data);
    return text ? std::move(*text) : "<error expanding template: " + text.error().message + ">";
}

/// The link from an alert to its expression, as Prometheus writes it.
std::string generatorUrl(const std::string& external_url, const std::string& query) {
    return external_url + expressionPath(query, ExpressionTab::table);
}

/// Labels of the elements of a result, without names; nothing if the result is unknown.
using Elements = std::optional<std::set<Labels>>;

// An aggregate with more missing series than this is not evaluated as if they continued.
constexpr std::size_t kMostContinued = 1000;

/// The elements that the expression would yield if the missing series went on as they were.
Elements elementsIfContinued(const RunnerContext& context, const std::string& query, TimestampMs at,
                             const std::map<Labels, std::int64_t>& missing) {
    if (missing.size() > kMostContinued) {
        return std::nullopt;
    }
    const ContinuedSeries data(context.engine.data(), missing);
    auto result = promql::Engine(data, context.engine.options()).instant(query, at);
    auto vector = result ? toVector(std::move(*result)) : Expected<promql::Vector>(fail(result.error()));
    if (!vector) {
        return std::nullopt;
    }
    std::set<Labels> out;
    for (auto& element : *vector) {
        element.labels.erase("__name__");
        out.insert(std::move(element.labels));
    }
    return out;
}

const std::string& senderOf(const Rule& rule) {
    return rule.type == RuleType::recording ? storage::kRulesSender : storage::kCollectorSender;
}

void endSeries(const std::set<Labels>& before, const std::set<Labels>& now, TimestampMs at,
               std::vector<TimeSeries>& out) {
    for (const auto& labels : before) {
        if (now.count(labels) == 0) {
            out.push_back({labels, {{at, staleNaN()}}});
        }
    }
}

}  // namespace

GroupRunner::GroupRunner(RuleGroup group) : group_(std::move(group)) {
    std::map<std::string, std::size_t> ordinals;
    for (auto& rule : group_.rules) {
        RuleState state;
        state.rule_name = ";" + rule.name + rule.plainLabels().toString() + ";";
        state.state_name = stateName(group_, state.rule_name, ordinals[state.rule_name]++);
        if (auto inputs = inputsOf(rule.query)) {
            state.inputs = std::move(*inputs);
        }
        state.rule = std::move(rule);
        rules_.push_back(std::move(state));
    }
    group_.rules.clear();
}

void GroupRunner::take(RuleState& from, RuleState& into) {
    into.tracker = std::move(from.tracker);
    into.previous = std::move(from.previous);
    into.unsaved = from.unsaved;
    into.saved_at = from.saved_at;
    into.adopted = true;
    from.adopted = true;
}

void GroupRunner::adopt(GroupRunner& older) {
    for (auto& state : rules_) {
        const auto same = std::find_if(older.rules_.begin(), older.rules_.end(), [&](const RuleState& other) {
            return !other.adopted && other.rule.type == state.rule.type &&
                   other.state_name == state.state_name;
        });
        if (same == older.rules_.end()) {
            continue;
        }
        take(*same, state);
    }
    last_evaluation_ = older.last_evaluation_;
    evaluations_ = older.evaluations_;
    failures_ = older.failures_;
    missed_ = older.missed_;
}

void GroupRunner::adoptMoved(GroupRunner& other, storage::Store& store) {
    for (auto& state : rules_) {
        for (auto& same : other.rules_) {
            if (state.adopted || same.adopted || same.rule.type != state.rule.type ||
                same.rule_name != state.rule_name || same.rule.canonical != state.rule.canonical) {
                continue;
            }
            take(same, state);
            if (state.rule.type != RuleType::alerting || state.tracker.empty()) {
                continue;
            }
            const auto saved = store.state(same.state_name);
            const auto renamed =
                saved ? renameState(store, same.state_name, state.state_name, saved->value_or(""))
                      : Expected<void>(fail(saved.error()));
            if (!renamed) {
                spdlog::warn("alert {}: {}", state.rule.name, renamed.error().message);
            }
        }
    }
}

std::vector<std::string> GroupRunner::stateNames() const {
    std::vector<std::string> out;
    for (const auto& state : rules_) {
        out.push_back(state.state_name);
    }
    return out;
}

void GroupRunner::restore(storage::Store& store, std::map<std::string, std::string>& others) {
    for (auto& state : rules_) {
        if (std::exchange(state.adopted, false) || state.rule.type != RuleType::alerting) {
            continue;
        }
        auto saved = store.state(state.state_name);
        if (!saved) {
            continue;
        }
        if (!*saved || (*saved)->empty()) {
            const auto moved = std::find_if(others.begin(), others.end(), [&](const auto& other) {
                return isStateOf(other.first, state.rule_name) &&
                       AlertTracker::savedQuery(other.second) == state.rule.canonical;
            });
            if (moved == others.end()) {
                continue;
            }
            *saved = moved->second;
            if (const auto renamed = renameState(store, moved->first, state.state_name, moved->second);
                !renamed) {
                spdlog::warn("alert {}: {}", state.rule.name, renamed.error().message);
            }
            others.erase(moved);
        }
        if (const auto restored = state.tracker.restore(**saved); !restored) {
            spdlog::warn("alert {}: {}", state.rule.name, restored.error().message);
            continue;
        }
        for (const auto& series : state.tracker.series(0)) {
            state.previous.insert(series.labels);
        }
    }
}

void GroupRunner::retire(TimestampMs now, const RunnerContext& context) {
    std::vector<TimeSeries> ended;
    for (auto& state : rules_) {
        if (state.adopted) {
            continue;
        }
        endSeries(state.previous, {}, now - group_.query_offset_ms, ended);
        if (state.tracker.empty()) {
            continue;
        }
        auto alerts =
            state.tracker.resolveAll(now, generatorUrl(context.options.external_url, state.rule.canonical));
        if (const auto cleared = context.store.putState(state.state_name, ""); !cleared) {
            spdlog::warn("alert {}: {}", state.rule.name, cleared.error().message);
        }
        if (context.notifier != nullptr && !alerts.empty()) {
            context.notifier->send(std::move(alerts));
        }
    }
    if (ended.empty()) {
        return;
    }
    if (const auto stored = context.store.appendOwn(ended); !stored) {
        spdlog::warn("rule group {}: {}", group_.name, stored.error().message);
    }
}

Expected<std::vector<TimeSeries>> GroupRunner::record(const RuleState& state, promql::Vector elements,
                                                      TimestampMs at) const {
    std::vector<TimeSeries> out;
    std::set<Labels> seen;
    for (auto& element : elements) {
        Labels labels = std::move(element.labels);
        labels.set("__name__", state.rule.name);
        for (const auto& label : state.rule.labels) {
            labels.set(label.name, label.text);
        }
        if (!seen.insert(labels).second) {
            return fail(ErrorKind::execution,
                        "vector contains metrics with the same labelset after applying rule labels");
        }
        out.push_back({std::move(labels), {{at, element.sample.value}}});
    }
    if (group_.limit > 0 && out.size() > static_cast<std::size_t>(group_.limit)) {
        return fail(ErrorKind::exhausted, "exceeded limit of " + std::to_string(group_.limit) + " with " +
                                              std::to_string(out.size()) + " series");
    }
    return out;
}

std::vector<Absence> GroupRunner::explainAbsence(const RuleState& state, TimestampMs at,
                                                 const RunnerContext& context,
                                                 const std::vector<const TrackedAlert*>& vanished) const {
    std::vector<MissingData> missing;
    std::map<Labels, std::int64_t> continued;
    for (const auto* alert : vanished) {
        missing.push_back(findMissing(context.engine.data(), state.inputs, alert->source,
                                      alert->last_true - group_.query_offset_ms, at,
                                      context.engine.options().lookback_ms));
        continued.insert(missing.back().series.begin(), missing.back().series.end());
    }
    const auto possible = continued.empty() ? Elements(std::set<Labels>())
                                            : elementsIfContinued(context, state.rule.query, at, continued);
    std::vector<Absence> out;
    for (std::size_t i = 0; i < vanished.size(); ++i) {
        const auto& alert = *vanished[i];
        if (missing[i].empty() ||
            (!missing[i].unreadable && possible && possible->count(alert.source) == 0)) {
            out.push_back(Absence::ended);
            continue;
        }
        out.push_back(missing[i].partial && !missing[i].unreadable ? Absence::partial : Absence::silent);
        if (!alert.unknown_since) {
            spdlog::warn("alert {} is held: {} ({} series)", alert.labels.toString(),
                         out.back() == Absence::partial ? "inputs that could make it true are missing"
                                                        : "its data are missing",
                         missing[i].series.size());
        }
    }
    return out;
}

/// The alerts of a result. An annotation that cannot be expanded in time says so; a label cannot, because it
/// would make another alert.
Expected<std::vector<AlertCandidate>> GroupRunner::candidates(const RuleState& state,
                                                              const promql::Vector& elements,
                                                              const RunnerContext& context,
                                                              TimestampMs at) const {
    const Rule& rule = state.rule;
    TemplateData data;
    data.external_labels = context.options.external_labels;
    data.external_url = context.options.external_url;
    data.query = [&](std::string_view query) { return templateQuery(context.engine, query, at); };
    std::vector<AlertCandidate> out;
    std::set<Labels> seen;
    for (const auto& element : elements) {
        AlertCandidate candidate;
        candidate.source = element.labels;
        candidate.source.erase("__name__");
        candidate.value = element.sample.value;
        data.labels = element.labels;
        data.value = element.sample.value;
        candidate.labels = candidate.source;
        for (const auto& label : rule.labels) {
            candidate.labels.set(label.name, expand(label, data));
            if (auto in_time = QueryLimits::check(); label.expansion && !in_time) {
                return fail(in_time.error());
            }
        }
        candidate.labels.set("alertname", rule.name);
        for (const auto& annotation : rule.annotations) {
            candidate.annotations.set(annotation.name, expand(annotation, data));
        }
        if (auto go_on = QueryLimits::check(); !go_on && go_on.error().kind != ErrorKind::timeout) {
            return fail(go_on.error());
        }
        if (context.options.annotate) {
            for (const auto& more : context.options.annotate(candidate.labels, candidate.annotations)) {
                candidate.annotations.set(more.name, more.value);
            }
        }
        if (!seen.insert(candidate.labels).second) {
            return fail(ErrorKind::execution,
                        "vector contains metrics with the same labelset after applying alert labels");
        }
        out.push_back(std::move(candidate));
    }
    if (group_.limit > 0 && out.size() > static_cast<std::size_t>(group_.limit)) {
        return fail(ErrorKind::exhausted, "exceeded limit of " + std::to_string(group_.limit) + " with " +
                                              std::to_string(out.size()) + " alerts");
    }
    return out;
}

std::vector<TimeSeries> GroupRunner::alert(RuleState& state, std::vector<AlertCandidate> candidates,
                                           TimestampMs now, const RunnerContext& context,
                                           Clock::time_point until) {
    const Rule& rule = state.rule;
    const TimestampMs at = now - group_.query_offset_ms;
    const AlertTimes times{rule.for_ms, rule.keep_firing_for_ms, context.options.resolved_retention_ms,
                           context.options.hold_silent_ms, context.options.hold_partial_ms};
    const auto explain = [&](const std::vector<const TrackedAlert*>& vanished) {
        auto explained = withinLimits(context, until, [&]() -> Expected<std::vector<Absence>> {
            return explainAbsence(state, at, context, vanished);
        });
        return explained ? std::move(*explained) : std::vector<Absence>(vanished.size(), Absence::silent);
    };
    if (state.tracker.update(now, std::move(candidates), times, explain)) {
        state.unsaved = true;
    }
    return state.tracker.series(at);
}

Expected<std::vector<TimeSeries>> GroupRunner::run(RuleState& state, TimestampMs now,
                                                   const RunnerContext& context) {
    const TimestampMs at = now - group_.query_offset_ms;
    const auto until = Clock::now() + std::chrono::milliseconds(context.engine.options().timeout_ms);
    const auto elements = [&] {
        auto result = context.engine.instant(state.rule.query, at);
        return result ? toVector(std::move(*result)) : Expected<promql::Vector>(fail(result.error()));
    };
    if (state.rule.type == RuleType::recording) {
        return withinLimits(context, until, [&]() -> Expected<std::vector<TimeSeries>> {
            auto found = elements();
            return found ? record(state, std::move(*found), at) : fail(found.error());
        });
    }
    auto found = withinLimits(context, until, [&]() -> Expected<std::vector<AlertCandidate>> {
        const auto yielded = elements();
        return yielded ? candidates(state, *yielded, context, at) : fail(yielded.error());
    });
    if (!found) {
        return fail(found.error());
    }
    return alert(state, std::move(*found), now, context, until);
}

void GroupRunner::save(RuleState& state, TimestampMs now, storage::Store& store) const {
    if (!state.unsaved && (state.tracker.empty() || now - state.saved_at < kSaveEveryMs)) {
        return;
    }
    const auto saved = store.putState(state.state_name, state.tracker.save(now, state.rule.canonical));
    if (!saved) {
        spdlog::warn("alert {}: its state could not be saved: {}", state.rule.name, saved.error().message);
        state.unsaved = true;
        return;
    }
    state.unsaved = false;
    state.saved_at = now;
}

void GroupRunner::send(RuleState& state, TimestampMs now, const RunnerContext& context) const {
    if (context.notifier == nullptr) {
        return;
    }
    const auto resend = group_.builtin ? 0 : context.options.resend_delay_ms;
    // As in Prometheus, long enough for two evaluations or two deliveries to fail.
    auto alerts = state.tracker.due(now, resend, 4 * std::max(resend, group_.interval_ms),
                                    generatorUrl(context.options.external_url, state.rule.canonical));
    if (!alerts.empty()) {
        context.notifier->send(std::move(alerts));
    }
}

void GroupRunner::noteHealth(RuleState& state, const Failure& failure) {
    const bool failed = !failure.message.empty();
    if (failed && state.logged != failure.kind) {
        spdlog::warn("rule {} of group {}: {}", state.rule.name, group_.name, failure.message);
    } else if (!failed && !state.logged.empty()) {
        spdlog::info("rule {} of group {}: evaluated and stored again", state.rule.name, group_.name);
    }
    ++evaluations_;
    failures_ += failed ? 1 : 0;
    state.logged = failed ? failure.kind : "";
    state.health = failed ? Health::err : Health::ok;
    state.last_error = failure.message;
}

void GroupRunner::shiftTimes(std::int64_t jump_ms) {
    for (auto& state : rules_) {
        state.tracker.shiftTimes(jump_ms);
        state.saved_at += jump_ms;
    }
}

bool GroupRunner::evaluate(TimestampMs now, const RunnerContext& context) {
    const auto seconds_since = [](Clock::time_point start) {
        return std::chrono::duration<double>(Clock::now() - start).count();
    };
    const auto group_start = Clock::now();
    for (auto& state : rules_) {
        if (context.cancelled) {
            return false;
        }
        const auto start = Clock::now();
        auto series = run(state, now, context);
        if (!series && context.cancelled) {
            return false;
        }
        if (series) {
            std::set<Labels> written;
            for (const auto& each : *series) {
                written.insert(each.labels);
            }
            endSeries(state.previous, written, now - group_.query_offset_ms, *series);
            const auto stored = series->empty() ? Expected<storage::AppendResult>(storage::AppendResult{})
                                                : context.store.append(*series, senderOf(state.rule));
            if (stored) {
                state.previous = std::move(written);
            }
            // As in Prometheus, a result that is not stored is an error of the rule.
            noteHealth(state, stored ? Failure{stored->first_refusal,
                                               "refused/" + std::to_string(static_cast<int>(stored->reason))}
                                     : Failure{stored.error().message, stored.error().message});
        } else {
            noteHealth(state, {series.error().message, series.error().message});
        }
        if (state.rule.type == RuleType::alerting) {
            save(state, now, context.store);
            send(state, now, context);
        }
        state.seconds = seconds_since(start);
        state.last_evaluation = now;
    }
    seconds_ = seconds_since(group_start);
    last_evaluation_ = now;
    return true;
}

GroupStatus GroupRunner::status() const {
    GroupStatus out;
    out.name = group_.name;
    out.file = group_.file;
    out.interval_ms = group_.interval_ms;
    out.limit = group_.limit;
    out.builtin = group_.builtin;
    out.evaluation_seconds = seconds_;
    out.last_evaluation = last_evaluation_;
    out.evaluations = evaluations_;
    out.failures = failures_;
    out.missed = missed_;
    for (const auto& state : rules_) {
        RuleStatus rule;
        rule.type = state.rule.type;
        rule.name = state.rule.name;
        rule.query = state.rule.canonical;
        rule.duration_ms = state.rule.for_ms;
        rule.keep_firing_for_ms = state.rule.keep_firing_for_ms;
        rule.labels = state.rule.plainLabels();
        std::vector<Label> annotations;
        for (const auto& annotation : state.rule.annotations) {
            annotations.push_back({annotation.name, annotation.text});
        }
        rule.annotations = Labels(std::move(annotations));
        rule.alerts = state.tracker.active();
        for (const auto& alert : rule.alerts) {
            rule.state = std::max(rule.state, alert.state);
        }
        rule.health = state.health;
        rule.last_error = state.last_error;
        rule.evaluation_seconds = state.seconds;
        rule.last_evaluation = state.last_evaluation;
        out.rules.push_back(std::move(rule));
    }
    return out;
}

}  // namespace lapwing::rules
