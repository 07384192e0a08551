#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

/// Variable-length integers and bit streams, for the formats of log entries and blocks. Readers never read
/// beyond their input: at its end they return zeros and are `failed()` from then on.
namespace lapwing::storage {

inline std::uint64_t zigzag(std::int64_t value) {
    return (static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63);
}

inline std::int64_t unzigzag(std::uint64_t value) {
    return static_cast<std::int64_t>((value >> 1) ^ (~(value & 1) + 1));
}

/// The value, if it is an integer below 2^53 whose bits survive the conversion and back (those of -0 do not).
inline std::optional<std::int64_t> exactInteger(double value) {
    constexpr double limit = 9007199254740992.0;
    if (!(value > -limit && value < limit)) {
        return std::nullopt;
    }
    const auto integer = static_cast<std::int64_t>(value);
    if (std::bit_cast<std::uint64_t>(static_cast<double>(integer)) != std::bit_cast<std::uint64_t>(value)) {
        return std::nullopt;
    }
    return integer;
}

/// LEB128, at most ten bytes.
inline void putVarint(std::string& out, std::uint64_t value) {
    while (value >= 0x80) {
        out += static_cast<char>(value | 0x80);
        value >>= 7;
    }
    out += static_cast<char>(value);
}

inline void putFixed32(std::string& out, std::uint32_t value) {
    for (int shift = 0; shift < 32; shift += 8) {
        out += static_cast<char>(value >> shift);
    }
}

inline void putFixed64(std::string& out, std::uint64_t value) {
    std::array<char, 8> bytes;
    for (unsigned i = 0; i < 8; ++i) {
        bytes[i] = static_cast<char>(value >> (8 * i));
    }
    out.append(bytes.data(), bytes.size());
}

inline void putString(std::string& out, std::string_view text) {
    putVarint(out, text.size());
    out += text;
}

class ByteReader {
  public:
    explicit ByteReader(std::string_view data) : data_(data) {}

    std::uint64_t varint() {
        // Most varints have one byte.
        if (position_ < data_.size() && static_cast<std::uint8_t>(data_[position_]) < 0x80) {
            return static_cast<std::uint8_t>(data_[position_++]);
        }
        std::uint64_t value = 0;
        for (unsigned shift = 0; shift < 64; shift += 7) {
            const std::uint8_t byte = this->byte();
            value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
            if ((byte & 0x80) == 0) {
                return value;
            }
        }
        failed_ = true;
        return 0;
    }

    std::uint8_t byte() {
        if (position_ == data_.size()) {
            failed_ = true;
            return 0;
        }
        return static_cast<std::uint8_t>(data_[position_++]);
    }

    std::uint32_t fixed32() { return static_cast<std::uint32_t>(fixed(4)); }
    std::uint64_t fixed64() { return fixed(8); }

    std::string_view take(std::uint64_t size) {
        if (size > remaining()) {
            failed_ = true;
            return {};
        }
        const auto part = data_.substr(position_, size);
        position_ += size;
        return part;
    }

    std::string_view string() { return take(varint()); }

    std::size_t remaining() const { return data_.size() - position_; }
    bool failed() const { return failed_; }
    /// The input was long enough, and all of it is read.
    bool complete() const { return !failed_ && remaining() == 0; }

  private:
    std::uint64_t fixed(unsigned size) {
        const auto part = take(size);
        std::uint64_t value = 0;
        for (std::size_t i = 0; i < part.size(); ++i) {
            value |= static_cast<std::uint64_t>(static_cast<std::uint8_t>(part[i])) << (8 * i);
        }
        return value;
    }

    std::string_view data_;
    std::size_t position_ = 0;
    bool failed_ = false;
};

/// Appends bits, least significant first. flush() pads the last byte with zeros.
class BitWriter {
  public:
    explicit BitWriter(std::string& out) : out_(out) {}

    void put(std::uint64_t value, unsigned bits) {
        if (bits == 0) {
            return;
        }
        if (bits < 64) {
            value &= (std::uint64_t{1} << bits) - 1;
        }
        pending_ |= value << used_;
        if (used_ + bits >= 64) {
            putFixed64(out_, pending_);
            const unsigned written = 64 - used_;
            pending_ = written < 64 ? value >> written : 0;
            used_ = bits - written;
        } else {
            used_ += bits;
        }
    }

    void flush() {
        for (; used_ > 0; used_ = used_ > 8 ? used_ - 8 : 0) {
            out_ += static_cast<char>(pending_);
            pending_ >>= 8;
        }
        pending_ = 0;
    }

  private:
    std::string& out_;
    std::uint64_t pending_ = 0;
    unsigned used_ = 0;
};

class BitReader {
  public:
    explicit BitReader(std::string_view data) : data_(data) {}

    std::uint64_t get(unsigned bits) {
        if (bits == 0) {
            return 0;
        }
        if (bits > 56) {
            const std::uint64_t low = get(32);
            return low | (get(bits - 32) << 32);
        }
        if (position_ + bits > data_.size() * 8) {
            failed_ = true;
            return 0;
        }
        const std::size_t byte = position_ / 8;
        std::uint64_t word = 0;
        if (byte + 8 <= data_.size()) {
            std::array<unsigned char, 8> raw;
            std::memcpy(raw.data(), data_.data() + byte, 8);
            for (unsigned i = 0; i < 8; ++i) {
                word |= static_cast<std::uint64_t>(raw[i]) << (8 * i);
            }
        } else {
            for (std::size_t i = 0; byte + i < data_.size(); ++i) {
                word |= static_cast<std::uint64_t>(static_cast<std::uint8_t>(data_[byte + i])) << (8 * i);
            }
        }
        word >>= position_ % 8;
        position_ += bits;
        return word & ((std::uint64_t{1} << bits) - 1);
    }

    bool failed() const { return failed_; }

  private:
    std::string_view data_;
    std::size_t position_ = 0;
    bool failed_ = false;
};

}  // namespace lapwing::storage
