#include "collector/limits/regex_size.h"

#include <algorithm>
#include <vector>

namespace lapwing {
namespace {

/// Greater sizes are not told apart.
constexpr std::size_t kCap = 1U << 30;

/// The end of a character class that begins at `at`, which is '['.
std::size_t endOfClass(std::string_view pattern, std::size_t at) {
    std::size_t i = at + 1;
    if (i < pattern.size() && pattern[i] == '^') {
        ++i;
    }
    // A bracket in the first place is a character.
    if (i < pattern.size() && pattern[i] == ']') {
        ++i;
    }
    for (; i < pattern.size() && pattern[i] != ']'; ++i) {
        if (pattern[i] == '\\') {
            ++i;
        }
    }
    return std::min(i + 1, pattern.size());
}

/// The larger number of "{n}", "{n,}" or "{n,m}" at `at`; 0 if these are characters. Moves `at` behind it.
std::size_t repetitions(std::string_view pattern, std::size_t& at) {
    const auto end = pattern.find('}', at);
    if (end == std::string_view::npos || end == at + 1) {
        return 0;
    }
    std::size_t number = 0;
    std::size_t most = 0;
    for (const char c : pattern.substr(at + 1, end - at - 1)) {
        if (c == ',') {
            number = 0;
        } else if (c >= '0' && c <= '9') {
            number = std::min<std::size_t>(number * 10 + static_cast<std::size_t>(c - '0'), kCap);
            most = std::max(most, number);
        } else {
            return 0;
        }
    }
    at = end + 1;
    return std::max<std::size_t>(most, 1);
}

}  // namespace

std::size_t regexSize(std::string_view pattern) {
    std::vector<std::size_t> outer;  // the sizes before each open group
    std::size_t size = 0;            // of the present group before its last atom
    std::size_t atom = 0;
    const auto begin = [&](std::size_t first) {
        size = std::min(size + atom, kCap);
        atom = first;
    };
    for (std::size_t i = 0; i < pattern.size();) {
        const char c = pattern[i];
        if (c == '(') {
            begin(0);
            outer.push_back(size);
            size = 0;
            ++i;
        } else if (c == ')') {
            begin(0);
            atom = size;
            size = outer.empty() ? 0 : outer.back();
            if (!outer.empty()) {
                outer.pop_back();
            }
            ++i;
        } else if (c == '{') {
            const auto times = repetitions(pattern, i);
            if (times == 0) {
                begin(1);
                ++i;
            } else {
                atom = std::min(atom * times, kCap);
            }
        } else if (c == '[') {
            begin(1);
            i = endOfClass(pattern, i);
        } else if (c == '|' || c == '*' || c == '+' || c == '?') {
            ++i;
        } else {
            begin(1);
            i += c == '\\' ? 2 : 1;
        }
    }
    begin(0);
    for (const auto before : outer) {
        size = std::min(size + before, kCap);
    }
    return size;
}

}  // namespace lapwing
