// Any bytes must parse to an error or to a ruleset whose evaluation terminates.
#include "common/reach/ruleset.h"

#include <cstddef>
#include <cstdint>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace lapwing::reach;
    const auto rules = Ruleset::parse({reinterpret_cast<const char*>(data), size});
    if (!rules) {
        return 0;
    }
    for (const auto* destination : {"10.77.0.11", "fd77::11"}) {
        Packet packet;
        packet.destination = *Address::parse(destination);
        packet.source = AddressRange::of(rules->stranger(packet.destination.family));
        packet.port = rules->unusedPort({22});
        packet.interface = "eth0";
        static_cast<void>(rules->evaluate(packet));
        packet.port = 22;
        static_cast<void>(rules->sources(packet));
    }
    return 0;
}
