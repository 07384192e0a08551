#include "common/worker.h"

#include <pthread.h>

#include <array>
#include <atomic>
#include <chrono>
#include <future>
#include <string>
#include <thread>

#include "tests/unit/catch.h"

using namespace lapwing;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

namespace {

constexpr auto kForever = std::chrono::milliseconds(1h);

/// Waits until the counter has reached a number; false after ten seconds.
bool reaches(const std::atomic<int>& counter, int number) {
    const auto deadline = Clock::now() + 10s;
    while (counter < number && Clock::now() < deadline) {
        std::this_thread::sleep_for(1ms);
    }
    return counter >= number;
}

}  // namespace

TEST_CASE("a worker repeats its step after each pause") {
    std::atomic<int> steps{0};
    Worker worker("repeats", [&] {
        ++steps;
        return steps < 5 ? 1ms : kForever;
    });
    CHECK(steps == 0);
    worker.start();
    REQUIRE(reaches(steps, 5));
    std::this_thread::sleep_for(20ms);
    CHECK(steps == 5);
}

TEST_CASE("a worker that is asked to stop ends its pause at once, and can start again") {
    std::atomic<int> steps{0};
    Worker worker("stops", [&] {
        ++steps;
        return kForever;
    });
    CHECK(worker.stopping());
    for (int round = 1; round <= 3; ++round) {
        worker.start();
        CHECK_FALSE(worker.stopping());
        REQUIRE(reaches(steps, round));
        const auto begin = Clock::now();
        worker.stop();
        CHECK(Clock::now() - begin < 5s);
        CHECK(worker.stopping());
        CHECK(steps == round);
    }
}

TEST_CASE("a worker that is woken during a step leaves out the pause after it") {
    std::atomic<int> steps{0};
    std::promise<void> begun;
    std::promise<void> proceed;
    Worker worker("wakes", [&] {
        if (++steps == 1) {
            begun.set_value();
            proceed.get_future().wait();
        }
        return kForever;
    });
    worker.start();
    begun.get_future().wait();
    worker.wake();
    proceed.set_value();
    CHECK(reaches(steps, 2));
    worker.wake();
    CHECK(reaches(steps, 3));
}

TEST_CASE("join waits for the step under way, and no further step begins") {
    std::atomic<int> steps{0};
    std::promise<void> begun;
    std::promise<void> proceed;
    Worker worker("joins", [&] {
        begun.set_value();
        proceed.get_future().wait();
        ++steps;
        return 0ms;
    });
    worker.start();
    begun.get_future().wait();
    worker.askToStop();
    proceed.set_value();
    worker.join();
    CHECK(steps == 1);
}

TEST_CASE("a worker's thread carries the first 15 bytes of its name") {
    std::promise<std::string> name;
    Worker worker("a name that is longer", [&] {
        std::array<char, 32> text{};
        ::pthread_getname_np(::pthread_self(), text.data(), text.size());
        name.set_value(text.data());
        return kForever;
    });
    worker.start();
    CHECK(name.get_future().get() == "a name that is ");
}
