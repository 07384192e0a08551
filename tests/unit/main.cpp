// The main() of every test program.
#if !__has_include(<catch2/catch_all.hpp>)
#define CATCH_CONFIG_RUNNER
#endif
#include <unistd.h>

#include <cstdlib>
#include <iostream>

#include "tests/unit/catch.h"

namespace {

constexpr int kFailed = 1;
constexpr int kSkipped = 77;  // LAPWING_SKIPPED in cmake/targets.cmake

#ifdef CATCH_CONFIG_RUNNER
using Listener = Catch::TestEventListenerBase;
#else
using Listener = Catch::EventListenerBase;
#endif

bool any_skipped = false;
bool ran = false;
bool any_ran = false;
bool any_failed = false;

/// Catch2's own exit code may be the number of failed assertions, which could equal any other code.
class Outcome : public Listener {
  public:
    using Listener::Listener;
    void testRunEnded(const Catch::TestRunStats& run) override {
        ran = true;
        any_ran = run.totals.testCases.total() > 0;
        any_failed = run.totals.assertions.failed > 0 || run.totals.testCases.failed > 0;
    }
};
CATCH_REGISTER_LISTENER(Outcome)

}  // namespace

namespace lapwing::test {

void skip(const std::string& reason) {
    any_skipped = true;
    std::cout << "Skipped: " << reason << std::endl;
#ifdef CATCH_CONFIG_RUNNER
    // Ends a test case of Catch2 v2 quietly, which has no SKIP.
    throw Catch::TestFailureException();
#else
    SKIP(reason);
    std::abort();  // not reached: the compiler does not see that SKIP throws
#endif
}

void needRoot() {
    if (::geteuid() != 0) {
        skip("it needs root");
    }
}

bool isLong() {
    return std::getenv("LAPWING_LONG") != nullptr;
}

}  // namespace lapwing::test

int main(int argc, char** argv) {
    const int code = Catch::Session().run(argc, argv);
    if (!ran) {
        return code;  // it listed, or did not understand its arguments
    }
    if (any_failed) {
        return kFailed;
    }
    if (!any_ran) {
        std::cerr << "No test case has that name.\n";
        return kFailed;
    }
    return any_skipped ? kSkipped : EXIT_SUCCESS;
}
