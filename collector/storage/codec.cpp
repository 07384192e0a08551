#include "collector/storage/codec.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>

namespace lapwing::storage {
namespace {

constexpr unsigned kWidths = 65;
constexpr unsigned kTransforms = 3;

std::uint64_t asBits(double value) {
    return std::bit_cast<std::uint64_t>(value);
}

unsigned varintSize(std::uint64_t value) {
    return value == 0 ? 1 : (static_cast<unsigned>(std::bit_width(value)) + 6) / 7;
}

/// Differences wrap around, so that any two integers have a difference.
void differences(std::vector<std::uint64_t>& values) {
    for (std::size_t i = 0; i + 1 < values.size(); ++i) {
        values[i] = values[i + 1] - values[i];
    }
    values.pop_back();
}

struct Packing {
    unsigned width = 0;
    std::uint64_t base = 0;
    std::size_t bytes = std::numeric_limits<std::size_t>::max();
};

/// The cheapest width for residuals against `base`.
void tryBase(const std::vector<std::uint64_t>& values, std::uint64_t base, Packing& best) {
    std::array<std::size_t, kWidths> by_width{};
    for (const auto value : values) {
        ++by_width[static_cast<std::size_t>(std::bit_width(value - base))];
    }
    std::array<unsigned, kWidths> beyond_widths{};
    std::size_t distinct = 0;
    std::size_t beyond = 0;
    for (unsigned width = kWidths; width-- > 0;) {
        // An exception costs its position and the bits above the width.
        std::size_t bytes = (values.size() * width + 7) / 8 + varintSize(beyond) +
                            varintSize(zigzag(static_cast<std::int64_t>(base)));
        for (std::size_t i = 0; i < distinct; ++i) {
            bytes += by_width[beyond_widths[i]] * (1 + (beyond_widths[i] - width + 6) / 7);
        }
        if (bytes < best.bytes) {
            best = Packing{width, base, bytes};
        }
        if (by_width[width] == 0) {
            continue;
        }
        beyond_widths[distinct++] = width;
        beyond += by_width[width];
        if (beyond > values.size() / 4 + 1) {
            break;
        }
    }
}

/// Sorts so far that the elements 0 to 3, n / 32 and n / 4 are those of the sorted sequence.
void sortSmallest(std::vector<std::int64_t>& values) {
    constexpr std::size_t few = 128;
    if (values.size() < few) {
        std::sort(values.begin(), values.end());
        return;
    }
    const auto quarter = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 4);
    const auto small = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 32);
    std::nth_element(values.begin(), quarter, values.end());
    std::nth_element(values.begin(), small, quarter);
    std::partial_sort(values.begin(), values.begin() + 4, small);
}

Packing bestPacking(const std::vector<std::uint64_t>& values) {
    Packing best;
    if (values.empty()) {
        return Packing{0, 0, 2};
    }
    std::vector<std::int64_t> sorted(values.size());
    std::transform(values.begin(), values.end(), sorted.begin(),
                   [](std::uint64_t value) { return static_cast<std::int64_t>(value); });
    sortSmallest(sorted);
    // A few small outliers (a counter's reset) should not widen everything: they wrap and become exceptions.
    std::uint64_t last = 0;
    bool first = true;
    for (const std::size_t at :
         {std::size_t{0}, std::size_t{1}, std::size_t{3}, sorted.size() / 32, sorted.size() / 4}) {
        if (at >= sorted.size()) {
            continue;
        }
        const auto base = static_cast<std::uint64_t>(sorted[at]);
        if (!first && base == last) {
            continue;
        }
        tryBase(values, base, best);
        last = base;
        first = false;
    }
    return best;
}

constexpr std::array<double, 16> kPowers = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                            1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
constexpr double kExactIntegers = 9007199254740992.0;  // 2^53

/// True if value = integer / 10^exponent, to the bit. Both operands of the division are exact, so IEEE 754
/// makes the decoder's quotient the same everywhere.
bool asDecimal(double value, unsigned exponent, std::int64_t& integer) {
    const double scaled = std::nearbyint(value * kPowers[exponent]);
    if (!(std::fabs(scaled) < kExactIntegers)) {
        return false;
    }
    integer = static_cast<std::int64_t>(scaled);
    return asBits(static_cast<double>(integer) / kPowers[exponent]) == asBits(value);
}

enum class ValueMode : std::uint8_t { constant = 0, decimal = 1, exclusive_or = 2 };

/// False if so many values are not decimals that XOR compresses better.
bool encodeDecimal(std::span<const double> values, std::string& out) {
    const std::size_t allowed = values.size() / 4 + 1;
    unsigned exponent = 0;
    std::size_t misfits = 0;
    std::int64_t integer = 0;
    for (const double value : values) {
        unsigned needed = exponent;
        while (needed < kPowers.size() && !asDecimal(value, needed, integer)) {
            ++needed;
        }
        if (needed < kPowers.size()) {
            exponent = needed;
        } else if (++misfits > allowed) {
            return false;
        }
    }
    std::vector<std::int64_t> integers;
    integers.reserve(values.size());
    std::vector<std::size_t> exceptions;
    for (std::size_t i = 0; i < values.size(); ++i) {
        if (!asDecimal(values[i], exponent, integer)) {
            exceptions.push_back(i);
            integer = integers.empty() ? 0 : integers.back();
        }
        integers.push_back(integer);
    }
    if (exceptions.size() > allowed) {
        return false;
    }
    // The first integer stands in for exceptions before it, so that they do not widen the packing.
    if (!exceptions.empty() && exceptions.front() == 0) {
        std::size_t lead = 0;
        while (lead < exceptions.size() && exceptions[lead] == lead) {
            ++lead;
        }
        if (lead < integers.size()) {
            std::fill(integers.begin(), integers.begin() + static_cast<std::ptrdiff_t>(lead), integers[lead]);
        }
    }
    out += static_cast<char>(ValueMode::decimal);
    out += static_cast<char>(exponent);
    putVarint(out, exceptions.size());
    std::size_t previous = 0;
    for (const auto at : exceptions) {
        putVarint(out, at - previous);
        putFixed64(out, asBits(values[at]));
        previous = at;
    }
    encodeIntegers(integers, out);
    return true;
}

void encodeXor(std::span<const double> values, std::string& out) {
    out += static_cast<char>(ValueMode::exclusive_or);
    putFixed64(out, asBits(values[0]));
    std::string stream;
    BitWriter bits(stream);
    unsigned leading = 64;
    unsigned length = 0;
    std::uint64_t previous = asBits(values[0]);
    for (std::size_t i = 1; i < values.size(); ++i) {
        const std::uint64_t difference = asBits(values[i]) ^ previous;
        previous ^= difference;
        if (difference == 0) {
            bits.put(0, 1);
            continue;
        }
        bits.put(1, 1);
        const unsigned lead = std::min(31U, static_cast<unsigned>(std::countl_zero(difference)));
        const auto trail = static_cast<unsigned>(std::countr_zero(difference));
        const unsigned needed = 64 - lead - trail;
        const unsigned old_trail = leading < 64 ? 64 - leading - length : 64;
        if (leading < 64 && lead >= leading && trail >= old_trail && length < needed + 11) {
            bits.put(0, 1);
            bits.put(difference >> old_trail, length);
        } else {
            leading = lead;
            length = needed;
            bits.put(1, 1);
            bits.put(leading, 5);
            bits.put(length - 1, 6);
            bits.put(difference >> trail, length);
        }
    }
    bits.flush();
    putString(out, stream);
}

bool decodeDecimal(ByteReader& in, std::size_t count, std::vector<double>& out) {
    const unsigned exponent = in.byte();
    if (exponent >= kPowers.size()) {
        return false;
    }
    const std::uint64_t exceptions = in.varint();
    if (in.failed() || exceptions > count || exceptions > in.remaining() / 9) {
        return false;
    }
    std::vector<std::pair<std::size_t, double>> patched;
    patched.reserve(exceptions);
    std::uint64_t at = 0;
    for (std::uint64_t i = 0; i < exceptions; ++i) {
        const std::uint64_t step = in.varint();
        if (step >= count || at + step >= count) {
            return false;
        }
        at += step;
        patched.emplace_back(at, std::bit_cast<double>(in.fixed64()));
    }
    std::vector<std::int64_t> integers;
    if (!decodeIntegers(in, count, integers)) {
        return false;
    }
    const std::size_t start = out.size();
    out.reserve(start + count);
    for (const auto integer : integers) {
        out.push_back(static_cast<double>(integer) / kPowers[exponent]);
    }
    for (const auto& [index, value] : patched) {
        out[start + index] = value;
    }
    return true;
}

bool decodeXor(ByteReader& in, std::size_t count, std::vector<double>& out) {
    std::uint64_t previous = in.fixed64();
    BitReader bits(in.string());
    if (in.failed()) {
        return false;
    }
    out.push_back(std::bit_cast<double>(previous));
    unsigned trail = 0;
    unsigned length = 0;
    for (std::size_t i = 1; i < count; ++i) {
        if (bits.get(1) != 0) {
            if (bits.get(1) != 0) {
                const auto leading = static_cast<unsigned>(bits.get(5));
                length = static_cast<unsigned>(bits.get(6)) + 1;
                if (leading + length > 64) {
                    return false;
                }
                trail = 64 - leading - length;
            } else if (length == 0) {
                return false;
            }
            previous ^= bits.get(length) << trail;
        }
        if (bits.failed()) {
            return false;
        }
        out.push_back(std::bit_cast<double>(previous));
    }
    return true;
}

}  // namespace

void encodeIntegers(std::span<const std::int64_t> values, std::string& out) {
    if (values.empty()) {
        return;
    }
    std::vector<std::uint64_t> work(values.size());
    std::transform(values.begin(), values.end(), work.begin(),
                   [](std::int64_t value) { return static_cast<std::uint64_t>(value); });
    std::array<std::uint64_t, kTransforms - 1> seeds{};
    std::vector<std::uint64_t> best_values;
    Packing best;
    unsigned transform = 0;
    std::size_t best_bytes = std::numeric_limits<std::size_t>::max();
    std::size_t seed_bytes = 0;
    for (unsigned t = 0; t < kTransforms && !(t > 0 && work.size() < 2); ++t) {
        if (t > 0) {
            seeds[t - 1] = work[0];
            seed_bytes += varintSize(zigzag(static_cast<std::int64_t>(work[0])));
            differences(work);
        }
        const Packing packing = bestPacking(work);
        if (packing.bytes + seed_bytes < best_bytes) {
            best_bytes = packing.bytes + seed_bytes;
            best = packing;
            transform = t;
            best_values = work;
        }
    }
    out += static_cast<char>(transform * kWidths + best.width);
    for (unsigned t = 0; t < transform; ++t) {
        putVarint(out, zigzag(static_cast<std::int64_t>(seeds[t])));
    }
    putVarint(out, zigzag(static_cast<std::int64_t>(best.base)));
    BitWriter bits(out);
    std::string exceptions;
    std::size_t exception_count = 0;
    std::size_t previous = 0;
    for (std::size_t i = 0; i < best_values.size(); ++i) {
        const std::uint64_t residual = best_values[i] - best.base;
        bits.put(residual, best.width);
        if (best.width < 64 && (residual >> best.width) != 0) {
            putVarint(exceptions, i - previous);
            putVarint(exceptions, residual >> best.width);
            previous = i;
            ++exception_count;
        }
    }
    bits.flush();
    putVarint(out, exception_count);
    out += exceptions;
}

bool decodeIntegers(ByteReader& in, std::size_t count, std::vector<std::int64_t>& out) {
    if (count == 0) {
        return true;
    }
    const unsigned code = in.byte();
    const unsigned transform = code / kWidths;
    const unsigned width = code % kWidths;
    if (in.failed() || transform >= kTransforms || count > kMaxSamplesPerChunk || count < transform) {
        return false;
    }
    std::array<std::uint64_t, kTransforms - 1> seeds{};
    for (unsigned t = 0; t < transform; ++t) {
        seeds[t] = static_cast<std::uint64_t>(unzigzag(in.varint()));
    }
    const auto base = static_cast<std::uint64_t>(unzigzag(in.varint()));
    const std::size_t packed = count - transform;
    BitReader bits(in.take((packed * width + 7) / 8));
    if (in.failed()) {
        return false;
    }
    const std::size_t start = out.size();
    out.resize(start + count);
    const auto values = std::span(out).subspan(start);
    // The packed values follow the seeds, as undoing the differences needs them.
    const auto residuals = values.subspan(transform);
    for (auto& residual : residuals) {
        residual = static_cast<std::int64_t>(bits.get(width) + base);
    }
    const std::uint64_t exceptions = in.varint();
    std::uint64_t at = 0;
    for (std::uint64_t i = 0; i < exceptions; ++i) {
        const std::uint64_t step = in.varint();
        const std::uint64_t above = in.varint();
        if (in.failed() || width == 64 || step >= packed || at + step >= packed) {
            return false;
        }
        at += step;
        residuals[at] =
            static_cast<std::int64_t>(static_cast<std::uint64_t>(residuals[at]) + (above << width));
    }
    for (unsigned t = transform; t-- > 0;) {
        values[t] = static_cast<std::int64_t>(seeds[t]);
        for (std::size_t i = t + 1; i < values.size(); ++i) {
            values[i] = static_cast<std::int64_t>(static_cast<std::uint64_t>(values[i - 1]) +
                                                  static_cast<std::uint64_t>(values[i]));
        }
    }
    return !in.failed();
}

void encodeValues(std::span<const double> values, std::string& out) {
    if (values.empty()) {
        return;
    }
    const std::uint64_t first = asBits(values[0]);
    if (std::all_of(values.begin(), values.end(), [first](double v) { return asBits(v) == first; })) {
        out += static_cast<char>(ValueMode::constant);
        putFixed64(out, first);
        return;
    }
    std::string decimal;
    if (!encodeDecimal(values, decimal)) {
        encodeXor(values, out);
        return;
    }
    std::string exclusive_or;
    encodeXor(values, exclusive_or);
    out += decimal.size() <= exclusive_or.size() ? decimal : exclusive_or;
}

bool decodeValues(ByteReader& in, std::size_t count, std::vector<double>& out) {
    if (count == 0) {
        return true;
    }
    if (count > kMaxSamplesPerChunk) {
        return false;
    }
    switch (static_cast<ValueMode>(in.byte())) {
        case ValueMode::constant: {
            const double value = std::bit_cast<double>(in.fixed64());
            if (in.failed()) {
                return false;
            }
            out.insert(out.end(), count, value);
            return true;
        }
        case ValueMode::decimal:
            return !in.failed() && decodeDecimal(in, count, out);
        case ValueMode::exclusive_or:
            return decodeXor(in, count, out);
    }
    return false;
}

}  // namespace lapwing::storage
