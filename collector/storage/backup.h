#pragma once

#include <string>

#include "common/error.h"

namespace lapwing::storage {

/// Copies the database `source` into the new file `target` (mode 0640), whether or not a collector has it
/// open. The copy is consistent, has every batch that was acknowledged before the call, and needs no WAL.
/// Writers do not wait for it. It creates SQLite's shared memory beside `source`: call it as root or as the
/// collector's user.
///
/// Errors: `invalid` if `target` exists or `source` is not Lapwing's database; `not_found` if `source` does
/// not exist; otherwise the file system's. A failure leaves no part of a copy behind.
Expected<void> backup(const std::string& source, const std::string& target);

}  // namespace lapwing::storage
