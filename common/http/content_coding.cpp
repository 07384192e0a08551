#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <utility>

#include "common/http/message.h"
#include "common/text.h"

namespace lapwing::http {
namespace {

/// zlib's window, with the detection of gzip and zlib headers, or without any header: servers send both as
/// "deflate".
constexpr int kWithHeader = MAX_WBITS + 32;
constexpr int kWithoutHeader = -MAX_WBITS;
constexpr std::size_t kMostGrowth = 2U << 20;

struct Inflated {
    bool good = false;
    bool whole = false;
    std::string text;
};

Inflated inflated(std::string& body, int window, std::size_t limit) {
    z_stream stream = {};
    Inflated out;
    // A string that grows step by step would take the length twice for a moment. A byte yields at most 1,032.
    out.text.reserve(std::min(limit, body.size() * 1032));
    if (inflateInit2(&stream, window) != Z_OK) {
        return out;
    }
    stream.next_in = reinterpret_cast<Bytef*>(body.data());
    stream.avail_in = static_cast<uInt>(body.size());
    std::array<char, 16'384> piece{};
    int state = Z_OK;
    while (state == Z_OK && out.text.size() < limit) {
        stream.next_out = reinterpret_cast<Bytef*>(piece.data());
        stream.avail_out = static_cast<uInt>(piece.size());
        state = inflate(&stream, Z_NO_FLUSH);
        out.text.append(piece.data(), std::min(piece.size() - stream.avail_out, limit - out.text.size()));
        // A gzip file may consist of several members.
        if (state == Z_STREAM_END && stream.avail_in > 1 && stream.next_in[0] == 0x1f) {
            state = inflateReset(&stream);
        }
    }
    out.whole = state == Z_STREAM_END || out.text.size() == limit;
    out.good = out.whole || state == Z_BUF_ERROR || state == Z_OK;
    inflateEnd(&stream);
    return out;
}

}  // namespace

Expected<void> decodeContent(Response& response, bool whole, std::size_t limit, TooLong too_long) {
    const std::string coding = lower(response.header("Content-Encoding"));
    const bool deflate = coding == "deflate";
    if (response.body.empty() || (coding != "gzip" && coding != "x-gzip" && !deflate)) {
        return {};
    }
    // A kilobyte of gzip may be a megabyte of text: the memory is bounded by what the server has sent.
    if (too_long == TooLong::fail) {
        limit = std::min(limit, kMostGrowth + response.body.size());
    }
    auto out = inflated(response.body, kWithHeader, limit + 1);
    if (!out.good && deflate) {
        out = inflated(response.body, kWithoutHeader, limit + 1);
    }
    if (out.text.size() > limit) {
        if (too_long == TooLong::fail) {
            return fail(ErrorKind::exhausted, "the answer's body has more than " + std::to_string(limit) +
                                                  " bytes when it is decoded");
        }
        out.text.resize(limit);
    }
    if (!out.good || (whole && !out.whole)) {
        return fail(ErrorKind::protocol,
                    "the answer's body is not in the coding " + coding + " that its head declares");
    }
    response.body = std::move(out.text);
    return {};
}

}  // namespace lapwing::http
