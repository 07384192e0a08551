#include "agent/configtest/helper/verdict.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <filesystem>
#include <initializer_list>
#include <optional>
#include <sstream>
#include <string_view>
#include <system_error>
#include <utility>

#include "agent/snapshot/helper/units.h"
#include "common/model/labels.h"
#include "common/text.h"

namespace lapwing::agent::configtest {

namespace {

constexpr std::size_t kMostWords = 300;
constexpr std::size_t kMostConfiguration = 4U << 20;

bool holdsOneOf(std::string_view text, std::initializer_list<std::string_view> parts) {
    return std::any_of(parts.begin(), parts.end(),
                       [&](auto part) { return text.find(part) != std::string_view::npos; });
}

/// Faults of the test's surroundings, or of a moment: the service may start all the same.
bool mayBeOurs(std::string_view line) {
    return holdsOneOf(line,
                      {"ermission denied", "not permitted", "ead-only file system", "annot allocate memory",
                       "ut of memory", "not enough memory", "oo many open files", "No space left",
                       "rotocol not supported", "Function not implemented",
                       // An address that has moved to another server: the running program keeps its socket.
                       "annot assign requested address",
                       // The service has another /tmp and /dev than the test.
                       "/tmp/", "/dev/"});
}

/// The first line that begins, after a date or the program's name, with one of the levels.
std::string lineOfLevel(const std::string& text, std::initializer_list<std::string_view> levels) {
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);) {
        for (const auto level : levels) {
            if (const auto at = line.substr(0, 64).find(level); at != std::string::npos) {
                const auto from = line.find_first_not_of(' ', at + level.size());
                return from == std::string::npos ? "" : line.substr(from);
            }
        }
    }
    return "";
}

/// Drops "(123) : ", "123#123: ": they differ from test to test.
void dropProcess(std::string& line) {
    const auto end = line.find(": ");
    if (end != std::string::npos && line.find_first_not_of("0123456789#() ") == end) {
        line.erase(0, end + 2);
    }
}

struct Place {
    std::string file;
    std::size_t line = 0;
};

/// Reads FILE:LINE, with the whole path of the file.
std::optional<Place> placeOf(std::string_view text) {
    const auto digits = text.find_last_not_of("0123456789") + 1;
    std::size_t line = 0;
    const auto read = std::from_chars(text.data() + digits, text.data() + text.size(), line);
    if (!text.starts_with('/') || text[digits - 1] != ':' || read.ec != std::errc()) {
        return std::nullopt;
    }
    return Place{std::string(text.substr(0, digits - 1)), line};
}

/// "MESSAGE in FILE:LINE"
void takeNginxPlace(Verdict& out) {
    const auto at = out.words.rfind(" in /");
    if (at != std::string::npos && placeOf(std::string_view(out.words).substr(at + 4))) {
        out.place = out.words.substr(at + 4);
        out.words.erase(at);
    }
}

/// "config : parsing [FILE:LINE] : MESSAGE", with or without "parsing".
void takeHaproxyPlace(Verdict& out) {
    auto& words = out.words;
    if (constexpr std::string_view part = "config : "; words.starts_with(part)) {
        words.erase(0, part.size());
    }
    const auto open = words.find('[');
    const auto close = words.find(']');
    if (open == std::string::npos || close == std::string::npos || close < open ||
        !placeOf(std::string_view(words).substr(open + 1, close - open - 1))) {
        return;
    }
    out.place = words.substr(open + 1, close - open - 1);
    const bool leads = open == 0 || words.substr(0, open) == "parsing ";
    const auto from = words.find_first_not_of(" :", close + 1);
    if (leads && from != std::string::npos) {
        words.erase(0, from);
    }
}

std::string lineAt(std::string_view text) {
    const auto place = placeOf(text);
    if (!place) {
        return "";
    }
    std::istringstream in(textOfFile(place->file, kMostConfiguration));
    std::string line;
    for (auto left = place->line; left > 0 && std::getline(in, line); --left) {
    }
    return line;
}

bool maySayASecret(const std::string& line) {
    return holdsOneOf(lower(line), {"passw", "secret", "token", "auth", "credential", "api", "bearer",
                                    "cookie", "key", "private", "${", "\"$", "@"});
}

/// A path begins with a directory of this host.
bool isPathHere(const std::string& quoted) {
    const auto end = quoted.find('/', 1);
    std::error_code error;
    return quoted.starts_with('/') && end != std::string::npos &&
           std::filesystem::is_directory(quoted.substr(0, end), error);
}

std::string hiding(const std::string& words) {
    std::string out;
    std::size_t at = 0;
    while (at < words.size()) {
        const auto open = words.find_first_of("'\"", at);
        if (open == std::string::npos) {
            break;
        }
        const auto close = words.find(words[open], open + 1);
        const auto quoted =
            words.substr(open + 1, close == std::string::npos ? std::string::npos : close - open - 1);
        out += words.substr(at, open - at) + words[open] + (isPathHere(quoted) ? quoted : "...");
        if (close == std::string::npos) {
            return out;
        }
        out += words[close];
        at = close + 1;
    }
    return out + words.substr(std::min(at, words.size()));
}

}  // namespace

Verdict judge(const std::string& program, const ToolOutput& output) {
    Verdict out;
    if (output.status == ReadStatus::ok) {
        out.result = Result::good;
        return out;
    }
    const bool nginx = program == "nginx";
    out.words = nginx ? lineOfLevel(output.error, {"[emerg]", "[alert]", "[crit]", "[error]"})
                      : lineOfLevel(output.error, {"[ALERT]", "[EMERG]"});
    // Killed by the kernel or at the deadline, whatever it said before.
    if (out.words.empty() || output.error.find("ended by signal ") != std::string::npos) {
        const auto first = output.error.substr(0, output.error.find('\n'));
        out.words = "the test ended without a result: " + (first.empty() ? "it said nothing" : first);
        return out;
    }
    dropProcess(out.words);
    const bool ours = mayBeOurs(out.words);
    nginx ? takeNginxPlace(out) : takeHaproxyPlace(out);
    if (ours) {
        out.words.insert(0, "the test may lack what the service has: ");
        return out;
    }
    out.result = Result::broken;
    out.unresolved =
        holdsOneOf(out.words, {"host not found", "could not be resolved", "could not resolve address"});
    return out;
}

std::string withoutSecrets(std::string words, const std::string& place,
                           const std::vector<std::string>& directories) {
    if (place.empty()) {
        return words;
    }
    const bool expected = std::any_of(directories.begin(), directories.end(), [&](const auto& directory) {
        return place.starts_with(directory + "/");
    });
    return expected && !maySayASecret(lineAt(place)) ? words : hiding(words);
}

std::string bounded(const std::string& words) {
    return std::string(utf8Prefix(asUtf8(printable(words)), kMostWords));
}

}  // namespace lapwing::agent::configtest
