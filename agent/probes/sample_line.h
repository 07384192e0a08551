#pragma once

#include <prometheus/client_metric.h>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"

namespace lapwing::agent {

/// Shared by the readers of Prometheus' text formats: pages of metrics and *.prom files. Pure functions.

using LabelList = std::vector<prometheus::ClientMetric::Label>;

/// A line, from its beginning on.
class Line {
  public:
    explicit Line(std::string_view text) : rest_(text) {}

    bool atEnd() const { return rest_.empty(); }
    char next() const { return rest_.empty() ? '\n' : rest_.front(); }
    bool atBlank() const { return next() == ' ' || next() == '\t'; }
    void skip() { rest_.remove_prefix(1); }
    void skipBlanks() {
        while (atBlank()) {
            skip();
        }
    }
    template <class Part>
    std::string_view take(Part part) {
        const auto end = std::find_if_not(rest_.begin(), rest_.end(), part);
        const auto out = rest_.substr(0, static_cast<std::size_t>(end - rest_.begin()));
        rest_.remove_prefix(out.size());
        return out;
    }
    std::string_view takeWord();
    /// The name of a metric; "" where none stands.
    std::string_view takeName();
    std::string_view rest() const { return rest_; }

  private:
    std::string_view rest_;
};

/// Whose rules hold where the formats leave room.
enum class Rules {
    node_exporter,  ///< of *.prom files: only known escapes
    prometheus,     ///< of pages: unknown escapes stay as they are, names may stand in quotes
};

/// The text with its escapes replaced: \\, \n and \". By the rules of *.prom files, nothing for another
/// escape.
std::optional<std::string> unescaped(std::string_view text, Rules rules);

/// What Go's ParseFloat takes, without hexadecimal numbers and underscores.
std::optional<double> toFloat(std::string_view text);

/// The most labels that a line may have; docs/limits.md.
inline constexpr std::size_t kMostLabelsOfLine = 1000;

/// A sample, without what follows its value.
struct SampleLine {
    std::string name;
    LabelList labels;
    double value = 0;
};

/// Reads name, labels and value. The line then stands behind the value. Error `invalid`.
Expected<SampleLine> readSample(Line& line, Rules rules);

/// As Prometheus does with a scrape (honor_labels: false): labels that the agent or the collector sets keep
/// their values under another name ("exported_job").
void renameReserved(LabelList& labels);

}  // namespace lapwing::agent
