#pragma once

#include <chrono>

#include "agent/configtest/configtest.h"
#include "agent/configtest/helper/services.h"

namespace lapwing::agent::configtest {

struct RoundOptions {
    Places places;
    std::chrono::milliseconds deadline{20'000};  ///< of one test
    std::chrono::milliseconds round{40'000};     ///< after this time no further test starts
};

/// Tests the configuration of each service whose files or command line changed since the tests of `before`,
/// and the others again: each minute while one is broken or a name does not resolve, else each ten minutes.
/// A name that does not resolve breaks a configuration after five minutes only; until then it is unknown.
Tests runRound(const Tests& before, TimestampMs now, const RoundOptions& options);

}  // namespace lapwing::agent::configtest
