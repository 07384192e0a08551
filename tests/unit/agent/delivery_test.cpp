#include "agent/delivery/delivery.h"

#include <algorithm>

#include "common/model/families.h"
#include "tests/unit/agent/fake_collector.h"
#include "tests/unit/agent/recording_sink.h"
#include "tests/unit/agent/spool_fixture.h"
#include "tests/unit/catch.h"

using namespace std::chrono_literals;
using lapwing::agent::Delivery;
using lapwing::agent::DeliveryConfig;
using lapwing::test::eventually;
using lapwing::test::FakeCollector;
using lapwing::test::numbered;
using lapwing::test::range;

namespace {

std::shared_ptr<lapwing::agent::AgentCertificate> certificateOf(const lapwing::http::ClientTls& files) {
    return std::make_shared<lapwing::agent::AgentCertificate>("", files, "");
}

DeliveryConfig configFor(const FakeCollector& collector) {
    DeliveryConfig config;
    config.spool.path = collector.dir().path("spool.db");
    config.collector_url = collector.url();
    config.certificate = certificateOf(collector.clientTls());
    config.gather = 5ms;
    config.request_deadline = 500ms;
    return config;
}

std::unique_ptr<Delivery> openDelivery(const DeliveryConfig& config) {
    auto delivery = Delivery::open(config);
    REQUIRE(delivery);
    return std::move(*delivery);
}

/// Adds samples numbered from `from`, each in a batch of its own.
void addNumbered(Delivery& delivery, int from, int to) {
    for (int i = from; i < to; ++i) {
        delivery.add(numbered(i));
        std::this_thread::sleep_for(8ms);
    }
}

std::vector<double> sorted(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return values;
}

}  // namespace

TEST_CASE("samples arrive as remote_write 1.0, once each, in order, and leave the spool") {
    FakeCollector collector;
    const auto delivery = openDelivery(configFor(collector));
    delivery->start();
    addNumbered(*delivery, 0, 50);
    REQUIRE(eventually([&] { return collector.values().size() >= 50; }));
    REQUIRE(eventually([&] { return delivery->state().spool.samples == 0; }));
    delivery->stop(1s);
    CHECK(collector.values() == range(0, 50));

    const auto seen = collector.seen().at(0);
    CHECK(seen.path == "/api/v1/write");
    CHECK(seen.headers.at("Content-Encoding") == "snappy");
    CHECK(seen.headers.at("Content-Type") == "application/x-protobuf");
    CHECK(seen.headers.at("X-Prometheus-Remote-Write-Version") == "0.1.0");
    const auto state = delivery->state();
    CHECK(state.connected);
    CHECK(state.samples_sent == 50);
    CHECK(state.last_sent > 0);
    CHECK(state.trouble.empty());
    CHECK(state.spool.dropped.count("refused") == 0);
    // The fake's clock is five seconds ahead.
    REQUIRE(state.clock);
    CHECK(state.clock->offset_seconds == Approx(5.0).margin(state.clock->error_seconds + 0.001));
    CHECK(delivery->clockOffset() == state.clock->offset_seconds);
}

TEST_CASE("every connection gets the types and helps of the metrics once") {
    FakeCollector collector;
    const auto delivery = openDelivery(configFor(collector));
    const auto up = lapwing::gauge("nginx_up", "1 if it answers.");
    const auto requests = lapwing::counter("requests_total", "Requests.");
    using All = std::vector<lapwing::MetricMetadata>;
    const All described{{"nginx_up", "gauge", "1 if it answers.", ""},
                        {"requests_total", "counter", "Requests.", ""}};
    delivery->describe({up});
    delivery->describe({up});
    delivery->start();
    REQUIRE(eventually([&] { return collector.metadata() == All{described[0]}; }));
    delivery->describe({up, requests});
    REQUIRE(eventually([&] { return collector.metadata() == described; }));
    addNumbered(*delivery, 0, 3);
    REQUIRE(eventually([&] { return collector.values().size() == 3; }));
    CHECK(collector.metadata() == described);

    // A collector that answers after a restart may know nothing.
    collector.stop();
    addNumbered(*delivery, 3, 4);
    REQUIRE(eventually([&] { return !delivery->state().trouble.empty(); }));
    collector.start();
    REQUIRE(eventually([&] { return collector.values().size() == 4; }));
    delivery->stop(1s);
    CHECK(collector.metadata() == All{described[0], described[1], described[0], described[1]});
    CHECK(collector.values() == range(0, 4));
}

TEST_CASE("a sample is sent within a second of its measurement") {
    FakeCollector collector;
    auto config = configFor(collector);
    config.gather = DeliveryConfig().gather;
    CHECK(config.gather <= 500ms);
    const auto delivery = openDelivery(config);
    delivery->start();
    delivery->add(numbered(0));
    REQUIRE(eventually([&] { return !collector.values().empty(); }));
    delivery->stop(1s);
}

TEST_CASE("an agent that starts without a collector delivers everything once, after the collector is back") {
    FakeCollector collector;
    collector.stop();
    auto delivery = openDelivery(configFor(collector));
    delivery->start();
    addNumbered(*delivery, 0, 100);
    REQUIRE(eventually([&] { return !delivery->state().trouble.empty(); }));
    CHECK_FALSE(delivery->state().connected);
    CHECK(delivery->state().trouble.find("refused") != std::string::npos);
    // Meanwhile the agent restarts.
    delivery->stop(100ms);
    delivery.reset();
    delivery = openDelivery(configFor(collector));
    CHECK(delivery->state().spool.samples == 100);
    delivery->start();
    addNumbered(*delivery, 100, 120);
    collector.start();
    REQUIRE(
        eventually([&] { return delivery->state().spool.samples == 0 && delivery->state().connected; }, 60s));
    delivery->stop(1s);
    CHECK(collector.values() == range(0, 120));
}

TEST_CASE("a collector in trouble is asked again until it takes the samples") {
    FakeCollector collector;
    std::atomic<int> calls{0};
    SECTION("500, 503, 429 and a hang, one after the other") {
        collector.decide([&](const std::string&, std::size_t) -> FakeCollector::Answer {
            switch (calls++) {
                case 0:
                    return {500, "oh", {}, false};
                case 1:
                    return {503, "", {}, false};
                case 2:
                    return {429, "slow down", {}, false};
                case 3:
                    return {204, "", {}, true};
                default:
                    return {};
            }
        });
        const auto delivery = openDelivery(configFor(collector));
        delivery->start();
        addNumbered(*delivery, 0, 10);
        REQUIRE(eventually([&] { return delivery->state().spool.samples == 0; }, 60s));
        CHECK(calls >= 5);
        delivery->stop(1s);
        CHECK(collector.values() == range(0, 10));
        CHECK(delivery->state().spool.dropped["refused"] == 0);
    }
    SECTION("Retry-After is honoured") {
        collector.decide([&](const std::string&, std::size_t) -> FakeCollector::Answer {
            if (calls++ == 0) {
                return {429, "", {{"Retry-After", "2"}}, false};
            }
            return {};
        });
        const auto delivery = openDelivery(configFor(collector));
        delivery->start();
        addNumbered(*delivery, 0, 3);
        REQUIRE(eventually([&] { return delivery->state().spool.samples == 0; }, 60s));
        delivery->stop(1s);
        const auto seen = collector.seen();
        REQUIRE(seen.size() >= 2);
        CHECK(seen[1].when - seen[0].when >= 1990ms);
        CHECK(collector.values() == range(0, 3));
    }
}

TEST_CASE("a hung collector costs only its own request, and later samples are spooled") {
    FakeCollector collector;
    collector.decide([](const std::string&, std::size_t) -> FakeCollector::Answer {
        return {204, "", {}, true};
    });
    auto config = configFor(collector);
    config.request_deadline = 60s;
    const auto delivery = openDelivery(config);
    delivery->start();
    addNumbered(*delivery, 0, 20);
    REQUIRE(eventually([&] { return !collector.seen().empty(); }));
    const auto before = std::chrono::steady_clock::now();
    delivery->stop(300ms);
    CHECK(std::chrono::steady_clock::now() - before < 5s);
    CHECK(delivery->state().spool.samples == 20);
    collector.release();
    REQUIRE(eventually([&] { return delivery->state().samples_sent > 0; }));
}

TEST_CASE("a refused batch is dropped and counted, but not the batches joined with it") {
    FakeCollector collector;
    collector.stop();
    const auto config = configFor(collector);
    {
        // Ten batches that will be joined into one request.
        auto spool = lapwing::agent::Spool::open(config.spool);
        REQUIRE(spool);
        for (int i = 0; i < 10; ++i) {
            (*spool)->add(numbered(i));
            REQUIRE((*spool)->flush());
        }
    }
    std::atomic<int> singles{0};
    collector.decide([&](const std::string&, std::size_t samples) -> FakeCollector::Answer {
        if (samples > 1) {
            return {422, "too many together", {}, false};
        }
        if (singles++ == 4) {
            return {422, "1 sample is refused: out of order", {}, false};
        }
        return {};
    });
    collector.start();
    const auto delivery = openDelivery(config);
    delivery->start();
    REQUIRE(eventually([&] { return delivery->state().spool.samples == 0; }));
    delivery->stop(1s);
    CHECK(delivery->state().spool.dropped["refused"] == 1);
    CHECK(delivery->state().samples_sent == 9);
    auto expected = range(0, 10);
    expected.erase(expected.begin() + 4);
    CHECK(collector.values() == expected);
}

TEST_CASE("samples that are refused one by one are the ones that count as lost") {
    FakeCollector collector;
    collector.stop();
    const auto config = configFor(collector);
    {
        auto spool = lapwing::agent::Spool::open(config.spool);
        REQUIRE(spool);
        for (int i = 0; i < 10; ++i) {
            (*spool)->add(numbered(i));
            REQUIRE((*spool)->flush());
        }
    }
    std::atomic<int> requests{0};
    collector.decide([&](const std::string&, std::size_t samples) -> FakeCollector::Answer {
        if (samples == 0) {
            return {};
        }
        ++requests;
        return {400,
                "3 of 10 samples refused, the others are stored; the first: a label is not UTF-8",
                {{"X-Lapwing-Refused", "3"}},
                false};
    });
    collector.start();
    const auto delivery = openDelivery(config);
    delivery->start();
    REQUIRE(eventually([&] { return delivery->state().spool.samples == 0; }));
    delivery->stop(1s);
    CHECK(requests == 1);
    CHECK(delivery->state().spool.dropped["refused"] == 3);
    CHECK(delivery->state().samples_sent == 7);
    CHECK(delivery->state().trouble.empty());
}

TEST_CASE("a wrong set-up costs no sample") {
    FakeCollector collector;
    SECTION("403 and 404") {
        for (const int status : {401, 403, 404}) {
            collector.decide([status](const std::string&, std::size_t) -> FakeCollector::Answer {
                return {status, "agent web-02 is not enrolled\nsecond line", {}, false};
            });
            const auto delivery = openDelivery(configFor(collector));
            delivery->start();
            delivery->add(numbered(status));
            REQUIRE(eventually([&] { return !delivery->state().trouble.empty(); }));
            CHECK(delivery->state().trouble ==
                  "the collector answered " + std::to_string(status) + " agent web-02 is not enrolled");
            delivery->stop(100ms);
            CHECK(delivery->state().spool.samples > 0);
        }
        collector.decide(nullptr);
        const auto delivery = openDelivery(configFor(collector));
        delivery->start();
        REQUIRE(eventually([&] { return delivery->state().spool.samples == 0; }));
        delivery->stop(1s);
        CHECK(sorted(collector.values()) == std::vector<double>{401, 403, 404});
    }
    SECTION("a certificate of another authority, and files that are not there") {
        const lapwing::test::TestCa other(collector.dir(), "other");
        auto config = configFor(collector);
        auto files = collector.clientTls();
        files.cert_file = files.key_file = other.issue({"web-01", "", false}, "foreign.pem");
        config.certificate = certificateOf(files);
        auto delivery = openDelivery(config);
        delivery->start();
        delivery->add(numbered(0));
        REQUIRE(eventually([&] { return !delivery->state().trouble.empty(); }));
        delivery->stop(100ms);
        delivery.reset();
        files.cert_file = files.key_file = collector.dir().path("not-there.pem");
        config.certificate = certificateOf(files);
        delivery = openDelivery(config);
        delivery->start();
        REQUIRE(eventually([&] { return !delivery->state().trouble.empty(); }));
        CHECK(delivery->state().trouble.find("not-there.pem: No such file") != std::string::npos);
        delivery->stop(100ms);
        CHECK(delivery->state().spool.samples == 1);
        CHECK(collector.seen().empty());
    }
}

TEST_CASE("every request says who the agent is, and no certificate of another host is used") {
    FakeCollector collector;
    auto config = configFor(collector);
    config.identity = {{"X-Lapwing-Machine-Id", "abc"}, {"X-Lapwing-Session", "1f"}};
    config.host = "web-01";
    {
        const auto delivery = openDelivery(config);
        delivery->start();
        delivery->add(numbered(1));
        delivery->addDocument("ruleset", "table inet filter");
        REQUIRE(eventually([&] { return collector.values().size() == 1; }));
        delivery->stop(1s);
        for (const auto& seen : collector.seen()) {
            CHECK(seen.headers.at("X-Lapwing-Machine-Id") == "abc");
            CHECK(seen.headers.at("X-Lapwing-Session") == "1f");
        }
    }
    config.host = "web-02";
    const auto delivery = openDelivery(config);
    delivery->start();
    delivery->add(numbered(2));
    REQUIRE(eventually([&] { return !delivery->state().trouble.empty(); }));
    CHECK(delivery->state().trouble.find("belongs to \"web-01\" and not to \"web-02\"") != std::string::npos);
    delivery->stop(100ms);
    CHECK(delivery->state().spool.samples == 1);
    CHECK(collector.values().size() == 1);
}

TEST_CASE("documents are delivered once by digest, and do not hold up samples") {
    FakeCollector collector;
    std::atomic<bool> refuse{true};
    collector.decide([&](const std::string& path, std::size_t) -> FakeCollector::Answer {
        if (path != "/api/v1/write" && refuse) {
            return {404, "no such page", {}, false};
        }
        return {200, "digest", {}, false};
    });
    auto delivery = openDelivery(configFor(collector));
    delivery->start();
    delivery->addDocument("ruleset", "table inet filter");
    addNumbered(*delivery, 0, 5);
    REQUIRE(eventually([&] { return collector.values().size() == 5; }));
    CHECK(collector.documents().empty());
    CHECK(delivery->state().spool.documents == 1);
    delivery->stop(1s);
    delivery.reset();
    refuse = false;
    delivery = openDelivery(configFor(collector));
    delivery->start();
    delivery->addDocument("ruleset", "table inet filter");
    REQUIRE(eventually([&] { return delivery->state().spool.documents == 0; }));
    delivery->addDocument("ruleset", "table inet filter");
    delivery->add(numbered(5));
    REQUIRE(eventually([&] { return collector.values().size() == 6; }));
    delivery->stop(1s);
    CHECK(collector.documents() ==
          std::vector<std::string>{"/api/lapwing/v1/documents?kind=ruleset\ntable inet filter"});
}
