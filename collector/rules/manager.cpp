#include "collector/rules/manager.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "collector/rules/group_runner.h"
#include "common/config/reader.h"
#include "common/metric_names.h"
#include "common/model/clock.h"
#include "common/model/families.h"
#include "common/mutex.h"
#include "common/worker.h"

namespace lapwing::rules {

/// The time between two evaluations may deviate from the monotonic clock by this much without a jump.
constexpr std::int64_t kSlewedMs = 2'000;

const char* alertStateName(AlertState state) {
    switch (state) {
        case AlertState::inactive:
            return "inactive";
        case AlertState::pending:
            return "pending";
        case AlertState::firing:
            return "firing";
    }
    return "inactive";
}

const char* healthName(Health health) {
    switch (health) {
        case Health::unknown:
            return "unknown";
        case Health::ok:
            return "ok";
        case Health::err:
            return "err";
    }
    return "unknown";
}

struct RuleManager::State {
    struct Entry {
        GroupRunner runner;
        TimestampMs last_slot = 0;
        std::chrono::steady_clock::time_point evaluated{};
    };

    State(const promql::Engine& e, storage::Store& s, notify::Notifier* n, ManagerOptions o)
        : options(std::move(o)), context{e, s, n, options, cancelled} {}

    /// The groups with the states of the loaded groups, or those of the store.
    std::vector<Entry> adoptStates(std::vector<RuleGroup> groups) LAPWING_REQUIRES(work);
    void publish() LAPWING_REQUIRES(work);
    void publish(std::size_t index) LAPWING_REQUIRES(work);
    /// Lets the first evaluation of each group be at its first slot after the start, as in Prometheus.
    void skipPastSlots();
    /// After the time jumped, the timers of alerts go on as if it had not.
    void followJump(TimestampMs now) LAPWING_REQUIRES(work);
    /// Counts the evaluations for which it is too late, by a clock that nobody sets.
    static void countMissed(Entry& entry);
    /// Evaluates the groups that are due. Returns the time until the next group is due.
    std::chrono::milliseconds evaluateDue();

    const ManagerOptions options;
    std::atomic<bool> cancelled{false};
    const RunnerContext context;

    Mutex work;  ///< held while evaluating and loading
    std::vector<Entry> entries LAPWING_GUARDED_BY(work);
    std::optional<std::int64_t> base LAPWING_GUARDED_BY(work);  ///< the time minus the monotonic clock

    mutable Mutex shown;  ///< never held while waiting for anything
    std::vector<GroupStatus> published LAPWING_GUARDED_BY(shown);

    bool running = false;
    Worker worker{"rules", [this] { return evaluateDue(); }};
};

std::vector<RuleManager::State::Entry> RuleManager::State::adoptStates(std::vector<RuleGroup> groups) {
    std::vector<Entry> fresh;
    for (auto& group : groups) {
        fresh.push_back({GroupRunner(std::move(group)), 0});
    }
    const auto sameFile = [](const RuleGroup& a, const RuleGroup& b) { return a.file == b.file; };
    const auto sameName = [](const RuleGroup& a, const RuleGroup& b) { return a.name == b.name; };
    const auto pairs = [&](const auto& alike, const auto& adopt) {
        for (auto& entry : fresh) {
            for (auto& older : entries) {
                if (alike(entry.runner.group(), older.runner.group())) {
                    adopt(entry, older);
                }
            }
        }
    };
    pairs([&](const auto& a, const auto& b) { return sameFile(a, b) && sameName(a, b); },
          [](Entry& entry, Entry& older) {
              entry.runner.adopt(older.runner);
              entry.last_slot = older.last_slot;
          });
    // A rule whose file or group has another name, and then a rule that stands elsewhere.
    const auto moved = [&](Entry& entry, Entry& older) {
        entry.runner.adoptMoved(older.runner, context.store);
    };
    pairs(sameName, moved);
    pairs(sameFile, moved);
    pairs([](const auto&, const auto&) { return true; }, moved);

    auto others = context.store.states(kStatePrefix).value_or(std::map<std::string, std::string>());
    for (const auto& entry : fresh) {
        for (const auto& name : entry.runner.stateNames()) {
            others.erase(name);
        }
    }
    for (auto& entry : fresh) {
        entry.runner.restore(context.store, others);
        if (entry.last_slot == 0) {
            entry.last_slot = entry.runner.group().slot(nowMs());
        }
    }
    return fresh;
}

void RuleManager::State::publish() {
    std::vector<GroupStatus> fresh;
    for (const auto& entry : entries) {
        fresh.push_back(entry.runner.status());
    }
    const MutexLock lock(shown);
    published = std::move(fresh);
}

void RuleManager::State::publish(std::size_t index) {
    auto fresh = entries[index].runner.status();
    const MutexLock lock(shown);
    published[index] = std::move(fresh);
}

void RuleManager::State::followJump(TimestampMs now) {
    const auto present = now - readClocks().steady;
    const auto jump = present - base.value_or(present);
    base = present;
    if (std::abs(jump) <= kSlewedMs) {
        return;
    }
    spdlog::warn("the time jumped by {} s: the timers of alerts go on", jump / 1000);
    for (auto& entry : entries) {
        entry.runner.shiftTimes(jump);
    }
}

std::chrono::milliseconds RuleManager::State::evaluateDue() {
    const MutexLock lock(work);
    const TimestampMs now = nowMs();
    followJump(now);
    TimestampMs next = now + 60'000;
    for (std::size_t i = 0; i < entries.size() && !cancelled; ++i) {
        auto& entry = entries[i];
        const auto& group = entry.runner.group();
        const TimestampMs slot = group.slot(now);
        // A clock that was set back by more than an interval must not stop the evaluation.
        const bool set_back = slot < entry.last_slot - group.interval_ms;
        if (slot > entry.last_slot || set_back) {
            entry.last_slot = slot;
            countMissed(entry);
            entry.runner.evaluate(slot, context);
            publish(i);
        }
        next = std::min(next, entry.last_slot + group.interval_ms);
    }
    return std::chrono::milliseconds(std::max<std::int64_t>(next - nowMs(), 1));
}

void RuleManager::State::countMissed(Entry& entry) {
    const auto now = std::chrono::steady_clock::now();
    const auto since = std::exchange(entry.evaluated, now);
    if (since.time_since_epoch().count() == 0) {
        return;
    }
    const auto late = std::chrono::duration_cast<std::chrono::milliseconds>(now - since).count();
    // Half an interval: an evaluation begins some milliseconds before or after its time.
    const auto intervals = (late + entry.runner.group().interval_ms / 2) / entry.runner.group().interval_ms;
    if (intervals > 1) {
        entry.runner.countMissed(static_cast<std::uint64_t>(intervals - 1));
    }
}

void RuleManager::State::skipPastSlots() {
    const MutexLock lock(work);
    for (auto& entry : entries) {
        entry.last_slot = entry.runner.group().slot(nowMs());
    }
}

RuleManager::RuleManager(const promql::Engine& engine, storage::Store& store, notify::Notifier* notifier,
                         ManagerOptions options)
    : state_(std::make_unique<State>(engine, store, notifier, std::move(options))) {}

RuleManager::~RuleManager() {
    stop();
}

std::vector<config::Problem> RuleManager::loadFiles(const std::vector<std::string>& patterns) {
    config::Reader reader;
    auto groups = readRuleFiles(reader, expandPatterns(patterns), state_->options.interval_ms);
    for (auto& group :
         parseRuleFile(reader, state_->options.builtin_rules, "built-in", state_->options.interval_ms)) {
        group.builtin = true;
        groups.push_back(std::move(group));
    }
    if (!reader.ok()) {
        return reader.problems();
    }
    for (const auto& warning : labelsWithValues(groups)) {
        spdlog::warn("{}", warning.toString());
    }
    {
        const MutexLock lock(state_->work);
        auto fresh = state_->adoptStates(std::move(groups));
        const TimestampMs now = nowMs();
        for (auto& older : state_->entries) {
            older.runner.retire(now, state_->context);
        }
        state_->entries = std::move(fresh);
        state_->publish();
    }
    state_->worker.wake();
    return {};
}

void RuleManager::start() {
    if (std::exchange(state_->running, true)) {
        return;
    }
    state_->skipPastSlots();
    state_->worker.start();
}

void RuleManager::stop() {
    if (!std::exchange(state_->running, false)) {
        return;
    }
    state_->cancelled = true;
    state_->worker.stop();
    state_->cancelled = false;
}

void RuleManager::evaluate(TimestampMs now) {
    const MutexLock lock(state_->work);
    for (std::size_t i = 0; i < state_->entries.size(); ++i) {
        state_->entries[i].runner.evaluate(now, state_->context);
        state_->publish(i);
    }
}

std::vector<GroupStatus> RuleManager::groups() const {
    std::vector<GroupStatus> out;
    {
        const MutexLock lock(state_->shown);
        out = state_->published;
    }
    std::erase_if(out, [](const GroupStatus& group) { return group.builtin; });
    if (state_->context.notifier == nullptr) {
        return out;
    }
    std::vector<AlertStatus*> alerts;
    for (auto& group : out) {
        for (auto& rule : group.rules) {
            for (auto& alert : rule.alerts) {
                if (alert.state == AlertState::firing) {
                    alerts.push_back(&alert);
                }
            }
        }
    }
    std::vector<const Labels*> firing;
    firing.reserve(alerts.size());
    for (const auto* alert : alerts) {
        firing.push_back(&alert->labels);
    }
    for (auto* alert : alerts) {
        alert->suppression = state_->context.notifier->suppression(alert->labels, firing);
    }
    return out;
}

void RuleManager::addMetrics(std::vector<prometheus::MetricFamily>& out) const {
    std::vector<GroupStatus> all;
    {
        const MutexLock lock(state_->shown);
        all = state_->published;
    }
    auto evaluations = counter(metric::kRuleEvaluationsTotal, "Evaluations of rules.");
    auto failures = counter(metric::kRuleEvaluationFailuresTotal,
                            "Evaluations that failed, or whose result was not stored as a whole.");
    auto missed = counter(metric::kRuleEvaluationsMissedTotal, "Evaluations of groups that came too late.");
    auto seconds = gauge(metric::kRuleGroupDurationSeconds, "How long the last evaluation took.");
    auto failing = gauge(metric::kRuleFailing, "1 while the evaluations of a rule fail.");
    for (const auto& group : all) {
        const std::vector<prometheus::ClientMetric::Label> labels{
            {"rule_group", group.file + ";" + group.name}};
        add(evaluations, labels, static_cast<double>(group.evaluations));
        add(failures, labels, static_cast<double>(group.failures));
        add(missed, labels, static_cast<double>(group.missed));
        add(seconds, labels, group.evaluation_seconds);
        std::set<std::string> names;
        for (const auto& rule : group.rules) {
            if (rule.health == Health::err && names.insert(rule.name).second) {
                auto of_rule = labels;
                of_rule.push_back({"rule", rule.name});
                add(failing, of_rule, 1);
            }
        }
    }
    for (auto* family : {&evaluations, &failures, &missed, &seconds, &failing}) {
        if (!family->metric.empty()) {
            out.push_back(std::move(*family));
        }
    }
}

CheckResult::CheckResult() = default;
CheckResult::~CheckResult() = default;
CheckResult::CheckResult(CheckResult&&) noexcept = default;
CheckResult& CheckResult::operator=(CheckResult&&) noexcept = default;

CheckResult checkFiles(const std::vector<std::string>& patterns) {
    CheckResult result;
    config::Reader reader;
    const auto files = expandPatterns(patterns);
    const auto groups = readRuleFiles(reader, files, ManagerOptions{}.interval_ms);
    result.files = files.size();
    result.groups = groups.size();
    std::map<std::string, int> first;  // the line at which a name with its labels first occurred
    for (const auto& group : groups) {
        result.rules += group.rules.size();
        for (const auto& rule : group.rules) {
            const auto labels = rule.plainLabels().toString();
            const auto [known, fresh] =
                first.emplace(group.file + "\n" + rule.name + "\n" + labels, rule.line);
            if (fresh) {
                continue;
            }
            result.warnings.push_back({group.file, rule.line, rule.column,
                                       "duplicate rule: " + rule.name + (labels == "{}" ? "" : labels) +
                                           " is also at line " + std::to_string(known->second) +
                                           "; both write the same series"});
        }
    }
    for (auto& warning : labelsWithValues(groups)) {
        result.warnings.push_back(std::move(warning));
    }
    result.problems = reader.problems();
    return result;
}

}  // namespace lapwing::rules
