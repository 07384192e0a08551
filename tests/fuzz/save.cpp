// Any bytes in the place of iptables-save's output, or of nft's text, give a ruleset whose evaluation ends.
#include <cstddef>
#include <cstdint>
#include <string>

#include "common/reach/ruleset.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace lapwing::reach;
    if (size == 0) {
        return 0;
    }
    const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
    const auto family = (data[0] & 1U) == 0 ? Family::ipv4 : Family::ipv6;
    auto rules =
        Ruleset::parse(listingOf(R"({"nftables":[]})", {{family, (data[0] & 2U) == 0, text}}, {}, Host{}));
    if (!rules) {
        return 0;
    }
    rules->addTexts(text);
    Packet packet;
    packet.destination = *Address::parse(family == Family::ipv4 ? "10.77.0.11" : "fd77::11");
    packet.source = AddressRange::of(rules->stranger(family));
    packet.port = 22;
    packet.interface = "eth0";
    static_cast<void>(rules->evaluate(packet));
    static_cast<void>(rules->sources(packet));
    return 0;
}
