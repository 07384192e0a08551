#include "collector/api/replication.h"

#include "collector/api/parameters.h"
#include "common/time_text.h"

namespace lapwing::api {
namespace {

void numberOrNull(JsonWriter& json, const char* name, const std::optional<double>& value) {
    key(json, name);
    value ? number(json, *value) : (void)json.Null();
}

void textOrNull(JsonWriter& json, const char* name, const std::string& value) {
    key(json, name);
    value.empty() ? (void)json.Null() : text(json, value);
}

void writeEstimators(JsonWriter& json, const analysis::replication::Verdict& verdict) {
    key(json, "estimators");
    json.StartArray();
    for (const auto& estimator : verdict.estimators) {
        json.StartObject();
        field(json, "name", lagSourceName(estimator.source));
        numberOrNull(json, "lag_seconds", estimator.lag_seconds);
        textOrNull(json, "note", estimator.note);
        json.EndObject();
    }
    json.EndArray();
}

}  // namespace

void writeEvidence(JsonWriter& json, const std::vector<analysis::Evidence>& evidence) {
    key(json, "evidence");
    json.StartArray();
    for (const auto& line : evidence) {
        json.StartObject();
        field(json, "source", line.source);
        field(json, "text", line.text);
        json.EndObject();
    }
    json.EndArray();
}

void writeVerdict(JsonWriter& json, const analysis::replication::Verdict& verdict) {
    json.StartObject();
    field(json, "replica", verdict.replica);
    textOrNull(json, "primary", verdict.primary);
    field(json, "channel", verdict.channel);
    field(json, "state", stateName(verdict.state));
    numberOrNull(json, "lag_seconds", verdict.lag_seconds);
    textOrNull(json, "lag_source", lagSourceName(verdict.lag_source));
    field(json, "confidence", analysis::confidenceName(verdict.confidence));
    field(json, "cause", causeName(verdict.cause));
    field(json, "summary", verdict.summary);
    textOrNull(json, "next_step", verdict.next_step);
    writeEvidence(json, verdict.evidence);
    writeEstimators(json, verdict);
    numberOrNull(json, "transactions_behind", verdict.transactions_behind);
    numberOrNull(json, "bytes_behind", verdict.bytes_behind);
    key(json, "catching_up");
    verdict.catching_up ? (void)json.Bool(*verdict.catching_up) : (void)json.Null();
    numberOrNull(json, "even_in_seconds", verdict.even_in_seconds);
    field(json, "receiver", threadStateName(verdict.receiver));
    field(json, "applier", threadStateName(verdict.applier));
    textOrNull(json, "broken_part", brokenPartName(verdict.broken_part));
    numberOrNull(json, "delay_seconds", verdict.delay_seconds);
    key(json, "observed");
    verdict.observed ? text(json, rfc3339(*verdict.observed)) : (void)json.Null();
    json.EndObject();
}

}  // namespace lapwing::api
