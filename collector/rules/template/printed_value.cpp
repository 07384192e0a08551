#include <algorithm>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "collector/rules/template/template.h"
#include "collector/rules/template/tree.h"

namespace lapwing::rules {
namespace {

/// What a value of the template depends on. The order matters: the greater one wins where two meet.
enum class Content {
    fixed,    ///< labels, constants, and comparisons
    samples,  ///< a query's result or the template's data: their labels are fixed, their values are not
    value,
};

constexpr int kMostInvocations = 16;

bool isOneOf(std::string_view name, std::initializer_list<std::string_view> names) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

/// Follows the contents of values through a template without expanding it. Both branches of a condition
/// count.
class Follower {
  public:
    explicit Follower(const TemplateTree& tree) : tree_(tree) {
        variables_ = {{"$", Content::samples},
                      {"$labels", Content::fixed},
                      {"$externalLabels", Content::fixed},
                      {"$externalURL", Content::fixed},
                      {"$value", Content::value}};
    }

    bool printsValue() {
        list(tree_.root.body, Content::samples);
        return printed_;
    }

  private:
    void list(const std::vector<TemplateNode>& nodes, Content dot) {
        for (const auto& node : nodes) {
            visit(node, dot);
        }
    }

    void visit(const TemplateNode& node, Content dot) {
        using Kind = TemplateNode::Kind;
        const auto scope = variables_.size();
        switch (node.kind) {
            case Kind::text:
            case Kind::break_loop:
            case Kind::continue_loop:
                return;
            case Kind::list:
                list(node.body, dot);
                return;
            case Kind::action:
                if (const auto content = evaluate(node.pipeline, dot); node.pipeline.variables.empty()) {
                    printed_ = printed_ || content != Content::fixed;
                }
                return;
            case Kind::branch_if:
            case Kind::branch_with: {
                const auto content = evaluate(node.pipeline, dot);
                list(node.body, node.kind == Kind::branch_with ? content : dot);
                list(node.alternative, dot);
                break;
            }
            case Kind::range: {
                const auto element = commands(node.pipeline, dot);
                const auto& names = node.pipeline.variables;
                if (names.size() == 2) {
                    assign(node.pipeline, names[0], Content::fixed);
                }
                if (!names.empty()) {
                    assign(node.pipeline, names.back(), element);
                }
                // Twice: an assignment at the loop's end reaches its beginning.
                list(node.body, element);
                list(node.body, element);
                list(node.alternative, dot);
                break;
            }
            case Kind::invoke:
                invoke(node, dot);
                return;
        }
        variables_.resize(scope);
    }

    void invoke(const TemplateNode& node, Content dot) {
        const auto found = tree_.definitions.find(node.text);
        if (found == tree_.definitions.end() || invocations_ >= kMostInvocations) {
            return;
        }
        ++invocations_;
        const auto data = node.pipeline.commands.empty() ? Content::fixed : evaluate(node.pipeline, dot);
        auto outer = std::exchange(variables_, {{"$", data}});
        list(found->second.body, data);
        variables_ = std::move(outer);
        --invocations_;
    }

    Content evaluate(const TemplatePipeline& pipeline, Content dot) {
        const auto content = commands(pipeline, dot);
        if (!pipeline.variables.empty()) {
            assign(pipeline, pipeline.variables[0], content);
        }
        return content;
    }

    void assign(const TemplatePipeline& pipeline, const std::string& name, Content content) {
        if (pipeline.declares) {
            variables_.emplace_back(name, content);
        } else if (auto* known = find(name)) {
            // The assignment may stand in a branch that is not taken.
            *known = std::max(*known, content);
        }
    }

    Content* find(const std::string& name) {
        const auto found = std::find_if(variables_.rbegin(), variables_.rend(),
                                        [&](const auto& variable) { return variable.first == name; });
        return found == variables_.rend() ? nullptr : &found->second;
    }

    Content commands(const TemplatePipeline& pipeline, Content dot) {
        Content content = Content::fixed;
        for (std::size_t i = 0; i < pipeline.commands.size(); ++i) {
            content = command(pipeline.commands[i], dot, i == 0 ? Content::fixed : content);
        }
        return content;
    }

    Content command(const TemplateCommand& command, Content dot, Content last) {
        auto most = last;
        for (const auto& operand : command.operands) {
            most = std::max(most, contentOf(operand, dot));
        }
        const auto& first = command.operands.front();
        return first.kind == TemplateOperand::Kind::function ? result(first.name, most) : most;
    }

    /// The content of a function's result, given the greatest of its arguments'.
    static Content result(std::string_view function, Content most) {
        if (function == "query") {
            return Content::samples;
        }
        if (function == "value") {
            return Content::value;
        }
        if (isOneOf(function,
                    {"label", "strvalue", "len", "match", "not", "eq", "ne", "lt", "le", "gt", "ge"})) {
            return Content::fixed;
        }
        if (isOneOf(function, {"first", "sortByLabel", "index", "slice", "args", "and", "or"})) {
            return most;
        }
        return most == Content::fixed ? Content::fixed : Content::value;
    }

    Content contentOf(const TemplateOperand& operand, Content dot) {
        auto content = Content::fixed;
        switch (operand.kind) {
            case TemplateOperand::Kind::constant:
                return Content::fixed;
            case TemplateOperand::Kind::function:
                return result(operand.name, Content::fixed);
            case TemplateOperand::Kind::dot:
                content = dot;
                break;
            case TemplateOperand::Kind::variable:
                if (const auto* known = find(operand.name)) {
                    content = *known;
                }
                break;
            case TemplateOperand::Kind::pipeline:
                content = evaluate(*operand.pipeline, dot);
                break;
        }
        for (const auto& field : operand.fields) {
            if (content == Content::samples && field == "Value") {
                content = Content::value;
            } else if (content == Content::samples &&
                       isOneOf(field, {"Labels", "ExternalLabels", "ExternalURL"})) {
                content = Content::fixed;
            }
        }
        return content;
    }

    const TemplateTree& tree_;
    bool printed_ = false;
    int invocations_ = 0;
    std::vector<std::pair<std::string, Content>> variables_;
};

}  // namespace

bool Template::printsValue() const {
    return Follower(*tree_).printsValue();
}

}  // namespace lapwing::rules
