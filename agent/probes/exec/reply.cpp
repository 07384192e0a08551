#include "agent/probes/exec/reply.h"

#include <array>
#include <charconv>
#include <system_error>
#include <utility>

namespace lapwing::agent::exec {

namespace {

constexpr std::string_view kMark = "lapwing-exec ";
constexpr std::array kNames{std::pair{End::exited, "exited"}, std::pair{End::signalled, "signalled"},
                            std::pair{End::timeout, "timeout"}, std::pair{End::too_large, "too_large"},
                            std::pair{End::failed, "not_started"}};

}  // namespace

const char* nameOf(End end) {
    for (const auto& [each, name] : kNames) {
        if (each == end) {
            return name;
        }
    }
    return "";
}

std::string encode(const Reply& reply) {
    return std::string(kMark) + nameOf(reply.end) + " " + std::to_string(reply.number) + "\n" + reply.output;
}

Expected<Reply> decode(std::string_view text) {
    const auto line = text.substr(0, text.find('\n'));
    const auto blank = line.rfind(' ');
    Reply out;
    if (line.size() < text.size() && line.starts_with(kMark) && blank >= kMark.size()) {
        const auto word = line.substr(kMark.size(), blank - kMark.size());
        const auto digits = line.substr(blank + 1);
        const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), out.number);
        for (const auto& [each, name] : kNames) {
            if (word == name && error == std::errc() && end == digits.data() + digits.size()) {
                out.end = each;
                out.output = text.substr(line.size() + 1);
                return out;
            }
        }
    }
    return fail(ErrorKind::protocol, "lapwing-exec: its answer has another form");
}

}  // namespace lapwing::agent::exec
