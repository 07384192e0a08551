#include "collector/storage/sample_stream.h"

#include <bit>

#include "collector/storage/bytes.h"

namespace lapwing::storage {
namespace {

// The first sample is a varint (its time) and eight bytes. Each later sample begins with a head byte: bit 0
// is set if a change of the step follows (a varint), bits 1 and 2 are the kind of the value, bits 3 to 7 a
// number for the kind.
constexpr unsigned kStepChanged = 1;
enum Value : unsigned {
    same = 0,
    integer = 1,  ///< a difference: the number itself, or a varint if the number is kFollows
    xored = 2,    ///< a varint; the number counts the low zero bytes that were cut off
    raw = 3,      ///< eight bytes
};
constexpr unsigned kFollows = 31;
/// The varint of a larger XOR is no shorter than the value itself.
constexpr std::uint64_t kLargestXor = std::uint64_t{1} << 49;

unsigned headOf(Value value, unsigned number) {
    return (static_cast<unsigned>(value) << 1) | (number << 3);
}

}  // namespace

void SampleStream::append(const Sample& sample) {
    if (bytes_.empty()) {
        putVarint(bytes_, zigzag(sample.timestamp));
        putFixed64(bytes_, std::bit_cast<std::uint64_t>(sample.value));
        last_ = sample;
        return;
    }
    const TimestampMs step = sample.timestamp - last_.timestamp;
    const TimestampMs change = step - step_;
    const auto difference =
        std::bit_cast<std::uint64_t>(sample.value) ^ std::bit_cast<std::uint64_t>(last_.value);
    unsigned head = headOf(same, 0);
    std::uint64_t rest = 0;
    bool follows = false;
    if (difference != 0) {
        const auto now = exactInteger(sample.value);
        const auto before = now ? exactInteger(last_.value) : std::nullopt;
        if (before) {
            rest = zigzag(*now - *before);
            follows = rest >= kFollows;
            head = headOf(integer, follows ? kFollows : static_cast<unsigned>(rest));
        } else {
            const auto zeros = static_cast<unsigned>(std::countr_zero(difference)) / 8;
            rest = difference >> (8 * zeros);
            follows = rest < kLargestXor;
            head = follows ? headOf(xored, zeros) : headOf(raw, 0);
        }
    }
    bytes_ += static_cast<char>(head | (change != 0 ? kStepChanged : 0));
    if (change != 0) {
        putVarint(bytes_, zigzag(change));
    }
    if (follows) {
        putVarint(bytes_, rest);
    } else if ((head >> 1 & 3) == raw) {
        putFixed64(bytes_, std::bit_cast<std::uint64_t>(sample.value));
    }
    step_ = step;
    last_ = sample;
}

TimestampMs SampleStream::first() const {
    return unzigzag(ByteReader(bytes_).varint());
}

bool SampleStream::decode(std::string_view bytes, std::vector<Sample>& out) {
    if (bytes.empty()) {
        return true;
    }
    ByteReader in(bytes);
    // Unsigned, because damaged input may overflow.
    auto time = static_cast<std::uint64_t>(unzigzag(in.varint()));
    std::uint64_t value = in.fixed64();
    std::uint64_t step = 0;
    while (!in.failed()) {
        out.push_back({static_cast<TimestampMs>(time), std::bit_cast<double>(value)});
        if (in.remaining() == 0) {
            return true;
        }
        const unsigned head = in.byte();
        if ((head & kStepChanged) != 0) {
            step += static_cast<std::uint64_t>(unzigzag(in.varint()));
        }
        time += step;
        const unsigned number = head >> 3;
        switch (head >> 1 & 3) {
            case same:
                break;
            case integer: {
                const auto before = exactInteger(std::bit_cast<double>(value));
                if (!before) {
                    return false;
                }
                const auto change = unzigzag(number == kFollows ? in.varint() : number);
                const auto now = static_cast<std::int64_t>(static_cast<std::uint64_t>(*before) +
                                                           static_cast<std::uint64_t>(change));
                value = std::bit_cast<std::uint64_t>(static_cast<double>(now));
                break;
            }
            case xored:
                if (number > 7) {
                    return false;
                }
                value ^= in.varint() << (8 * number);
                break;
            default:
                value = in.fixed64();
        }
    }
    return false;
}

}  // namespace lapwing::storage
