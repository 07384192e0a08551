#include "common/model/remote_write.h"

#include <cstdlib>

// Any body either is refused or gives a request that can be encoded and decoded again.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    lapwing::RemoteWriteLimits limits;
    limits.uncompressed_bytes = 1U << 20;
    const auto request =
        lapwing::decodeRemoteWrite(std::string_view(reinterpret_cast<const char*>(data), size), limits);
    if (request) {
        const auto again = lapwing::decodeRemoteWrite(lapwing::encodeRemoteWrite(request->series));
        if (!again || again->samples != request->samples || again->series.size() != request->series.size()) {
            std::abort();
        }
    }
    return 0;
}
