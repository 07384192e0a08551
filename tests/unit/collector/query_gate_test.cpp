#include "collector/api/query_gate.h"

#include <atomic>
#include <optional>
#include <thread>

#include "tests/unit/catch.h"

using lapwing::api::QueryGate;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {
const std::atomic<bool> kHere{false};
}

TEST_CASE("a gate admits a limited number, and the next one waits for a turn until its deadline") {
    QueryGate gate(2);
    std::optional<QueryGate::Turn> first(std::in_place, gate, milliseconds(0), kHere);
    const QueryGate::Turn second(gate, milliseconds(0), kHere);
    REQUIRE(*first);
    REQUIRE(second);
    CHECK_FALSE(QueryGate::Turn(gate, milliseconds(5), kHere));
    std::atomic<bool> got{false};
    std::thread waiting([&] { got = static_cast<bool>(QueryGate::Turn(gate, seconds(60), kHere)); });
    first.reset();
    waiting.join();
    CHECK(got);
    CHECK(QueryGate::Turn(gate, milliseconds(0), kHere));
}

TEST_CASE("a closed gate admits nobody and ends the waiting ones") {
    QueryGate gate(1);
    const QueryGate::Turn only(gate, milliseconds(0), kHere);
    std::atomic<bool> got{true};
    std::thread waiting([&] { got = static_cast<bool>(QueryGate::Turn(gate, seconds(60), kHere)); });
    gate.close();
    waiting.join();
    CHECK_FALSE(got);
    CHECK_FALSE(QueryGate::Turn(gate, milliseconds(0), kHere));
}

TEST_CASE("a client that hung up stops waiting and frees its place") {
    QueryGate gate(1);
    std::atomic<bool> gone{false};
    {
        const QueryGate::Turn only(gate, milliseconds(0), kHere);
        CHECK(gate.state().running == 1);
        std::atomic<bool> got{true};
        std::thread waiting([&] { got = static_cast<bool>(QueryGate::Turn(gate, seconds(60), gone)); });
        while (gate.state().waiting == 0) {
            std::this_thread::yield();
        }
        gone = true;
        waiting.join();
        CHECK_FALSE(got);
        CHECK(gate.state().waiting == 0);
    }
    CHECK_FALSE(QueryGate::Turn(gate, milliseconds(0), gone));
    CHECK(gate.state().running == 0);
    CHECK(QueryGate::Turn(gate, milliseconds(0), kHere));
}
