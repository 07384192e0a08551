#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "collector/storage/bytes.h"

/// Lossless compression of one series' timestamps and values. Pure functions, safe from any thread. Every bit
/// pattern survives: NaN payloads, staleness markers, -0 and infinities too. Decoders accept any input, and
/// return false for input that no encoder writes.
///
/// Integers are stored as themselves, as differences or as differences of differences, whichever is smallest.
/// A base is subtracted, the rest is packed at one width, and exceptions that do not fit are patched in
/// afterwards (patched frame of reference; Zukowski et al., "Super-Scalar RAM-CPU Cache Compression", 2006).
/// Values that are decimals with few digits are stored as integers of a power of ten, others as XOR with
/// their predecessor (Pelkonen et al., "Gorilla", VLDB 2015).
namespace lapwing::storage {

/// The most samples that a decoder accepts in one piece.
inline constexpr std::size_t kMaxSamplesPerChunk = std::size_t{1} << 23;

void encodeIntegers(std::span<const std::int64_t> values, std::string& out);
bool decodeIntegers(ByteReader& in, std::size_t count, std::vector<std::int64_t>& out);

void encodeValues(std::span<const double> values, std::string& out);
bool decodeValues(ByteReader& in, std::size_t count, std::vector<double>& out);

}  // namespace lapwing::storage
