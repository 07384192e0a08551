#pragma once

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>

#include "common/run_tool.h"
#include "tests/unit/catch.h"

namespace lapwing::test {

/// Loads rules and runs commands in a new network namespace. Returns the output of `nft -j list ruleset`.
inline lapwing::ToolOutput loadedRules(const std::string& rules, const std::string& commands = "") {
    const auto file = "/tmp/lapwing-rules-test-" + std::to_string(getpid());
    std::ofstream(file) << "exec >/dev/null\nnft -f - <<'RULES' || exit 1\n"
                        << rules << "\nRULES\n"
                        << commands << "\n[ $? = 0 ] || exit 1\nexec 1>&3\nnft -j list ruleset\n";
    auto result = lapwing::runTool({"/usr/bin/unshare", "-rn", "/bin/bash", "-c", "exec 3>&1; . " + file},
                                   std::chrono::seconds(20), 1U << 22);
    std::remove(file.c_str());
    return result;
}

/// As above, but must succeed.
inline std::string listed(const std::string& rules, const std::string& commands = "") {
    const auto result = loadedRules(rules, commands);
    INFO(rules << commands << result.error);
    REQUIRE(result.status == lapwing::ReadStatus::ok);
    return result.output;
}

/// Skips the test case if nft cannot run in a new network namespace.
inline void needNft() {
    if (const auto result = loadedRules(""); result.status != lapwing::ReadStatus::ok) {
        skip("no network namespace with nft: " + result.error);
    }
}

/// The parts of a remedy that an operator enters: the ruleset and the commands.
struct Steps {
    std::string rules;
    std::string commands;
};

inline Steps stepsOf(const std::string& remedy) {
    Steps out;
    std::istringstream lines(remedy);
    std::string line;
    while (std::getline(lines, line)) {
        if (line.starts_with("nft add ") || line.starts_with("nft insert ")) {
            out.commands += line + "\n";
        } else if (line.ends_with(".nft <<'END'")) {
            while (std::getline(lines, line) && line != "END") {
                out.rules += line + "\n";
            }
        }
    }
    return out;
}

}  // namespace lapwing::test
