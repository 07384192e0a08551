#pragma once

#include <string>
#include <vector>

#include "agent/configtest/configtest.h"
#include "common/run_tool.h"

namespace lapwing::agent::configtest {

/// The result of one test.
struct Verdict {
    Result result = Result::unknown;
    std::string words;
    std::string place;
    bool unresolved = false;  ///< broken because a name does not resolve, which may pass
};

/// Judges what `nginx -t` or `haproxy -c` said. Broken only if the program names an error of the
/// configuration; an error that may come from the test's own surroundings (rights, a read-only file system,
/// no memory) is unknown. `program`: "nginx" or "haproxy". Pure.
Verdict judge(const std::string& program, const ToolOutput& output);

/// Hides what the words quote from the line at `place` if it may be a secret: a line that speaks of a
/// password or the like, or a file outside `directories`. Paths stay. Reads the file at `place`.
std::string withoutSecrets(std::string words, const std::string& place,
                           const std::vector<std::string>& directories);

/// One line of at most 300 bytes, valid UTF-8 without control characters.
std::string bounded(const std::string& words);

}  // namespace lapwing::agent::configtest
