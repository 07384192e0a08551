#pragma once

#include "collector/promql/context.h"
#include "collector/promql/values.h"
#include "collector/promql/windows.h"

namespace lapwing::promql {

/// Evaluates an expression series by series: each node yields its series over the whole grid at once. For
/// one query, on one thread.
class Evaluator {
  public:
    explicit Evaluator(Context& context) : context_(context) {}

    /// Evaluates any expression except a range vector.
    Expected<Value> evaluate(const Expr& expr, const Grid& grid);

    /// As evaluate(), for an expression that the type checker knows to have that type.
    Expected<SeriesSet> vector(const Expr& expr, const Grid& grid);
    Expected<ScalarValues> scalar(const Expr& expr, const Grid& grid);
    Expected<std::string> string(const Expr& expr, const Grid& grid);

    /// The samples of a range selector or subquery that the grid's windows need.
    Expected<RangeVector> rangeVector(const Expr& expr, const Grid& grid);

    /// What an instant selector yields at each step: the values, or with `timestamps` the times of the
    /// samples in seconds.
    Expected<SeriesSet> select(const VectorSelector& selector, const Grid& grid, bool timestamps);

    Context& context() { return context_; }

  private:
    /// Repeats the result of the first step at every step.
    Expected<Value> evaluateOnce(const Expr& expr, const Grid& grid);
    Expected<Value> evaluateNode(const Unary& unary, const Grid& grid);
    Expected<Value> evaluateNode(const Binary& binary, const Grid& grid);
    Expected<Value> evaluateNode(const Aggregate& aggregate, const Grid& grid);
    Expected<RangeVector> subquery(const Subquery& subquery, const Grid& grid);

    Context& context_;
};

}  // namespace lapwing::promql
