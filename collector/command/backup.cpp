#include "collector/storage/backup.h"

#include <fmt/core.h>

#include <algorithm>
#include <filesystem>

#include "collector/command/command.h"
#include "collector/command/kept_files.h"
#include "collector/command/problems.h"
#include "common/files.h"
#include "common/text.h"

namespace lapwing::collector {
namespace {

namespace fs = std::filesystem;

int failed(const Error& error) {
    fmt::print(stderr, "{}\n", error.message);
    if (error.kind == ErrorKind::denied) {
        fmt::print(stderr, "Run it as root, or as the user of the collector.\n");
    }
    return kWrongUsage;
}

/// A path as filesToKeep() gives it.
bool isPlain(const std::string& path) {
    return path.starts_with('/') && fs::path(path).lexically_normal() == fs::path(path);
}

const storage::KeptFile* named(const std::vector<storage::KeptFile>& files, const std::string& path) {
    const auto found =
        std::find_if(files.begin(), files.end(), [&](const auto& each) { return each.path == path; });
    return found == files.end() ? nullptr : &*found;
}

/// What stands in the way of a restore; "" if nothing.
std::string obstacle(const std::vector<storage::KeptFile>& files, const std::string& config_file) {
    if (files.empty()) {
        return "it holds the database alone: an older version made it. Copy it to the path `data` of the "
               "configuration, and bring the configuration and the directory ca by hand";
    }
    if (named(files, config_file) == nullptr) {
        return "it does not hold " + config_file + ": name the configuration that it holds with --config, " +
               files.front().path + " is among its files";
    }
    const auto strange =
        std::find_if(files.begin(), files.end(), [](const auto& each) { return !isPlain(each.path); });
    return strange == files.end() ? "" : "it names the file " + printable(strange->path);
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

int restore(const std::string& config_file, const std::string& file) {
    const auto kept = storage::filesOfBackup(file);
    if (!kept) {
        return failed(kept.error());
    }
    const auto path = fs::absolute(config_file).lexically_normal().string();
    if (const auto reason = obstacle(*kept, path); !reason.empty()) {
        fmt::print(stderr, "{}: {}.\n", file, reason);
        return kWrongUsage;
    }
    // Another CA would be lost, with every certificate that it has signed.
    for (const auto& each : *kept) {
        const bool of_ca = fs::path(each.path).parent_path().filename() == "ca";
        if (of_ca && fs::exists(each.path) && files::readFile(each.path).value_or("") != each.content) {
            fmt::print(stderr,
                       "{} is there already: nothing was changed. Restore onto a machine without a CA.\n",
                       each.path);
            return kWrongUsage;
        }
    }
    for (const auto& each : *kept) {
        if (const auto written = writeKept(each); !written) {
            return failed(written.error());
        }
    }
    const auto config = configOrComplain(config_file);
    if (!config) {
        return kWrongUsage;
    }
    if (const auto done = storage::restoreDatabase(file, config->data); !done) {
        return failed(done.error());
    }
    const auto* key =
        named(*kept, fs::absolute(config->directory()).lexically_normal().string() + "/ca/ca.key");
    constexpr int of_database = 0640;
    if (const auto given = key == nullptr ? Expected<void>() : giveTo(config->data, *key, of_database);
        !given) {
        return failed(given.error());
    }
    fmt::print(
        "Restored: {} and {}. Files that were there with another content are beside them, as "
        "*.before-restore.\n"
        "Next: systemctl restart lapwing-collector. Agents go on with their certificates; where this machine "
        "has another address, change collector.url in their agent.yaml.\n"
        "Hosts that were revoked after the backup must be revoked again.\n",
        config->data, counted(kept->size(), "file", "files"));
    return kFine;
}

}  // namespace lapwing::collector
