// Files of /proc. The kernel is trusted, but the names of mounts and devices are not.
#include <cstddef>
#include <cstdint>

#include "agent/probes/node/filesystems.h"
#include "agent/probes/node/parse.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace lapwing::agent::node;
    if (size == 0) {
        return 0;
    }
    const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
    Families out;
    switch (data[0] % 18) {
        case 0:
            parseStat(text, 100, out);
            break;
        case 1:
            parseMeminfo(text, out);
            break;
        case 2:
            parsePressure("io", text, out);
            break;
        case 3:
            parseDiskstats(text, out);
            break;
        case 4:
            parseNetDev(text, out);
            break;
        case 5:
            parseNetstat(text, out);
            break;
        case 6:
            parseSockstat(text, 4096, out);
            break;
        case 7:
            parseSnmp6(text, out);
            break;
        case 8:
            parseSoftnet(text, out);
            break;
        case 9:
            parseArp(text, out);
            break;
        case 10:
            parseUdpQueues(text, "v4", out);
            break;
        case 11:
            parseConntrackStat(text, out);
            break;
        case 12:
            parseMdstat(text, out);
            break;
        case 13:
            parseXfs("vda1", text, out);
            break;
        case 14:
            parseSchedstat(text, out);
            break;
        case 15:
            parseOsRelease(text);
            break;
        case 16:
            parseVmstat(text, out);
            break;
        default:
            parseMountinfo(text, View::host);
            break;
    }
    return 0;
}
