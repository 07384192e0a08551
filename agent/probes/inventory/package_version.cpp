#include "agent/probes/inventory/package_version.h"

#include <algorithm>

namespace lapwing::agent::inventory {

namespace {

bool isDigit(char c) {
    return c >= '0' && c <= '9';
}

/// The weight of a character outside of numbers: a tilde comes before the end, letters before all others.
int weight(std::string_view text) {
    if (text.empty() || isDigit(text.front())) {
        return 0;
    }
    const char c = text.front();
    if (c == '~') {
        return -1;
    }
    const bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    const int value = static_cast<unsigned char>(c);
    return letter ? value : value + 256;
}

/// Takes the digits at the beginning, without leading zeros.
std::string_view takeNumber(std::string_view& text) {
    const auto digits = std::min(text.find_first_not_of("0123456789"), text.size());
    auto number = text.substr(0, digits);
    text.remove_prefix(digits);
    number.remove_prefix(std::min(number.find_first_not_of('0'), number.size()));
    return number;
}

int compareNumbers(std::string_view a, std::string_view b) {
    return a.size() != b.size() ? (a.size() < b.size() ? -1 : 1) : a.compare(b);
}

/// An upstream version, or a revision: texts and numbers take turns.
int compareParts(std::string_view a, std::string_view b) {
    while (!a.empty() || !b.empty()) {
        while ((!a.empty() && !isDigit(a.front())) || (!b.empty() && !isDigit(b.front()))) {
            const int difference = weight(a) - weight(b);
            if (difference != 0) {
                return difference;
            }
            a.remove_prefix(1);
            b.remove_prefix(1);
        }
        const auto number_a = takeNumber(a);
        const auto number_b = takeNumber(b);
        if (const int difference = compareNumbers(number_a, number_b); difference != 0) {
            return difference;
        }
    }
    return 0;
}

struct Version {
    std::string_view epoch;
    std::string_view upstream;
    std::string_view revision;
};

Version split(std::string_view text) {
    Version out;
    if (const auto colon = text.find(':'); colon != std::string_view::npos) {
        out.epoch = text.substr(0, colon);
        text.remove_prefix(colon + 1);
    }
    if (const auto dash = text.rfind('-'); dash != std::string_view::npos) {
        out.revision = text.substr(dash + 1);
        text = text.substr(0, dash);
    }
    out.upstream = text;
    return out;
}

}  // namespace

int compareVersions(std::string_view a, std::string_view b) {
    auto first = split(a);
    auto second = split(b);
    if (const int epochs = compareNumbers(takeNumber(first.epoch), takeNumber(second.epoch)); epochs != 0) {
        return epochs;
    }
    if (const int upstreams = compareParts(first.upstream, second.upstream); upstreams != 0) {
        return upstreams;
    }
    return compareParts(first.revision, second.revision);
}

}  // namespace lapwing::agent::inventory
