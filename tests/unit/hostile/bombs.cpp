#include "tests/unit/hostile/bombs.h"

#include <malloc.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <sstream>

#include "tests/unit/catch.h"

namespace lapwing::test {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kMeasures = false;  // a sanitizer's own memory would be counted
#else
constexpr bool kMeasures = true;
#endif

std::size_t statusOf(const char* field_name) {
    std::ifstream in("/proc/self/status");
    for (std::string line; std::getline(in, line);) {
        if (line.starts_with(field_name)) {
            return std::strtoull(line.c_str() + std::string(field_name).size(), nullptr, 10) * 1024;
        }
    }
    return 0;
}

}  // namespace

std::size_t growthOf(const std::function<void()>& warm, const std::function<void()>& read) {
    int channel[2];
    REQUIRE(::pipe(channel) == 0);
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        // As both programs do.
        mallopt(M_TRIM_THRESHOLD, 256 * 1024);
        mallopt(M_MMAP_THRESHOLD, 256 * 1024);
        warm();
        malloc_trim(0);
        { std::ofstream("/proc/self/clear_refs") << "5"; }
        const auto before = statusOf("VmRSS:");
        read();
        const auto peak = statusOf("VmHWM:");
        const std::uint64_t grown = peak > before ? peak - before : 0;
        const bool told = ::write(channel[1], &grown, sizeof grown) == sizeof grown;
        ::_exit(told ? 0 : 1);
    }
    ::close(channel[1]);
    std::uint64_t grown = 0;
    const bool told = ::read(channel[0], &grown, sizeof grown) == sizeof grown;
    ::close(channel[0]);
    int status = 0;
    ::waitpid(child, &status, 0);
    REQUIRE(told);
    REQUIRE(status == 0);
    return kMeasures ? grown : 0;
}

void checkGoal(const std::string& what, const std::string& input,
               const std::function<void(const std::string&)>& read) {
    const auto grown = growthOf([&] { read(input.substr(0, 200)); }, [&] { read(input); });
    INFO(what << ": " << input.size() << " bytes made " << grown);
    CHECK(grown <= kGoal + input.size());
}

std::string repeated(const std::string& unit, std::size_t bytes) {
    std::string out;
    out.reserve(bytes + unit.size());
    while (out.size() < bytes) {
        out += unit;
    }
    return out;
}

std::string varint(std::uint64_t value) {
    std::string out;
    for (; value > 0x7f; value >>= 7) {
        out += static_cast<char>(0x80 | (value & 0x7f));
    }
    return out + static_cast<char>(value);
}

std::string field(unsigned number, const std::string& payload) {
    return varint(number << 3 | 2) + varint(payload.size()) + payload;
}

}  // namespace lapwing::test
