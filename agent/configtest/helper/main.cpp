#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <string>

#include "agent/configtest/configtest.h"
#include "agent/configtest/helper/round.h"
#include "agent/snapshot/helper/last_snapshot.h"
#include "agent/snapshot/helper/write_snapshot.h"

namespace {

using lapwing::agent::configtest::Result;
using lapwing::agent::configtest::Test;
using lapwing::agent::configtest::Tests;

constexpr std::size_t kMostBytes = 1U << 20;

/// The tests of the last run.
Tests lastTests(const std::string& file) {
    const auto text = lapwing::agent::ownText(file, kMostBytes);
    const auto tests = text ? lapwing::agent::configtest::parseTests(*text) : Tests();
    return tests.value_or(Tests());
}

/// The log gets what is new: this program runs twice a minute.
void tellNew(const Tests& before, const Tests& now) {
    for (const auto& test : now.tests) {
        const bool known = std::any_of(before.tests.begin(), before.tests.end(), [&](const Test& other) {
            return other.command == test.command && other.result == test.result && other.words == test.words;
        });
        if (!known && test.result != Result::good) {
            std::fprintf(stderr, "%s %s: %s: %s%s%s\n", test.program.c_str(), test.configuration.c_str(),
                         lapwing::nameOf(lapwing::agent::configtest::kResultNames, test.result),
                         test.place.c_str(), test.place.empty() ? "" : ": ", test.words.c_str());
        }
    }
}

}  // namespace

int main(int argc, char** argv) {
    std::string output = "/run/lapwing/configtest.json";
    std::string group = "lapwing";
    CLI::App app{
        "Lets the Nginx and the HAProxy of this host test their configuration (nginx -t, haproxy -c) after a "
        "change, and writes the results into a file for lapwing-agent"};
    app.add_option("--output", output, "the file to write")->capture_default_str();
    app.add_option("--group", group, "the group that may read the file")->capture_default_str();
    app.set_version_flag("--version", LAPWING_VERSION);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : 2;
    }
    const auto before = lastTests(output);
    const auto now = lapwing::agent::configtest::runRound(before, lapwing::nowMs(), {});
    tellNew(before, now);
    const auto written =
        lapwing::agent::writeSnapshot(output, lapwing::agent::configtest::toJson(now), group);
    if (!written) {
        std::fprintf(stderr, "%s\n", written.error().message.c_str());
        return 1;
    }
    return 0;
}
