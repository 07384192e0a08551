#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"
#include "common/model/sample.h"

namespace lapwing {

/// Prometheus remote_write 1.0 (https://prometheus.io/docs/specs/prw/remote_write_spec/): a protobuf
/// `prometheus.WriteRequest`, compressed with snappy's block format. Pure functions, safe from any thread.

struct RemoteWriteLimits {
    std::size_t compressed_bytes = 8U << 20;
    std::size_t uncompressed_bytes = 32U << 20;
    std::size_t samples = 100'000;
    std::size_t labels_per_series = 64;
    std::size_t label_bytes = 4096;  ///< a name or a value
};

struct WriteRequest {
    std::vector<TimeSeries> series;
    std::size_t samples = 0;
    /// Native histograms and exemplars are not stored: counted, never dropped in silence.
    std::size_t histograms = 0;
    std::size_t exemplars = 0;
};

/// The body of a write request. Labels must be valid (Labels is sorted by construction).
std::string encodeRemoteWrite(const std::vector<TimeSeries>& series);

/// Checks the length that snappy declares before anything is allocated. Errors: `exhausted` for a limit,
/// `invalid` for what does not decode. Labels are sorted here; a repeated or empty label name is `invalid`.
Expected<WriteRequest> decodeRemoteWrite(std::string_view body, const RemoteWriteLimits& limits = {});

}  // namespace lapwing
