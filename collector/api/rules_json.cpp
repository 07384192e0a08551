#include "collector/api/rules_json.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "collector/api/answers.h"
#include "collector/api/parameters.h"
#include "common/digest.h"
#include "common/model/quote.h"
#include "common/text.h"
#include "common/time_text.h"

namespace lapwing::api {
namespace {

std::string evaluationTime(TimestampMs time) {
    return time == 0 ? "0001-01-01T00:00:00Z" : rfc3339(time);
}

/// Prometheus prints an alert's value with an exponent: "1e+00".
std::string alertValue(double value) {
    if (!std::isfinite(value)) {
        return formatValue(value);
    }
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
    field(json, "activeAt", rfc3339(alert.active_at));
    if (alert.keep_firing_since) {
        field(json, "keepFiringSince", rfc3339(*alert.keep_firing_since));
    }
    if (alert.unknown_since) {
        field(json, "unknownSince", rfc3339(*alert.unknown_since));
    }
    if (alert.held_until) {
        field(json, "heldUntil", rfc3339(*alert.held_until));
    }
    field(json, "value", alertValue(alert.value));
    if (!alert.suppression.silenced_by.empty()) {
        key(json, "silencedBy");
        json.StartArray();
        for (const auto& id : alert.suppression.silenced_by) {
            text(json, id);
        }
        json.EndArray();
    }
    if (!alert.suppression.inhibited_by.empty()) {
        key(json, "inhibitedBy");
        json.StartArray();
        for (const auto& source : alert.suppression.inhibited_by) {
            labels(json, source);
        }
        json.EndArray();
    }
    if (const auto& accepted = alert.suppression.accepted) {
        key(json, "acceptedBy");
        json.StartObject();
        field(json, "by", accepted->by);
        field(json, "until", rfc3339(accepted->until));
        field(json, "reason", accepted->reason);
        json.EndObject();
    }
    json.EndObject();
}

void writeRule(JsonWriter& json, const rules::RuleStatus& rule, bool with_alerts) {
    const bool alerting = rule.type == rules::RuleType::alerting;
    json.StartObject();
    if (alerting) {
        field(json, "state", rules::alertStateName(rule.state));
    }
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
        if (with_alerts) {
            json.StartArray();
            for (const auto& alert : rule.alerts) {
                writeAlert(json, alert);
            }
            json.EndArray();
        } else {
            json.Null();
        }
    }
    field(json, "health", rules::healthName(rule.health));
    if (!rule.last_error.empty()) {
        field(json, "lastError", rule.last_error);
    }
    key(json, "evaluationTime");
    number(json, rule.evaluation_seconds);
    field(json, "lastEvaluation", evaluationTime(rule.last_evaluation));
    field(json, "type", alerting ? "alerting" : "recording");
    json.EndObject();
}

bool among(const std::vector<std::string>& names, const std::string& name) {
    return names.empty() || std::find(names.begin(), names.end(), name) != names.end();
}

/// The token that names the group at which the next page begins.
std::string tokenOf(const rules::GroupStatus& group) {
    return sha256(group.file + ";" + group.name);
}

struct Wanted {
    std::vector<std::string> rule_names;
    std::vector<std::string> group_names;
    std::vector<std::string> files;
    std::vector<storage::Matchers> any;
    std::string type;
    bool with_alerts = true;
    std::size_t group_limit = 0;  ///< 0: no limit
    std::string next_token;

    bool shows(const rules::RuleStatus& rule) const {
        const auto meets = [&](const storage::Matchers& matchers) {
            return std::all_of(matchers.begin(), matchers.end(),
                               [&](const auto& matcher) { return matcher.matches(rule.labels); });
        };
        return among(rule_names, rule.name) &&
               (type.empty() || (type == "alert") == (rule.type == rules::RuleType::alerting)) &&
               (any.empty() || std::any_of(any.begin(), any.end(), meets));
    }
    bool shows(const rules::GroupStatus& group) const {
        return among(group_names, group.name) && among(files, group.file) &&
               std::any_of(group.rules.begin(), group.rules.end(),
                           [&](const auto& rule) { return shows(rule); });
    }
};

/// Go's strconv.ParseBool.
Expected<bool> parseBool(const std::string& text) {
    if (text == "1" || text == "t" || text == "true") {
        return true;
    }
    if (text == "0" || text == "f" || text == "false") {
        return false;
    }
    return fail(ErrorKind::invalid, "strconv.ParseBool: parsing " + quote(text) + ": invalid syntax");
}

Expected<void> readPage(const Parameters& parameters, Wanted& wanted) {
    const std::string limit = first(parameters, "group_limit");
    wanted.next_token = first(parameters, "group_next_token");
    if (limit.empty()) {
        if (wanted.next_token.empty()) {
            return {};
        }
        return fail(invalidParameter("group_next_token",
                                     "group_limit needs to be present in order to paginate over the groups"));
    }
    const auto number = parseInteger(limit, "ParseInt");
    if (!number) {
        return fail(invalidParameter("group_limit",
                                     "group_limit needs to be a valid number: " + number.error().message));
    }
    if (*number <= 0) {
        return fail(invalidParameter("group_limit", "group_limit needs to be greater than 0"));
    }
    wanted.group_limit = static_cast<std::size_t>(*number);
    return {};
}

Expected<Wanted> readWanted(const Parameters& parameters) {
    Wanted wanted;
    wanted.rule_names = all(parameters, "rule_name[]");
    wanted.group_names = all(parameters, "rule_group[]");
    wanted.files = all(parameters, "file[]");
    auto any = matchParameters(parameters);
    if (!any) {
        return fail(any.error());
    }
    wanted.any = std::move(*any);
    wanted.type = lower(first(parameters, "type"));
    if (!wanted.type.empty() && wanted.type != "alert" && wanted.type != "record") {
        return fail(invalidParameter("type", "not supported value " + quote(wanted.type)));
    }
    if (const std::string text = lower(first(parameters, "exclude_alerts")); !text.empty()) {
        const auto excluded = parseBool(text);
        if (!excluded) {
            return fail(invalidParameter("exclude_alerts",
                                         "error converting exclude_alerts: " + excluded.error().message));
        }
        wanted.with_alerts = !*excluded;
    }
    if (auto page = readPage(parameters, wanted); !page) {
        return fail(page.error());
    }
    return wanted;
}

void writeGroup(JsonWriter& json, const rules::GroupStatus& group, const Wanted& wanted) {
    json.StartObject();
    field(json, "name", group.name);
    field(json, "file", group.file);
    key(json, "rules");
    json.StartArray();
    for (const auto& rule : group.rules) {
        if (wanted.shows(rule)) {
            writeRule(json, rule, wanted.with_alerts);
        }
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

}  // namespace

void answerRules(const std::vector<rules::GroupStatus>& groups, const Parameters& parameters,
                 Responder& responder) {
    const auto wanted = readWanted(parameters);
    if (!wanted) {
        return failure(responder, wanted.error());
    }
    auto begin = groups.begin();
    if (!wanted->next_token.empty()) {
        begin = std::find_if(groups.begin(), groups.end(),
                             [&](const auto& group) { return tokenOf(group) == wanted->next_token; });
        if (begin == groups.end()) {
            return failure(responder, invalidParameter("group_next_token",
                                                       "invalid group_next_token '" + wanted->next_token +
                                                           "'. were rule groups changed?"));
        }
    }
    success(responder, [&](JsonWriter& json) {
        json.StartObject();
        key(json, "groups");
        json.StartArray();
        std::size_t shown = 0;
        std::string next_token;
        for (auto group = begin; group != groups.end(); ++group) {
            if (!wanted->shows(*group)) {
                continue;
            }
            if (wanted->group_limit > 0 && shown == wanted->group_limit) {
                next_token = tokenOf(*group);
                break;
            }
            writeGroup(json, *group, *wanted);
            ++shown;
        }
        json.EndArray();
        if (!next_token.empty()) {
            field(json, "groupNextToken", next_token);
        }
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
                for (const auto& alert : rule.alerts) {
                    writeAlert(json, alert);
                }
            }
        }
        json.EndArray();
        json.EndObject();
    });
}

}  // namespace lapwing::api
