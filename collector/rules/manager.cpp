#include "collector/rules/manager.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <set>
#include <utility>

#include "collector/rules/group_schedule.h"
#include "common/config/reader.h"
#include "common/metric_names.h"
#include "common/model/clock.h"
#include "common/model/families.h"
#include "common/mutex.h"

namespace lapwing::rules {

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
    using Groups = GroupSchedule::Groups;

    State(const promql::Engine& e, storage::Store& s, notify::Notifier* n, ManagerOptions o)
        : options(std::move(o)), context{e, s, n, options, cancelled} {}

    /// The groups with the states of the loaded groups, or those of the store.
    Groups adoptStates(std::vector<RuleGroup> groups, Groups& loaded) const;
    void publish(const Groups& groups);
    void publish(std::size_t index, const GroupRunner& runner);

    const ManagerOptions options;
    std::atomic<bool> cancelled{false};
    const RunnerContext context;

    mutable Mutex shown;  ///< never held while waiting for anything
    std::vector<GroupStatus> published LAPWING_GUARDED_BY(shown);

    GroupSchedule schedule{context, cancelled,
                           [this](std::size_t index, const GroupRunner& runner) { publish(index, runner); }};
};

RuleManager::State::Groups RuleManager::State::adoptStates(std::vector<RuleGroup> groups,
                                                           Groups& loaded) const {
    const TimestampMs now = nowMs();
    Groups fresh;
    for (auto& group : groups) {
        fresh.emplace_back(std::move(group));
    }
    for (auto& older : loaded) {
        if (older.base) {
            GroupSchedule::followJump(older, now);
        }
    }
    const auto same_file = [](const RuleGroup& a, const RuleGroup& b) { return a.file == b.file; };
    const auto same_name = [](const RuleGroup& a, const RuleGroup& b) { return a.name == b.name; };
    const auto pairs = [&](const auto& alike, const auto& adopt) {
        for (auto& group : fresh) {
            for (auto& older : loaded) {
                if (alike(group.runner.group(), older.runner.group())) {
                    adopt(group, older);
                }
            }
        }
    };
    pairs([&](const auto& a, const auto& b) { return same_file(a, b) && same_name(a, b); },
          [](ScheduledGroup& group, ScheduledGroup& older) {
              group.runner.adopt(older.runner);
              group.last_slot = older.last_slot;
              group.quick = older.quick;
          });
    // A rule whose file or group has another name, and then a rule that stands elsewhere.
    const auto moved = [&](ScheduledGroup& group, ScheduledGroup& older) {
        group.runner.adoptMoved(older.runner, context.store);
    };
    pairs(same_name, moved);
    pairs(same_file, moved);
    pairs([](const auto&, const auto&) { return true; }, moved);

    auto others = context.store.states(kStatePrefix).value_or(std::map<std::string, std::string>());
    for (const auto& group : fresh) {
        for (const auto& name : group.runner.stateNames()) {
            others.erase(name);
        }
    }
    for (auto& group : fresh) {
        group.runner.restore(context.store, others);
        if (!loaded.empty()) {
            group.base = loaded.front().base;
        }
        if (group.last_slot == 0) {
            group.last_slot = group.runner.group().slot(now);
        }
    }
    return fresh;
}

void RuleManager::State::publish(const Groups& groups) {
    std::vector<GroupStatus> fresh;
    for (const auto& group : groups) {
        fresh.push_back(group.runner.status());
    }
    const MutexLock lock(shown);
    published = std::move(fresh);
}

void RuleManager::State::publish(std::size_t index, const GroupRunner& runner) {
    auto fresh = runner.status();
    const MutexLock lock(shown);
    published[index] = std::move(fresh);
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
    state_->schedule.whileIdle([&](State::Groups& loaded) {
        auto fresh = state_->adoptStates(std::move(groups), loaded);
        const TimestampMs now = nowMs();
        for (auto& older : loaded) {
            older.runner.retire(now, state_->context);
        }
        loaded = std::move(fresh);
        state_->publish(loaded);
    });
    return {};
}

void RuleManager::start() {
    state_->schedule.start();
}

void RuleManager::askToStop() {
    state_->schedule.askToStop();
}

void RuleManager::stop() {
    state_->schedule.stop();
}

void RuleManager::evaluate(TimestampMs now) {
    state_->schedule.whileIdle([&](State::Groups& groups) {
        for (std::size_t i = 0; i < groups.size(); ++i) {
            groups[i].runner.evaluate(now, state_->context);
            state_->publish(i, groups[i].runner);
        }
    });
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

namespace {

/// The labels that an alert of this rule has, whatever its data.
Labels fixedLabels(const Rule& rule) {
    Labels out{{"alertname", rule.name}};
    for (const auto& label : rule.labels) {
        if (label.text.find("{{") == std::string::npos) {
            out.set(label.name, label.text);
        }
    }
    return out;
}

}  // namespace

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
            if (rule.type == RuleType::alerting) {
                result.alerts.push_back(fixedLabels(rule));
            }
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
