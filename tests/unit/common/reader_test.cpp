#include "common/config/reader.h"

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "tests/unit/catch.h"
#include "tests/unit/temporary_folder.h"

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

namespace {

/// A main file, and the files beside it.
class Files {
  public:
    explicit Files(const std::string& main, const std::vector<std::pair<std::string, std::string>>& beside) {
        write("agent.yaml", main);
        std::filesystem::create_directory(directory_.path("agent.d"));
        for (const auto& [name, content] : beside) {
            write("agent.d/" + name, content);
        }
    }
    void write(const std::string& name, const std::string& content) const {
        std::ofstream(directory_.path(name)) << content;
    }
    std::string path(const std::string& name) const { return directory_.path(name); }
    config::Node read(Reader& reader) const { return reader.fileAndDirectory(path("agent.yaml")); }

  private:
    test::TemporaryFolder directory_;
};

std::string textOf(const config::Node& node) {
    std::string out;
    node.read(out);
    return out;
}

}  // namespace

TEST_CASE("files beside a configuration are merged over it in the order of their names") {
    const Files files("host: web-01\ncollector: { url: a, ca: x }\npeers: [ 1, 2 ]\ncanary: on\n",
                      {{"20-b.yaml", "collector: { url: c }\ncanary: off\n"},
                       {"10-a.yaml", "collector:\n  url: b\n  key: k\npeers: [ 3 ]\nhost:\n"},
                       {"30-c.yaml.dpkg-old", "host: other\n"},
                       {".hidden.yaml", "host: other\n"},
                       {"40-empty.yaml", "# nothing yet\n"}});
    Reader reader;
    const auto root = files.read(reader);
    CHECK(reader.ok());
    CHECK(textOf(root["host"]) == "web-01");
    CHECK(textOf(root["collector"]["url"]) == "c");
    CHECK(textOf(root["collector"]["ca"]) == "x");
    CHECK(textOf(root["collector"]["key"]) == "k");
    CHECK(textOf(root["canary"]) == "off");
    std::vector<std::string> peers;
    root["peers"].read(peers);
    CHECK(peers == std::vector<std::string>{"3"});
}

TEST_CASE("without a directory, or with an empty main file, a configuration is as it was") {
    Reader reader;
    const Files files("", {{"10-a.yaml", "host: web-01\n"}});
    CHECK(textOf(files.read(reader)["host"]) == "web-01");
    const test::TemporaryFolder alone;
    std::ofstream(alone.path("x.yaml")) << "host: web-02\n";
    CHECK(textOf(reader.fileAndDirectory(alone.path("x.yaml"))["host"]) == "web-02");
    CHECK(reader.ok());
    CHECK_FALSE(reader.fileAndDirectory(alone.path("none.yaml")).present());
    CHECK(reader.problems().size() == 1);
    CHECK(config::directoryBeside("/etc/lapwing/agent.yaml") == "/etc/lapwing/agent.d");
    CHECK(config::directoryBeside("/etc/lapwing/agent") == "/etc/lapwing/agent.d");
}

TEST_CASE(
    "a file beside a configuration is left out, or counts with another content, also before it exists") {
    const Files files("host: a\n", {{"10-x.yaml", "host: b\n"}, {"30-z.yaml", "data: z\n"}});
    const auto with = [&](const std::string& name, const std::optional<std::string>& content) {
        Reader reader;
        const auto root =
            reader.fileAndDirectory(files.path("agent.yaml"), files.path("agent.d/" + name), content);
        CHECK(reader.ok());
        return textOf(root["host"]) + " " + textOf(root["data"]) + " " + std::to_string(root["host"].line());
    };
    CHECK(with("10-x.yaml", std::nullopt) == "a z 1");
    CHECK(with("10-x.yaml", "\nhost: c\n") == "c z 2");
    CHECK(with("20-new.yaml", "host: d\ndata: new\n") == "d z 1");
    CHECK(with("40-new.yaml", "host: d\ndata: new\n") == "d new 1");
}

TEST_CASE("a quoted text is the same text to a reader") {
    for (const std::string text : {"plain", "a \"b\" \\ c", "line\nnext: 1\t", "# no comment", "ü"}) {
        Reader reader;
        CHECK(textOf(reader.text("key: " + config::quoted(text), "x.yaml")["key"]) == text);
        CHECK(reader.ok());
    }
}

TEST_CASE("a problem names the file of the value, and its line there") {
    const Files files("host: web-01\ncollector: { url: a }\n",
                      {{"10-a.yaml", "# a comment\n\nhots: x\ncollector:\n  uri: b\n"},
                       {"20-b.yaml", "a: [1, 2\nb: {"},
                       {"30-c.yaml", "\xEF\xBB\xBFmost: many\n"},
                       {"40-d.yaml", "- a list\n"},
                       {"50-e.yaml", "host: 1\nhost: 2\n"}});
    Reader reader;
    const auto root = files.read(reader);
    root.allow({"host", "collector", "most"});
    root["collector"].allow({"url"});
    int most = 0;
    root["most"].read(most, 1, 2);
    root["collector"].problem("something is missing");
    std::vector<std::string> texts;
    for (const auto& problem : reader.problems()) {
        texts.push_back(problem.toString());
    }
    REQUIRE(texts.size() == 7);
    CHECK(texts[0].find(files.path("agent.d/20-b.yaml") + ":") == 0);
    CHECK(reader.problems()[0].line <= 3);
    CHECK(texts[1] == files.path("agent.d/40-d.yaml") + ":1:1: the file must be a map of keys to values");
    CHECK(texts[2] == files.path("agent.d/10-a.yaml") + R"(:3:1: unknown key "hots"; did you mean "host"?)");
    CHECK(texts[3] == files.path("agent.d/50-e.yaml") + R"(:2:1: the key "host" is given twice)");
    CHECK(texts[4] ==
          files.path("agent.d/10-a.yaml") + R"(:5:3: unknown key "uri" in collector; did you mean "url"?)");
    CHECK(texts[5] == files.path("agent.d/30-c.yaml") + ":1:7: most must be a whole number");
    CHECK(texts[6] == files.path("agent.yaml") + ":2:14: something is missing");
}

TEST_CASE("merging leaves a shared anchor as it was") {
    const Files files("a: &a { x: 1 }\nb: *a\n", {{"10-a.yaml", "b: { x: 2 }\n"}});
    Reader reader;
    const auto root = files.read(reader);
    CHECK(textOf(root["a"]["x"]) == "1");
    CHECK(textOf(root["b"]["x"]) == "2");
}

// It attacks "files in `agent.d` or `collector.d`".
TEST_CASE("the files beside a configuration are bounded in number and, all together, in bytes") {
    const Files files("host: web-01\n", {});
    const std::string large = "# " + std::string(2U << 20, 'x') + "\n";
    files.write("agent.d/10-a.yaml", large);
    files.write("agent.d/20-b.yaml", large);
    Reader reader;
    CHECK(textOf(files.read(reader)["host"]) == "web-01");
    REQUIRE(reader.problems().size() == 1);
    CHECK(reader.problems()[0].toString() ==
          files.path("agent.d/20-b.yaml") + ": is larger than 4 MiB, with the files before it");
    for (std::size_t i = 0; i <= Reader::kMostBeside; ++i) {
        files.write("agent.d/" + std::to_string(i) + ".yaml", "host: other\n");
    }
    Reader many;
    CHECK(textOf(files.read(many)["host"]) == "web-01");
    REQUIRE(many.problems().size() == 1);
    CHECK(many.problems()[0].message == "has 103 files *.yaml; at most 100 are read");
    // One that a verb would write counts, one that it would replace counts once.
    for (const auto* name : {"10-a.yaml", "20-b.yaml", "0.yaml"}) {
        std::filesystem::remove(files.path(std::string("agent.d/") + name));
    }
    const auto with = [&](const std::string& name, const std::string& content = "host: new\n") {
        Reader trial;
        (void)trial.fileAndDirectory(files.path("agent.yaml"), files.path("agent.d/" + name), content);
        return trial.ok() ? "" : trial.problems().front().message;
    };
    CHECK(with("1.yaml").empty());
    CHECK(with("new.yaml") == "would have 101 files *.yaml; at most 100 are read");
    CHECK(with("1.yaml", large + large) == "is larger than 4 MiB, with the files before it");
}

TEST_CASE("a tab that indents is named, with its place") {
    const auto told = [](const std::string& yaml) {
        Reader reader;
        (void)reader.text(yaml, "x.yaml");
        return reader.ok() ? std::string() : reader.problems().front().toString();
    };
    CHECK(told("a:\n\tb: 1\n") == "x.yaml:2:1: tabs cannot indent YAML: use spaces");
    CHECK(told("a:\n  b: 1\n  \tc: 2\n") == "x.yaml:3:3: tabs cannot indent YAML: use spaces");
    CHECK(told("a: b\tc\n").empty());
    // Another mistake keeps its own words, also below a comment that a tab indents.
    CHECK(told("\t# a comment\na: : b\n").find("tabs") == std::string::npos);
}
