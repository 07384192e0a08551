#include "common/http/message.h"

#include <Poco/Exception.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <system_error>

#include "common/characters.h"
#include "common/http/retry.h"
#include "common/http/timed_socket.h"
#include "common/memory_budget.h"
#include "common/text.h"

namespace lapwing::http {
namespace {

std::string_view trimmed(std::string_view text) {
    const auto start = text.find_first_not_of(" \t\r");
    if (start == std::string_view::npos) {
        return {};
    }
    return text.substr(start, text.find_last_not_of(" \t\r") - start + 1);
}

std::optional<std::size_t> toLength(std::string_view text, int base) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    if (text.empty() || error != std::errc() || end != text.data() + text.size() || value > (1ULL << 62)) {
        return std::nullopt;
    }
    return static_cast<std::size_t>(value);
}

/// Calls `each` with every element of every header of this name: "a, b".
template <class Each>
void forEachElement(const Headers& headers, std::string_view name, Each each) {
    for (const auto& [key, value] : headers) {
        if (!equalsIgnoreCase(key, name)) {
            continue;
        }
        std::string_view rest(value);
        while (true) {
            const auto comma = rest.find(',');
            each(trimmed(rest.substr(0, comma)));
            if (comma == std::string_view::npos) {
                break;
            }
            rest.remove_prefix(comma + 1);
        }
    }
}

/// The head of a frame: three bytes of length, the type (4: SETTINGS), flags, the stream 0.
bool isHttp2Settings(std::string_view text) {
    return text.size() >= 4 && text[0] == 0 && text[1] == 0 && text[3] == 4;
}

/// Why this is no HTTP answer. Names the protocols that answer at a port that was mistaken for HTTP.
Error notHttp(std::string_view text) {
    const std::string_view tls_alert("\x15\x03", 2);
    if (text.starts_with(tls_alert)) {
        return {ErrorKind::protocol, "the port speaks TLS and no plain HTTP: the URL needs https://"};
    }
    if (isHttp2Settings(text)) {
        return {ErrorKind::protocol, "the port speaks HTTP/2 only"};
    }
    return {ErrorKind::protocol, "not an HTTP answer: \"" + firstLine(text) + "\""};
}

Error endedWithin() {
    return {ErrorKind::protocol, "the connection ended within the answer"};
}

/// "HTTP/1.1 200 OK" -> version and status.
bool parseStatusLine(std::string_view line, Response& out) {
    if (line.size() < 12 || !line.starts_with("HTTP/1.") || !isDigit(line[7]) || line[8] != ' ') {
        return false;
    }
    out.version = line[7] == '0' ? 1.0 : 1.1;
    line = line.substr(line.find_first_not_of(' ', 8) == std::string_view::npos
                           ? line.size()
                           : line.find_first_not_of(' ', 8));
    if (line.size() < 3 || !std::all_of(line.begin(), line.begin() + 3, isDigit) || line[0] == '0' ||
        (line.size() > 3 && line[3] != ' ')) {
        return false;
    }
    out.status = (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
    return true;
}

bool wantsKeepAlive(const Response& response) {
    bool close = response.version < 1.1;
    forEachElement(response.headers, "Connection", [&](std::string_view option) {
        if (equalsIgnoreCase(option, "close")) {
            close = true;
        } else if (equalsIgnoreCase(option, "keep-alive") && response.version < 1.1) {
            close = false;
        }
    });
    return !close;
}

/// The declared length; nothing where none is declared. Error `protocol` for lengths that contradict each
/// other.
Expected<std::optional<std::size_t>> declaredLength(const Headers& headers) {
    std::optional<std::size_t> length;
    bool good = true;
    forEachElement(headers, "Content-Length", [&](std::string_view text) {
        const auto value = toLength(text, 10);
        good = good && value && (!length || *length == *value);
        length = value;
    });
    if (!good) {
        return fail(ErrorKind::protocol, "the answer's Content-Length is not one number");
    }
    return length;
}

}  // namespace

std::string_view Response::header(std::string_view name) const {
    for (const auto& [key, value] : headers) {
        if (equalsIgnoreCase(key, name)) {
            return value;
        }
    }
    return {};
}

std::string requestHead(std::string_view method, std::string_view target, std::string_view host,
                        const Headers& headers, std::optional<std::size_t> content_length) {
    const auto given = [&](std::string_view name) {
        return std::any_of(headers.begin(), headers.end(),
                           [&](const auto& header) { return equalsIgnoreCase(header.first, name); });
    };
    std::string out(method);
    out.append(" ").append(target).append(" HTTP/1.1\r\n");
    if (!given("Host")) {
        out.append("Host: ").append(host).append("\r\n");
    }
    if (content_length && !given("Content-Length")) {
        out.append("Content-Length: ").append(std::to_string(*content_length)).append("\r\n");
    }
    for (const auto& [name, value] : headers) {
        out.append(name).append(": ").append(value).append("\r\n");
    }
    return out.append("\r\n");
}

Expected<void> ResponseReader::fill() {
    if (ended_) {
        return {};
    }
    buffer_.erase(0, at_);
    at_ = 0;
    const std::size_t before = buffer_.size();
    buffer_.resize(before + 16'384);
    const auto got = source_(buffer_.data() + before, buffer_.size() - before);
    buffer_.resize(before + got.value_or(0));
    if (!got) {
        return tl::unexpected(got.error());
    }
    ended_ = *got == 0;
    MemoryBudget::received(*got);
    return {};
}

/// Without its end, "\n" or "\r\n".
Expected<std::string> ResponseReader::readLine() {
    while (true) {
        const auto end = buffer_.find('\n', at_);
        const auto length = (end == std::string::npos ? buffer_.size() : end) - at_;
        if (head_bytes_ + length > kMostHeadBytes) {
            return fail(ErrorKind::protocol,
                        "the answer's head is larger than " + std::to_string(kMostHeadBytes >> 10) + " KiB");
        }
        if (end != std::string::npos) {
            std::string line = buffer_.substr(at_, length);
            at_ = end + 1;
            head_bytes_ += length + 1;
            if (!line.empty() && line.back() == '\r') {
                line.pop_back();
            }
            return line;
        }
        if (ended_) {
            return tl::unexpected(endedWithin());
        }
        if (auto filled = fill(); !filled) {
            return tl::unexpected(filled.error());
        }
    }
}

Expected<void> ResponseReader::readHeaders(Headers& out) {
    while (true) {
        const auto line = readLine();
        if (!line) {
            return tl::unexpected(line.error());
        }
        if (line->empty()) {
            return {};
        }
        const bool folded = line->front() == ' ' || line->front() == '\t';
        if (folded && !out.empty()) {
            out.back().second.append(" ").append(trimmed(*line));
            continue;
        }
        const auto colon = line->find(':');
        if (colon == std::string::npos || colon == 0) {
            continue;
        }
        if (out.size() == kMostHeaders) {
            return fail(ErrorKind::protocol,
                        "the answer has more than " + std::to_string(kMostHeaders) + " headers");
        }
        const std::string_view text(*line);
        out.emplace_back(trimmed(text.substr(0, colon)), trimmed(text.substr(colon + 1)));
    }
}

Expected<Response> ResponseReader::readOneHead() {
    constexpr std::string_view prefix = "HTTP/";
    // Looks at the first bytes before the line's end comes: another protocol may never send one.
    while (true) {
        while (at_ < buffer_.size() && (buffer_[at_] == '\r' || buffer_[at_] == '\n')) {
            ++at_;
            ++head_bytes_;
        }
        const auto seen = std::string_view(buffer_).substr(at_);
        const auto length = std::min(seen.size(), prefix.size());
        if (seen.substr(0, length) != prefix.substr(0, length)) {
            saw_http2_ = isHttp2Settings(seen);
            return tl::unexpected(notHttp(seen));
        }
        if (length == prefix.size()) {
            break;
        }
        if (ended_) {
            return fail(ErrorKind::protocol, seen.empty() && head_bytes_ == 0
                                                 ? "the connection was closed without an answer"
                                                 : endedWithin().message);
        }
        if (auto filled = fill(); !filled) {
            return tl::unexpected(filled.error());
        }
    }
    const auto line = readLine();
    if (!line) {
        return tl::unexpected(line.error());
    }
    Response out;
    if (!parseStatusLine(*line, out)) {
        return tl::unexpected(notHttp(*line));
    }
    if (auto read = readHeaders(out.headers); !read) {
        return tl::unexpected(read.error());
    }
    return out;
}

Expected<Response> ResponseReader::readHead() {
    head_bytes_ = 0;
    while (true) {
        auto head = readOneHead();
        if (!head || head->status >= 200 || head->status == 101) {
            return head;
        }
    }
}

Expected<bool> ResponseReader::readLength(std::string& out, std::size_t length, std::size_t limit) {
    while (length > 0) {
        if (at_ == buffer_.size()) {
            if (auto filled = fill(); !filled) {
                return tl::unexpected(filled.error());
            }
            if (ended_) {
                return tl::unexpected(endedWithin());
            }
        }
        const auto have = std::min(length, buffer_.size() - at_);
        const auto room = std::min(have, limit - out.size());
        out.append(buffer_, at_, room);
        at_ += room;
        length -= room;
        if (room < have) {
            return false;
        }
    }
    return true;
}

Expected<bool> ResponseReader::readChunks(std::string& out, std::size_t limit) {
    while (true) {
        head_bytes_ = 0;
        const auto line = readLine();
        if (!line) {
            return tl::unexpected(line.error());
        }
        const auto size = toLength(trimmed(std::string_view(*line).substr(0, line->find(';'))), 16);
        if (!size) {
            return fail(ErrorKind::protocol, "the answer's chunks are malformed");
        }
        if (*size == 0) {
            Headers trailers;
            if (auto read = readHeaders(trailers); !read) {
                return tl::unexpected(read.error());
            }
            return true;
        }
        auto whole = readLength(out, *size, limit);
        if (!whole || !*whole) {
            return whole;
        }
        const auto end = readLine();
        if (!end) {
            return tl::unexpected(end.error());
        }
        if (!end->empty()) {
            return fail(ErrorKind::protocol, "the answer's chunks are malformed");
        }
    }
}

Expected<bool> ResponseReader::readToEnd(std::string& out, std::size_t limit) {
    while (true) {
        const auto room = std::min(buffer_.size() - at_, limit - out.size());
        out.append(buffer_, at_, room);
        at_ += room;
        if (at_ < buffer_.size()) {
            return false;
        }
        if (ended_) {
            return true;
        }
        if (auto filled = fill(); !filled) {
            return tl::unexpected(filled.error());
        }
    }
}

Expected<bool> ResponseReader::readBody(Response& head, bool answers_head_request, std::size_t limit) {
    keeps_alive_ = wantsKeepAlive(head);
    if (answers_head_request || head.status == 204 || head.status == 304 || head.status == 101) {
        return true;
    }
    bool coded = false;
    bool chunked = false;
    forEachElement(head.headers, "Transfer-Encoding", [&](std::string_view coding) {
        coded = true;
        chunked = equalsIgnoreCase(coding, "chunked");
    });
    if (chunked) {
        return readChunks(head.body, limit);
    }
    const auto length = declaredLength(head.headers);
    if (!length) {
        return tl::unexpected(length.error());
    }
    if (!coded && *length) {
        return readLength(head.body, **length, limit);
    }
    // 205 has no content; a server may leave out the length that says so.
    if (head.status == 205 && !coded) {
        return true;
    }
    keeps_alive_ = false;
    return readToEnd(head.body, limit);
}

ResponseReader::Source sourceOf(TimedSocketImpl& socket) {
    return [&socket](char* buffer, std::size_t length) -> Expected<std::size_t> {
        try {
            const int got = socket.receiveBytes(buffer, static_cast<int>(length), 0);
            if (got == 0 && socket.truncated() && socket.received() > 0) {
                return tl::unexpected(endedWithin());
            }
            return static_cast<std::size_t>(got);
        } catch (const Poco::Exception& error) {
            return tl::unexpected(socket.failure().value_or(Error{ErrorKind::internal, error.displayText()}));
        }
    };
}

Expected<void> sendAll(TimedSocketImpl& socket, std::string_view bytes) {
    try {
        socket.sendBytes(bytes.data(), static_cast<int>(bytes.size()), 0);
        return {};
    } catch (const Poco::Exception& error) {
        return tl::unexpected(socket.failure().value_or(Error{ErrorKind::internal, error.displayText()}));
    }
}

}  // namespace lapwing::http
