#include "collector/forward/forwarder.h"

#include <sys/stat.h>

#include <algorithm>
#include <fstream>
#include <mutex>
#include <thread>

#include "common/model/families.h"
#include "common/model/remote_write.h"
#include "tests/unit/common/script_server.h"
#include "tests/unit/storage/support.h"
#include "tests/unit/temporary_folder.h"
#include "tests/unit/written.h"

namespace lapwing::forward {
namespace {

using namespace std::chrono_literals;
using storage::mustAppend;
using test::Peer;
using test::ScriptServer;
using test::TemporaryFolder;

const Labels kMetric{{"__name__", "a"}, {"job", "node"}};

template <class Condition>
bool eventually(Condition condition) {
    const auto until = std::chrono::steady_clock::now() + 60s;
    while (!condition()) {
        if (std::chrono::steady_clock::now() > until) {
            return false;
        }
        std::this_thread::sleep_for(5ms);
    }
    return true;
}

double valueOf(const Forwarder& forwarder, const std::string& series) {
    std::vector<prometheus::MetricFamily> families;
    forwarder.addMetrics(families);
    std::vector<TimeSeries> flat;
    appendFamilies(families, {}, 1, flat);
    for (const auto& one : flat) {
        if (one.labels.toString() == series) {
            return one.samples.front().value;
        }
    }
    FAIL(series + " is not there");
    return 0;
}

TEST_CASE(
    "requests carry the headers of remote_write and the configuration, a hung destination delays no other") {
    const test::TemporaryFolder dir;
    auto store = storage::openStore(storage::keepEverything(dir.path("lapwing.db")));
    std::mutex mutex;
    std::vector<std::string> requests;
    ScriptServer well([&](Peer& peer) {
        for (;;) {
            const auto request = peer.readRequest();
            if (request.empty()) {
                return;
            }
            {
                const std::lock_guard lock(mutex);
                requests.push_back(request);
            }
            peer.write("HTTP/1.1 204 No Content\r\n\r\n");
        }
    });
    ScriptServer hung([](Peer& peer) {
        peer.readRequest();
        peer.hang();
    });
    std::ofstream(dir.path("token")) << "hush-hush\n";
    REQUIRE(::chmod(dir.path("token").c_str(), 0600) == 0);
    std::vector<Destination> destinations(2);
    destinations[0].name = "hung";
    destinations[0].url = hung.url() + "/write";
    destinations[1].name = "well";
    destinations[1].url = well.url() + "/api/v1/push?a=b";
    destinations[1].headers = {{"X-Scope-OrgID", "site-1"}};
    destinations[1].bearer_token_file = dir.path("token");
    Forwarder forwarder(destinations, *store);
    forwarder.start();
    std::size_t count = 0;
    for (int t = 1; t <= 3; ++t) {
        mustAppend(*store, {{kMetric, {{t, 1.0 * t}}}});
        REQUIRE(eventually([&] {
            return valueOf(forwarder, R"(lapwing_forward_sent_samples_total{destination="well"})") == t;
        }));
    }
    REQUIRE(eventually([&] { return hung.connections() > 0; }));
    CHECK(valueOf(forwarder, R"(lapwing_forward_sent_samples_total{destination="hung"})") == 0);
    CHECK(valueOf(forwarder, R"(lapwing_forward_lag_seconds{destination="well"})") == 0);
    CHECK(valueOf(forwarder, R"(lapwing_forward_pending_bytes{destination="well"})") == 0);
    CHECK(valueOf(forwarder, R"(lapwing_forward_pending_bytes{destination="hung"})") > 0);
    for (const std::string reason : {"age", "size", "refused", "deleted"}) {
        CHECK(valueOf(forwarder, R"(lapwing_forward_dropped_samples_total{destination="hung", reason=")" +
                                     reason + "\"}") == 0);
    }
    forwarder.stop();

    const std::lock_guard lock(mutex);
    CHECK(well.connections() == 1);
    for (const auto& request : requests) {
        CHECK(request.rfind("POST /api/v1/push?a=b HTTP/1.1\r\n", 0) == 0);
        for (const char* header :
             {"Content-Type: application/x-protobuf\r\n", "Content-Encoding: snappy\r\n",
              "X-Prometheus-Remote-Write-Version: 0.1.0\r\n", "X-Scope-OrgID: site-1\r\n",
              "Authorization: Bearer hush-hush\r\n", "User-Agent: lapwing-collector"}) {
            INFO(header);
            CHECK(request.find(header) != std::string::npos);
        }
        const auto body = test::decodeWhole(request.substr(request.find("\r\n\r\n") + 4));
        REQUIRE(body);
        for (const auto& series : body->series) {
            CHECK(series.labels == kMetric);
            count += series.samples.size();
        }
    }
    CHECK(count == 3);
}

TEST_CASE("the cursor of a destination that is no longer configured is dropped") {
    const test::TemporaryFolder dir;
    auto store = storage::openStore(storage::keepEverything(dir.path("lapwing.db")));
    std::vector<Destination> destinations(2);
    destinations[0].name = "stays";
    destinations[1].name = "goes";
    { const Forwarder forwarder(destinations, *store); }
    CHECK(store->logCursors().size() == 2);
    destinations.pop_back();
    { const Forwarder forwarder(destinations, *store); }
    CHECK(store->logCursors().size() == 1);
    CHECK(store->logCursors().count("stays") == 1);
    // Configured again, it starts as a new destination.
    mustAppend(*store, {{kMetric, {{1, 1}}}});
    destinations.resize(2);
    destinations[1].name = "goes";
    { const Forwarder forwarder(destinations, *store); }
    CHECK(store->logCursors().at("goes") == store->logEnd().seq);
    CHECK(store->logCursors().at("stays") < store->logEnd().seq);
}

TEST_CASE("without destinations there are no metrics") {
    const test::TemporaryFolder dir;
    auto store = storage::openStore(storage::keepEverything(dir.path("lapwing.db")));
    const Forwarder forwarder({}, *store);
    std::vector<prometheus::MetricFamily> families;
    forwarder.addMetrics(families);
    CHECK(families.empty());
}

}  // namespace
}  // namespace lapwing::forward
