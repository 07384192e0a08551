// The inputs and outputs of the privileged helper: its snapshot file, keepalived's configuration and the
// kernel's sockets.
#include "agent/snapshot/snapshot.h"

#include <cstddef>
#include <cstdint>

#include "agent/host/listeners.h"
#include "agent/snapshot/helper/keepalived_conf.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace lapwing::agent;
    if (size == 0) {
        return 0;
    }
    const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
    std::vector<Listener> listeners;
    switch (data[0] % 4) {
        case 0:
            if (const auto snapshot = parseSnapshot(text)) {
                static_cast<void>(listingOf(*snapshot));
            }
            break;
        case 1:
            static_cast<void>(parseKeepalived(text));
            break;
        case 2:
            static_cast<void>(parseProcNet(text, "tcp", data[0] >= 128));
            break;
        default:
            static_cast<void>(parseSockDiag(text.data(), text.size(), "tcp", listeners));
    }
    return 0;
}
