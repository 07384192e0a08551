#include "common/model/remote_write.h"

#include <cstdlib>

#include "tests/unit/written.h"

using namespace lapwing;

// The first byte selects the version. The decoder must refuse a body, or return a request that is within the
// limits and survives encoding and decoding.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) {
        return 0;
    }
    RemoteWriteLimits limits;
    limits.uncompressed_bytes = 1U << 20;
    limits.labels_per_series = 8;
    limits.label_bytes = 64;
    limits.metadata = 8;
    const auto version = data[0] % 2 == 0 ? RemoteWriteVersion::v1 : RemoteWriteVersion::v2;
    const auto request = test::decodeWhole(
        std::string_view(reinterpret_cast<const char*>(data) + 1, size - 1), limits, version);
    if (!request) {
        return 0;
    }
    std::size_t samples = request->refused;
    for (const auto& series : request->series) {
        samples += series.samples.size();
        if (series.samples.empty() || series.labels.size() > limits.labels_per_series) {
            std::abort();
        }
    }
    if (samples != request->samples || request->metadata.size() > limits.metadata) {
        std::abort();
    }
    const auto again = test::decodeWhole(encodeRemoteWrite(request->series, request->metadata));
    if (!again || again->samples != request->samples - request->refused || again->refused != 0 ||
        again->series.size() != request->series.size() || again->metadata != request->metadata) {
        std::abort();
    }
    return 0;
}
