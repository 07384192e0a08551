#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/model/remote_write.h"

namespace lapwing::test {

/// A write request with the labels of all its series taken apart.
struct WholeRequest {
    std::vector<TimeSeries> series;
    std::vector<MetricMetadata> metadata;
    std::size_t samples = 0;
    std::size_t histograms = 0;
    std::size_t exemplars = 0;
    std::size_t refused = 0;  ///< samples of series whose labels cannot be
    std::string first_refusal;
};

inline Expected<WholeRequest> decodeWhole(std::string_view body, const RemoteWriteLimits& limits = {},
                                          RemoteWriteVersion version = RemoteWriteVersion::v1) {
    auto request = decodeRemoteWrite(body, limits, version);
    if (!request) return tl::unexpected(request.error());
    WholeRequest whole;
    whole.metadata = std::move(request->metadata);
    whole.samples = request->samples;
    whole.histograms = request->histograms;
    whole.exemplars = request->exemplars;
    for (const auto& series : request->series) {
        auto labels = decodeLabels(series.labels, limits);
        if (labels) {
            whole.series.push_back({std::move(*labels), {series.samples.begin(), series.samples.end()}});
        } else {
            whole.refused += series.samples.size();
            if (whole.first_refusal.empty()) whole.first_refusal = labels.error().message;
        }
    }
    return whole;
}

}  // namespace lapwing::test
