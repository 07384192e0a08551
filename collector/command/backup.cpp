#include "collector/storage/backup.h"

#include <fmt/core.h>

#include "collector/command/command.h"
#include "collector/command/kept_files.h"
#include "collector/command/problems.h"
#include "common/text.h"

namespace lapwing::collector {
namespace {

int failed(const Error& error) {
    fmt::print(stderr, "{}\n", error.message);
    if (error.kind == ErrorKind::denied) {
        fmt::print(stderr, "Run it as root, or as the user of the collector.\n");
    }
    return kWrongUsage;
}

}  // namespace

int backup(const std::string& config_file, const std::string& file) {
    const auto config = configOrComplain(config_file);
    if (!config) {
        return kWrongUsage;
    }
    const auto files = readKept(filesToKeep(*config, config_file));
    if (!files) {
        return failed(files.error());
    }
    if (const auto done = storage::backup(config->data, file, *files); !done) {
        return failed(done.error());
    }
    fmt::print(
        "{}: the database, and {} of the configuration and the CA. It holds private keys: keep it safe.\n",
        file, counted(files->size(), "file", "files"));
    return kFine;
}

}  // namespace lapwing::collector
