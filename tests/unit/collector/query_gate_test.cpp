#include "collector/api/query_gate.h"

#include <atomic>
#include <optional>
#include <thread>

#include "tests/unit/catch.h"

using lapwing::api::QueryGate;
using std::chrono::milliseconds;
using std::chrono::seconds;

TEST_CASE("a gate lets so many through; the next gets a turn when one leaves, or none in time") {
    QueryGate gate(2);
    std::optional<QueryGate::Turn> first(std::in_place, gate, milliseconds(0));
    const QueryGate::Turn second(gate, milliseconds(0));
    REQUIRE(*first);
    REQUIRE(second);
    CHECK_FALSE(QueryGate::Turn(gate, milliseconds(5)));
    std::atomic<bool> got{false};
    std::thread waiting([&] { got = static_cast<bool>(QueryGate::Turn(gate, seconds(60))); });
    first.reset();
    waiting.join();
    CHECK(got);
    CHECK(QueryGate::Turn(gate, milliseconds(0)));
}

TEST_CASE("a closed gate keeps nobody waiting and lets nobody through") {
    QueryGate gate(1);
    const QueryGate::Turn only(gate, milliseconds(0));
    std::atomic<bool> got{true};
    std::thread waiting([&] { got = static_cast<bool>(QueryGate::Turn(gate, seconds(60))); });
    gate.close();
    waiting.join();
    CHECK_FALSE(got);
    CHECK_FALSE(QueryGate::Turn(gate, milliseconds(0)));
}
