#pragma once

#include <set>
#include <string>

#include "collector/limits/query_limits.h"
#include "collector/promql/ast.h"
#include "collector/promql/engine.h"
#include "collector/promql/values.h"

namespace lapwing::promql {

/// Ends a query from within a call that cannot return an error. The engine catches it.
struct Interrupted {
    Error error;
};

/// The state of one query during its evaluation: limits, the clock, and warnings beside the result. Used by
/// one thread.
class Context {
  public:
    Context(std::string_view query, const storage::Queryable& data, const EngineOptions& options,
            TimestampMs start, TimestampMs end)
        : query_(query), data_(data), options_(options), start_(start), end_(end) {}

    const EngineOptions& options() const { return options_; }
    /// Whether to answer as Prometheus 2: windows closed at both ends, and its other rules.
    bool version2() const { return options_.compat == 2; }

    /// The samples that a selector needs, from the store. Errors `exhausted`, `timeout`, `unavailable`.
    Expected<std::vector<storage::SeriesSamples>> select(const storage::Matchers& matchers, TimestampMs from,
                                                         TimestampMs to);

    /// Called between pieces of work, and in loops for each series: looks at the limits of the query. Its
    /// errors are those of QueryLimits::check().
    static Expected<void> proceed() { return QueryLimits::check(); }
    /// The same for code that cannot return an error, such as a comparison of std::sort: throws Interrupted,
    /// which ends the query. Looks at the limits at some of the calls only.
    void proceedOrThrow();

    /// The time that `@ start()` or `@ end()` means in this query; nothing for a selector without `@`.
    std::optional<TimestampMs> fixedTime(const TimeModifiers& time) const;

    /// Error `exhausted` if a result of that many values is too large. charge() is for a result that is about
    /// to be made: it must fit into the memory of the query as well.
    Expected<void> charge(std::size_t values) const;
    Expected<void> chargeSamples(std::size_t values) const;

    /// Adds a warning or an info about a part of the query. Version 2 adds none.
    void warn(std::string_view text, const Expr& where);
    void inform(std::string_view text, const Expr& where);
    /// Adds a warning that Prometheus does not have, where Lapwing differs.
    void remark(std::string text) { warnings_.insert(std::move(text)); }
    const std::set<std::string>& warnings() const { return warnings_; }
    const std::set<std::string>& infos() const { return infos_; }

  private:
    /// `line:column` of a byte of the query.
    std::string position(std::size_t byte) const;

    std::string_view query_;
    const storage::Queryable& data_;
    const EngineOptions& options_;
    TimestampMs start_;
    TimestampMs end_;
    std::size_t loaded_ = 0;
    unsigned calls_ = 0;  ///< of proceedOrThrow()
    std::set<std::string> warnings_;
    std::set<std::string> infos_;
};

}  // namespace lapwing::promql
