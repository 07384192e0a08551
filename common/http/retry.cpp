#include "common/http/retry.h"

#include <algorithm>
#include <charconv>
#include <ctime>

#include "common/text.h"

namespace lapwing::http {
namespace {
constexpr std::int64_t kMostSeconds = 300;
constexpr std::size_t kMostLine = 500;
}  // namespace

std::optional<std::chrono::milliseconds> retryAfter(std::string_view header, std::int64_t now) {
    if (header.empty()) {
        return std::nullopt;
    }
    std::int64_t seconds = 0;
    const char* end = header.data() + header.size();
    const auto parsed = std::from_chars(header.data(), end, seconds);
    if (parsed.ec != std::errc() || parsed.ptr != end) {
        std::tm date{};
        const std::string text(header);
        const char* rest = strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &date);
        if (rest == nullptr || *rest != '\0') {
            return std::nullopt;
        }
        seconds = timegm(&date) - now;
    }
    return std::chrono::seconds(std::clamp<std::int64_t>(seconds, 0, kMostSeconds));
}

std::chrono::milliseconds Backoff::next(double random) {
    const auto step = step_;
    step_ = std::min(step_ * 2, kMost);
    return step / 2 + std::chrono::milliseconds(
                          static_cast<std::int64_t>(random * static_cast<double>(step.count()) / 2));
}

std::string firstLine(std::string_view body) {
    body = body.substr(0, kMostLine);
    return printable(std::string(body.substr(0, body.find_first_of("\r\n"))));
}

}  // namespace lapwing::http
