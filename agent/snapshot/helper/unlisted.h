#pragma once

#include "common/reach/unlisted.h"

namespace lapwing::agent {

/// The facts of this network namespace's rules that nft does not list, read by netlink. Facts that the kernel
/// does not tell are missing.
reach::Unlisted readUnlisted();

}  // namespace lapwing::agent
