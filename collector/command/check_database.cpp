#include <fmt/core.h>

#include "collector/command/command.h"
#include "collector/command/problems.h"
#include "collector/storage/salvage.h"
#include "collector/storage/schema.h"

namespace lapwing::collector {
namespace {

int failed(const Error& error) {
    fmt::print(stderr, "{}\n", error.message);
    if (error.kind == ErrorKind::denied) {
        fmt::print(stderr, "Run it as root, or as the user of the collector.\n");
    }
    return kWrongUsage;
}

int salvageInto(const std::string& database, const std::string& file) {
    {
        const auto lock = storage::FileLock::take(database);
        if (!lock) {
            return failed(lock.error());
        }
    }
    const auto losses = storage::salvage(database, file);
    if (!losses) {
        return failed(losses.error());
    }
    for (const auto& loss : *losses) {
        fmt::print("lost or unreadable: {}\n", loss);
    }
    fmt::print("{} has everything readable of {}, which was not changed\n", file, database);
    return losses->empty() ? kFine : kDegraded;
}

}  // namespace

int checkDatabase(const std::string& config_file, const std::string& salvage_file) {
    const auto config = configOrComplain(config_file);
    if (!config) {
        return kWrongUsage;
    }
    if (!salvage_file.empty()) {
        return salvageInto(config->data, salvage_file);
    }
    auto damage = storage::findDamage(config->data);
    if (!damage && damage.error().kind != ErrorKind::internal) {
        return failed(damage.error());
    }
    if (!damage) {
        damage = std::vector<std::string>{damage.error().message};
    }
    for (const auto& each : *damage) {
        fmt::print("{}\n", each);
    }
    if (!damage->empty()) {
        fmt::print(
            "{} is damaged. The next start of the collector rebuilds it from everything readable, and keeps "
            "the damaged file. To try that: lapwing-collector check --salvage FILE\n",
            config->data);
        return kDegraded;
    }
    fmt::print("{}: fine\n", config->data);
    return kFine;
}

}  // namespace lapwing::collector
