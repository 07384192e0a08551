#include "common/model/documents.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <system_error>
#include <utility>

#include "common/digest.h"

namespace lapwing {

namespace {

constexpr std::size_t kPackFrom = 1U << 20;
constexpr std::string_view kMark = "LWZ1";

}  // namespace

std::string pack(std::string body) {
    if (body.size() <= kPackFrom && !body.starts_with(kMark)) {
        return body;
    }
    uLongf size = compressBound(static_cast<uLong>(body.size()));
    std::string out(kMark.size() + size, '\0');
    std::copy(kMark.begin(), kMark.end(), out.begin());
    const auto done =
        compress2(reinterpret_cast<Bytef*>(out.data() + kMark.size()), &size,
                  reinterpret_cast<const Bytef*>(body.data()), static_cast<uLong>(body.size()), Z_BEST_SPEED);
    if (done != Z_OK) {
        return body;
    }
    out.resize(kMark.size() + size);
    out.shrink_to_fit();
    return out;
}

namespace {

/// Calls `take` with each piece of the unpacked text. Returns its length.
template <class Take>
Expected<std::size_t> eachPiece(std::string_view packed, std::size_t most, Take take) {
    packed.remove_prefix(kMark.size());
    z_stream stream = {};
    if (inflateInit(&stream) != Z_OK) {
        return fail(ErrorKind::unavailable, "unpacking a document: zlib is not available");
    }
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
    stream.avail_in = static_cast<uInt>(packed.size());
    std::array<char, 65'536> piece{};
    std::size_t length = 0;
    int state = Z_OK;
    while (state == Z_OK && length <= most) {
        stream.next_out = reinterpret_cast<Bytef*>(piece.data());
        stream.avail_out = static_cast<uInt>(piece.size());
        state = inflate(&stream, Z_NO_FLUSH);
        const auto got = piece.size() - stream.avail_out;
        length += got;
        take(std::string_view(piece.data(), got));
    }
    inflateEnd(&stream);
    if (length > most) {
        return fail(ErrorKind::exhausted,
                    "unpacking a document: more than " + std::to_string(most) + " bytes");
    }
    if (state != Z_STREAM_END) {
        return fail(ErrorKind::invalid, "unpacking a document: the stream is damaged");
    }
    return length;
}

}  // namespace

Expected<std::string> unpack(std::string packed, std::size_t most) {
    if (!packed.starts_with(kMark)) {
        return packed;
    }
    // Counting first costs a little time, and saves the copies of a growing string.
    const auto length = eachPiece(packed, most, [](std::string_view) {});
    if (!length) {
        return tl::unexpected(length.error());
    }
    std::string out;
    out.reserve(*length);
    return eachPiece(packed, most, [&out](std::string_view piece) { out += piece; }).map([&](std::size_t) {
        return std::move(out);
    });
}

Expected<std::string> digestOfPacked(std::string_view packed, std::size_t most) {
    Sha256 sha;
    if (!packed.starts_with(kMark)) {
        sha.add(packed);
    } else if (const auto read = eachPiece(packed, most, [&sha](std::string_view piece) { sha.add(piece); });
               !read) {
        return tl::unexpected(read.error());
    }
    auto digest = sha.digest();
    if (digest.empty()) {
        return fail(ErrorKind::unavailable, "SHA-256 is not available");
    }
    return digest;
}

std::string DocumentPart::name() const {
    return digest + "/" + std::to_string(number) + "/" + std::to_string(count);
}

std::optional<DocumentPart> DocumentPart::parse(std::string_view name) {
    constexpr std::size_t digest_length = 64;
    constexpr std::size_t most = 64;
    DocumentPart out;
    out.digest = name.substr(0, digest_length);
    const bool hex = out.digest.size() == digest_length &&
                     out.digest.find_first_not_of("0123456789abcdef") == std::string::npos;
    const auto number = [&](std::size_t& value) {
        if (!name.starts_with('/')) {
            return false;
        }
        name.remove_prefix(1);
        const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), value);
        name.remove_prefix(static_cast<std::size_t>(end - name.data()));
        return error == std::errc();
    };
    name.remove_prefix(std::min(digest_length, name.size()));
    const bool read = hex && number(out.number) && number(out.count) && name.empty();
    return read && out.number >= 1 && out.number <= out.count && out.count <= most ? std::optional(out)
                                                                                   : std::nullopt;
}

}  // namespace lapwing
