// A collector's assignments, and answers from an untrusted program at a peer's port.
#include <cstddef>
#include <cstdint>

#include "agent/attempts/assignment.h"
#include "agent/attempts/greeting.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace lapwing::agent;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    static_cast<void>(greetingOf(text));
    static_cast<void>(httpGreetingOf(text));
    static_cast<void>(parseAssignment(text, {{"web-01", "10.77.0.11", 80}}, true));
    return 0;
}
