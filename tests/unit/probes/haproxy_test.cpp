#include <filesystem>
#include <map>
#include <set>
#include <sstream>

#include "agent/probes/haproxy/parse.h"
#include "agent/probes/haproxy/workers.h"
#include "agent/probes/text.h"
#include "tests/unit/catch.h"
#include "tests/unit/fixtures.h"
#include "tests/unit/probes/samples.h"
#include "tests/unit/probes/server.h"
#include "tests/unit/temporary_folder.h"

using namespace lapwing;
using namespace lapwing::agent::haproxy;
using lapwing::test::fixture;
using lapwing::test::Samples;

namespace {

Samples stats(const std::string& name, const Addresses& known = {}) {
    auto parsed = parseStats(fixture("haproxy/" + name), known);
    REQUIRE(parsed);
    return Samples(*parsed);
}

/// `name{a="b",c="d"} 1` of a text exposition, as a map from Labels::toString() to the value.
std::map<std::string, std::string> exposition(const std::string& text) {
    std::map<std::string, std::string> out;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        if (line.empty() || line[0] == '#') {
            continue;
        }
        const auto value = line.rfind(' ');
        auto series = line.substr(0, value);
        std::vector<Label> labels;
        const auto brace = series.find('{');
        labels.push_back({"__name__", series.substr(0, brace)});
        for (std::size_t at = brace; at != std::string::npos && series[at] != '}';) {
            const auto equals = series.find('=', at);
            const auto end = series.find('"', equals + 2);
            labels.push_back(
                {series.substr(at + 1, equals - at - 1), series.substr(equals + 2, end - equals - 2)});
            at = end + 1;
        }
        out[Labels(labels).toString()] = line.substr(value + 1);
    }
    return out;
}

Labels server(const char* proxy, const char* name) {
    return {{"proxy", proxy}, {"server", name}};
}

std::string stateOf(const Samples& samples, const char* proxy, const char* name) {
    std::string out;
    for (const char* state : {"UP", "DOWN", "MAINT", "DRAIN", "NOLB"}) {
        auto labels = server(proxy, name);
        labels.set("state", state);
        const auto value = samples.value("haproxy_server_status", labels);
        REQUIRE(value);
        if (*value == 1) {
            out += state;
        }
    }
    return out;
}

}  // namespace

TEST_CASE("show stat: the same series and values as HAProxy's own exporter") {
    const auto native = exposition(fixture("haproxy/2.6/native-exporter.txt"));
    const auto ours = stats("2.6/stat-operator.csv");
    REQUIRE(ours.size() > 700);
    std::size_t compared = 0;
    for (const auto& series : ours.series()) {
        const auto name = series.labels.metricName();
        // The others are of later versions.
        const bool later = name.ends_with("_current_session_rate") || name == "haproxy_server_active" ||
                           name == "haproxy_server_backup" || name == "haproxy_server_http_requests_total";
        if (name.starts_with("lapwing_") || later) {
            continue;
        }
        const auto key = series.labels.toString();
        INFO(key);
        const auto found = native.find(key);
        if (found == native.end()) {
            // The exporter has no HTTP metrics for a proxy in TCP mode, the CSV has zeros.
            CHECK(series.labels.get("proxy") == "database");
            CHECK(name.find("_http_") != std::string::npos);
            continue;
        }
        // The frontends that served the captures themselves changed between the two.
        const auto proxy = series.labels.get("proxy");
        // The exporter counts the last result of a server whose checks are paused, too.
        if (proxy == "stats" || proxy == "legends" || name == "haproxy_backend_agg_check_status") {
            continue;
        }
        CHECK(agent::toNumber(found->second) == series.samples[0].value);
        ++compared;
    }
    CHECK(compared > 600);
}

TEST_CASE("show stat: no series of the native exporter is missing") {
    const auto native = exposition(fixture("haproxy/2.6/native-exporter.txt"));
    const auto ours = stats("2.6/stat-operator.csv");
    std::set<std::string> known;
    for (const auto& series : ours.series()) {
        known.insert(series.labels.toString());
    }
    std::set<std::string> missing;
    for (const auto& [key, value] : native) {
        const auto name = key.substr(0, key.find('{'));
        // NaN and -1 are the exporter's "unknown"; only results that a server has are counted.
        const bool no_result = name == "haproxy_backend_agg_check_status" && value == "0";
        if (name.starts_with("haproxy_process_") || no_result ||
            name == "haproxy_backend_agg_server_check_status") {
            continue;
        }
        if (value == "NaN" || value == "-1" || known.count(key) != 0) {
            continue;
        }
        missing.insert(name);
    }
    CHECK(ours.value("haproxy_backend_agg_check_status", {{"proxy", "static"}, {"state", "L7OKC"}}) == 1);
    // Without a check result, the native exporter gives 0.
    CHECK(missing ==
          std::set<std::string>{"haproxy_server_check_code", "haproxy_server_check_duration_seconds"});
}

TEST_CASE("show resolvers: the counters of each nameserver") {
    Families families;
    parseResolvers(
        "Uptime_sec: 3\n\nResolvers section a\n nameserver 10.0.0.1:\n  sent:        7\n  nx: x\n"
        " nameserver [::1]:\n  snd_error: 2\n  unheard: 1\nResolvers section b\n  sent: 9\n",
        families);
    const Samples samples(families);
    CHECK(samples.size() == 2);
    CHECK(samples.value("haproxy_resolver_sent", {{"resolver", "a"}, {"nameserver", "10.0.0.1"}}) == 7);
    CHECK(samples.value("haproxy_resolver_send_error", {{"resolver", "a"}, {"nameserver", "[::1]"}}) == 2);
}

TEST_CASE("old workers are the master's other children") {
    const test::TemporaryFolder proc;
    const auto process = [&](int pid, const std::string& name, int parent, const std::string& children) {
        const auto id = std::to_string(pid);
        std::filesystem::create_directories(proc.path(id + "/task/" + id));
        proc.write(id + "/stat", id + " (" + name + ") S " + std::to_string(parent) + " 1 1 0\n");
        proc.write(id + "/task/" + id + "/children", children);
    };
    process(1, "systemd", 0, "10 30 ");
    process(10, "haproxy", 1, "11 12 13 14 ");
    process(11, "haproxy", 10, "");
    process(12, "haproxy", 10, "");
    process(13, "program", 10, "");
    process(30, "haproxy", 1, "");
    CHECK(pidOf("Name: HAProxy\nPid: 12\n") == 12);
    CHECK_FALSE(pidOf("Name: HAProxy\n"));
    CHECK(oldWorkers(proc.path(), 12) == 1);   // 13 is a program of the master, 14 has ended
    CHECK_FALSE(oldWorkers(proc.path(), 30));  // no master
    CHECK_FALSE(oldWorkers(proc.path(), 13));
    CHECK_FALSE(oldWorkers(proc.path(), 99));
    process(12, "haproxy", 30, "");  // of another PID namespace
    CHECK_FALSE(oldWorkers(proc.path(), 12));
}

TEST_CASE("show info: the same series and values as HAProxy's own exporter") {
    const auto native = exposition(fixture("haproxy/2.6/native-exporter.txt"));
    Families families;
    parseInfo(fixture("haproxy/2.6/info.txt"), families);
    const Samples ours(families);
    std::set<std::string> known;
    for (const auto& series : ours.series()) {
        known.insert(series.labels.toString());
    }
    for (const auto& [key, value] : native) {
        if (key.substr(0, 16) != "haproxy_process_" || key.substr(0, 26) == "haproxy_process_build_info") {
            continue;
        }
        INFO(key);
        // Without compression there is no zlib line, and the exporter gives 0.
        if (known.count(key) == 0) {
            CHECK(key.find("zlib_memory") != std::string::npos);
        }
    }
    CHECK(ours.value("haproxy_process_max_connections") == 500);
    CHECK(ours.value("haproxy_process_idle_time_percent").has_value());
    CHECK(ours.value("haproxy_process_spliced_bytes_out_total") == 0);
    CHECK(ours.label("haproxy_process_build_info", "version") == "2.6.12-1+deb12u4");
}

TEST_CASE("show stat: every state that a server can be in") {
    const auto samples = stats("2.6/stat-operator.csv");
    CHECK(stateOf(samples, "web", "web-01") == "UP");
    CHECK(stateOf(samples, "web", "web-02") == "DOWN");
    CHECK(stateOf(samples, "web", "web-03") == "DOWN");  // DOWN 1/2: its last check was good
    CHECK(stateOf(samples, "web", "spare") == "UP");     // no check
    CHECK(stateOf(samples, "static", "nolb") == "NOLB");
    CHECK(stateOf(samples, "static", "drained") == "DRAIN");
    CHECK(stateOf(samples, "static", "maint") == "MAINT");
    CHECK(stateOf(samples, "database", "db-maint") == "MAINT");               // MAINT (via named/parked)
    CHECK(stateOf(samples, "named", "unresolved") == "MAINT");                // MAINT (resolution)
    CHECK(stateOf(stats("2.6/stat-starting.csv"), "web", "web-02") == "UP");  // UP 1/3

    auto check = server("web", "web-03");
    check.set("state", "L7OK");
    CHECK(samples.value("haproxy_server_check_status", check) == 1);
    CHECK(samples.value("haproxy_server_check_code", server("web", "web-03")) == 200);
    CHECK(samples.value("haproxy_server_check_duration_seconds", server("web", "web-03")) == 0.001);
    CHECK(samples.value("haproxy_server_weight", server("web", "spare")) == 50);
    CHECK_FALSE(samples.value("haproxy_server_check_code", server("web", "spare")));
    CHECK_FALSE(samples.value("haproxy_server_last_session_seconds", server("static", "maint")));  // never
}

TEST_CASE("show stat: frontends, backends and servers are told apart") {
    const auto samples = stats("2.6/stat-operator.csv");
    CHECK(samples.count("haproxy_frontend_current_sessions") == 3);  // site, stats, legends
    CHECK(samples.count("haproxy_backend_current_sessions") == 6);
    CHECK(samples.count("haproxy_server_current_sessions") == 14);
    CHECK(samples.value("haproxy_frontend_http_responses_total", {{"proxy", "site"}, {"code", "4xx"}}) == 6);
    CHECK(samples.value("haproxy_frontend_status", {{"proxy", "site"}, {"state", "UP"}}) == 1);
    CHECK(samples.value("haproxy_backend_active_servers", {{"proxy", "web"}}) == 1);
    CHECK(samples.value("haproxy_backend_status", {{"proxy", "web"}, {"state", "DOWN"}}) == 0);
    CHECK(samples.value("haproxy_server_http_responses_total",
                        {{"proxy", "web"}, {"server", "web-01"}, {"code", "2xx"}}) == 6);
    CHECK(samples.count("haproxy_backend_check_last_change_seconds") == 6);
}

TEST_CASE("show stat: a server's role and its kind of check") {
    const auto samples = stats("2.6/stat-operator.csv");
    const auto info = [&](const char* proxy, const char* name, const char* address, const char* role,
                          const char* check) {
        return samples.value(
            "lapwing_haproxy_server_info",
            {{"proxy", proxy}, {"server", name}, {"address", address}, {"role", role}, {"check", check}});
    };
    CHECK(info("web", "web-01", "127.0.0.1:28481", "active", "L7") == 1);
    CHECK(info("web", "spare", "[::1]:28481", "backup", "none") == 1);
    CHECK(info("database", "db-01", "127.0.0.1:28489", "active", "") == 1);  // L4CON: it does not connect
    CHECK(info("database", "db-via", "127.0.0.1:28481", "active", "tracked") == 1);
    CHECK(info("static", "maint", "127.0.0.1:28481", "active", "") == 1);  // no checks in maintenance
    CHECK(info("named", "unresolved", "", "active", "") == 1);
    CHECK(samples.value("lapwing_haproxy_backend_info",
                        {{"proxy", "static"}, {"mode", "http"}, {"algorithm", "leastconn"}}) == 1);
}

TEST_CASE("addresses that the level user hides come from show servers state") {
    auto hidden = parseStats(fixture("haproxy/2.6/stat-user.csv"));
    REQUIRE(hidden);
    CHECK_FALSE(Stats::parse(fixture("haproxy/2.6/stat-user.csv"))->addressesKnown());
    CHECK(Samples(*hidden).value("lapwing_haproxy_backend_info", {{"proxy", "web"}, {"mode", "http"}}) == 1);

    const auto known = parseServersState(fixture("haproxy/2.6/servers-state.txt"));
    CHECK(known.at({"web", "web-01"}) == "127.0.0.1:28481");
    CHECK(known.at({"web", "spare"}) == "[::1]:28481");
    CHECK(known.count({"named", "unresolved"}) == 0);
    const auto samples = stats("2.6/stat-user.csv", known);
    CHECK(samples.value("lapwing_haproxy_server_info", {{"proxy", "web"},
                                                        {"server", "web-01"},
                                                        {"address", "127.0.0.1:28481"},
                                                        {"role", "active"},
                                                        {"check", "L7"}}) == 1);
}

TEST_CASE("the statistics page: with and without legends") {
    const auto plain = stats("2.6/page.csv");
    CHECK(stateOf(plain, "web", "web-03") == "DOWN");
    CHECK(plain.value("lapwing_haproxy_backend_info", {{"proxy", "web"}, {"mode", "http"}}) == 1);
    const auto legends = stats("2.6/page-legends.csv");
    CHECK(legends.value("lapwing_haproxy_backend_info",
                        {{"proxy", "web"}, {"mode", "http"}, {"algorithm", "roundrobin"}}) == 1);
}

TEST_CASE("several answers on one connection") {
    const auto text = fixture("haproxy/2.6/info.txt") + "\n" + fixture("haproxy/2.6/stat-user.csv") +
                      fixture("haproxy/2.6/servers-state.txt");
    const auto answers = splitAnswers(text);
    CHECK(answers.info.substr(0, 5) == "Name:");
    CHECK(parseServersState(answers.state).size() == 13);
    auto parsed = parseStats(std::string(answers.stats), parseServersState(answers.state));
    REQUIRE(parsed);
    CHECK(Samples(*parsed).count("haproxy_server_weight") == 14);
    CHECK(splitAnswers("Unknown command.\n").stats.empty());
}

TEST_CASE("columns are found by name, in whatever order and number") {
    const auto parsed = parseStats(
        "# pxname,type,-,svname,status,check_status,new_column,last_chk,\n"
        "web,2,-,a,UP 2/3,* L4OK,7,\"said \"\"no\"\", twice\nthen yes\",\n"
        "web,2,-,a,DOWN,L4CON,7,,\n"
        "web,3,-,sock-1,OPEN,,7,,\n"
        "web,1,-,BACKEND,UP,,7,,\n"
        "web,2,-,b,BROODING,,7,,\n\nrest");
    REQUIRE(parsed);
    const Samples samples(*parsed);
    CHECK(stateOf(samples, "web", "a") == "UP");  // the second line of the same server does not count
    CHECK(samples.value("haproxy_server_check_status",
                        {{"proxy", "web"}, {"server", "a"}, {"state", "L4OK"}}) == 1);
    CHECK(samples.value("haproxy_backend_status", {{"proxy", "web"}, {"state", "UP"}}) == 1);
    CHECK(samples.count("haproxy_server_status") == 5);  // an unknown state is left out
    CHECK(samples.count("lapwing_haproxy_server_info") == 2);
}

TEST_CASE("a failed check does not show how far the check goes") {
    const auto kind_of = [](const std::string& status, const std::string& result) {
        const auto parsed =
            parseStats("# pxname,svname,type,status,check_status,\nweb,a,2," + status + "," + result + ",\n");
        REQUIRE(parsed);
        return Samples(*parsed).label("lapwing_haproxy_server_info", "check");
    };
    CHECK(kind_of("UP", "L4OK") == "L4");
    CHECK(kind_of("UP", "* L6OK") == "L6");
    CHECK(kind_of("UP", "L7OK") == "L7");
    CHECK(kind_of("DOWN", "L7STS") == "L7");
    CHECK(kind_of("DOWN", "L7TOUT") == "L7");
    CHECK(kind_of("UP", "PROCOK") == "external");
    CHECK(kind_of("no check", "") == "none");
    for (const auto* failed :
         {"L4CON", "L4TOUT", "* L4CON", "L6RSP", "L6TOUT", "SOCKERR", "INI", "UNK", ""}) {
        INFO(failed);
        CHECK(kind_of("DOWN", failed).empty());
    }
}

TEST_CASE("text that is not HAProxy's CSV is an error, not an empty site") {
    for (const auto& text :
         {std::string(), std::string("Permission denied\n"), fixture("haproxy/2.6/page-start.html"),
          std::string("# pxname,svname,\n"), std::string("# pxname,\"svname")}) {
        INFO(text);
        const auto parsed = parseStats(text);
        REQUIRE_FALSE(parsed);
        CHECK(parsed.error().kind == ErrorKind::protocol);
    }
    const auto whole = fixture("haproxy/2.6/stat-operator.csv");
    const auto cut = parseStats(whole.substr(0, whole.size() / 2));
    REQUIRE_FALSE(cut);
    CHECK(cut.error().message == "HAProxy's statistics end in the middle of a line");
}

TEST_CASE("a page with endless rows is cut off") {
    std::string text = "# pxname,svname,type,\n";
    for (int i = 0; i < 20'001; ++i) {
        text += "p,s" + std::to_string(i) + ",2,\n";
    }
    const auto parsed = parseStats(text);
    REQUIRE_FALSE(parsed);
    CHECK(parsed.error().kind == ErrorKind::exhausted);
}

TEST_CASE("a setting accepts more rows") {
    std::string text = "# pxname,svname,type,\n";
    for (int i = 0; i < 2000; ++i) {
        text += "p,s" + std::to_string(i) + ",2,\n";
    }
    CHECK(Stats::parse(text).error().message == "HAProxy's statistics have more than 500 rows (max_rows)");
    CHECK(Stats::parse(text, {}, 2000));
}
