#include "collector/api/parse_query.h"

#include <algorithm>
#include <optional>

#include "collector/api/answers.h"
#include "collector/api/parameters.h"
#include "collector/promql/ast.h"
#include "collector/promql/numbers.h"
#include "collector/promql/parser.h"
#include "collector/promql/signatures.h"

namespace lapwing::api {
namespace {

using namespace promql;

const char* typeName(ValueType type) {
    switch (type) {
        case ValueType::scalar:
            return "scalar";
        case ValueType::string:
            return "string";
        case ValueType::vector:
            return "vector";
        case ValueType::matrix:
            return "matrix";
        case ValueType::none:
            break;
    }
    return "none";
}

const char* cardinalityText(VectorMatching::Cardinality cardinality) {
    switch (cardinality) {
        case VectorMatching::Cardinality::one_to_one:
            return "one-to-one";
        case VectorMatching::Cardinality::many_to_one:
            return "many-to-one";
        case VectorMatching::Cardinality::one_to_many:
            return "one-to-many";
        case VectorMatching::Cardinality::many_to_many:
            return "many-to-many";
    }
    return "";
}

/// Writes one node as an object with its keys in alphabetical order, as Prometheus does.
class TreeWriter {
  public:
    explicit TreeWriter(JsonWriter& json) : json_(json) {}

    void write(const Expr& expr) {
        json_.StartObject();
        std::visit([this](const auto& node) { writeNode(node); }, expr.node);
        json_.EndObject();
    }

  private:
    void child(const char* name, const Expr* expr) {
        key(json_, name);
        expr == nullptr ? (void)json_.Null() : write(*expr);
    }
    void texts(const char* name, const std::vector<std::string>& values) {
        key(json_, name);
        json_.StartArray();
        for (const auto& value : values) {
            text(json_, value);
        }
        json_.EndArray();
    }
    void integer(const char* name, std::int64_t value) {
        key(json_, name);
        json_.Int64(value);
    }
    void boolean(const char* name, bool value) {
        key(json_, name);
        json_.Bool(value);
    }
    void startOrEnd(const TimeModifiers& time) {
        key(json_, "startOrEnd");
        if (time.at == TimeModifiers::At::start || time.at == TimeModifiers::At::end) {
            text(json_, time.at == TimeModifiers::At::start ? "start" : "end");
        } else {
            json_.Null();
        }
    }
    void timestamp(const TimeModifiers& time) {
        key(json_, "timestamp");
        time.at == TimeModifiers::At::timestamp ? json_.Int64(time.timestamp) : json_.Null();
    }

    void writeNode(const NumberLiteral& number) {
        field(json_, "type", "numberLiteral");
        field(json_, "val", promql::formatPlain(number.value));
    }
    void writeNode(const StringLiteral& string) {
        field(json_, "type", "stringLiteral");
        field(json_, "val", string.value);
    }
    void writeNode(const Paren& paren) {
        child("expr", paren.inner.get());
        field(json_, "type", "parenExpr");
    }
    void writeNode(const Unary& unary) {
        child("expr", unary.operand.get());
        field(json_, "op", unary.negative ? "-" : "+");
        field(json_, "type", "unaryExpr");
    }
    void writeNode(const Binary& binary) {
        boolean("bool", binary.return_bool);
        child("lhs", binary.lhs.get());
        key(json_, "matching");
        if (binary.lhs->type() == ValueType::vector && binary.rhs->type() == ValueType::vector) {
            json_.StartObject();
            field(json_, "card", cardinalityText(binary.matching.cardinality));
            texts("include", binary.matching.include);
            texts("labels", binary.matching.labels);
            boolean("on", binary.matching.on);
            json_.EndObject();
        } else {
            json_.Null();
        }
        field(json_, "op", operatorText(binary.op));
        child("rhs", binary.rhs.get());
        field(json_, "type", "binaryExpr");
    }
    void writeNode(const Aggregate& aggregate) {
        child("expr", aggregate.operand.get());
        texts("grouping", aggregate.grouping);
        field(json_, "op", aggregationText(aggregate.op));
        child("param", aggregate.parameter.get());
        field(json_, "type", "aggregation");
        boolean("without", aggregate.without);
    }
    void writeNode(const Call& call) {
        key(json_, "args");
        json_.StartArray();
        for (const auto& argument : call.arguments) {
            write(*argument);
        }
        json_.EndArray();
        key(json_, "func");
        json_.StartObject();
        key(json_, "argTypes");
        json_.StartArray();
        for (const auto type : call.function->arguments) {
            text(json_, typeName(type));
        }
        json_.EndArray();
        field(json_, "name", call.function->name);
        field(json_, "returnType", typeName(call.function->result));
        integer("variadic", call.function->optional);
        json_.EndObject();
        field(json_, "type", "call");
    }
    void selector(const VectorSelector& selector, std::optional<std::int64_t> range_ms) {
        key(json_, "matchers");
        json_.StartArray();
        for (const auto& matcher : selector.matchers) {
            json_.StartObject();
            field(json_, "name", matcher.name());
            field(json_, "type", storage::operatorOf(matcher.type()));
            field(json_, "value", matcher.value());
            json_.EndObject();
        }
        json_.EndArray();
        field(json_, "name", isValidMetricName(selector.name) ? selector.name : "");
        integer("offset", selector.time.offset_ms);
        if (range_ms) {
            integer("range", *range_ms);
        }
        startOrEnd(selector.time);
        timestamp(selector.time);
        field(json_, "type", range_ms ? "matrixSelector" : "vectorSelector");
    }
    void writeNode(const VectorSelector& vector) { selector(vector, std::nullopt); }
    void writeNode(const MatrixSelector& matrix) { selector(matrix.selector, matrix.range_ms); }
    void writeNode(const Subquery& subquery) {
        child("expr", subquery.inner.get());
        integer("offset", subquery.time.offset_ms);
        integer("range", subquery.range_ms);
        startOrEnd(subquery.time);
        integer("step", subquery.step_ms);
        timestamp(subquery.time);
        field(json_, "type", "subquery");
    }

    JsonWriter& json_;
};

bool selects(const Expr& expr);

bool selects(const NumberLiteral&) {
    return false;
}
bool selects(const StringLiteral&) {
    return false;
}
bool selects(const Paren& paren) {
    return selects(*paren.inner);
}
bool selects(const Unary& unary) {
    return selects(*unary.operand);
}
bool selects(const Binary& binary) {
    return selects(*binary.lhs) || selects(*binary.rhs);
}
bool selects(const Aggregate& aggregate) {
    return selects(*aggregate.operand) || (aggregate.parameter && selects(*aggregate.parameter));
}
bool selects(const Call& call) {
    return std::any_of(call.arguments.begin(), call.arguments.end(),
                       [](const ExprPtr& argument) { return selects(*argument); });
}
bool selects(const VectorSelector&) {
    return true;
}
bool selects(const MatrixSelector&) {
    return true;
}
bool selects(const Subquery& subquery) {
    return selects(*subquery.inner);
}

bool selects(const Expr& expr) {
    return std::visit([](const auto& node) { return selects(node); }, expr.node);
}

}  // namespace

Expected<bool> selectsSeries(const std::string& query) {
    const auto expr = promql::parse(query);
    if (!expr) {
        return fail(expr.error());
    }
    return selects(**expr);
}

void answerParseQuery(const std::string& query, Responder& responder) {
    const auto expr = promql::parse(query);
    if (!expr) {
        return failure(responder, invalidParameter("query", expr.error().message));
    }
    success(responder, [&](JsonWriter& json) { TreeWriter(json).write(**expr); });
}

}  // namespace lapwing::api
