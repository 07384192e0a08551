#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "collector/rules/template/value.h"
#include "common/error.h"

namespace lapwing::rules {

struct TemplatePipeline;

/// One operand of a command: a constant, a function's name, or a value (`.`, `$x`, `( ... )`) with fields
/// after it.
struct TemplateOperand {
    enum class Kind { constant, function, dot, variable, pipeline };
    Kind kind = Kind::dot;
    TemplateValue constant;
    std::string name;  ///< of the function or the variable ("$" alone is the root)
    std::shared_ptr<const TemplatePipeline> pipeline;
    std::vector<std::string> fields;
};

struct TemplateCommand {
    std::vector<TemplateOperand> operands;
};

/// `$a, $b := command | command`: each command's result is the last argument of the next.
struct TemplatePipeline {
    std::vector<std::string> variables;
    bool declares = false;  ///< `:=`; else `=`
    std::vector<TemplateCommand> commands;
};

struct TemplateNode {
    enum class Kind { list, text, action, branch_if, branch_with, range, break_loop, continue_loop, invoke };
    Kind kind = Kind::list;
    std::string text;  ///< of an invocation: the name of the invoked definition
    TemplatePipeline pipeline;
    std::vector<TemplateNode> body;         ///< of a list, or the branch for a pipeline that is not empty
    std::vector<TemplateNode> alternative;  ///< else
};

/// A template with its definitions.
struct TemplateTree {
    TemplateNode root;
    std::map<std::string, TemplateNode> definitions;
};

Expected<TemplateTree> parseTemplate(std::string_view text, TemplateUse use);

/// Whether templates of that use have a function of that name.
bool isTemplateFunction(std::string_view name, TemplateUse use);

}  // namespace lapwing::rules
