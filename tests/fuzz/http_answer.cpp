// Answers of HTTP servers, their Location and their cookies.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "agent/probes/app/cookies.h"
#include "common/http/message.h"
#include "common/http/url.h"

using namespace lapwing;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) {
        return 0;
    }
    std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
    // The first byte decides how the bytes arrive.
    const std::size_t piece = data[0] % 64 + 1;
    http::ResponseReader reader([&](char* buffer, std::size_t length) -> Expected<std::size_t> {
        const auto given = std::min({rest.size(), length, piece});
        std::memcpy(buffer, rest.data(), given);
        rest.remove_prefix(given);
        return given;
    });
    constexpr std::size_t limit = 4096;
    auto answer = reader.readHead();
    if (!answer) {
        return 0;
    }
    if (answer->status < 100 || answer->status > 999) {
        std::abort();
    }
    const auto whole = reader.readBody(*answer, false, limit);
    if (answer->body.size() > limit) {
        std::abort();
    }
    if (whole && http::decodeContent(*answer, *whole, limit, http::TooLong::cut) &&
        answer->body.size() > limit) {
        std::abort();
    }
    const auto base = *http::Url::parse("https://h.example/a/b?c");
    agent::app::CookieJar jar;
    for (const auto& [name, value] : answer->headers) {
        jar.take(base, value);
        const auto url = base.resolve(value);
        if (!url) {
            continue;
        }
        // A request line carries it, and reading it again changes nothing.
        const bool plain =
            std::all_of(url->target.begin(), url->target.end(), [](char c) { return c > 0x20 && c < 0x7f; });
        const auto again = http::Url::parse(url->toString());
        if (!plain || url->target[0] != '/' || !again || again->toString() != url->toString()) {
            std::abort();
        }
        static_cast<void>(jar.headerFor(*url));
    }
    return 0;
}
