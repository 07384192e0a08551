#include "collector/notify/heartbeat.h"

#include <chrono>
#include <thread>

#include "collector/rules/manager.h"
#include "common/config/reader.h"
#include "tests/unit/common/script_server.h"
#include "tests/unit/rules/support.h"
#include "tests/unit/temporary_folder.h"

using namespace lapwing;
using namespace std::chrono_literals;
using test::Peer;
using test::ScriptServer;

namespace {

/// Counts requests; does not answer while `hangs`.
class Counter {
  public:
    std::string url() const { return server_.url(); }
    std::size_t count() const { return count_; }
    std::atomic<bool> hangs{false};

  private:
    void answer(Peer& peer) {
        const auto request = peer.readRequest();
        if (request.empty()) {
            return;
        }
        ++count_;
        if (hangs) {
            return peer.hang();
        }
        peer.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    }

    std::atomic<std::size_t> count_{0};
    ScriptServer server_{[this](Peer& peer) { answer(peer); }};
};

/// Store, rules, dispatcher and the service that expects heartbeats.
struct Setup {
    explicit Setup(TimestampMs (*clock)() = nowMs) {
        storage::StoreOptions store_options;
        store_options.path = folder.path("db");
        store_options.clock = clock;
        auto opened = storage::Store::open(store_options);
        REQUIRE(opened);
        store = std::move(*opened);
        config.heartbeat.emplace().url = expecting.url();
        config.heartbeat->interval_ms = 100;
        config.group_wait_ms = config.group_interval_ms = 0;
        config.instance = "monitor";
        config.webhook.emplace_back().url = webhook.url();
        notify::DispatcherOptions options;
        options.gather_ms = 1;
        options.first_retry_ms = 10;
        options.most_retry_ms = 50;
        dispatcher = std::make_unique<notify::Dispatcher>(config, *store, options);
        engine = std::make_unique<promql::Engine>(*store, promql::EngineOptions{});
        rules::ManagerOptions rule_options;
        rule_options.builtin_rules = notify::heartbeatRules(config);
        manager = std::make_unique<rules::RuleManager>(*engine, *store, dispatcher.get(), rule_options);
        REQUIRE(manager->loadFiles({}).empty());
    }
    ~Setup() {
        manager->stop();
        dispatcher->stop();
    }

    bool beats(std::size_t more) const {
        const auto wanted = dispatcher->heartbeats() + more;
        const auto until = std::chrono::steady_clock::now() + 30s;
        while (dispatcher->heartbeats() < wanted) {
            if (std::chrono::steady_clock::now() > until) {
                return false;
            }
            std::this_thread::sleep_for(5ms);
        }
        return true;
    }
    /// Whether no heartbeat leaves for many intervals.
    bool silent() const {
        // A heartbeat may be under way.
        std::this_thread::sleep_for(300ms);
        const auto before = dispatcher->heartbeats();
        std::this_thread::sleep_for(1s);
        return dispatcher->heartbeats() == before;
    }

    test::TemporaryFolder folder;
    Counter expecting;
    Counter webhook;
    notify::Config config;
    std::unique_ptr<storage::Store> store;
    std::unique_ptr<notify::Dispatcher> dispatcher;
    std::unique_ptr<promql::Engine> engine;
    std::unique_ptr<rules::RuleManager> manager;
};

}  // namespace

TEST_CASE("heartbeats leave while store, rules and notifier work, and no receiver gets their alert") {
    Setup s;
    s.dispatcher->start();
    s.manager->start();
    REQUIRE(s.beats(3));
    CHECK(s.expecting.count() >= 3);
    CHECK(s.webhook.count() == 0);
    CHECK(s.manager->groups().empty());
    const auto alerts = s.engine->instant("ALERTS", nowMs());
    REQUIRE(alerts.has_value());
    const auto vector = std::get<promql::Vector>(alerts->value);
    REQUIRE(vector.size() == 1);
    CHECK(vector[0].labels.get("alertname") == "LapwingHeartbeat");
    CHECK(vector[0].labels.get("severity") == "none");
}

TEST_CASE("no heartbeat leaves while the rules are not evaluated") {
    Setup s;
    s.dispatcher->start();
    CHECK(s.silent());
    CHECK(s.expecting.count() == 0);
    s.manager->start();
    REQUIRE(s.beats(1));
    s.manager->stop();
    CHECK(s.silent());
    s.manager->start();
    CHECK(s.beats(1));
}

TEST_CASE("no heartbeat leaves while the store takes no samples") {
    // Two hours after the newest sample, present samples are too far out of order.
    Setup s([] { return nowMs() + 7'200'000; });
    put(*s.store,
        {{"__name__", "lapwing_collector_pulse_timestamp_seconds"},
         {"job", "collector"},
         {"instance", "monitor"}},
        nowMs() + 7'200'000, 0);
    s.dispatcher->start();
    s.manager->start();
    CHECK(s.silent());
    CHECK(s.expecting.count() == 0);
}

TEST_CASE("no heartbeat leaves while all threads of a receiver hang") {
    Setup s;
    s.webhook.hangs = true;
    s.dispatcher->start();
    s.manager->start();
    REQUIRE(s.beats(1));
    constexpr std::size_t threads = 4;
    for (std::size_t i = 0; i < threads; ++i) {
        notify::Alert alert;
        alert.labels = Labels{{"alertname", "Down" + std::to_string(i)}};
        alert.starts_at = nowMs();
        alert.ends_at = nowMs() + 240'000;
        s.dispatcher->send({alert});
    }
    const auto until = std::chrono::steady_clock::now() + 30s;
    while (s.webhook.count() < threads && std::chrono::steady_clock::now() < until) {
        std::this_thread::sleep_for(5ms);
    }
    REQUIRE(s.webhook.count() == threads);
    CHECK(s.silent());
    // The attempts end at their deadline: the threads work again, and so does the heartbeat.
    s.webhook.hangs = false;
    CHECK(s.beats(1));
}

TEST_CASE("after an outage, the monitor of heartbeats gets the newest pulse once") {
    Setup s;
    s.expecting.hangs = true;
    s.config.heartbeat->interval_ms = 100;
    s.dispatcher->start();
    s.manager->start();
    const auto until = std::chrono::steady_clock::now() + 30s;
    while (s.expecting.count() == 0 && std::chrono::steady_clock::now() < until) {
        std::this_thread::sleep_for(5ms);
    }
    CHECK(s.dispatcher->heartbeats() == 0);
    s.expecting.hangs = false;
    CHECK(s.beats(2));
}
