#include <fmt/core.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <system_error>
#include <vector>

#include "collector/command/command.h"
#include "collector/command/directory.h"
#include "collector/command/kept_files.h"
#include "collector/config/config.h"
#include "collector/storage/backup.h"
#include "common/config/reader.h"
#include "common/files.h"
#include "common/text.h"

namespace lapwing::collector {
namespace {

namespace fs = std::filesystem;

using Files = std::vector<storage::KeptFile>;

constexpr const char* kServiceUser = "lapwing-collector";  // of the unit

std::string normal(const std::string& path) {
    return fs::absolute(path).lexically_normal().string();
}

int failed(const Error& error) {
    fmt::print(stderr, "{}\n", printable(error.message));
    if (error.kind == ErrorKind::denied) {
        fmt::print(stderr, "Run it as root, or as the user of the collector.\n");
    }
    return kWrongUsage;
}

int refused(const Error& error) {
    failed(error);
    fmt::print(stderr, "Nothing was written.\n");
    return kWrongUsage;
}

/// A path as filesToKeep() gives it.
bool isPlain(const std::string& path) {
    return path.starts_with('/') && !path.ends_with('/') && path.find('\0') == std::string::npos &&
           fs::path(path).lexically_normal() == fs::path(path);
}

const storage::KeptFile* named(const Files& files, const std::string& path) {
    const auto found =
        std::find_if(files.begin(), files.end(), [&](const auto& each) { return each.path == path; });
    return found == files.end() ? nullptr : &*found;
}

Expected<void> judgeContent(const std::string& file, const Files& files, const std::string& config_file) {
    if (files.empty()) {
        return fail(
            ErrorKind::invalid,
            file +
                ": it holds the database alone: an older version made it. Copy it to the path `data` of "
                "the configuration, and bring the configuration and the directory ca by hand");
    }
    if (named(files, config_file) == nullptr) {
        return fail(ErrorKind::invalid, file + ": it does not hold " + config_file +
                                            ": name the configuration that it holds with --config, " +
                                            files.front().path + " is among its files");
    }
    const auto strange =
        std::find_if(files.begin(), files.end(), [](const auto& each) { return !isPlain(each.path); });
    return strange == files.end() ? Expected<void>()
                                  : fail(ErrorKind::invalid, file + ": it names the file " + strange->path);
}

/// A directory that is removed with its content.
struct Scratch {
    std::string path = (fs::temp_directory_path() / "lapwing-restore-XXXXXX").string();
    bool made = ::mkdtemp(path.data()) != nullptr;
    Scratch() = default;
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;
    ~Scratch() {
        std::error_code ignored;
        if (made) {
            fs::remove_all(path, ignored);
        }
    }
    Expected<void> put(const std::string& file, const std::string& content) const {
        std::error_code error;
        fs::create_directories(fs::path(path + file).parent_path(), error);
        return files::writeFile(path + file, content, 0600);
    }
};

/// Whether a problem of the configuration is only that a file of the backup is not written yet.
bool goesAway(const config::Problem& problem, const Files& files) {
    return std::any_of(files.begin(), files.end(), [&](const auto& each) {
        std::error_code ignored;
        return problem.message.find(" " + each.path + ": ") != std::string::npos &&
               !fs::exists(each.path, ignored);
    });
}

/// The configuration as it will be: the files of the backup, over those that this machine has beside them.
Expected<Config> configToCome(const Files& files, const std::string& config_file) {
    const Scratch scratch;
    if (!scratch.made) {
        return fail(ErrorKind::unavailable, "make the directory " + scratch.path + " for a moment");
    }
    const auto beside = config::directoryBeside(config_file);
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(beside, ignored)) {
        const auto content = files::readFile(entry.path().string(), 4U << 20);
        if (content && entry.path().extension() == ".yaml") {
            if (auto put = scratch.put(entry.path().string(), *content); !put) {
                return fail(put.error());
            }
        }
    }
    for (const auto& each : files) {
        if (each.path == config_file || fs::path(each.path).parent_path() == beside) {
            if (auto put = scratch.put(each.path, each.content); !put) {
                return fail(put.error());
            }
        }
    }
    config::Reader reader;
    auto config = loadConfig(scratch.path + config_file, reader);
    std::string problems;
    for (const auto& each : reader.problems()) {
        if (!goesAway(each, files)) {
            problems += (problems.empty() ? "" : "; ") + each.toString().substr(scratch.path.size());
        }
    }
    return problems.empty() ? Expected<Config>(std::move(config)) : fail(ErrorKind::invalid, problems);
}

/// The directories that may be written below. A directory of the root (/etc) belongs to others as well.
std::vector<std::string> directoriesFor(const std::string& config_file,
                                        const std::vector<std::string>& allowed) {
    std::vector<std::string> out{config::directoryBeside(config_file), Config().directory()};
    const auto own = fs::path(config_file).parent_path();
    if (own.has_relative_path() && own.parent_path().has_relative_path()) {
        out.push_back(own.string());
    }
    for (const auto& each : allowed) {
        out.push_back(normal(each));
    }
    return out;
}

Expected<void> judgePlaces(const std::set<std::string>& paths, const std::vector<std::string>& directories) {
    const auto is_below = [&](const std::string& path) {
        return std::any_of(directories.begin(), directories.end(), [&](const auto& each) {
            return path.starts_with(each.ends_with('/') ? each : each + "/");
        });
    };
    std::string outside;
    std::set<std::string> options;
    for (const auto& path : paths) {
        if (!is_below(path)) {
            outside += (outside.empty() ? "" : ", ") + path;
            options.insert("--allow " + fs::path(path).parent_path().string());
        }
    }
    if (outside.empty()) {
        return {};
    }
    return fail(ErrorKind::invalid,
                fmt::format("the backup would write {}: outside of the directories of the "
                            "configuration and of the collector's data. If that is right, add {}",
                            outside, fmt::join(options, " ")));
}

/// Another CA would be lost, with every certificate that it has signed.
Expected<void> judgeCa(const Files& files) {
    for (const auto& each : files) {
        std::error_code ignored;
        const bool of_ca = fs::path(each.path).parent_path().filename() == "ca";
        if (of_ca && fs::exists(each.path, ignored) &&
            files::readFile(each.path).value_or("") != each.content) {
            return fail(ErrorKind::invalid, each.path +
                                                ": is there already. If no agent has joined this machine's "
                                                "own CA, stop the collector and move " +
                                                fs::path(each.path).parent_path().string() +
                                                " to another directory");
        }
    }
    return {};
}

Expected<void> judgeDatabase(const Files& files, const std::string& data) {
    for (const char* suffix : {"", "-wal", "-shm", "-journal"}) {
        if (named(files, data + suffix) != nullptr) {
            return fail(ErrorKind::invalid, "the backup names the file " + data + suffix);
        }
    }
    if (auto room = storage::roomFor(data); !room) {
        return fail(ErrorKind::invalid, room.error().message + ". Stop the collector, and move " + data +
                                            ", " + data + "-wal, " + data + "-shm and " + data +
                                            "-journal together to another directory");
    }
    return {};
}

/// All that can stand in the way, before the first write.
Expected<void> judge(const Files& files, const std::string& config_file, const std::string& data,
                     const std::vector<std::string>& allowed) {
    std::set<std::string> paths{data};
    for (const auto& each : files) {
        paths.insert(each.path);
    }
    paths.erase(config_file);  // the caller named it
    auto right = judgePlaces(paths, directoriesFor(config_file, allowed));
    right = right ? judgeDatabase(files, data) : right;
    right = right ? judgeCa(files) : right;
    paths.insert(config_file);
    for (const auto& path : paths) {
        right = right ? mayWrite(path) : right;
    }
    return right;
}

/// Whoever has the key of the CA runs the collector; without a CA the owner of the directory, or the unit's
/// user.
files::Owner ownerOfData(const Files& files, const std::string& directory) {
    constexpr auto nobody = static_cast<uid_t>(-1);
    const auto* key = named(files, directory + "/ca/ca.key");
    if (key != nullptr && ownerHere(*key).uid != nobody) {
        return ownerHere(*key);
    }
    const auto owner = files::ownerOf(directory);
    return owner && owner->uid != 0 ? *owner : ownerHere({"", kServiceUser, kServiceUser, 0, ""});
}

Expected<void> write(const std::string& file, const Files& files, const std::string& data) {
    for (const auto& each : files) {
        if (auto written = writeKept(each); !written) {
            return written;
        }
        fmt::print("{}\n", printable(each.path));
    }
    const auto directory = fs::path(data).parent_path().string();
    const auto owner = ownerOfData(files, directory);
    if (const auto made = Directory::make(directory, owner); !made) {
        return fail(made.error());
    }
    // Last: without the database a repeated run completes an interrupted one.
    auto done = storage::restoreDatabase(file, data, owner);
    if (done) {
        fmt::print("{}\n", printable(data));
    }
    return done;
}

}  // namespace

int restore(const std::string& config_file, const std::string& file,
            const std::vector<std::string>& allowed) {
    const auto files = storage::filesOfBackup(file);
    if (!files) {
        return failed(files.error());
    }
    const auto path = normal(config_file);
    if (const auto right = judgeContent(file, *files, path); !right) {
        return refused(right.error());
    }
    const auto config = configToCome(*files, path);
    if (!config) {
        return refused(config.error());
    }
    const auto data = normal(config->data);
    if (const auto right = judge(*files, path, data, allowed); !right) {
        return refused(right.error());
    }
    if (const auto written = write(file, *files, data); !written) {
        return failed(written.error());
    }
    fmt::print(
        "Restored: the database and {}. Files that were there with another content are beside them, as "
        "*.before-restore.\n"
        "Next: systemctl restart lapwing-collector. Agents go on with their certificates; where this machine "
        "has another address, change collector.url in their agent.yaml.\n"
        "Hosts that were revoked after the backup must be revoked again.\n",
        counted(files->size(), "file", "files"));
    return kFine;
}

}  // namespace lapwing::collector
