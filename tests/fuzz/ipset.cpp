// Any bytes in the place of `ipset save`'s output give sets, and the short form gives the same.
#include "common/reach/ipset.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "common/reach/compact.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace lapwing::reach;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto sets = parseIpsets(text);
    const auto again = parseIpsets(compactIpsets(text));
    for (const auto& [name, set] : sets) {
        const auto found = again.find(name);
        if (found == again.end() || found->second.family != set.family ||
            found->second.addresses->lasting.ranges() != set.addresses->lasting.ranges()) {
            std::abort();
        }
    }
    return 0;
}
