#pragma once

#include <prometheus/metric_family.h>

#include <fstream>
#include <iterator>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "common/model/families.h"

namespace lapwing::test {

/// The samples of a probe, read by value.
class Samples {
  public:
    explicit Samples(const std::vector<prometheus::MetricFamily>& families) {
        appendFamilies(families, {}, 1, series_);
    }

    /// The value of the series with exactly these labels (besides its name); nothing without such a series.
    /// A duplicate series is an error.
    std::optional<double> value(std::string_view name, Labels labels = {}) const {
        labels.set("__name__", name);
        std::optional<double> found;
        for (const auto& series : series_) {
            if (series.labels != labels) {
                continue;
            }
            if (found) {
                throw std::runtime_error("twice: " + labels.toString());
            }
            found = series.samples.front().value;
        }
        return found;
    }

    /// The number of series of this name.
    std::size_t count(std::string_view name) const {
        std::size_t found = 0;
        for (const auto& series : series_) {
            found += series.labels.metricName() == name ? 1 : 0;
        }
        return found;
    }

    /// A label of the only series of this name.
    std::string label(std::string_view name, std::string_view label_name) const {
        if (count(name) != 1) {
            throw std::runtime_error("not exactly one " + std::string(name));
        }
        for (const auto& series : series_) {
            if (series.labels.metricName() == name) {
                return std::string(series.labels.get(label_name));
            }
        }
        return {};
    }

    std::size_t size() const { return series_.size(); }
    const std::vector<TimeSeries>& series() const { return series_; }

  private:
    std::vector<TimeSeries> series_;
};

}  // namespace lapwing::test
