#include "collector/rules/own_word.h"

#include <limits>
#include <set>
#include <string>

#include "tests/unit/rules/rules_setup.h"
#include "tests/unit/temporary_folder.h"

using namespace lapwing;
using rules::OwnWordFirst;

namespace {

constexpr std::int64_t kLookbackMs = 300'000;

void write(storage::Store& store, const std::string& name, const std::string& agent,
           const std::string& instance, const std::string& job, double value, TimestampMs time = kStart) {
    const Labels labels{{"__name__", name}, {"agent", agent}, {"instance", instance}, {"job", job}};
    REQUIRE(store.append({TimeSeries{labels, {{time, value}}}}));
}

/// The agents whose series of this name the rules see.
std::set<std::string> speakers(const storage::Queryable& data, const std::string& name,
                               TimestampMs now = kStart) {
    auto matcher = storage::Matcher::create(storage::Matcher::Type::equal, "__name__", name);
    const auto found = data.select({std::move(*matcher)}, now - 3'600'000, now, 1'000'000);
    REQUIRE(found);
    std::set<std::string> out;
    for (const auto& each : *found) {
        out.emplace(each.labels->get("agent"));
    }
    return out;
}

}  // namespace

TEST_CASE("rules see no other agent's word of a server whose own host reports on it") {
    const test::TemporaryFolder folder;
    const auto store = openStore(folder.path("db"));
    const OwnWordFirst data(*store, kLookbackMs);
    write(*store, "up", "web-02", "web-01", "mysql", 1);
    write(*store, "mysql_up", "web-02", "web-01", "mysql", 1);
    write(*store, "lapwing_attempt_result", "web-02", "web-01", "firewall", 1);
    CHECK(speakers(data, "mysql_up") == std::set<std::string>{"web-02"});

    // Its probe failed before it could ask the server.
    write(*store, "up", "web-01", "web-01", "mysql", 0, kStart);
    CHECK(speakers(data, "mysql_up") == std::set<std::string>{"web-02"});
    CHECK(speakers(data, "up") == std::set<std::string>{"web-01", "web-02"});

    write(*store, "mysql_up", "web-01", "web-01", "mysql", 0, kStart + 1);
    CHECK(speakers(data, "mysql_up", kStart + 1) == std::set<std::string>{"web-01"});
    // Also a metric that its own agent does not send now.
    write(*store, "mysql_version_info", "web-02", "web-01", "mysql", 1);
    CHECK(speakers(data, "mysql_version_info", kStart + 1).empty());
    CHECK(speakers(data, "up", kStart + 1) == std::set<std::string>{"web-01"});
    CHECK(speakers(data, "lapwing_attempt_result", kStart + 1) == std::set<std::string>{"web-02"});
    CHECK(speakers(*store, "mysql_up", kStart + 1) == std::set<std::string>{"web-01", "web-02"});
    // Another job of the host, and another server.
    write(*store, "nginx_up", "web-02", "web-01", "nginx", 1);
    write(*store, "mysql_up", "web-02", "db-01", "mysql", 1);
    CHECK(speakers(data, "nginx_up", kStart + 1) == std::set<std::string>{"web-02"});
    CHECK(speakers(data, "mysql_up", kStart + 1) == std::set<std::string>{"web-01", "web-02"});
    // Without the label `agent`: the collector itself, and local ingest.
    write(*store, "mysql_up", "", "web-01", "mysql", 1);
    CHECK(speakers(data, "mysql_up", kStart + 2) == std::set<std::string>{"", "web-01", "web-02"});

    SECTION("its agent is silent") {
        CHECK(speakers(data, "up", kStart + 1 + kLookbackMs + 1) ==
              std::set<std::string>{"web-01", "web-02"});
    }
    SECTION("its agent has stopped to observe the server") {
        write(*store, "mysql_up", "web-01", "web-01", "mysql", staleNaN(), kStart + 10);
        CHECK(speakers(data, "up", kStart + 10) == std::set<std::string>{"web-01", "web-02"});
    }
}

TEST_CASE("another agent can neither end an alert about a server nor make one") {
    const test::TemporaryFolder folder;
    const auto store = openStore(folder.path("db"));
    const OwnWordFirst data(*store, kLookbackMs);
    const promql::Engine engine(data, promql::EngineOptions{});
    const auto count = [&](const std::string& query) {
        const auto result = engine.instant(query, kStart);
        REQUIRE(result);
        return std::get<promql::Vector>(result->value).size();
    };
    for (const auto& [host, up, lie] : {std::tuple("web-01", 0, 1), std::tuple("web-03", 1, 0)}) {
        write(*store, "up", host, host, "mysql", up);
        write(*store, "mysql_up", host, host, "mysql", up);
        write(*store, "up", "web-02", host, "mysql", lie);
        write(*store, "mysql_up", "web-02", host, "mysql", lie);
        write(*store, "lapwing_mysql_refused_info", "web-02", host, "mysql", 1);
    }
    CHECK(count("max by (instance) (up{job=\"mysql\"}) == 0 unless on (instance) (lapwing_mysql_refused_info "
                "or mysql_up == 1)") == 1);
    CHECK(count("min by (instance) (up{job=\"mysql\"}) == 0") == 1);
}
