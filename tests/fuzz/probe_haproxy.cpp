// Answers from HAProxy, or from an attacker at its address.
#include <cstddef>
#include <cstdint>

#include "agent/probes/haproxy/parse.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace lapwing::agent::haproxy;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto answers = splitAnswers(text);
    Families families;
    parseInfo(answers.info, families);
    static_cast<void>(parseStats(std::string(answers.stats), parseServersState(answers.state)));
    static_cast<void>(parseStats(std::string(text)));
    static_cast<void>(parseServersState(text));
    return 0;
}
