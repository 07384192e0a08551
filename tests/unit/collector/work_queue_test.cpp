#include "collector/api/work_queue.h"

#include <atomic>
#include <chrono>
#include <future>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tests/unit/catch.h"

using lapwing::api::WorkQueue;

TEST_CASE("clients take turns, however much one of them posts") {
    WorkQueue queue("test", 1, 1, 100);
    std::promise<void> go;
    const auto gate = go.get_future().share();
    std::mutex mutex;
    std::vector<std::string> order;
    std::promise<void> done;
    const auto note = [&](const std::string& what) {
        const std::lock_guard lock(mutex);
        order.push_back(what);
    };
    CHECK(queue.post("first", [gate] { gate.wait(); }));
    for (int i = 0; i < 50; ++i) {
        CHECK(queue.post("greedy", [&] { note("greedy"); }));
    }
    CHECK(queue.post("modest", [&] {
        note("modest");
        done.set_value();
    }));
    go.set_value();
    done.get_future().wait();
    const std::lock_guard lock(mutex);
    REQUIRE(order.size() >= 2);
    CHECK(order[1] == "modest");
}

TEST_CASE("a client runs a limited number of tasks at once, and leaves threads to the others") {
    WorkQueue queue("test", 4, 2, 100);
    std::promise<void> go;
    const auto gate = go.get_future().share();
    std::atomic<int> running{0};
    std::promise<void> both;
    for (int i = 0; i < 10; ++i) {
        queue.post("greedy", [&, gate] {
            if (++running == 2) {
                both.set_value();
            }
            gate.wait();
        });
    }
    both.get_future().wait();
    std::promise<int> seen;
    queue.post("modest", [&] { seen.set_value(running.load()); });
    CHECK(seen.get_future().get() == 2);
    go.set_value();
}

TEST_CASE("beyond its limit a queue takes no more, and after stop() nothing") {
    WorkQueue queue("test", 1, 1, 2);
    std::promise<void> go;
    std::promise<void> begun;
    const auto gate = go.get_future().share();
    CHECK(queue.post("a", [&, gate] {
        begun.set_value();
        gate.wait();
    }));
    begun.get_future().wait();
    std::atomic<int> later{0};
    CHECK(queue.post("a", [&] { ++later; }));
    CHECK(queue.post("b", [&] { ++later; }));
    CHECK_FALSE(queue.post("c", [&] { ++later; }));
    std::thread stopping([&] { queue.stop(); });
    while (queue.post("d", [] {})) {
        std::this_thread::yield();
    }
    while (queue.post("d", [] {})) {
    }
    go.set_value();
    stopping.join();
    CHECK_FALSE(queue.post("e", [] {}));
}
