#include "agent/probes/scrape/scrape.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "agent/config/config.h"
#include "agent/probes/kind.h"
#include "agent/probes/scrape/page.h"
#include "common/config/reader.h"
#include "common/model/clock.h"
#include "tests/unit/catch.h"
#include "tests/unit/probes/samples.h"

using namespace lapwing;
using namespace lapwing::agent;
using namespace lapwing::agent::scrape;
using lapwing::test::Samples;

namespace {

constexpr TimestampMs kNow = 1'700'000'000'000;

Expected<std::shared_ptr<Page>> read(const std::string& text, Format format = Format::text,
                                     const Selection& selection = {}, const PageLimits& limits = {}) {
    return Page::read(text, format, selection, kNow, limits);
}

std::vector<prometheus::MetricFamily> familiesOf(const std::string& text, Format format = Format::text,
                                                 const Selection& selection = {}) {
    const auto page = read(text, format, selection);
    REQUIRE(page);
    std::vector<prometheus::MetricFamily> out;
    for (prometheus::MetricFamily family; (*page)->next(family);) {
        out.push_back(std::move(family));
    }
    return out;
}

std::string problemOf(const std::string& text, Format format = Format::text) {
    const auto page = read(text, format);
    return page ? "" : page.error().message;
}

const prometheus::MetricFamily* find(const std::vector<prometheus::MetricFamily>& families,
                                     const std::string& name) {
    const auto found = std::find_if(families.begin(), families.end(),
                                    [&](const auto& family) { return family.name == name; });
    return found == families.end() ? nullptr : &*found;
}

Selection selectionOf(const std::string& yaml) {
    Selection out;
    config::Reader reader;
    const auto root = reader.text(yaml, "test");
    for (const char* list : {"keep", "drop"}) {
        auto& rules = list == std::string("keep") ? out.keep : out.drop;
        root[list].forEach([&](const config::Node& entry) {
            Selection::Rule rule;
            entry.forEachPair([&](const std::string& label, const config::Node& regex) {
                rule.push_back(*makePattern(label, regex.text()));
            });
            rules.push_back(std::move(rule));
        });
    }
    return out;
}

}  // namespace

TEST_CASE("a page in Prometheus' text format") {
    const auto families = familiesOf(
        "# HELP a_total An \\\\ a\\nb \\x.\n# TYPE a_total counter\na_total{x=\"1\",} 3 \na_total 4 "
        "1700000000123\n"
        "  b { y = \"a\\\"b\\qc\" }\t5\n# nothing\n#HELP\n\n"
        "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_count 2\n"
        "# TYPE s summary\ns{quantile=\"0.5\"} NaN\ns{quantile=\"1\"} 7\ns_sum 2\n"
        "# TYPE g gauge\ng -Inf\n# TYPE late gauge\nc 1\n# TYPE c counter\nno_end 1");
    const Samples samples(families);
    CHECK(samples.value("a_total", {{"x", "1"}}) == 3);
    CHECK(samples.value("a_total") == 4);
    CHECK(samples.value("b", {{"y", "a\"b\\qc"}}) == 5);
    CHECK(samples.value("h_bucket", {{"le", "1.0"}}) == 1);
    CHECK(samples.value("h_bucket", {{"le", "+Inf"}}) == 2);
    CHECK(samples.value("h_count") == 2);
    CHECK(samples.value("s", {{"quantile", "1.0"}}) == 7);
    CHECK(samples.value("s_sum") == 2);
    CHECK(samples.value("no_end") == 1);
    CHECK(samples.size() == 12);
    // What the page lacks is not invented.
    CHECK_FALSE(samples.value("h_sum"));
    CHECK_FALSE(samples.value("s_count"));
    REQUIRE(find(families, "a_total") != nullptr);
    CHECK(find(families, "a_total")->type == prometheus::MetricType::Counter);
    CHECK(find(families, "a_total")->help == "An \\ a\nb \\x.");
    CHECK(find(families, "h")->type == prometheus::MetricType::Histogram);
    CHECK(find(families, "s")->type == prometheus::MetricType::Summary);
    CHECK(find(families, "late") == nullptr);
}

TEST_CASE("a page in OpenMetrics") {
    CHECK(formatOf("application/openmetrics-text; version=1.0.0; charset=utf-8") == Format::openmetrics);
    CHECK(formatOf("text/plain; version=0.0.4") == Format::text);
    CHECK(formatOf("") == Format::text);
    const auto families = familiesOf(
        "# TYPE a counter\n# HELP a As.\n# UNIT a seconds\na_total{x=\"1\"} 3 1700000000.5 # {trace=\"7\"} 1 "
        "1.5\n"
        "a_created{x=\"1\"} 1.5e9\n# TYPE b info\nb_info{v=\"2\"} 1\n# TYPE h histogram\nh_bucket{le=\"5\"} "
        "1 # {} "
        "1\n# TYPE st stateset\nst{st=\"on\"} 1\n# TYPE u unknown\nu 1\n# TYPE q gaugehistogram\nq_gsum 1\n# "
        "EOF\n",
        Format::openmetrics);
    const Samples samples(families);
    CHECK(samples.value("a_total", {{"x", "1"}}) == 3);
    CHECK(samples.value("a_created", {{"x", "1"}}) == 1.5e9);
    CHECK(samples.value("b_info", {{"v", "2"}}) == 1);
    CHECK(samples.value("h_bucket", {{"le", "5.0"}}) == 1);
    CHECK(samples.value("st", {{"st", "on"}}) == 1);
    CHECK(samples.size() == 7);
    CHECK(find(families, "a_total")->type == prometheus::MetricType::Counter);
    CHECK(find(families, "a_total")->help == "As.");
    CHECK(problemOf("a 1\n", Format::openmetrics) == "it does not end with # EOF");
    CHECK(problemOf("# EOF\na 1\n", Format::openmetrics) == "line 2: something follows # EOF");
    CHECK(problemOf("# TYPE a untyped\n# EOF\n", Format::openmetrics) == "line 1: an unknown type");
    CHECK(problemOf("a 1 x\n# EOF\n", Format::openmetrics) == "line 1: invalid time of a sample");
    CHECK(problemOf("a 1 1e300\n# EOF\n", Format::openmetrics) == "line 1: invalid time of a sample");
}

TEST_CASE("a line that Prometheus would not take is the whole page's failure") {
    for (const std::string bad :
         {"a\n", "a x\n", "1a 2\n", "a 1 2 3\n", "a 1 x\n", "a 1 99999999999999999999\n", "a{x=1} 2\n",
          "a{x=\"1\" 2\n", "a{x=\"\xff\"} 2\n", "a{x=\"1\",x=\"2\"} 2\n", "a{__name__=\"b\"} 2\n",
          "a{x=\"1\"} 2\r\n", "# TYPE a thing\n", "# TYPE a\n", "{x=\"1\"} 2\n", "a{\"b\"} 2\n", "a 0x1p3\n",
          "a 1_0\n", "<html>\n"}) {
        INFO(bad);
        CHECK_FALSE(problemOf("good 1\n" + bad).empty());
        CHECK(problemOf("good 1\n" + bad).starts_with("line 2: "));
    }
    CHECK(problemOf("").empty());
}

TEST_CASE("samples that are left out are told, and the others count") {
    const auto page = read(
        "up 1\nlapwing_finding 1\nmysql_up 1\nnode_boot_time_seconds 1\njob:x 1\nscrape_samples_scraped 9\n"
        "a 1\na{x=\"\"} 2\nold 1 1699999000000\nahead 1 1700000900000\n{\"with.dot\",y=\"1\"} "
        "1\nb{\"z.z\"=\"1\"} 1\n"
        "long{x=\"" +
        std::string(4097, 'x') + "\"} 1\nb{job=\"j\",exported_job=\"k\",instance=\"i\",agent=\"g\"} 6\n");
    REQUIRE(page);
    CHECK((*page)->scraped() == 14);
    CHECK((*page)->kept() == 14);
    std::vector<prometheus::MetricFamily> families;
    for (prometheus::MetricFamily family; (*page)->next(family);) {
        families.push_back(family);
    }
    const Samples samples(families);
    CHECK(samples.size() == 2);
    CHECK(samples.value("a") == 1);
    CHECK(samples.value("b", {{"exported_exported_job", "j"},
                              {"exported_job", "k"},
                              {"exported_instance", "i"},
                              {"exported_agent", "g"}}) == 6);
    const auto note = (*page)->note();
    for (const char* words :
         {"left out (a series stands twice, the first one counts): a;",
          "left out (names beyond [a-zA-Z0-9_:]): b and with.dot;",
          ("left out (only Lapwing's own probes report them): job:x, lapwing_finding, mysql_up, "
           "node_boot_time_seconds, scrape_samples_scraped and others;"),
          "left out (their own time is more than 5 minutes from now): ahead and old;",
          "left out (too many labels, or too long ones): long"}) {
        INFO(note);
        CHECK(note.find(words) != std::string::npos);
    }
}

TEST_CASE("keep and drop match whole values") {
    const std::string text = "a 1\nab 2\nb{x=\"1\"} 3\nb{x=\"12\"} 4\nc{y=\"1\"} 5\nup 1\n";
    const auto names = [&](const std::string& yaml) {
        std::string out;
        const auto families = familiesOf(text, Format::text, selectionOf(yaml));
        const Samples samples(families);
        for (const auto& series : samples.series()) {
            out += std::to_string(static_cast<int>(series.samples[0].value));
        }
        return out;
    };
    CHECK(names("{}") == "12345");
    CHECK(names("keep: [ { __name__: a } ]") == "1");
    CHECK(names("keep: [ { __name__: 'a|b', x: '1?' } ]") == "13");
    CHECK(names("drop: [ { __name__: a }, { x: 1 } ]") == "245");
    CHECK(names("keep: [ { __name__: 'a.*' } ]\ndrop: [ { __name__: ab } ]") == "1");
    const auto page = read(text, Format::text, selectionOf("drop: [ { __name__: up }, { __name__: b } ]"));
    CHECK((*page)->scraped() == 6);
    CHECK((*page)->kept() == 3);
    CHECK((*page)->note().empty());
}

// It attacks "a page that the agent scrapes; its series after `keep` and `drop`",
// attacks "labels of a scraped series; each of them", and attacks "labels of a line of metrics".
TEST_CASE("a page has bounds") {
    PageLimits limits;
    limits.samples = 3;
    CHECK(read("a 1\nb 1\nc 1\na 2\n", Format::text, {}, limits));
    const auto many = read("a 1\nb 1\nc 1\nd 1\n", Format::text, {}, limits);
    REQUIRE_FALSE(many);
    CHECK(many.error().kind == ErrorKind::exhausted);
    CHECK(many.error().message == "line 4: the page has more than 3 series");
    CHECK(read("a 1\nb 1\nc 1\nd 1\n", Format::text, selectionOf("drop: [ { __name__: a } ]"), limits));

    std::string labels = "a{";
    for (int i = 0; i < 61; ++i) {
        labels += "l" + std::to_string(i) + "=\"\",";
    }
    const auto crowded = read(labels + "} 1\n");
    REQUIRE(crowded);
    CHECK((*crowded)->note() == "left out (too many labels, or too long ones): a");
    for (int i = 61; i <= 1000; ++i) {
        labels += "l" + std::to_string(i) + "=\"\",";
    }
    CHECK(problemOf(labels + "} 1\n") == "line 1: more than 1000 labels");

    // Types without samples: a megabyte of them takes ten of memory.
    std::string types;
    for (int i = 0; types.size() < (4U << 20); ++i) {
        types += "# TYPE a" + std::to_string(i) + " gauge\n";
    }
    const auto typed = read(types);
    REQUIRE_FALSE(typed);
    CHECK(typed.error().kind == ErrorKind::exhausted);

    // A large page comes in parts.
    std::string large;
    for (int i = 0; i < 1201; ++i) {
        large += "a{i=\"" + std::to_string(i) + "\"} 1\n";
    }
    std::vector<std::size_t> sizes;
    for (const auto& family : familiesOf(large)) {
        sizes.push_back(family.metric.size());
    }
    CHECK(sizes == std::vector<std::size_t>{500, 500, 201});
}

TEST_CASE("configuration of scrape") {
    const auto load = [](const std::string& targets, LoadedConfig& out) {
        config::Reader reader;
        out = parseConfig(reader, "host: web-01\nprobes: { scrape: " + targets + " }", "agent.yaml",
                          {scrapeProbe(), textfileProbe()});
        return reader.problems().empty() ? "" : reader.problems()[0].message;
    };
    LoadedConfig loaded;
    CHECK(load("[ { name: redis, url: http://127.0.0.1:9121, interval: 30s, keep: [ 'redis_.*' ], "
               "drop: { db: 'x|y' }, headers: { X-A: b }, max_samples: 5, max_bytes: 1MB }, "
               "{ name: app/web.1, url: 'unix:/run/a.sock:/m', timeout: 2s } ]",
               loaded)
              .empty());
    std::erase_if(loaded.specs, [](const auto& spec) { return spec.kind != "scrape"; });
    REQUIRE(loaded.specs.size() == 2);
    CHECK(loaded.specs[0].job == "redis");
    CHECK(loaded.specs[0].instance == "web-01");
    CHECK(loaded.specs[0].interval == std::chrono::seconds(30));
    CHECK(loaded.specs[0].deadline == std::chrono::seconds(4));
    CHECK(loaded.specs[1].deadline == std::chrono::seconds(2));
    CHECK(load("off", loaded).empty());
    const auto problem = [&](const std::string& more) {
        return load("[ { name: a, url: 'http://127.0.0.1:1/m'" + more + " } ]", loaded);
    };
    CHECK(problem("").empty());
    CHECK(problem(", keep: [ '(' ]").find("keep[0] is no regular expression: missing ): (") !=
          std::string::npos);
    CHECK(problem(", drop: [ { x: [ 1 ] } ]").find("is no regular expression") != std::string::npos);
    CHECK(problem(", interval: 3m").find("must be 1s to 2m") != std::string::npos);
    CHECK(problem(", interval: 2s, timeout: 3s").find("must be at most the interval") != std::string::npos);
    CHECK(problem(", max_bytes: 17MiB").find("must be at most 16MiB") != std::string::npos);
    CHECK_FALSE(problem(", max_samples: 50001").empty());
    CHECK_FALSE(problem(", headers: { 'a b': c }").empty());
    CHECK_FALSE(problem(", instance: web-02").empty());
    CHECK_FALSE(load("on", loaded) == "");
    CHECK_FALSE(load("[ { url: 'http://127.0.0.1:1/m' } ]", loaded) == "");
    CHECK_FALSE(load("[ { name: 'a b', url: 'http://127.0.0.1:1/m' } ]", loaded) == "");
    CHECK(
        load("[ { name: a, url: 'http://127.0.0.1:1/m' }, { name: a, url: 'http://127.0.0.1:2/m' } ]", loaded)
            .find("there is another target \"a\"") != std::string::npos);
    for (const char* name : {"textfile", "agent", "collector"}) {
        CHECK_FALSE(load(std::string("[ { name: ") + name + ", url: 'http://127.0.0.1:1/m' } ]", loaded) ==
                    "");
    }
}
