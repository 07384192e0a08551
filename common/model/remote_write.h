#pragma once

#include <compare>
#include <cstddef>
#include <memory>
#include <memory_resource>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"
#include "common/memory_budget.h"
#include "common/model/sample.h"

namespace lapwing {

/// Prometheus remote_write (https://prometheus.io/docs/specs/prw/remote_write_spec/, and _2_0): a protobuf
/// message, compressed with snappy's block format. Pure functions, safe from any thread.

enum class RemoteWriteVersion {
    v1,  ///< prometheus.WriteRequest
    v2,  ///< io.prometheus.write.v2.Request: labels are references to a table of symbols
};

struct RemoteWriteLimits {
    std::size_t compressed_bytes = 8U << 20;
    std::size_t uncompressed_bytes = 32U << 20;
    std::size_t samples = 100'000;
    std::size_t labels_per_series = 64;
    std::size_t label_bytes = 4096;  ///< of a name, a value, or a text of the metadata
    std::size_t symbols = 400'000;
    std::size_t metadata = 20'000;
    std::size_t memory_bytes = MemoryBudget::kAllowance;  ///< for decoding, beside the size of the body
};

/// The metadata that a sender has for a metric. `type` is Prometheus' word: counter, gauge, histogram,
/// gaugehistogram, summary, info, stateset, unknown.
struct MetricMetadata {
    std::string metric;  ///< the family's name: a histogram's without _bucket, _sum and _count
    std::string type;
    std::string help;
    std::string unit;
    auto operator<=>(const MetricMetadata&) const = default;
};

/// One series of a request. Its labels stay encoded until decodeLabels().
struct WrittenSeries {
    /// The fields `labels` of a prometheus.TimeSeries as on the wire, for version 2 as well.
    std::string_view labels;
    std::span<const Sample> samples;  ///< at least one, in the order of the request
};

struct WriteRequest {
    std::vector<WrittenSeries> series;  ///< refer to `memory`; series without samples are left out
    std::size_t samples = 0;
    /// Native histograms and exemplars are not stored, only counted.
    std::size_t histograms = 0;
    std::size_t exemplars = 0;
    std::vector<MetricMetadata> metadata;

    struct Memory {
        std::string message;
        std::pmr::monotonic_buffer_resource labels;  ///< labels that are not contiguous in the message
        std::vector<Sample> samples;
    };
    std::unique_ptr<Memory> memory;
};

/// The body of a write request, version 1. Labels must be valid (Labels is sorted by construction).
std::string encodeRemoteWrite(const std::vector<TimeSeries>& series,
                              const std::vector<MetricMetadata>& metadata = {});

/// Decodes a body. Checks the length that snappy declares before it allocates. Errors: `exhausted` beyond a
/// limit of the whole request or its memory budget, `invalid` if it does not decode.
Expected<WriteRequest> decodeRemoteWrite(std::string_view body, const RemoteWriteLimits& limits = {},
                                         RemoteWriteVersion version = RemoteWriteVersion::v1);

/// Decodes the labels of a WrittenSeries. Error `invalid`, which names the labels, for an empty or repeated
/// name, too many labels, or too long ones.
Expected<Labels> decodeLabels(std::string_view encoded, const RemoteWriteLimits& limits = {});

}  // namespace lapwing
