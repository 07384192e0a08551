#pragma once

#include <string>

#include "common/error.h"

namespace lapwing::storage {

/// Copies the database `source`, whether or not a collector has it open, into the new file `target` (0640): a
/// consistent state that has every batch acknowledged before the call, as a file of its own without a log.
/// What is written meanwhile is not held up. Needs to write beside `source` (SQLite's shared memory): call it
/// as root or as the collector's user.
///
/// Errors: `invalid` if there is something at `target` already, or `source` is no database of ours;
/// `not_found` without `source`; else what the file systems say. No part of a copy stays behind.
Expected<void> backup(const std::string& source, const std::string& target);

}  // namespace lapwing::storage
