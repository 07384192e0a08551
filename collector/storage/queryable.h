#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/error.h"
#include "common/model/sample.h"

namespace re2 {
class RE2;
}

namespace lapwing::storage {

/// One condition on a label, as in `{job="node", instance=~"web-.*"}`. An absent label has the value "".
/// Regular expressions are RE2 and anchored at both ends. Immutable after construction, safe from any thread.
class Matcher {
  public:
    enum class Type { equal, not_equal, regex, not_regex };

    /// Error `invalid` for a regular expression that does not compile.
    static Expected<Matcher> create(Type type, std::string name, std::string value);

    bool matches(std::string_view value) const;
    bool matches(const Labels& labels) const { return matches(labels.get(name_)); }
    Type type() const { return type_; }
    const std::string& name() const { return name_; }
    const std::string& value() const { return value_; }

  private:
    Matcher() = default;
    Type type_ = Type::equal;
    std::string name_;
    std::string value_;
    std::shared_ptr<const re2::RE2> regex_;
};

/// How PromQL writes the type: "=", "!=", "=~" or "!~".
const char* operatorOf(Matcher::Type type);

using Matchers = std::vector<Matcher>;

struct SeriesSamples {
    std::shared_ptr<const Labels> labels;
    std::vector<Sample> samples;  ///< ascending, one per timestamp; staleness markers are kept
};

/// The read side of a store, for the query language, the rules, the API and the analyses. Thread-safe. A call
/// sees every write that was acknowledged before it. Ranges of time include both ends. The calling thread's
/// QueryLimits bound a read; its errors are those of QueryLimits::check(), and std::bad_alloc may leave it.
class Queryable {
  public:
    virtual ~Queryable() = default;

    /// The samples in [from, to] of every series that meets all matchers, sorted by labels. Series without a
    /// sample in the range are left out. Error `exhausted` if there are more than `max_samples`.
    virtual Expected<std::vector<SeriesSamples>> select(const Matchers& matchers, TimestampMs from,
                                                        TimestampMs to, std::size_t max_samples) const = 0;
    /// Label sets of series that meet any of the sets of matchers (none: all) and may have samples in the
    /// range.
    virtual Expected<std::vector<Labels>> series(const std::vector<Matchers>& any, TimestampMs from,
                                                 TimestampMs to) const = 0;
    /// Sorted, unique.
    virtual Expected<std::vector<std::string>> labelNames(const std::vector<Matchers>& any, TimestampMs from,
                                                          TimestampMs to) const = 0;
    virtual Expected<std::vector<std::string>> labelValues(const std::string& name,
                                                           const std::vector<Matchers>& any, TimestampMs from,
                                                           TimestampMs to) const = 0;
};

}  // namespace lapwing::storage
