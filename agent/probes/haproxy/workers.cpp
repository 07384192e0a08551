#include "agent/probes/haproxy/workers.h"

#include <charconv>
#include <fstream>
#include <system_error>

#include "agent/probes/text.h"

namespace lapwing::agent::haproxy {

namespace {

constexpr const char* kName = "haproxy";

std::optional<int> toPid(std::string_view text) {
    int pid = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), pid);
    return error == std::errc() && end == text.data() + text.size() && pid > 0 ? std::optional(pid)
                                                                               : std::nullopt;
}

/// The parent of a process of HAProxy; nothing if it is another program, or gone.
std::optional<int> parentOf(const std::string& proc, int pid) {
    std::ifstream file(proc + "/" + std::to_string(pid) + "/stat");
    std::string line;
    std::getline(file, line);
    // "12 (haproxy) S 11 ...": a name may hold blanks and parentheses, but this one does not.
    std::string_view rest(line);
    nextField(rest);
    if (nextField(rest) != "(" + std::string(kName) + ")") {
        return std::nullopt;
    }
    nextField(rest);
    return toPid(nextField(rest));
}

}  // namespace

std::optional<int> pidOf(std::string_view info) {
    for (std::string_view line; nextLine(info, line);) {
        if (line.starts_with("Pid: ")) {
            return toPid(trimmed(line.substr(5)));
        }
    }
    return std::nullopt;
}

std::optional<std::size_t> oldWorkers(const std::string& proc, int pid) {
    const auto master = parentOf(proc, pid);
    if (!master || !parentOf(proc, *master)) {
        return std::nullopt;
    }
    const auto id = std::to_string(*master);
    std::ifstream file(proc + "/" + id + "/task/" + id + "/children");
    std::size_t others = 0;
    bool found = false;
    for (int child = 0; file >> child;) {
        found = found || child == pid;
        others += child != pid && parentOf(proc, child) == master ? 1 : 0;
    }
    return found ? std::optional(others) : std::nullopt;
}

}  // namespace lapwing::agent::haproxy
