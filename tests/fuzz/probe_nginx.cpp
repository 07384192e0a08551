// Answers from Nginx, or from an attacker at its address.
#include <cstddef>
#include <cstdint>

#include "agent/probes/nginx/parse.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static_cast<void>(
        lapwing::agent::nginx::parseStubStatus(std::string_view(reinterpret_cast<const char*>(data), size)));
    return 0;
}
