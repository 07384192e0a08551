#pragma once

#include <set>
#include <string>

#include "collector/config/config.h"
#include "collector/storage/backup.h"

namespace lapwing::collector {

/// The files that a collector on a new machine needs beside the database: the configuration with everything
/// that it names, the rules, and the CA with the agents' records. Absolute paths; some may not exist.
std::set<std::string> filesToKeep(const Config& config, const std::string& config_file);

/// Reads them, with owner and mode. What does not exist is left out. Errors: the files'; `exhausted` beyond
/// 10,000 files.
Expected<std::vector<storage::KeptFile>> readKept(const std::set<std::string>& paths);

/// Writes a file with its directories, owner and mode. A file with another content is kept as
/// PATH.before-restore. Names of users that this machine lacks leave the owner to the process.
Expected<void> writeKept(const storage::KeptFile& file);

/// Gives a file the owner of a kept one, and a mode.
Expected<void> giveTo(const std::string& path, const storage::KeptFile& like, int mode);

}  // namespace lapwing::collector
