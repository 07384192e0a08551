#pragma once

#include <prometheus/metric_family.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "agent/probes/sample_line.h"
#include "agent/probes/scrape/selection.h"
#include "common/error.h"
#include "common/model/clock.h"

namespace lapwing::agent::scrape {

enum class Format {
    text,         ///< Prometheus' text format 0.0.4, and 1.0.0 with names in quotes
    openmetrics,  ///< OpenMetrics 1.0
};

/// By the header Content-Type. What is not OpenMetrics is read as text, as Prometheus 2 did.
Format formatOf(std::string_view content_type);

/// Bounds of one page; docs/limits.md. The bytes of the page are the fetcher's.
struct PageLimits {
    std::size_t samples = 10'000;  ///< that are kept
    /// The collector's `ingest.max_labels_per_series` (64), less name, job, instance and agent.
    std::size_t labels = 60;
    std::size_t label_bytes = 4096;  ///< the collector's `ingest.max_label_length`
};

/// A sample whose own time is further than this from the scrape's is not of now.
inline constexpr std::int64_t kMostSkewMs = 300'000;

/// A page of metrics: read as a whole, then given out as families, some samples at a time. Samples stay as
/// they are: buckets, sums and counts are not joined, for what the page lacks is absent. `le` of a histogram
/// and `quantile` of a summary are written as Prometheus 3 writes them ("1.0"). Not synchronised.
class Page {
  public:
    /// `now` is the time of the scrape. Errors: `protocol` for a line that Prometheus would not take, or
    /// OpenMetrics without its end; `exhausted` beyond the limits. Nothing of such a page counts.
    static Expected<std::shared_ptr<Page>> read(std::string text, Format format, const Selection& selection,
                                                TimestampMs now, const PageLimits& limits = {});

    /// The samples of the page, and those that `selection` keeps.
    std::size_t scraped() const { return scraped_; }
    std::size_t kept() const { return kept_; }
    /// For people: the metrics of which series were left out, and why; "" if there are none.
    std::string note() const;

    /// The next family, without `job` and `instance`; false after the last. A family without samples only
    /// tells the type and the help of a histogram or a summary.
    bool next(prometheus::MetricFamily& out);

  private:
    struct Declared {
        std::string_view type;  ///< the word of the page; "" if there is none
        std::string_view help;  ///< with its escapes
    };
    /// The family of a sample's name: "x" for "x_bucket" of a histogram x.
    struct FamilyOf {
        std::string_view name;
        const Declared* declared = nullptr;  ///< null: nobody declared it
    };

    Page(std::string text, Format format) : text_(std::move(text)), format_(format) {}
    Expected<void> readAll(const Selection& selection, TimestampMs now, const PageLimits& limits);
    Expected<void> readComment(Line line);
    Expected<void> readType(std::string_view name, std::string_view type);
    Expected<std::optional<TimestampMs>> readTime(Line& line) const;
    Expected<void> readLine(std::string_view text, const Selection& selection, TimestampMs now,
                            const PageLimits& limits);
    std::string whyNot(const SampleLine& sample, const std::optional<TimestampMs>& at, TimestampMs now,
                       const PageLimits& limits);
    FamilyOf familyOf(std::string_view name) const;

    const std::string text_;
    const Format format_;
    std::size_t scraped_ = 0;
    std::size_t kept_ = 0;
    std::map<std::string_view, Declared> declared_;  ///< views of text_, as those below
    std::vector<std::string_view> lines_;            ///< of the samples to give out
    std::unordered_set<std::uint64_t> series_;
    std::map<std::string, std::set<std::string>> left_out_;  ///< names by reason
    std::size_t at_ = 0;                                     ///< in lines_
    std::set<std::string_view> told_;                        ///< families whose type was given out
};

}  // namespace lapwing::agent::scrape
