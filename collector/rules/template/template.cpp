#include "collector/rules/template/template.h"

#include <algorithm>
#include <utility>

#include "collector/limits/query_limits.h"
#include "collector/rules/template/functions.h"
#include "collector/rules/template/tree.h"
#include "collector/rules/template/value.h"

namespace lapwing::rules {
namespace {

constexpr std::size_t kMaxOutput = 64U << 10;
constexpr int kMaxInvocations = 100;
constexpr unsigned kNodesBetweenChecks = 32;

/// Raised during expansion, and turned into an Error by Template::expand().
struct ExpandError {
    Error error;
};

[[noreturn]] void raise(std::string message) {
    throw ExpandError{{ErrorKind::execution, std::move(message)}};
}

TemplateValue fieldOf(const TemplateValue& value, const std::string& name) {
    if (const auto* root = std::get_if<const TemplateData*>(&value.data)) {
        if (name == "Labels") {
            return {(*root)->labels};
        }
        if (name == "ExternalLabels") {
            return {(*root)->external_labels};
        }
        if (name == "ExternalURL") {
            return {(*root)->external_url};
        }
        if (name == "Value") {
            return {(*root)->value};
        }
    } else if (const auto* sample = std::get_if<TemplateSample>(&value.data)) {
        if (name == "Labels") {
            return {sample->labels};
        }
        if (name == "Value") {
            return {sample->value};
        }
    } else if (const auto* labels = std::get_if<Labels>(&value.data)) {
        return {std::string(labels->get(name))};
    } else if (const auto* map = std::get_if<std::shared_ptr<const TemplateMap>>(&value.data)) {
        const auto found = (*map)->find(name);
        return found == (*map)->end() ? TemplateValue{} : found->second;
    } else if (const auto* time = std::get_if<TemplateTime>(&value.data)) {
        if (auto part = timeMethod(*time, name)) {
            return *part;
        }
    }
    raise("can't evaluate field " + name + " in type " + value.typeName());
}

enum class Flow { next, break_loop, continue_loop };

class Executor {
  public:
    Executor(const TemplateTree& tree, const TemplateData& data, TemplateValue root)
        : tree_(tree), data_(data), root_(std::move(root)) {
        variables_ = {{"$", root_},
                      {"$labels", {data.labels}},
                      {"$externalLabels", {data.external_labels}},
                      {"$externalURL", {data.external_url}},
                      {"$value", {data.value}}};
    }

    std::string run() {
        list(tree_.root.body, root_);
        return std::move(out_);
    }

  private:
    Flow list(const std::vector<TemplateNode>& nodes, const TemplateValue& dot) {
        for (const auto& node : nodes) {
            const auto flow = execute(node, dot);
            if (flow != Flow::next) {
                return flow;
            }
        }
        return Flow::next;
    }

    void checkLimits() {
        if (++nodes_ % kNodesBetweenChecks != 0) {
            return;
        }
        if (auto go_on = QueryLimits::check(); !go_on) {
            throw ExpandError{go_on.error()};
        }
    }

    Flow execute(const TemplateNode& node, const TemplateValue& dot) {
        checkLimits();
        using Kind = TemplateNode::Kind;
        switch (node.kind) {
            case Kind::text:
                emit(node.text);
                return Flow::next;
            case Kind::list:
                return list(node.body, dot);
            case Kind::break_loop:
                return Flow::break_loop;
            case Kind::continue_loop:
                return Flow::continue_loop;
            case Kind::action: {
                const auto value = evaluate(node.pipeline, dot);
                if (node.pipeline.variables.empty()) {
                    emit(value.toString());
                }
                return Flow::next;
            }
            case Kind::branch_if:
            case Kind::branch_with: {
                const auto scope = variables_.size();
                const auto value = evaluate(node.pipeline, dot);
                Flow flow = Flow::next;
                if (value.truth()) {
                    flow = list(node.body, node.kind == Kind::branch_with ? value : dot);
                } else {
                    flow = list(node.alternative, dot);
                }
                variables_.resize(scope);
                return flow;
            }
            case Kind::range:
                return range(node, dot);
            case Kind::invoke:
                invoke(node, dot);
                return Flow::next;
        }
        return Flow::next;
    }

    void invoke(const TemplateNode& node, const TemplateValue& dot) {
        const auto found = tree_.definitions.find(node.text);
        if (found == tree_.definitions.end()) {
            raise("template \"" + node.text + "\" not defined");
        }
        if (++invocations_ > kMaxInvocations) {
            raise("exceeded maximum template depth");
        }
        const TemplateValue data =
            node.pipeline.commands.empty() ? TemplateValue{} : evaluate(node.pipeline, dot);
        // The invoked template does not see the variables of the invoking one.
        auto outer = std::exchange(variables_, {{"$", data}});
        list(found->second.body, data);
        variables_ = std::move(outer);
        --invocations_;
    }

    Flow range(const TemplateNode& node, const TemplateValue& dot) {
        const auto scope = variables_.size();
        const auto collection = commands(node.pipeline, dot);
        // The collection as keys (or indices) and elements.
        TemplateList keys;
        TemplateList elements;
        if (const auto* items = std::get_if<std::shared_ptr<const TemplateList>>(&collection.data)) {
            elements = **items;
            for (std::size_t i = 0; i < elements.size(); ++i) {
                keys.push_back({static_cast<std::int64_t>(i)});
            }
        } else if (const auto* labels = std::get_if<Labels>(&collection.data)) {
            for (const auto& label : *labels) {
                keys.push_back({label.name});
                elements.push_back({label.value});
            }
        } else if (!std::holds_alternative<std::monostate>(collection.data)) {
            raise("range can't iterate over " + collection.toString());
        }
        Flow flow = Flow::next;
        for (std::size_t i = 0; i < elements.size() && flow != Flow::break_loop; ++i) {
            checkLimits();
            bind(node.pipeline, keys[i], elements[i]);
            flow = list(node.body, elements[i]);
            variables_.resize(scope);
        }
        if (elements.empty()) {
            return list(node.alternative, dot);
        }
        return Flow::next;
    }

    void bind(const TemplatePipeline& pipeline, const TemplateValue& key, const TemplateValue& element) {
        const auto& names = pipeline.variables;
        if (names.size() == 1) {
            assign(pipeline, names[0], element);
        }
        if (names.size() == 2) {
            assign(pipeline, names[0], key);
            assign(pipeline, names[1], element);
        }
    }

    void assign(const TemplatePipeline& pipeline, const std::string& name, TemplateValue value) {
        if (pipeline.declares) {
            variables_.emplace_back(name, std::move(value));
            return;
        }
        find(name) = std::move(value);
    }

    TemplateValue& find(const std::string& name) {
        const auto found = std::find_if(variables_.rbegin(), variables_.rend(),
                                        [&](const auto& variable) { return variable.first == name; });
        if (found == variables_.rend()) {
            raise("undefined variable: " + name);
        }
        return found->second;
    }

    TemplateValue evaluate(const TemplatePipeline& pipeline, const TemplateValue& dot) {
        auto value = commands(pipeline, dot);
        if (!pipeline.variables.empty()) {
            assign(pipeline, pipeline.variables[0], value);
        }
        return value;
    }

    TemplateValue commands(const TemplatePipeline& pipeline, const TemplateValue& dot) {
        TemplateValue value;
        for (std::size_t i = 0; i < pipeline.commands.size(); ++i) {
            value = command(pipeline.commands[i], dot, i == 0 ? nullptr : &value);
        }
        return value;
    }

    TemplateValue command(const TemplateCommand& command, const TemplateValue& dot,
                          const TemplateValue* last) {
        const auto& first = command.operands.front();
        if (first.kind != TemplateOperand::Kind::function) {
            if (!first.fields.empty() && first.fields.back() == "Format") {
                return format(command, dot, last);
            }
            if (command.operands.size() > 1 || last != nullptr) {
                raise("can't give argument to non-function");
            }
            return operand(first, dot);
        }
        const bool shortcut = first.name == "and" || first.name == "or";
        std::vector<TemplateValue> arguments;
        for (std::size_t i = 1; i < command.operands.size(); ++i) {
            arguments.push_back(operand(command.operands[i], dot));
            if (shortcut && arguments.back().truth() == (first.name == "or")) {
                return arguments.back();
            }
        }
        if (last != nullptr) {
            arguments.push_back(*last);
        }
        return call(first.name, arguments);
    }

    /// A time's Format, the only method with an argument.
    TemplateValue format(const TemplateCommand& command, const TemplateValue& dot,
                         const TemplateValue* last) {
        auto object = command.operands.front();
        object.fields.pop_back();
        const auto value = operand(object, dot);
        std::vector<TemplateValue> arguments;
        for (std::size_t i = 1; i < command.operands.size(); ++i) {
            arguments.push_back(operand(command.operands[i], dot));
        }
        if (last != nullptr) {
            arguments.push_back(*last);
        }
        const auto* time = std::get_if<TemplateTime>(&value.data);
        if (time == nullptr) {
            raise("can't evaluate field Format in type " + value.typeName());
        }
        const auto* layout = arguments.size() == 1 ? std::get_if<std::string>(&arguments[0].data) : nullptr;
        if (layout == nullptr) {
            raise("wrong number or type of args for Format: want one string");
        }
        return {formatGoTime(*time, *layout)};
    }

    TemplateValue call(const std::string& name, const std::vector<TemplateValue>& arguments) {
        auto result = callTemplateFunction(name, arguments, data_);
        if (!result) {
            raise("error calling " + name + ": " + result.error().message);
        }
        return std::move(*result);
    }

    TemplateValue operand(const TemplateOperand& operand, const TemplateValue& dot) {
        TemplateValue value;
        switch (operand.kind) {
            case TemplateOperand::Kind::constant:
                return operand.constant;
            case TemplateOperand::Kind::function:
                return call(operand.name, {});
            case TemplateOperand::Kind::dot:
                value = dot;
                break;
            case TemplateOperand::Kind::variable:
                value = find(operand.name);
                break;
            case TemplateOperand::Kind::pipeline:
                value = evaluate(*operand.pipeline, dot);
                break;
        }
        for (const auto& field : operand.fields) {
            value = fieldOf(value, field);
        }
        return value;
    }

    void emit(const std::string& text) {
        if (out_.size() + text.size() > kMaxOutput) {
            throw ExpandError{{ErrorKind::exhausted, "the expanded template is larger than 64 KiB"}};
        }
        out_ += text;
    }

    const TemplateTree& tree_;
    const TemplateData& data_;
    const TemplateValue root_;
    int invocations_ = 0;
    unsigned nodes_ = 0;
    std::vector<std::pair<std::string, TemplateValue>> variables_;
    std::string out_;
};

}  // namespace

Expected<Template> Template::parse(std::string_view text, TemplateUse use) {
    auto tree = parseTemplate(text, use);
    if (!tree) {
        return fail(tree.error());
    }
    return Template(std::make_shared<const TemplateTree>(std::move(*tree)));
}

Expected<std::string> Template::expand(const TemplateData& data) const {
    try {
        return Executor(*tree_, data, {&data}).run();
    } catch (const ExpandError& failure) {
        return fail(failure.error);
    }
}

Expected<std::string> Template::expand(const TemplateValue& root) const {
    const TemplateData no_rule;
    try {
        return Executor(*tree_, no_rule, root).run();
    } catch (const ExpandError& failure) {
        return fail(failure.error);
    }
}

}  // namespace lapwing::rules
