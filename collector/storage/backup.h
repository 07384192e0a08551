#pragma once

#include <string>
#include <vector>

#include "common/error.h"
#include "common/files.h"

namespace lapwing::storage {

/// A file that a backup holds beside the database.
struct KeptFile {
    std::string path;  ///< absolute
    std::string user;  ///< the owner's name, and that of the group; "" if it has none
    std::string group;
    int mode = 0;
    std::string content;
};

/// Copies the database `source` into the new file `target` (mode 0600), with `files` in a table of its own,
/// whether or not a collector has it open. The copy is consistent, has every batch that was acknowledged
/// before the call, and needs no WAL. Writers do not wait for it. It creates SQLite's shared memory beside
/// `source`: call it as root or as the collector's user.
///
/// Errors: `invalid` if there is no room for `target` or `source` is not Lapwing's database; `not_found` if
/// `source` does not exist; otherwise the file system's. A failure leaves no part of a copy behind.
Expected<void> backup(const std::string& source, const std::string& target,
                      const std::vector<KeptFile>& files = {});

/// The files that a backup holds; none in a copy of an older version. Errors: `not_found`, `invalid` for
/// a file that is no backup.
Expected<std::vector<KeptFile>> filesOfBackup(const std::string& file);

/// Whether a database can be put there: `invalid` if `target` exists, or a `-wal`, `-shm` or `-journal`
/// beside it, which SQLite would take for that of the new file.
Expected<void> roomFor(const std::string& target);

/// Copies the database of a backup into the new file `target` (mode 0640), without the files. A process of
/// root gives it to the owner, before it has its name. Errors as backup().
Expected<void> restoreDatabase(const std::string& file, const std::string& target, const files::Owner& owner);

}  // namespace lapwing::storage
