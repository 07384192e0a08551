#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "common/error.h"

namespace lapwing {

/// Agents send no larger body, and the collector takes none: larger documents are sent in parts.
inline constexpr std::size_t kMostDocumentBytes = 1U << 20;
/// The most that a document has, unpacked.
inline constexpr std::size_t kMostUnpackedBytes = 64U << 20;

/// A document as it is sent and stored: a large one becomes "LWZ1" and a zlib stream (RFC 1950). Documents of
/// up to 1 MiB stay as they are, unless they begin with these four characters themselves.
std::string pack(std::string body);
/// Undoes pack(). Takes no more memory than the result. Errors: `invalid` for a damaged stream, `exhausted`
/// for more than `most` bytes.
Expected<std::string> unpack(std::string packed, std::size_t most = kMostUnpackedBytes);
/// The digest (sha256()) of the unpacked document, which is never in memory as a whole. Errors as above, and
/// `unavailable` without SHA-256.
Expected<std::string> digestOfPacked(std::string_view packed, std::size_t most = kMostUnpackedBytes);

/// A part of a packed document that is larger than kMostDocumentBytes.
struct DocumentPart {
    std::string digest;  ///< of the whole document, unpacked
    std::size_t number = 1;
    std::size_t count = 1;  ///< at most 64

    /// "DIGEST/2/5": the second of five.
    std::string name() const;
    /// Reads name().
    static std::optional<DocumentPart> parse(std::string_view name);
};

}  // namespace lapwing
