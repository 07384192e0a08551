#include "agent/probes/textfile/textfile.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>

#include "agent/probes/kind.h"
#include "agent/probes/textfile/exposition.h"
#include "common/config/reader.h"
#include "common/http/client.h"
#include "tests/unit/catch.h"
#include "tests/unit/probes/samples.h"
#include "tests/unit/probes/server.h"
#include "tests/unit/temporary_folder.h"

using namespace lapwing;
using namespace lapwing::agent;
using namespace lapwing::agent::textfile;
using lapwing::test::eventually;
using lapwing::test::Samples;
using lapwing::test::TemporaryFolder;

namespace {

constexpr const char* kExporter = "/usr/bin/prometheus-node-exporter";

struct Run {
    ProbeResult result;
    Samples samples;
};

Run run(const std::string& directory, Limits limits = {}) {
    auto result = TextfileProbe(directory, limits).collect(Deadline(std::chrono::seconds(20)));
    REQUIRE(result);
    Samples samples(result->families);
    return {std::move(*result), std::move(samples)};
}

/// "name{labels} value" of each sample, sorted, without those of the exporter itself.
std::set<std::string> texts(const Samples& samples) {
    std::set<std::string> out;
    for (const auto& series : samples.series()) {
        const std::string name(series.labels.metricName());
        const bool own = name.starts_with("go_") || name.starts_with("process_") ||
                         name.starts_with("promhttp_") || name.starts_with("node_exporter_") ||
                         name.starts_with("node_scrape_");
        if (!own) {
            out.insert(series.labels.toString() + " " + std::to_string(series.samples[0].value));
        }
    }
    return out;
}

std::string problemOf(const std::string& text) {
    const auto parsed = parseExposition(text);
    return parsed ? "" : parsed.error().message;
}

const std::vector<std::string> kGood{
    "",
    "\n \n#\n# a comment\n#HELP\n# HELP\n# TYPE x\n",
    ("# HELP a_total An \\\\ a\\nb.\n# TYPE a_total counter\na_total{x=\"1\",} 3\na_total 4\n"
     "  a_total{ y = \"2\" }\t5\n"),
    ("b 5\nb{x=\"\"} 6\nnan NaN\nminus -Inf\nplus +Inf\nexp 1.5e3\ndot .5\ntail 5.\nsigned +2\n"
     "small 1e-400\nhex{v=\"0x\"} 0\n"),
    "esc{x=\"a\\\"b\\\\c\\nd,}= \"} 1\nutf{x=\"\xc3\xa4\"} 2\ncrlf{x=\"a\rb\"} 3\n",
    ("# TYPE h histogram\nh_bucket{le=\"1\",x=\"y\"} 1\nh_bucket{le=\"+Inf\",x=\"y\"} 2\n"
     "h_sum{x=\"y\"} 3.5\nh_count{x=\"y\"} 2\nh_bucket{le=\"10\"} 4\nh_sum 1\nh_count 7\n"),
    "# TYPE s summary\ns{quantile=\"0.5\"} 1\ns{quantile=\"0.99\"} NaN\ns_sum 2\ns_count 3\n",
    "# TYPE g GAUGE\n# HELP g late\ng 1\n# TYPE u untyped\nu 2\nh_bucket{le=\"1\"} 3\nh_count 4\n",
};

const std::vector<std::string> kBad{
    "a 1",
    "a 1 \n",
    "a 1 1700000000000\n",
    "a 1 2 3\n",
    "a\n",
    "a x\n",
    "1a 2\n",
    "a 0x1p3\n",
    "a 0x10\n",
    "a 1_0\n",
    "a 1e999\n",
    "a +nan\n",
    "a{x=1} 2\n",
    "a{x=\"1\" 2\n",
    "a{x=\"1\n\"} 2\n",
    "a{x=\"\\q\"} 2\n",
    "a{x=\"\xff\"} 2\n",
    "a{x=\"1\",x=\"2\"} 2\n",
    "a{__name__=\"b\"} 2\n",
    "a{1x=\"1\"} 2\n",
    "a{x=\"1\"y=\"2\"} 2\n",
    "a{x=\"1\"} 2\r\n",
    "# TYPE a counter\n# TYPE a counter\na 1\n",
    "a 1\n# TYPE a counter\n",
    "# HELP a x\n# HELP a y\na 1\n",
    "# TYPE a thing\na 1\n",
    "# TYPE 1a counter\n",
    "# HELP a b\\q\na 1\n",
    "# TYPE h histogram\nh_bucket{le=\"x\"} 1\n",
    "a 1\nb 2\n\"c\" 3\n",
};

}  // namespace

TEST_CASE("the text format") {
    const auto families = parseExposition(kGood[2] + kGood[5] + kGood[6]);
    REQUIRE(families);
    REQUIRE(families->size() == 3);
    CHECK(families->front().help == "An \\ a\nb.");
    const Samples samples(*families);
    CHECK(samples.value("a_total", {{"x", "1"}}) == 3);
    CHECK(samples.value("a_total", {{"y", "2"}}) == 5);
    CHECK(samples.value("h_bucket", {{"x", "y"}, {"le", "1"}}) == 1);
    CHECK(samples.value("h_bucket", {{"le", "+Inf"}}) == 7);
    CHECK(samples.value("h_sum", {{"x", "y"}}) == 3.5);
    CHECK(samples.value("s", {{"quantile", "0.5"}}) == 1);
    CHECK(samples.value("s_count") == 3);
    for (const auto& good : kGood) {
        INFO(good);
        CHECK(problemOf(good).empty());
    }
    for (const auto& bad : kBad) {
        INFO(bad);
        CHECK_FALSE(problemOf(bad).empty());
    }
    CHECK(problemOf("a 1\nb x\n") == "line 2: expected a number, got \"x\"");
    CHECK(problemOf("# TYPE h histogram\nh_count -1\n") == "line 2: a count must be a number from 0 on");
}

TEST_CASE("the same directory as node_exporter's textfile collector") {
    if (!std::filesystem::exists(kExporter)) {
        test::skip("there is no prometheus-node-exporter");
    }
    TemporaryFolder dir;
    const auto port = test::freePort();
    const std::string address = "127.0.0.1:" + std::to_string(port);
    const test::Process exporter(
        {kExporter, "--collector.disable-defaults", "--collector.textfile",
         "--collector.textfile.directory=" + dir.path(), "--web.listen-address=" + address},
        dir.path("log"));
    const auto theirs = [&] {
        std::string text;
        REQUIRE(eventually([&] {
            const auto answer = http::fetch("http://" + address + "/metrics", {}, std::chrono::seconds(5));
            text = answer && answer->status == 200 ? answer->body : "";
            return !text.empty();
        }));
        const auto families = parseExposition(text);
        REQUIRE(families);
        return texts(Samples(*families));
    };
    const auto agree = [&] {
        auto ours = texts(run(dir.path()).samples);
        CHECK(ours == theirs());
        return ours;
    };
    CHECK(agree().contains("node_textfile_scrape_error 0.000000"));
    // Each by itself, then all together.
    for (const auto* group : {&kGood, &kBad}) {
        for (const auto& text : *group) {
            INFO(text);
            dir.write("one.prom", text);
            CHECK(agree().contains("node_textfile_scrape_error " + std::string(group == &kGood ? "0" : "1") +
                                   ".000000"));
        }
    }
    std::filesystem::remove(dir.path("one.prom"));
    dir.write("good.prom", kGood[2] + kGood[5]);
    dir.write("bad.prom", "a 1\nbroken\n");
    dir.write(".hidden.prom", "hidden 1\n");
    dir.write("other.txt", "other 1\n");
    dir.write("more.prom",
              "# HELP a_total An \\\\ a\\nb.\n# TYPE a_total counter\na_total{file=\"more\"} 1\n");
    std::filesystem::create_symlink(dir.path("other.txt"), dir.path("link.prom"));
    const auto all = agree();
    CHECK(all.contains("hidden 1.000000"));
    CHECK(all.contains("a_total{file=\"more\"} 1.000000"));
    CHECK(all.contains("node_textfile_scrape_error 1.000000"));
    std::filesystem::remove_all(dir.path());
    agree();
}

TEST_CASE("what a file must not say") {
    TemporaryFolder dir;
    dir.write("own.prom", "lapwing_listener_info{port=\"1\"} 1\n");
    dir.write("up.prom", "up{job=\"mysql\"} 1\n");
    dir.write("rule.prom", "a:b:c 1\n");
    dir.write("boot.prom", "node_boot_time_seconds 1\n");
    dir.write("self.prom", "node_textfile_scrape_error 0\n");
    dir.write("type.prom", "# TYPE zz gauge\nzz 1\n");
    dir.write("zz.prom", "# TYPE zz counter\nzz{x=\"1\"} 1\n");
    dir.write("good.prom", "good{job=\"a\",instance=\"b\",agent=\"c\",exported_job=\"d\"} 1\n");
    const auto [result, samples] = run(dir.path());
    CHECK(samples.value("good", {{"exported_exported_job", "a"},
                                 {"exported_job", "d"},
                                 {"exported_instance", "b"},
                                 {"exported_agent", "c"}}) == 1);
    CHECK(samples.count("good") == 1);
    CHECK(samples.value("zz") == 1);
    CHECK(samples.size() == 2 + 2 + 1);
    CHECK(samples.value("node_textfile_scrape_error") == 1);
    CHECK(result.note.find("own.prom: lapwing_listener_info is a name that only Lapwing itself reports") !=
          std::string::npos);
    CHECK(result.note.find("zz.prom: zz has another type in another file") != std::string::npos);
}

TEST_CASE("a series that stands in two files counts once, and is told") {
    TemporaryFolder dir;
    dir.write("a.prom", "x{a=\"1\",b=\"\"} 1\n");
    dir.write("b.prom", "x{a=\"1\"} 2\ny 1\n");
    const auto [result, samples] = run(dir.path());
    CHECK(samples.value("x", {{"a", "1"}}) == 1);
    CHECK(samples.value("y") == 1);
    CHECK(result.note == "x has a series twice: the first one counts");
}

// It attacks "`*.prom` files that the agent reads; a file; series of all of them; a label's name or value".
TEST_CASE("files, bytes and series are bounded, and the others are still read") {
    TemporaryFolder dir;
    dir.write("a.prom", "a 1\n");
    dir.write("long.prom", "# " + std::string(2000, 'x') + "\nlong 1\n");
    std::string many;
    for (int i = 0; i < 60; ++i) {
        many += "m{i=\"" + std::to_string(i) + "\"} 1\n";
    }
    dir.write("many.prom", many);
    dir.write("label.prom", "l{x=\"" + std::string(4097, 'y') + "\"} 1\n");
    dir.write("z.prom", "z 1\n");
    std::filesystem::create_directory(dir.path("folder.prom"));
    REQUIRE(mkfifo(dir.path("fifo.prom").c_str(), 0600) == 0);
    Limits limits;
    limits.series = 50;
    limits.file_bytes = 1500;
    auto [result, samples] = run(dir.path(), limits);
    CHECK(samples.value("a") == 1);
    CHECK(samples.value("z") == 1);
    CHECK(samples.size() == 2 + 2 + 1);
    for (const char* words :
         {"long.prom: it is larger than 1500 bytes", "many.prom: with it the files have more than 50",
          "fifo.prom: it is no regular file", "folder.prom: it is no regular file"}) {
        CHECK(result.note.find(words) != std::string::npos);
    }
    limits = {};
    limits.files = 1;
    CHECK(run(dir.path(), limits).samples.count("node_textfile_mtime_seconds") == 1);
    CHECK(run(dir.path()).result.note.find("label.prom: l has a label of more than 4096 bytes") !=
          std::string::npos);
    // Short lines take much memory: the file is refused before it takes too much.
    std::string bomb;
    for (int i = 0; i < 170'000; ++i) {
        bomb += "a 1\n";
    }
    dir.write("bomb.prom", bomb);
    const auto bombed = run(dir.path());
    CHECK(bombed.result.note.find("bomb.prom: it: it needs more than") != std::string::npos);
    CHECK(bombed.samples.value("a") == 1);
}

TEST_CASE("configuration of textfile") {
    const auto configure = [](const std::string& yaml, std::vector<ProbeSpec>& specs) {
        config::Reader reader;
        const auto root = reader.text(yaml, "agent.yaml");
        ProbeContext context;
        context.host = "web-01";
        textfileProbe().configure(root["textfile"], context, specs);
        return reader.problems().size();
    };
    std::vector<ProbeSpec> specs;
    CHECK(configure("textfile: { directory: /srv/metrics }", specs) == 0);
    REQUIRE(specs.size() == 1);
    CHECK(specs[0].job == "textfile");
    CHECK(specs[0].instance == "web-01");
    CHECK(configure("textfile: off", specs) == 0);
    CHECK(specs.size() == 1);
    CHECK(configure("textfile: { directory: relative }", specs) == 1);
    CHECK(configure("textfile: { folder: /a }", specs) == 1);
}
