// Texts of *.prom files.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "agent/probes/textfile/exposition.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static_cast<void>(lapwing::agent::textfile::parseExposition(
        std::string_view(reinterpret_cast<const char*>(data), size)));
    return 0;
}
