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
    std::size_t label_bytes = 4096;  ///< a name or a value; a text of the metadata too
    std::size_t symbols = 400'000;
    std::size_t metadata = 20'000;
};

/// What its source says of a metric. `type` as Prometheus writes it: counter, gauge, histogram,
/// gaugehistogram, summary, info, stateset, unknown.
struct MetricMetadata {
    std::string metric;  ///< the family's name: of a histogram without _bucket, _sum and _count
    std::string type;
    std::string help;
    std::string unit;
    auto operator<=>(const MetricMetadata&) const = default;
};

/// One series of a request. Its labels are not taken apart before somebody asks decodeLabels() for them.
struct WrittenSeries {
    /// The fields `labels` of a prometheus.TimeSeries as they are on the wire, also of a version 2.
    std::string_view labels;
    std::span<const Sample> samples;  ///< at least one, as they came
};

struct WriteRequest {
    std::vector<WrittenSeries> series;  ///< look into `memory`; series without samples are left out
    std::size_t samples = 0;
    /// Native histograms and exemplars are not stored: counted, never dropped in silence.
    std::size_t histograms = 0;
    std::size_t exemplars = 0;
    std::vector<MetricMetadata> metadata;

    struct Memory {
        std::string message;
        std::pmr::monotonic_buffer_resource labels;  ///< those that do not lie together in the message
        std::vector<Sample> samples;
    };
    std::unique_ptr<Memory> memory;
};

/// The body of a write request, version 1. Labels must be valid (Labels is sorted by construction).
std::string encodeRemoteWrite(const std::vector<TimeSeries>& series,
                              const std::vector<MetricMetadata>& metadata = {});

/// Checks the length that snappy declares before anything is allocated. Errors: `exhausted` for a limit of
/// the whole request, `invalid` for what does not decode.
Expected<WriteRequest> decodeRemoteWrite(std::string_view body, const RemoteWriteLimits& limits = {},
                                         RemoteWriteVersion version = RemoteWriteVersion::v1);

/// What the labels of a WrittenSeries are, sorted. Error `invalid`, which names them, where they cannot be: a
/// name that is empty or there twice, too many, too long.
Expected<Labels> decodeLabels(std::string_view encoded, const RemoteWriteLimits& limits = {});

}  // namespace lapwing
