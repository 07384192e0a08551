#pragma once

#include <optional>
#include <string>

#include "common/reach/host.h"

namespace lapwing::agent {

enum class Neighbours { all, permanent };

/// Routes, policy rules, links and neighbours of this network namespace, by rtnetlink(7). Nothing if the
/// kernel does not tell, or if it has more routes than an evaluation can use. `permanent` leaves out the
/// neighbours that come and go by themselves.
std::optional<reach::Network> readNetwork(const std::string& proc, Neighbours neighbours);

}  // namespace lapwing::agent
