#include "agent/probes/logs/logs.h"

#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <memory>

#include "agent/probes/kind.h"
#include "agent/probes/logs/access_line.h"
#include "agent/probes/logs/counts.h"
#include "agent/probes/logs/log_state.h"
#include "agent/probes/logs/sources.h"
#include "common/config/reader.h"
#include "tests/unit/catch.h"
#include "tests/unit/probes/samples.h"
#include "tests/unit/probes/server.h"
#include "tests/unit/temporary_folder.h"

using namespace lapwing;
using namespace lapwing::agent;
using namespace lapwing::agent::logs;
using lapwing::test::Samples;
using lapwing::test::TemporaryFolder;

namespace {

const std::string kTimed =
    "$remote_addr [$time_local] $server_name \"$request\" $status $bytes_sent $request_length $request_time "
    "\"$http_user_agent\" $upstream_addr $upstream_status $upstream_response_time";

AccessReader reader(const std::string& format) {
    auto out = AccessReader::ofFormat(format);
    REQUIRE(out);
    return std::move(*out);
}

std::string value(AccessReader& in, const std::string& line, Field field) {
    const auto read = in.read(line);
    return read ? std::string((*read)[field].value_or("absent")) : "unparsed";
}

/// The samples of lines of one format.
Samples counted(AccessReader in, const std::vector<std::string>& lines) {
    AccessCounts counts;
    for (const auto& line : lines) {
        if (const auto read = in.read(line)) {
            counts.add(*read);
        }
    }
    auto families = emptyFamilies();
    counts.report("a", families);
    std::vector<prometheus::MetricFamily> out;
    for (auto& [name, family] : families) {
        out.push_back(std::move(family));
    }
    return Samples(out);
}

std::string timed(const std::string& name, const std::string& request, const std::string& status,
                  const std::string& time, const std::string& upstream) {
    return "192.0.2.7 [30/Nov/2026:17:00:00 +0000] " + name + " \"" + request + "\" " + status +
           " 1000 100 " + time + " \"curl\" " + upstream;
}

struct Requests {
    TemporaryFolder dir;
    std::string path = dir.path("access.log");
    std::vector<LogSource> logs{{path, false, {}, true}};
    std::string fault;

    void append(int count, const std::string& file = "access.log") const {
        std::ofstream out(dir.path(file), std::ios::app);
        for (int i = 0; i < count; ++i) {
            out << "192.0.2.7 - - [30/Nov/2026:17:00:00 +0000] \"GET /secret?q=1 HTTP/1.1\" 200 10 \"-\" "
                   "\"curl\"\n";
        }
    }
    std::unique_ptr<LogsProbe> probe() {
        auto out = std::make_unique<LogsProbe>([this] { return LogSources{logs, {}, fault}; });
        out->keepIn(dir.path());
        return out;
    }
};

ProbeResult run(LogsProbe& probe) {
    auto result = probe.collect(Deadline(std::chrono::seconds(20)));
    REQUIRE(result);
    return std::move(*result);
}

std::optional<double> ok(const ProbeResult& result, const std::string& path) {
    return Samples(result.families)
        .value("nginx_http_response_count_total", {{"log", path}, {"method", "GET"}, {"status", "200"}});
}

}  // namespace

TEST_CASE("lines of the format combined") {
    auto combined = reader(kCombined);
    const std::string line =
        "192.0.2.7 - bob [30/Nov/2026:17:00:00 +0000] \"POST /a b?c HTTP/1.1\" 502 157 \"http://x/\" "
        "\"curl/7.88\"";
    CHECK(value(combined, line, Field::status) == "502");
    CHECK(value(combined, line, Field::body_bytes_sent) == "157");
    CHECK(value(combined, line, Field::request) == "POST /a b?c HTTP/1.1");
    CHECK(value(combined, line, Field::request_time) == "absent");
    // A user's name may look like a part of the line; Nginx escapes its quotes.
    CHECK(value(combined,
                "::1 - a [b] \\x22GET / HTTP/1.1\\x22 999 [30/Nov/2026:17:00:00 +0000] \"GET / HTTP/2.0\" "
                "200 5 \"-\" \"-\"",
                Field::status) == "200");
    CHECK(value(combined, "192.0.2.7 - - [t] \"\" 400 0 \"-\" \"-\"", Field::request).empty());
    for (const std::string& wrong :
         {std::string(), std::string("garbage"), line.substr(0, line.size() - 1), line + "x",
          "x" + line.substr(30), std::string("\0\x01\xff\xfe", 4), std::string(20000, '"')}) {
        CHECK(value(combined, wrong, Field::status) == "unparsed");
    }
}

TEST_CASE("formats in the syntax of log_format") {
    // A value without quotes may hold blanks: the fields behind it decide where it ends.
    auto agent = reader("$http_user_agent $status ${request_time}s");
    CHECK(value(agent, "Mozilla (X11; 200) 404 0.010s", Field::status) == "404");
    CHECK(value(agent, "Mozilla (X11; 200) 404 0.010s", Field::request_time) == "0.010");
    CHECK(value(agent, "Mozilla 404 soon s", Field::status) == "unparsed");
    auto dollar = reader("$ cost $status");
    CHECK(value(dollar, "$ cost 200", Field::status) == "200");
    CHECK_FALSE(AccessReader::ofFormat("$status$request_time"));
    CHECK_FALSE(AccessReader::ofFormat("$host$request_time"));
    auto glued = reader("$scheme://$host$request_uri$args $status");
    CHECK(value(glued, "https://example.org/a?b 404", Field::status) == "404");
    // Each value may end at many places: the work for a line is bounded.
    auto vague = reader("$a $b $c $d $e $f $g $h $i $j|$status");
    CHECK(value(vague, std::string(30000, ' '), Field::status) == "unparsed");
    // escape=json within a format
    auto template_json = reader("{\"request\":\"$request\",\"status\":$status,\"time\":\"$request_time\"}");
    const std::string tricky =
        "{\"request\":\"GET /\\\",\\\"status\\\":500,\\\"x\",\"status\":200,\"time\":\"0.001\"}";
    CHECK(value(template_json, tricky, Field::status) == "200");
}

TEST_CASE("lines of JSON") {
    auto in = AccessReader::ofJson({{Field::request_time, "took"}});
    const std::string line =
        R"({"time":"x","status":200,"took":0.25,"request_length":"77","server_name":"shop","upstream_addr":"","nested":{"status":1}})";
    CHECK(value(in, line, Field::status) == "200");
    CHECK(value(in, line, Field::request_time) == "0.25");
    CHECK(value(in, line, Field::request_length) == "77");
    CHECK(value(in, line, Field::server_name) == "shop");
    CHECK(value(in, R"({"status":"404","took":""})", Field::request_time) == "absent");
    for (const char* wrong : {"", "{", "[]", "{}", R"({"status":"ok"})", R"({"status":200,"took":"soon"})",
                              R"({"status":200)", R"({"took":1})", R"({"status":true})"}) {
        CHECK(value(in, wrong, Field::status) == "unparsed");
    }
}

TEST_CASE("requests are counted by method and status, and times as histograms") {
    const auto samples =
        counted(reader(kTimed), {timed("shop", "GET / HTTP/1.1", "200", "0.004", "10.0.0.1:80 200 0.003"),
                                 timed("shop", "GET /b HTTP/1.1", "200", "0.005", "10.0.0.1:80 200 0.004"),
                                 timed("shop", "BREW / HTTP/1.1", "418", "60.001", "- - -"),
                                 timed("api", "POST / HTTP/1.1", "502", "0.100",
                                       "10.0.0.1:80, 10.0.0.2:80 : unix:/a.sock 502, 504 : 200 0.1, 5.0 : -"),
                                 timed("api", "\\x16\\x03", "009", "0.000", "app 502 0.000")});
    const auto requests = [&](const char* name, const char* method, const char* status) {
        return samples.value("nginx_http_response_count_total",
                             {{"log", "a"}, {"server_name", name}, {"method", method}, {"status", status}});
    };
    CHECK(requests("shop", "GET", "200") == 2);
    CHECK(requests("shop", "other", "418") == 1);
    CHECK(requests("api", "POST", "502") == 1);
    CHECK(requests("api", "other", "other") == 1);
    CHECK(samples.count("nginx_http_response_count_total") == 4);
    const Labels shop{{"log", "a"}, {"server_name", "shop"}};
    CHECK(samples.value("nginx_http_response_size_bytes", shop) == 3000);
    CHECK(samples.value("nginx_http_request_size_bytes", shop) == 300);
    const auto bucket = [&](const char* le) {
        return samples.value("nginx_http_response_time_seconds_hist_bucket",
                             {{"log", "a"}, {"server_name", "shop"}, {"le", le}});
    };
    CHECK(bucket("0.005") == 2);
    CHECK(bucket("10") == 2);
    CHECK(bucket("+Inf") == 3);
    CHECK(samples.value("nginx_http_response_time_seconds_hist_sum", shop) == 60.01);
    CHECK(samples.value("nginx_http_response_time_seconds_hist_count", shop) == 3);
    const auto upstream = [&](const char* address, const char* what) {
        return samples.value(std::string("nginx_http_upstream_time_seconds_hist_") + what,
                             {{"log", "a"}, {"upstream", address}});
    };
    CHECK(upstream("10.0.0.1:80", "count") == 3);
    CHECK(upstream("10.0.0.1:80", "sum") == 0.107);
    CHECK(upstream("10.0.0.2:80", "sum") == 5);
    CHECK_FALSE(upstream("unix:/a.sock", "count"));
    CHECK(upstream("app", "count") == 1);
    const auto responses = [&](const char* address, const char* status) {
        return samples.value("lapwing_nginx_upstream_responses_total",
                             {{"log", "a"}, {"upstream", address}, {"status", status}});
    };
    CHECK(responses("10.0.0.1:80", "200") == 2);
    CHECK(responses("10.0.0.1:80", "502") == 1);
    CHECK(responses("10.0.0.2:80", "504") == 1);
    CHECK(responses("unix:/a.sock", "200") == 1);
}

TEST_CASE("lists of upstream servers that do not match are counted without a name") {
    const auto samples = counted(
        reader(kTimed), {timed("s", "GET / HTTP/1.1", "200", "0.1", "10.0.0.1:80 200, 200 0.1, 0.2")});
    CHECK(samples.value("nginx_http_upstream_time_seconds_hist_count", {{"log", "a"}}) == 2);
    CHECK(upstreamList("") == std::vector<std::string_view>());
    CHECK(upstreamList("a, b : c") == std::vector<std::string_view>{"a", "b", "c"});
}

// It attacks "server names and upstream servers of an access log; methods and statuses with them".
TEST_CASE("no log makes more than a bounded number of labels") {
    std::vector<std::string> lines;
    for (int i = 0; i < 2000; ++i) {
        const auto number = std::to_string(i);
        lines.push_back(timed("name" + number, "GET / HTTP/1.1", std::to_string(200 + i % 400), "0.1",
                              "10.0.0." + number + ":80 " + std::to_string(200 + i % 400) + " 0.1"));
    }
    lines.push_back(timed(std::string(5000, 'n'), "GET / HTTP/1.1", "200", "0.1", "\xff\xfe 200 0.1"));
    const auto samples = counted(reader(kTimed), lines);
    CHECK(samples.count("nginx_http_response_size_bytes") == 17);
    CHECK(samples.count("nginx_http_response_count_total") <= 256 + 5 * 17);
    CHECK(samples.count("nginx_http_upstream_time_seconds_hist_count") == 17);
    CHECK(samples.count("lapwing_nginx_upstream_responses_total") <= 17 * 17);
    double requests = 0;
    for (const auto& series : samples.series()) {
        requests +=
            series.labels.metricName() == "nginx_http_response_count_total" ? series.samples[0].value : 0;
    }
    CHECK(requests == 2001);
    const Labels other{{"log", "a"}, {"server_name", "other"}};
    CHECK(*samples.value("nginx_http_response_time_seconds_hist_count", other) == 2001 - 16);
}

TEST_CASE("no path, query, client or user agent becomes a label") {
    const auto samples =
        counted(reader(kCombined),
                {"192.0.2.7 - bob [t] \"GET /secret?token=1 HTTP/1.1\" 200 5 \"http://referrer/\" \"spy\""});
    for (const auto& series : samples.series()) {
        for (const auto& label : series.labels) {
            for (const char* word : {"secret", "token", "192.0.2.7", "bob", "referrer", "spy"}) {
                CHECK(label.value.find(word) == std::string::npos);
            }
        }
    }
    CHECK(samples.size() == 2);
}

TEST_CASE("error logs by level") {
    ErrorCounts counts;
    CHECK(counts.add("2026/11/30 17:00:00 [error] 12#12: *1 connect() failed (111: Connection refused)"));
    CHECK(counts.add("2026/11/30 17:00:00 [emerg] 12#12: bind() failed"));
    CHECK(counts.add("2026/11/30 17:00:00 [mystery] 12#12: x"));
    for (const char* wrong :
         {"", "PHP message: more", "2026/11/30 17:00:00 [error", "2026-11-30 17:00:00 [error] x"}) {
        CHECK_FALSE(counts.add(wrong));
    }
    auto families = emptyFamilies();
    counts.report("e", families);
    const Samples samples({families.at("lapwing_nginx_error_log_messages_total")});
    const auto level = [&](const char* name) {
        return samples.value("lapwing_nginx_error_log_messages_total", {{"log", "e"}, {"level", name}});
    };
    CHECK(level("error") == 1);
    CHECK(level("emerg") == 1);
    CHECK(level("other") == 1);
    CHECK(level("warn") == 0);
    CHECK(samples.size() == 9);
}

TEST_CASE("the logs that Nginx's configuration names") {
    std::map<std::string, std::string> texts{
        {"/etc/nginx/nginx.conf",
         "error_log /var/log/nginx/error.log; error_log syslog:server=x;\n"
         "http { log_format main escape=json '{\"s\":$status,' '\"t\":$request_time}';\n"
         "log_format glued '$status$request_time';\n"
         "access_log /var/log/nginx/access.log; include sites/*;\n"
         "server { access_log off; location / { access_log /srv/a.log main buffer=32k; } }\n"
         "server { error_log /srv/e.log warn; access_log /srv/$host.log main; access_log /srv/z.log main "
         "gzip;\n"
         " access_log /srv/g.log glued; access_log /srv/u.log unknown; access_log rel.log;\n"
         " access_log /dev/stdout; access_log /dev/null; access_log /srv/a.log; access_log /srv/i.log if=$x; "
         "} }\n"
         "stream { server { access_log /srv/stream.log main; } }"}};
    const NginxFiles files{[&](const std::string& path) -> Expected<std::string> {
                               const auto found = texts.find(path);
                               return found == texts.end()
                                          ? Expected<std::string>(fail(ErrorKind::denied, "denied"))
                                          : Expected<std::string>(found->second);
                           },
                           [](const std::string&) { return std::vector<std::string>(); }};
    const auto found = logsOfNginx("/etc/nginx/nginx.conf", files);
    std::vector<std::string> paths;
    for (const auto& log : found.logs) {
        paths.push_back((log.is_error ? "error " : "access ") + log.path);
    }
    CHECK(paths == std::vector<std::string>{"access /var/log/nginx/access.log", "access /srv/a.log",
                                            "access /srv/i.log", "error /var/log/nginx/error.log",
                                            "error /srv/e.log"});
    CHECK(found.logs[0].format.text == kCombined);
    CHECK(found.logs[1].format.text == "{\"s\":$status,\"t\":$request_time}");
    CHECK(found.ignored.size() == 8);
    CHECK(found.fault.empty());

    texts["/etc/nginx/nginx.conf"] = "events {} http { server { listen 80; } }";
    const auto defaults = logsOfNginx("/etc/nginx/nginx.conf", files);
    REQUIRE(defaults.logs.size() == 2);
    CHECK(defaults.logs[0].path == "/var/log/nginx/access.log");
    CHECK(defaults.logs[1].path == "/var/log/nginx/error.log");
    CHECK(logsOfNginx("/etc/other.conf", files).fault == "/etc/other.conf: denied");
    CHECK(logsOfNginx("/etc/other.conf", files).logs.empty());
}

// It attacks "Nginx's configuration that the agent reads".
TEST_CASE("a long list in Nginx's configuration hides no log") {
    std::string list;
    while (list.size() <= 2U << 20) {
        list += "deny 192.0.2.7;\n";
    }
    const NginxFiles files{[&](const std::string& path) -> Expected<std::string> {
                               return path == "/etc/nginx/list"
                                          ? list
                                          : "http { include list; access_log /srv/a.log; include other; }";
                           },
                           [](const std::string& pattern) { return std::vector<std::string>{pattern}; }};
    const auto found = logsOfNginx("/etc/nginx/nginx.conf", files);
    REQUIRE_FALSE(found.logs.empty());
    CHECK(found.logs[0].path == "/srv/a.log");
    CHECK(found.fault == "/etc/nginx/list: with it the configuration has more than 2 MiB");
}

TEST_CASE("a connection that becomes a WebSocket has no time") {
    const auto samples =
        counted(reader(kTimed), {timed("a", "GET /live HTTP/1.1", "101", "3600", "10.0.0.1:80 101 3600"),
                                 timed("a", "GET / HTTP/1.1", "200", "0.1", "10.0.0.1:80 200 0.1")});
    CHECK(samples.value("nginx_http_response_time_seconds_hist_count",
                        {{"log", "a"}, {"server_name", "a"}}) == 1);
    CHECK(samples.value("nginx_http_upstream_time_seconds_hist_sum",
                        {{"log", "a"}, {"upstream", "10.0.0.1:80"}}) == Approx(0.1));
    CHECK(samples.value("lapwing_nginx_upstream_responses_total",
                        {{"log", "a"}, {"upstream", "10.0.0.1:80"}, {"status", "101"}}) == 1);
}

TEST_CASE("a log is followed from its end, and after a restart from where it was left") {
    Requests log;
    log.append(7);
    {
        auto probe = log.probe();
        CHECK(ok(run(*probe), log.path) == std::nullopt);
        log.append(3);
        CHECK(ok(run(*probe), log.path) == 3);
    }
    log.append(2);
    {
        // The agent was killed: it goes on with the counts that it had.
        auto probe = log.probe();
        CHECK(ok(run(*probe), log.path) == 5);
        CHECK(ok(run(*probe), log.path) == 5);
    }
    {
        log.fault = "the configuration cannot be read";
        const auto logs = std::exchange(log.logs, {});
        auto probe = log.probe();
        CHECK(run(*probe).families.empty());
        log.logs = logs;
        log.fault = "";
    }
    auto probe = log.probe();
    CHECK(ok(run(*probe), log.path) == 5);
}

TEST_CASE("a run by hand shows the last lines and leaves the agent's state alone") {
    Requests log;
    log.append(3);
    LogsProbe probe([&] { return LogSources{log.logs, {}, ""}; });
    CHECK(ok(run(probe), log.path) == 3);
    CHECK_FALSE(std::filesystem::exists(log.dir.path("logs.json")));
}

TEST_CASE("a damaged state is told, and logs begin at their end") {
    Requests log;
    log.append(4);
    for (const char* damaged : {"", "{", "{\"version\":2}", "null"}) {
        log.dir.write("logs.json", damaged);
        auto probe = log.probe();
        const auto result = run(*probe);
        CHECK(ok(result, log.path) == std::nullopt);
        log.append(1);
        CHECK(ok(run(*probe), log.path) == 1);
    }
    const auto text = writeStates({});
    CHECK(readStates(text)->empty());
}

TEST_CASE("what cannot be read is told with the remedy, and nothing is invented") {
    Requests log;
    SECTION("not there") {
        auto probe = log.probe();
        auto result = run(*probe);
        REQUIRE(result.failure);
        CHECK(result.failure->kind == ErrorKind::not_found);
        const Samples samples(result.families);
        CHECK(samples.value("lapwing_log_up", {{"log", log.path}}) == 0);
        CHECK(samples.size() == 1);
        // What appears now is new.
        log.append(2);
        result = run(*probe);
        CHECK_FALSE(result.failure);
        CHECK(ok(result, log.path) == 2);
    }
    SECTION("a log of the configuration that does not exist yet is no failure") {
        log.logs[0].expected = false;
        auto probe = log.probe();
        const auto result = run(*probe);
        CHECK_FALSE(result.failure);
        CHECK(result.note.find("No such file") != std::string::npos);
        CHECK(Samples(result.families).size() == 0);
    }
    SECTION("a log of the configuration that was there is told") {
        log.logs[0].expected = false;
        log.append(1);
        auto probe = log.probe();
        run(*probe);
        std::filesystem::remove(log.path);
        CHECK(Samples(run(*probe).families).value("lapwing_log_up", {{"log", log.path}}) == 0);
    }
    SECTION("one of several logs of the configuration is a note, all are a failure") {
        log.logs[0].expected = false;
        log.logs.push_back({log.dir.path("other.log"), false, {}, false});
        log.append(1, "target");
        std::filesystem::create_symlink(log.dir.path("target"), log.path);
        std::filesystem::create_directory(log.dir.path("other.log"));
        auto probe = log.probe();
        CHECK(run(*probe).failure->message.find("symbolic link") != std::string::npos);
        std::filesystem::remove(log.dir.path("other.log"));
        log.append(1, "other.log");
        const auto result = run(*probe);
        CHECK_FALSE(result.failure);
        CHECK(result.note.find("symbolic link") != std::string::npos);
        CHECK(Samples(result.families).value("lapwing_log_up", {{"log", log.path}}) == 0);
    }
    SECTION("no regular file") {
        const auto wrong = [&](const std::string& words) {
            auto probe = log.probe();
            const auto result = run(*probe);
            REQUIRE(result.failure);
            CHECK(result.failure->message.find(words) != std::string::npos);
            CHECK(Samples(result.families).size() == 1);
            std::filesystem::remove(log.path);
        };
        std::filesystem::create_directory(log.path);
        wrong("is no regular file but a directory");
        REQUIRE(mkfifo(log.path.c_str(), 0600) == 0);
        wrong("is no regular file but a FIFO");
        log.append(1, "target");
        std::filesystem::create_symlink(log.dir.path("target"), log.path);
        wrong("is no regular file but a symbolic link");
    }
    CHECK(adviceFor("/var/log/nginx/a.log", "adm", 0640) ==
          "The group adm may read it: sudo systemctl edit lapwing-agent, [Service] SupplementaryGroups=adm, "
          "then "
          "restart the agent");
    CHECK(
        adviceFor("/var/log/nginx/a.log", "root", 0640).find("setfacl -m u:lapwing:r /var/log/nginx/a.log") !=
        std::string::npos);
    CHECK(adviceFor("/var/log/nginx/a.log", "adm", 0600).find("setfacl") != std::string::npos);
    CHECK(adviceFor("/var/log/nginx/a.log", "", 0).find("u:lapwing:x /var/log/nginx/") != std::string::npos);
}

// It attacks "logs that the agent follows".
TEST_CASE("lines that do not parse are counted, and at most 32 logs are followed") {
    Requests log;
    log.append(1);
    for (int i = 0; i < 40; ++i) {
        log.logs.push_back({log.dir.path("other" + std::to_string(i)), true, {}, true});
    }
    auto probe = log.probe();
    auto result = run(*probe);
    CHECK(Samples(result.families).count("lapwing_log_up") == 32);
    CHECK(result.note.find("more than 32 logs") != std::string::npos);
    std::ofstream(log.path, std::ios::app) << "garbage\n"
                                           << std::string(100, '\0') << "\n"
                                           << std::string(40000, 'x') << "\nhalf";
    log.append(1);
    result = run(*probe);
    const Samples samples(result.families);
    const auto lines = [&](const char* fate) {
        return samples.value("lapwing_log_lines_total", {{"log", log.path}, {"result", fate}});
    };
    CHECK(lines("unparsed") == 2);
    CHECK(lines("too_long") == 1);
    CHECK(lines("counted") == 1);  // "half" became a part of the line's first field
}

TEST_CASE("configuration of logs") {
    const auto configure = [](const std::string& yaml, std::vector<ProbeSpec>& specs) {
        config::Reader reader;
        const auto root = reader.text(yaml, "agent.yaml");
        ProbeContext context;
        context.host = "web-01";
        logsProbe().configure(root["logs"], context, specs);
        std::vector<std::string> problems;
        for (const auto& problem : reader.problems()) {
            problems.push_back(problem.toString());
        }
        return problems;
    };
    std::vector<ProbeSpec> specs;
    CHECK(configure("logs:\n - { access: /a, format: json, keys: { status: code } }\n - { access: /b }\n"
                    " - { access: /c, format: '$status $request_time' }\n - { error: /d }\n",
                    specs)
              .empty());
    REQUIRE(specs.size() == 1);
    CHECK(specs[0].job == "logs");
    CHECK(specs[0].instance == "web-01");
    CHECK(configure("logs: off", specs).empty());
    CHECK(specs.size() == 1);
    for (const char* wrong :
         {"logs: [ {} ]", "logs: [ { access: /a, error: /b } ]", "logs: [ { access: a } ]",
          "logs: [ { access: /a }, { error: /a } ]", "logs: [ { access: /a, format: commbined } ]",
          "logs: [ { access: /a, format: '$status$request' } ]",
          "logs: [ { access: /a, keys: { status: x } } ]",
          "logs: [ { access: /a, format: json, keys: { cookie: x } } ]",
          "logs: [ { error: /a, format: json } ]", "logs: [ { access: /a, path: /b } ]", "logs: maybe"}) {
        INFO(wrong);
        std::vector<ProbeSpec> ignored;
        CHECK(configure(wrong, ignored).size() == 1);
    }
}
