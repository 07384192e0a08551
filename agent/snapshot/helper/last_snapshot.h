#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "agent/snapshot/snapshot.h"

namespace lapwing::agent {

/// The text of a file of this user's own, of at most `most` bytes. Nothing for any other file.
std::optional<std::string> ownText(const std::string& file, std::size_t most);

/// The snapshot in a file of this user's own; nothing for any other file. Large outputs stay in the files
/// that `rules.file` and `boot.file` name.
std::optional<Snapshot> lastSnapshot(const std::string& file);

}  // namespace lapwing::agent
