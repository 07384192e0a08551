#include "collector/storage/backup.h"

#include <fmt/core.h>

#include "collector/command/command.h"
#include "collector/command/problems.h"

namespace lapwing::collector {

int backup(const std::string& config_file, const std::string& file) {
    const auto config = configOrComplain(config_file);
    if (!config) {
        return kWrongUsage;
    }
    const auto done = storage::backup(config->data, file);
    if (done) {
        return kFine;
    }
    fmt::print(stderr, "{}\n", done.error().message);
    if (done.error().kind == ErrorKind::denied) {
        fmt::print(stderr, "Run it as root, or as the user of the collector.\n");
    }
    return kWrongUsage;
}

}  // namespace lapwing::collector
