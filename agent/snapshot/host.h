#pragma once

#include <string>

#include "common/reach/ruleset.h"

namespace lapwing::agent {

/// The addresses of interfaces that are up (without loopback), and whether this network namespace forwards.
/// What cannot be read is left out.
reach::Host thisHost(const std::string& proc);

}  // namespace lapwing::agent
