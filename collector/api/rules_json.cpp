#include "collector/api/rules_json.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "collector/api/answers.h"
#include "collector/api/parameters.h"

namespace lapwing::api {
namespace {

std::string evaluationTime(TimestampMs time) {
    return time == 0 ? "0001-01-01T00:00:00Z" : formatTime(time);
}

/// Prometheus prints an alert's value with an exponent: "1e+00".
std::string alertValue(double value) {
    if (!std::isfinite(value)) return formatValue(value);
    std::array<char, 64> buffer{};
    const auto [end, error] =
        std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::scientific);
    return {buffer.data(), end};
}

void writeAlert(JsonWriter& json, const rules::AlertStatus& alert) {
    json.StartObject();
    key(json, "labels");
    labels(json, alert.labels);
    key(json, "annotations");
    labels(json, alert.annotations);
    field(json, "state", rules::alertStateName(alert.state));
    field(json, "activeAt", formatTime(alert.active_at));
    if (alert.keep_firing_since) field(json, "keepFiringSince", formatTime(*alert.keep_firing_since));
    if (alert.unknown_since) field(json, "unknownSince", formatTime(*alert.unknown_since));
    field(json, "value", alertValue(alert.value));
    json.EndObject();
}

void writeRule(JsonWriter& json, const rules::RuleStatus& rule, bool with_alerts) {
    const bool alerting = rule.type == rules::RuleType::alerting;
    json.StartObject();
    if (alerting) field(json, "state", rules::alertStateName(rule.state));
    field(json, "name", rule.name);
    field(json, "query", rule.query);
    if (alerting) {
        key(json, "duration");
        number(json, static_cast<double>(rule.duration_ms) / 1000);
        key(json, "keepFiringFor");
        number(json, static_cast<double>(rule.keep_firing_for_ms) / 1000);
    }
    if (alerting || !rule.labels.empty()) {
        key(json, "labels");
        labels(json, rule.labels);
    }
    if (alerting) {
        key(json, "annotations");
        labels(json, rule.annotations);
        key(json, "alerts");
        json.StartArray();
        for (const auto& alert : rule.alerts) {
            if (with_alerts) writeAlert(json, alert);
        }
        json.EndArray();
    }
    field(json, "health", rules::healthName(rule.health));
    if (!rule.last_error.empty()) field(json, "lastError", rule.last_error);
    key(json, "evaluationTime");
    number(json, rule.evaluation_seconds);
    field(json, "lastEvaluation", evaluationTime(rule.last_evaluation));
    field(json, "type", alerting ? "alerting" : "recording");
    json.EndObject();
}

bool among(const std::vector<std::string>& names, const std::string& name) {
    return names.empty() || std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

void answerRules(const std::vector<rules::GroupStatus>& groups, const Parameters& parameters,
                 Responder& responder) {
    const std::string type = first(parameters, "type");
    if (!type.empty() && type != "alert" && type != "record") {
        failure(responder, 400, "bad_data", "not supported value \"" + type + "\"");
        return;
    }
    const auto rule_names = all(parameters, "rule_name[]");
    const auto group_names = all(parameters, "rule_group[]");
    const auto files = all(parameters, "file[]");
    const std::string excluded = first(parameters, "exclude_alerts");
    const bool with_alerts = excluded != "true" && excluded != "1";
    success(responder, [&](JsonWriter& json) {
        json.StartObject();
        key(json, "groups");
        json.StartArray();
        for (const auto& group : groups) {
            if (!among(group_names, group.name) || !among(files, group.file)) continue;
            const auto shown = [&](const rules::RuleStatus& rule) {
                return among(rule_names, rule.name) &&
                       (type.empty() || (type == "alert") == (rule.type == rules::RuleType::alerting));
            };
            if ((!rule_names.empty() || !type.empty()) &&
                std::none_of(group.rules.begin(), group.rules.end(), shown)) {
                continue;
            }
            json.StartObject();
            field(json, "name", group.name);
            field(json, "file", group.file);
            key(json, "rules");
            json.StartArray();
            for (const auto& rule : group.rules) {
                if (shown(rule)) writeRule(json, rule, with_alerts);
            }
            json.EndArray();
            key(json, "interval");
            number(json, static_cast<double>(group.interval_ms) / 1000);
            key(json, "limit");
            json.Int(group.limit);
            key(json, "evaluationTime");
            number(json, group.evaluation_seconds);
            field(json, "lastEvaluation", evaluationTime(group.last_evaluation));
            json.EndObject();
        }
        json.EndArray();
        json.EndObject();
    });
}

void answerAlerts(const std::vector<rules::GroupStatus>& groups, Responder& responder) {
    success(responder, [&](JsonWriter& json) {
        json.StartObject();
        key(json, "alerts");
        json.StartArray();
        for (const auto& group : groups) {
            for (const auto& rule : group.rules) {
                for (const auto& alert : rule.alerts) writeAlert(json, alert);
            }
        }
        json.EndArray();
        json.EndObject();
    });
}

}  // namespace lapwing::api
