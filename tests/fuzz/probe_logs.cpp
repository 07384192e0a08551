// Lines of logs, formats, and a state file that somebody has changed.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "agent/probes/logs/access_line.h"
#include "agent/probes/logs/counts.h"
#include "agent/probes/logs/log_state.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace lapwing::agent::logs;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto format = text.substr(0, text.find('\n'));
    const auto line = text.substr(std::min(text.size(), format.size() + 1));
    AccessCounts counts;
    auto json = AccessReader::ofJson({});
    if (const auto read = json.read(line)) {
        counts.add(*read);
    }
    if (auto reader = AccessReader::ofFormat(format)) {
        if (const auto read = reader->read(line)) {
            counts.add(*read);
        }
    }
    ErrorCounts errors;
    static_cast<void>(errors.add(text));
    static_cast<void>(readStates(text));
    return 0;
}
