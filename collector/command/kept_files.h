#pragma once

#include <set>
#include <string>
#include <vector>

#include "collector/config/config.h"
#include "collector/storage/backup.h"
#include "common/error.h"
#include "common/files.h"

namespace lapwing::collector {

/// The files that a collector on a new machine needs beside the database: the configuration with everything
/// that it names, the rules, and the CA with the agents' records. Absolute paths; some may not exist.
std::set<std::string> filesToKeep(const Config& config, const std::string& config_file);

/// Reads them, with owner and mode. What does not exist is left out. Errors: the files'; `exhausted` beyond
/// 10,000 files.
Expected<std::vector<storage::KeptFile>> readKept(const std::set<std::string>& paths);

/// The owner of a kept file on this machine; -1 for a name that this machine lacks.
files::Owner ownerHere(const storage::KeptFile& file);

/// Whether writeKept() can write a path: `invalid` if it leads through a link that others could have made, or
/// if it is a directory or a device. Changes nothing.
Expected<void> mayWrite(const std::string& path);

/// Writes a file with its directories, owner and mode; the mode without the bits that make a program. A file
/// with another content, and a link, is kept as PATH.before-restore. Names of users that this machine lacks
/// leave the owner to the process.
Expected<void> writeKept(const storage::KeptFile& file);

}  // namespace lapwing::collector
