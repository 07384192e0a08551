#include <fmt/format.h>
#include <snappy.h>
#include <zlib.h>

#include "collector/api/parameters.h"
#include "collector/ingest/receiver.h"
#include "common/config/reader.h"
#include "common/json.h"
#include "common/memory_budget.h"
#include "common/model/documents.h"
#include "common/model/remote_write.h"
#include "common/reach/ruleset.h"
#include "tests/unit/catch.h"
#include "tests/unit/hostile/bombs.h"

namespace lapwing::test {
namespace {

std::string packed(const std::string& raw) {
    std::string out;
    snappy::Compress(raw.data(), raw.size(), &out);
    return out;
}

void checkWrite(const std::string& what, const std::string& raw,
                RemoteWriteVersion version = RemoteWriteVersion::v1) {
    checkGoal("remote_write, " + what, packed(raw), [version](const std::string& body) {
        static_cast<void>(decodeRemoteWrite(body, {}, version));
    });
}

const std::string kSample = field(2, std::string("\x09\0\0\0\0\0\0\xf0\x3f\x10\x01", 11));

TEST_CASE("writes of version 1 take memory in proportion to their size") {
    const auto label = [](const std::string& name, const std::string& value) {
        return field(1, field(1, name) + field(2, value));
    };
    checkWrite("labels and samples that alternate",
               field(1, repeated(label("a", "b") + kSample, 20'000 * 20)));
    checkWrite("series of nothing", repeated(field(1, ""), 4U << 20));
    checkWrite("series of one empty sample", repeated(field(1, field(2, "")), 100'000 * 4));
    checkWrite("series without labels", repeated(field(1, kSample), 100'000 * 15));
    checkWrite("empty labels", field(1, repeated(field(1, ""), 8U << 20) + kSample));
    checkWrite("many labels", field(1, repeated(label("a", "b"), 8U << 20) + kSample));
    checkWrite("one long value", field(1, label("a", std::string(30U << 20, 'x')) + kSample));
    checkWrite("one long value of noise in little",
               field(1, label("a", std::string(5U << 20, 'x')) + kSample));
    checkWrite("metadata of one byte", repeated(field(3, field(2, "a")), 4U << 20));
    checkWrite("metadata with long helps",
               repeated(field(3, field(2, "a") + field(4, std::string(4000, 'h'))), 30U << 20));
    checkWrite("exemplars and histograms", field(1, repeated(field(3, "") + field(4, ""), 16U << 20)));
    checkWrite("unknown fields", repeated(field(15, "xxxx"), 16U << 20));
    checkWrite("zeros", std::string(32U << 20, '\0'));
    checkWrite("too many samples", field(1, repeated(kSample, 30U << 20)));
}

TEST_CASE("writes of version 2 take memory in proportion to their size") {
    const auto write = [](const std::string& what, const std::string& raw) {
        checkWrite(what, raw, RemoteWriteVersion::v2);
    };
    const std::string long_symbol = field(4, "") + field(4, std::string(4000, 's'));
    const auto series = [](std::size_t labels, const std::string& more = "") {
        return field(5, field(1, repeated(std::string("\x01\x01", 2), labels * 2)) + kSample + more);
    };
    write("one long symbol as every label", long_symbol + repeated(series(60), 400'000));
    write("one long symbol, labels without samples",
          long_symbol + repeated(field(5, field(1, repeated(std::string("\x01\x01", 2), 200))), 400'000));
    write("empty symbols", repeated(field(4, ""), 800'000));
    write("more symbols than are allowed", repeated(field(4, ""), 8U << 20));
    write(
        "a long help for each metric",
        field(4, "") + field(4, std::string(4000, 'h')) + field(4, "__name__") + [] {
            std::string out;
            for (int i = 0; i < 20'000; ++i) {
                out += field(4, "m" + std::to_string(i));
            }
            for (std::uint64_t i = 0; i < 20'000; ++i) {
                out += field(5, field(1, varint(2) + varint(3 + i)) + kSample +
                                    field(5, std::string("\x08\x01\x18\x01", 4)));
            }
            return out;
        }());
    write("series of nothing", repeated(field(5, ""), 4U << 20));
}

TEST_CASE("damaged snappy takes no memory") {
    checkGoal("snappy", varint(32U << 20) + std::string(1000, '\xff'),
              [](const std::string& body) { static_cast<void>(decodeRemoteWrite(body)); });
    checkGoal("snappy", varint(0xffffffff) + std::string(1000, 'x'),
              [](const std::string& body) { static_cast<void>(decodeRemoteWrite(body)); });
}

TEST_CASE("requests that senders make are within the budget") {
    // 10,000 samples, as Prometheus and vmagent send them at most by default, each of a series of its own.
    std::vector<TimeSeries> series;
    for (int i = 0; i < 10'000; ++i) {
        series.push_back({Labels{{"__name__", "http_request_duration_seconds_bucket"},
                                 {"code", "200"},
                                 {"handler", "/api/v1/things/" + std::to_string(i)},
                                 {"instance", "web-" + std::to_string(i % 100) + ".example.org:9100"},
                                 {"job", "the-job-of-this-series"},
                                 {"le", "0.25"},
                                 {"datacenter", "a-rather-long-name-of-a-datacenter"},
                                 {"namespace", "production"}},
                          {{1'700'000'000'000 + i, 1.0 / (i + 1)}}});
    }
    const auto decoded = decodeRemoteWrite(encodeRemoteWrite(series));
    REQUIRE(decoded);
    CHECK(decoded->samples == 10'000);
}

TEST_CASE("JSON takes memory in proportion to its size") {
    const auto check = [](const std::string& what, const std::string& text) {
        checkGoal("JSON, " + what, text,
                  [](const std::string& json) { static_cast<void>(json::parse(json)); });
    };
    constexpr std::size_t size = 4U << 20;
    check("nested lists", std::string(size, '['));
    check("nested objects", repeated("{\"a\":", size));
    check("numbers", "[" + repeated("0,", size) + "0]");
    check("empty objects", "[" + repeated("{},", size) + "{}]");
    check("empty texts", "[" + repeated("\"\",", size) + "\"\"]");
    check("one key again and again", "{" + repeated("\"a\":1,", size) + "\"a\":1}");
    check("escapes", "[\"" + repeated("\\u0000", size) + "\"]");
    check("one long text", "[\"" + std::string(size, 'x') + "\"]");
    check("a long number", "[" + std::string(size, '9') + "]");
    check("objects in objects", "[" + repeated("{\"a\":{\"b\":{}}},", size) + "0]");
    CHECK(json::read(std::string(size, '[')).error().kind == ErrorKind::exhausted);
    CHECK(json::read("[1").error().kind == ErrorKind::invalid);
}

TEST_CASE("forms take memory in proportion to their size") {
    const auto check = [](const std::string& what, const std::string& text) {
        checkGoal("a form, " + what, text,
                  [](const std::string& form) { static_cast<void>(api::parseForm(form)); });
    };
    constexpr std::size_t size = 4U << 20;
    check("pairs of one byte", repeated("a&", size));
    check("separators", std::string(size, '&'));
    check("equals signs", repeated("=&", size));
    check("one long value", "query=" + std::string(size, '1'));
    check("escapes", "query=" + repeated("%41", size));
    check("malformed escapes", repeated("%zz&", size));
    CHECK_FALSE(api::parseForm(repeated("a&", size)).problem.empty());
    CHECK(api::parseForm("query=" + std::string(size, '1')).problem.empty());
}

TEST_CASE("a packed document is never in memory as a whole while it is received") {
    const auto bomb = pack(std::string(63U << 20, 'x'));
    REQUIRE(bomb.size() < (1U << 20));
    checkGoal("a document", bomb, [](const std::string& body) { static_cast<void>(digestOfPacked(body)); });
    checkGoal("a document that is too large", pack(std::string(65U << 20, 'x')),
              [](const std::string& body) { static_cast<void>(digestOfPacked(body)); });
    checkGoal("a document that is too large to be read", bomb,
              [](const std::string& body) { static_cast<void>(unpack(body, 4U << 20)); });
}

TEST_CASE("YAML takes memory in proportion to its size") {
    const auto check = [](const std::string& what, const std::string& text) {
        checkGoal("YAML, " + what, text, [](const std::string& yaml) {
            config::Reader reader;
            const auto node = reader.text(yaml, "bomb.yml");
            std::size_t entries = 0;
            node.forEach([&](const config::Node&) { ++entries; });
        });
    };
    constexpr std::size_t size = 1U << 20;
    std::string laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
    for (int i = 1; i < 12; ++i) {
        const auto alias = "*a" + std::to_string(i - 1);
        laughs += fmt::format("a{0}: &a{0} [{1}{2}]\n", i, repeated(fmt::format("{}, ", alias), 60), alias);
    }
    check("a billion laughs", laughs);
    check("entries of a list", repeated("- a\n", size));
    check("a flow list", "[" + repeated("a,", size) + "a]");
    check("nested lists", std::string(size, '['));
    check("nested dashes", repeated("- ", size));
    check("nested maps", repeated("{a: ", size));
    check("keys", repeated("a: b\n", size));
    check("anchors", repeated("- &a b\n", size));
    check("merge keys", "base: &b {a: 1}\n" + repeated("x: {<<: *b}\n", size));
    check("one long text", "a: " + std::string(size, 'x'));
    check("a long line of spaces", std::string(size, ' ') + "a: b");
    check("comments", repeated("#\n", size));
    check("documents", repeated("---\na\n", size));
    check("tags", repeated("- !!str a\n", size));
    check("a block text", "a: |\n" + repeated("  x\n", size));
}

TEST_CASE("rulesets take memory in proportion to their size") {
    const auto check = [](const std::string& what, const std::string& text) {
        checkGoal("a ruleset, " + what, text, [](const std::string& json) {
            static_cast<void>(
                readWithinBudget(json.size(), "a ruleset", [&] { return reach::Ruleset::parse(json); }));
        });
    };
    constexpr std::size_t size = 2U << 20;
    check("empty entries", "{\"nftables\":[" + repeated("{},", size) + "{}]}");
    check("tables",
          "{\"nftables\":[" + repeated("{\"table\":{\"family\":\"ip\",\"name\":\"t\"}},", size) + "{}]}");
    check("chains", "{\"nftables\":[" +
                        repeated("{\"chain\":{\"family\":\"ip\",\"table\":\"t\",\"name\":\"c\"}},", size) +
                        "{}]}");
    check("rules", "{\"nftables\":[" +
                       repeated("{\"rule\":{\"family\":\"ip\",\"table\":\"t\",\"chain\":\"c\",\"expr\":[{"
                                "\"accept\":null}]}},",
                                size) +
                       "{}]}");
    check("statements",
          "{\"nftables\":[{\"rule\":{\"family\":\"ip\",\"table\":\"t\",\"chain\":\"c\",\"expr\":[" +
              repeated("{\"drop\":null},", size) + "{}]}}]}");
}

TEST_CASE("a budget counts what a scope holds, and lets it go") {
    MemoryBudget outer(1U << 20);
    {
        MemoryBudget inner(8U << 20);
        CHECK(inner.bound() <= (1U << 20));
        CHECK_THROWS_AS(std::string(2U << 20, 'x'), MemoryBudget::Exhausted);
        std::string kept(500'000, 'x');
        CHECK(inner.peak() >= 500'000);
    }
    for (int i = 0; i < 10; ++i) {
        const std::string passing(500'000, 'x');
    }
    CHECK(outer.peak() < 700'000);
    MemoryBudget::received(1U << 20);
    CHECK(std::string(2U << 20, 'x').size() == (2U << 20));
}

}  // namespace
}  // namespace lapwing::test
