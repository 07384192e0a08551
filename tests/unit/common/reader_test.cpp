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
