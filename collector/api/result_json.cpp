#include "collector/api/result_json.h"

#include "collector/api/answers.h"
#include "collector/api/parameters.h"

namespace lapwing::api {
namespace {

void writeResult(JsonWriter& json, const promql::Result& result) {
    struct Visitor {
        JsonWriter& json;
        void type(const char* name) const {
            field(json, "resultType", name);
            key(json, "result");
        }
        void operator()(const promql::Scalar& scalar) const {
            type("scalar");
            point(json, {scalar.timestamp, scalar.value});
        }
        void operator()(const promql::String& string) const {
            type("string");
            json.StartArray();
            const std::string time = formatTimestamp(string.timestamp);
            json.RawValue(time.data(), time.size(), rapidjson::kNumberType);
            text(json, string.value);
            json.EndArray();
        }
        void operator()(const promql::Vector& vector) const {
            type("vector");
            json.StartArray();
            for (const auto& element : vector) {
                json.StartObject();
                key(json, "metric");
                labels(json, element.labels);
                key(json, "value");
                point(json, element.sample);
                json.EndObject();
            }
            json.EndArray();
        }
        void operator()(const promql::Matrix& matrix) const {
            type("matrix");
            json.StartArray();
            for (const auto& series : matrix) {
                json.StartObject();
                key(json, "metric");
                labels(json, series.labels);
                key(json, "values");
                json.StartArray();
                for (const auto& sample : series.samples) {
                    point(json, sample);
                }
                json.EndArray();
                json.EndObject();
            }
            json.EndArray();
        }
    };
    json.StartObject();
    std::visit(Visitor{json}, result.value);
    json.EndObject();
}

template <class T>
bool truncate(std::vector<T>& items, std::size_t limit) {
    if (limit == 0 || items.size() <= limit) {
        return false;
    }
    items.resize(limit);
    return true;
}

bool truncateResult(promql::Result& result, std::size_t limit) {
    if (auto* vector = std::get_if<promql::Vector>(&result.value)) {
        return truncate(*vector, limit);
    }
    if (auto* matrix = std::get_if<promql::Matrix>(&result.value)) {
        return truncate(*matrix, limit);
    }
    return false;
}

}  // namespace

void answerResult(Expected<promql::Result> result, std::size_t limit, Responder& responder) {
    if (!result) {
        // Prometheus names the parameter if the query itself is wrong.
        failure(responder, result.error().kind == ErrorKind::invalid
                               ? invalidParameter("query", result.error().message)
                               : result.error());
        return;
    }
    if (truncateResult(*result, limit)) {
        result->warnings.emplace_back("results truncated due to limit");
    }
    success(
        responder, [&](JsonWriter& json) { writeResult(json, *result); }, result->warnings, result->infos);
}

}  // namespace lapwing::api
