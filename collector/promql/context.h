#pragma once

#include <atomic>
#include <chrono>
#include <set>
#include <string>

#include "collector/promql/ast.h"
#include "collector/promql/engine.h"
#include "collector/promql/values.h"

namespace lapwing::promql {

/// The state of one query during its evaluation: limits, the clock, and warnings beside the result. Used by
/// one thread.
class Context {
  public:
    Context(std::string_view query, const storage::Queryable& data, const EngineOptions& options,
            TimestampMs start, TimestampMs end, const std::atomic<bool>* cancel)
        : query_(query),
          data_(data),
          options_(options),
          start_(start),
          end_(end),
          cancel_(cancel),
          deadline_(std::chrono::steady_clock::now() + std::chrono::milliseconds(options.timeout_ms)) {}

    const EngineOptions& options() const { return options_; }
    /// Whether to answer as Prometheus 2: windows closed at both ends, and its other rules.
    bool version2() const { return options_.compat == 2; }

    /// The samples that a selector needs, from the store. Errors `exhausted`, `timeout`, `unavailable`.
    Expected<std::vector<storage::SeriesSamples>> select(const storage::Matchers& matchers, TimestampMs from,
                                                         TimestampMs to);

    /// Called between pieces of work. Errors `timeout` and `unavailable` (cancelled).
    Expected<void> proceed();

    /// The time that `@ start()` or `@ end()` means in this query; nothing for a selector without `@`.
    std::optional<TimestampMs> fixedTime(const TimeModifiers& time) const;

    /// Error `exhausted` if a result of that many values is too large.
    Expected<void> charge(std::size_t values) const;

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
    const std::atomic<bool>* cancel_;
    std::chrono::steady_clock::time_point deadline_;
    std::size_t loaded_ = 0;
    std::set<std::string> warnings_;
    std::set<std::string> infos_;
};

}  // namespace lapwing::promql
