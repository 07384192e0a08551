#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>

#include "collector/promql/ast.h"
#include "collector/promql/token.h"
#include "common/model/quote.h"

namespace lapwing::promql {
namespace {

struct Unit {
    std::string_view name;
    std::int64_t ms;
    bool exact;  ///< printed only where no remainder is left
};
/// From the largest unit down; each occurs at most once, in this order.
constexpr std::array kUnits = {Unit{"y", 31'536'000'000, true},
                               Unit{"w", 604'800'000, true},
                               Unit{"d", 86'400'000, false},
                               Unit{"h", 3'600'000, false},
                               Unit{"m", 60'000, false},
                               Unit{"s", 1000, false},
                               Unit{"ms", 1, false}};
/// Go's time.Duration counts nanoseconds in 63 bits.
constexpr std::int64_t kMostMs = std::numeric_limits<std::int64_t>::max() / 1'000'000;

}  // namespace

Expected<std::int64_t> parseDuration(std::string_view text) {
    const auto invalid = [&] {
        return fail(ErrorKind::invalid, "not a valid duration string: " + quote(text));
    };
    std::int64_t total = 0;
    const Unit* next_unit = kUnits.begin();
    std::size_t i = 0;
    while (i < text.size()) {
        const auto digits = i;
        std::int64_t count = 0;
        while (i < text.size() && text[i] >= '0' && text[i] <= '9') {
            if (count > kMostMs) {
                return invalid();
            }
            count = count * 10 + (text[i++] - '0');
        }
        if (i == digits) {
            return invalid();
        }
        const auto unit_start = i;
        while (i < text.size() && (text[i] < '0' || text[i] > '9')) {
            ++i;
        }
        const auto name = text.substr(unit_start, i - unit_start);
        if (name.empty()) {
            return invalid();
        }
        const auto* unit =
            std::find_if(kUnits.begin(), kUnits.end(), [&](const Unit& u) { return u.name == name; });
        if (unit == kUnits.end()) {
            return fail(ErrorKind::invalid, "unknown unit " + quote(name) + " in duration " + quote(text));
        }
        if (unit < next_unit) {
            return invalid();
        }
        next_unit = unit + 1;
        if (count > (kMostMs - total) / unit->ms) {
            return fail(ErrorKind::invalid, "duration out of range");
        }
        total += count * unit->ms;
    }
    return total;
}

std::string printDuration(std::int64_t ms) {
    if (ms == 0) {
        return "0s";
    }
    std::string out;
    for (const auto& unit : kUnits) {
        if (unit.exact && ms % unit.ms != 0) {
            continue;
        }
        if (ms >= unit.ms) {
            out += std::to_string(ms / unit.ms);
            out += unit.name;
            ms %= unit.ms;
        }
    }
    return out;
}

}  // namespace lapwing::promql
