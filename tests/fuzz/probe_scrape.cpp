// Pages of metrics. The first byte chooses the format.
#include <cstddef>
#include <cstdint>
#include <string>

#include "agent/probes/scrape/page.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace lapwing::agent::scrape;
    if (size == 0) {
        return 0;
    }
    const auto format = data[0] % 2 == 0 ? Format::text : Format::openmetrics;
    const auto page = Page::read(std::string(reinterpret_cast<const char*>(data) + 1, size - 1), format, {},
                                 1'700'000'000'000);
    if (page) {
        for (prometheus::MetricFamily family; (*page)->next(family);) {
        }
        static_cast<void>((*page)->note());
    }
    return 0;
}
