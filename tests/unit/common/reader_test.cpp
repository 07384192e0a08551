#include "common/config/reader.h"

#include <cstdint>

#include "tests/unit/catch.h"

using namespace lapwing;
using config::Reader;

TEST_CASE("every problem of a file is reported with its place") {
    Reader reader;
    const auto root = reader.text("host: web-01\nprobse: {}\ninterval: soon\nmost: 70000\n", "agent.yaml");
    root.allow({"host", "probes", "interval", "most"});
    std::string host;
    root["host"].read(host);
    std::int64_t interval = 10'000;
    root["interval"].readDuration(interval);
    int most = 5;
    root["most"].read(most, 1, 65535);
    CHECK(host == "web-01");
    CHECK(interval == 10'000);
    CHECK(most == 5);
    REQUIRE(reader.problems().size() == 3);
    CHECK(reader.problems()[0].toString() ==
          R"(agent.yaml:2:1: unknown key "probse"; did you mean "probes"?)");
    CHECK(reader.problems()[1].toString().substr(0, 40) == "agent.yaml:3:11: interval must be a dura");
    CHECK(reader.problems()[2].toString() == "agent.yaml:4:7: most must be from 1 to 65535");
}

TEST_CASE("a file that is not YAML or does not exist is one problem") {
    Reader reader;
    CHECK_FALSE(reader.text("a: [1, 2\nb: {", "x.yaml").present());
    CHECK_FALSE(reader.file("/nonexistent/x.yaml").present());
    REQUIRE(reader.problems().size() == 2);
    CHECK(reader.problems()[0].line > 0);
    CHECK(reader.problems()[1].toString() == "/nonexistent/x.yaml: cannot be read");
}

TEST_CASE("an empty file is valid and holds nothing") {
    Reader reader;
    const auto root = reader.text("", "empty.yaml");
    root.allow({"a"});
    CHECK_FALSE(root["a"]["b"].present());
    CHECK(reader.ok());
}

TEST_CASE("a single value is read as a list of one") {
    Reader reader;
    std::vector<std::string> rules;
    reader.text("rules: a.yml", "x")["rules"].read(rules);
    CHECK(rules == std::vector<std::string>{"a.yml"});
}

TEST_CASE("durations are read as Prometheus writes them") {
    CHECK(*config::parseDuration("1h30m") == 5'400'000);
    CHECK(*config::parseDuration("500ms") == 500);
    CHECK(*config::parseDuration("90d") == 90LL * 86'400'000);
    CHECK(*config::parseDuration("0") == 0);
    for (const auto* bad : {"", "10", "s", "1m1h", "1s1s", "1.5s", "-1s", "999999999999999y"}) {
        CHECK_FALSE(config::parseDuration(bad));
    }
    CHECK(config::formatDuration(90'000) == "1m30s");
    CHECK(config::formatDuration(90LL * 86'400'000) == "90d");
    CHECK(config::formatDuration(0) == "0s");
}

TEST_CASE("sizes are read in decimal and binary units") {
    Reader reader;
    std::int64_t bytes = 0;
    const auto root = reader.text("a: 512MB\nb: 1GiB\nc: 7\nd: 3 apples", "x");
    root["a"].readBytes(bytes);
    CHECK(bytes == 512'000'000);
    root["b"].readBytes(bytes);
    CHECK(bytes == 1LL << 30);
    root["c"].readBytes(bytes);
    CHECK(bytes == 7);
    root["d"].readBytes(bytes);
    CHECK(reader.problems().size() == 1);
}

TEST_CASE("a repeated key is reported at its second place") {
    Reader reader;
    reader.text("host: a\ndata: x\nhost: b\n", "agent.yaml").allow({"host", "data"});
    REQUIRE(reader.problems().size() == 1);
    CHECK(reader.problems()[0].toString() == R"(agent.yaml:3:1: the key "host" is given twice)");
}

namespace {

/// The labels of each map of a list, as "key=value " in their order, and the problems.
std::vector<std::string> pairsOf(const std::string& yaml, std::vector<std::string>* problems = nullptr) {
    Reader reader;
    std::vector<std::string> out;
    reader.text(yaml, "x.yaml").forEach([&](const config::Node& map) {
        std::string text;
        map.forEachPair([&](const std::string& key, const config::Node& value) {
            text += key + "=" + (value.isScalar() ? value.text() : "...") + " ";
        });
        out.push_back(text);
    });
    for (const auto& problem : reader.problems()) {
        REQUIRE(problems != nullptr);
        problems->push_back(problem.toString());
    }
    return out;
}

/// `levels` lists, each with nine aliases of the one before.
std::string laughs(int levels) {
    std::string yaml = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n";
    for (int i = 1; i < levels; ++i) {
        const std::string before = "*a" + std::to_string(i - 1);
        yaml += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + before;
        for (int k = 1; k < 9; ++k) {
            yaml += ", " + before;
        }
        yaml += "]\n";
    }
    return yaml;
}

}  // namespace

TEST_CASE("merge keys add the pairs of other maps, and a map's own pairs win") {
    using Pairs = std::vector<std::string>;
    CHECK(pairsOf("- &a {x: 1, y: 2}\n- {<<: *a, y: 3}\n- {y: 4, <<: *a}\n- *a") ==
          Pairs{"x=1 y=2 ", "y=3 x=1 ", "y=4 x=1 ", "x=1 y=2 "});
    // The first of several maps wins.
    CHECK(pairsOf("- &a {x: 1}\n- &b {x: 2, y: 3}\n- {<<: [*a, *b, {z: 4}]}")[2] == "x=1 y=3 z=4 ");
    // A merged map may merge too.
    CHECK(pairsOf("- &a {x: 1}\n- &b {<<: *a, y: 2}\n- {<<: *b, z: 3}")[2] == "z=3 y=2 x=1 ");
    // Maps inside are replaced, not merged.
    CHECK(pairsOf("- &a {m: {x: 1}}\n- {<<: *a, m: 5}")[1] == "m=5 ");
    // A quoted key is an ordinary key.
    CHECK(pairsOf("- {\"<<\": 1}") == Pairs{"<<=1 "});
    std::vector<std::string> problems;
    CHECK(pairsOf("- {<<: 1, x: 2}\n- &a {y: 1}\n- {<<: *a, <<: *a}\n- {<<: [*a, 3]}", &problems)[0] ==
          "x=2 ");
    CHECK(problems == Pairs{"x.yaml:1:4: the value of \"<<\" must be a map or a list of maps",
                            "x.yaml:3:12: the key \"<<\" is given twice",
                            "x.yaml:4:4: the value of \"<<\" must be a map or a list of maps"});
}

TEST_CASE("a merged key is reported where it is written") {
    Reader reader;
    const auto root = reader.text("- &a {hots: 1}\n- {<<: *a, port: 2}\n", "x.yaml");
    root.forEach([](const config::Node& map) { map.allow({"host", "port"}); });
    REQUIRE(reader.problems().size() == 2);
    CHECK(reader.problems()[1].toString() ==
          "x.yaml:1:7: unknown key \"hots\" in [1]; did you mean \"host\"?");
}

TEST_CASE("aliases that would expand without bound are refused") {
    Reader reader;
    CHECK(reader.text(laughs(5), "x.yaml").present());
    CHECK(reader.ok());
    CHECK_FALSE(reader.text(laughs(9), "x.yaml").present());
    CHECK_FALSE(reader.text(laughs(80), "x.yaml").present());
    CHECK_FALSE(reader.text("a: 1\nb: &b [1, {c: *b}]\n", "x.yaml").present());
    REQUIRE(reader.problems().size() == 3);
    CHECK(reader.problems()[0].message ==
          "the aliases would expand the file's 28 nodes to 490329064 nodes; at most 400000 are allowed");
    CHECK(reader.problems()[0].line > 1);
    CHECK(reader.problems()[1].message ==
          "the aliases would expand the file's 170 nodes to countless nodes; at most 400000 are allowed");
    CHECK(reader.problems()[2].toString() == "x.yaml:2:15: the alias stands inside its own anchor");
    // A document of its own size may repeat a part often.
    std::string often = "- &a {x: 1}\n";
    for (int i = 0; i < 50'000; ++i) {
        often += "- *a\n";
    }
    CHECK(pairsOf(often).size() == 50'001);
}
