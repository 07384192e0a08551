#include <zlib.h>

#include <algorithm>

#include "agent/attempts/assignment.h"
#include "agent/probes/haproxy/parse.h"
#include "agent/probes/inventory/nginx_routes.h"
#include "agent/probes/nginx/parse.h"
#include "common/http/message.h"
#include "common/http/url.h"
#include "common/memory_budget.h"
#include "tests/unit/catch.h"
#include "tests/unit/hostile/bombs.h"

namespace lapwing::test {
namespace {

using http::Response;
using http::ResponseReader;

/// Reads an answer as a probe does, within a budget of its own.
Expected<Response> readAnswer(const std::string& text, std::size_t limit = 16U << 20) {
    return readWithinBudget(0, "an answer", [&]() -> Expected<Response> {
        std::size_t at = 0;
        ResponseReader reader([&](char* buffer, std::size_t length) -> Expected<std::size_t> {
            const auto count = std::min(length, text.size() - at);
            text.copy(buffer, count, at);
            at += count;
            return count;
        });
        auto head = reader.readHead();
        if (!head) {
            return head;
        }
        const auto whole = reader.readBody(*head, false, limit);
        if (!whole) {
            return tl::unexpected(whole.error());
        }
        if (auto decoded = http::decodeContent(*head, true, limit, http::TooLong::fail); !decoded) {
            return tl::unexpected(decoded.error());
        }
        return head;
    });
}

std::string gzipped(const std::string& text) {
    z_stream stream = {};
    REQUIRE(deflateInit2(&stream, 9, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    std::string out(compressBound(text.size()) + 100, '\0');
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
    stream.avail_in = static_cast<uInt>(text.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    REQUIRE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
    out.resize(stream.total_out);
    deflateEnd(&stream);
    return out;
}

TEST_CASE("HTTP answers take memory in proportion to their size") {
    const auto check = [](const std::string& what, const std::string& text) {
        checkGoal("an answer, " + what, text,
                  [](const std::string& answer) { static_cast<void>(readAnswer(answer)); });
    };
    const std::string head = "HTTP/1.1 200 OK\r\n";
    constexpr std::size_t size = 4U << 20;
    check("short headers", head + repeated("a:\n", size));
    check("a long header", head + "A: " + std::string(size, 'x'));
    check("folded headers", head + "A: b\r\n" + repeated(" c\r\n", size));
    check("interim answers", repeated("HTTP/1.1 100 Continue\r\n\r\n", size));
    check("empty lines", repeated("\r\n", size));
    check("a long status line", "HTTP/1.1 200 " + std::string(size, 'x'));
    check("a body to the end", head + "\r\n" + std::string(15U << 20, 'x'));
    check("an endless body", head + "\r\n" + std::string(20U << 20, 'x'));
    check("a length that does not come", head + "Content-Length: 99999999999999\r\n\r\nabc");
    check("chunks of one byte", head + "Transfer-Encoding: chunked\r\n\r\n" + repeated("1\r\nx\r\n", size));
    check("chunk extensions", head + "Transfer-Encoding: chunked\r\n\r\n1;" + std::string(size, 'x'));
    check("trailers", head + "Transfer-Encoding: chunked\r\n\r\n0\r\n" + repeated("a: b\r\n", size));
    check("gzip of zeros", head + "Content-Encoding: gzip\r\n\r\n" + gzipped(std::string(64U << 20, '\0')));
    check("members of gzip",
          head + "Content-Encoding: gzip\r\n\r\n" + repeated(gzipped(std::string(100'000, 'x')), 200'000));
}

TEST_CASE("HAProxy's statistics take memory in proportion to their size") {
    const auto check = [](const std::string& what, const std::string& text) {
        checkGoal("haproxy, " + what, text, [](const std::string& csv) {
            using namespace agent::haproxy;
            static_cast<void>(readWithinBudget(csv.size(), "haproxy", [&]() -> Expected<int> {
                auto stats = Stats::parse(csv);
                for (prometheus::MetricFamily family; stats && stats->next(family);) {
                }
                return 0;
            }));
        });
    };
    std::string head = "# pxname,svname";
    for (const char* name :
         {"qcur",     "qmax",    "scur",    "smax",    "slim",     "stot",     "bin",     "bout",   "dreq",
          "dresp",    "ereq",    "econ",    "eresp",   "wretr",    "wredis",   "status",  "weight", "act",
          "bck",      "chkfail", "chkdown", "lastchg", "downtime", "qlimit",   "pid",     "iid",    "sid",
          "throttle", "lbtot",   "tracked", "type",    "rate",     "rate_lim", "rate_max"}) {
        head += std::string(",") + name;
    }
    head += ",\n";
    const auto rows = [&](int count, const std::string& name) {
        std::string out = head;
        for (int i = 0; i < count; ++i) {
            out += name + std::to_string(i) + ",s" + std::to_string(i) +
                   ",1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,UP,1,1,1,1,1,1,1,1,1,1,1,1,1,,2,1,1,1,\n";
        }
        return out;
    };
    check("a megabyte of rows", rows(9500, "p"));
    check("as many rows as are read", rows(500, "p"));
    check("long names", rows(500, std::string(3000, 'n')));
    check("columns", "# pxname," + repeated("a,", 4U << 20) + "\n");
    check("short rows", "# pxname,\n" + repeated("a,\n", 4U << 20));
    check("one quote", "# pxname,\"" + std::string(4U << 20, 'x'));
    check("doubled quotes", "# pxname,\"" + repeated("\"\"", 4U << 20) + "\"");
    check("empty lines", "# pxname,\n" + std::string(4U << 20, '\n'));
}

TEST_CASE("other parsers of the agent take memory in proportion to their input") {
    constexpr std::size_t size = 4U << 20;
    const std::string inputs[] = {std::string(size, 'a'),
                                  repeated("a\n", size),
                                  repeated("1 ", size),
                                  repeated("{", size),
                                  repeated("a{b c;}", size),
                                  repeated("include a;\n", size),
                                  repeated("server { listen 80; }\n", size),
                                  repeated("\"", size),
                                  std::string(size, '\0')};
    for (const auto& input : inputs) {
        checkGoal("nginx's status", input,
                  [](const std::string& text) { static_cast<void>(agent::nginx::parseStubStatus(text)); });
        checkGoal("an assignment", input,
                  [](const std::string& text) { static_cast<void>(agent::parseAssignment(text, {}, true)); });
        // A head has 256 KiB at most, and with it every Location.
        checkGoal("a URL", "http://a/" + input.substr(0, http::kMostHeadBytes),
                  [](const std::string& text) { static_cast<void>(http::Url::parse(text)); });
    }
    checkGoal("an assignment", "{\"attempts\":[" + repeated("{},", size) + "{}]}",
              [](const std::string& text) { static_cast<void>(agent::parseAssignment(text, {}, true)); });
}

}  // namespace
}  // namespace lapwing::test
