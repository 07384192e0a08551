#include "collector/command/kept_files.h"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <system_error>

#include "common/config/reader.h"
#include "common/files.h"
#include "common/glob.h"

namespace lapwing::collector {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostFiles = 10'000;
constexpr std::size_t kMostBytes = 4U << 20;  // of a file: the configuration has that limit

Error systemError(const std::string& doing) {
    const auto kind = errno == EACCES || errno == EPERM ? ErrorKind::denied : ErrorKind::unavailable;
    return Error{kind, doing + ": " + std::system_category().message(errno)};
}

void addDirectory(const std::string& directory, const std::string& extension, std::set<std::string>& out) {
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(directory, ignored)) {
        if (entry.is_regular_file(ignored) && (extension.empty() || entry.path().extension() == extension)) {
            out.insert(fs::absolute(entry.path()).lexically_normal().string());
        }
    }
}

std::string userName(uid_t uid) {
    std::array<char, 4096> buffer{};
    passwd entry{};
    passwd* found = nullptr;
    return ::getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr
               ? found->pw_name
               : "";
}

std::string groupName(gid_t gid) {
    std::array<char, 4096> buffer{};
    group entry{};
    group* found = nullptr;
    return ::getgrgid_r(gid, &entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr
               ? found->gr_name
               : "";
}

/// The owner of a kept file on this machine; -1 leaves what is.
files::Owner ownerHere(const storage::KeptFile& file) {
    files::Owner out{static_cast<uid_t>(-1), static_cast<gid_t>(-1)};
    std::array<char, 4096> buffer{};
    passwd user{};
    passwd* user_found = nullptr;
    if (::getpwnam_r(file.user.c_str(), &user, buffer.data(), buffer.size(), &user_found) == 0 &&
        user_found != nullptr) {
        out.uid = user_found->pw_uid;
    }
    group of{};
    group* group_found = nullptr;
    if (::getgrnam_r(file.group.c_str(), &of, buffer.data(), buffer.size(), &group_found) == 0 &&
        group_found != nullptr) {
        out.gid = group_found->gr_gid;
    }
    return out;
}

/// Makes the missing directories, which belong to the owner of the file.
Expected<void> makeDirectories(const fs::path& directory, const files::Owner& owner) {
    if (directory.empty() || fs::exists(directory)) {
        return {};
    }
    if (auto made = makeDirectories(directory.parent_path(), owner); !made) {
        return made;
    }
    if (::mkdir(directory.c_str(), 0750) != 0 && errno != EEXIST) {
        return tl::unexpected(systemError("make " + directory.string()));
    }
    if (::geteuid() == 0 && ::chown(directory.c_str(), owner.uid, owner.gid) != 0) {
        return tl::unexpected(systemError("give " + directory.string() + " its owner"));
    }
    return {};
}

}  // namespace

std::set<std::string> filesToKeep(const Config& config, const std::string& config_file) {
    std::set<std::string> out;
    const auto add = [&](const std::string& path) {
        if (!path.empty()) {
            out.insert(fs::absolute(path).lexically_normal().string());
        }
    };
    add(config_file);
    addDirectory(config::directoryBeside(config_file), ".yaml", out);
    for (const auto& pattern : config.rules) {
        for (const auto& file : filesMatching(pattern)) {
            add(file);
        }
    }
    add(config.http.users_file);
    add(config.http.tls_cert);
    add(config.http.tls_key);
    for (const auto& each : config.notify.webhook) {
        add(each.url_file);
        add(each.ca_file);
        add(each.bearer_token_file);
        add(each.routing_key_file);
    }
    for (const auto& each : config.notify.email) {
        add(each.ca_file);
        add(each.password_file);
    }
    for (const auto& each : config.notify.alertmanager) {
        add(each.ca_file);
        add(each.bearer_token_file);
    }
    if (config.notify.heartbeat) {
        add(config.notify.heartbeat->url_file);
        add(config.notify.heartbeat->ca_file);
    }
    for (const auto& each : config.forward) {
        add(each.bearer_token_file);
        add(each.password_file);
        add(each.tls.ca_file);
        add(each.tls.cert_file);
        add(each.tls.key_file);
    }
    addDirectory(config.directory() + "/ca", "", out);
    addDirectory(config.directory() + "/ca/agents", "", out);
    return out;
}

Expected<std::vector<storage::KeptFile>> readKept(const std::set<std::string>& paths) {
    if (paths.size() > kMostFiles) {
        return fail(ErrorKind::exhausted, "there are more than 10,000 files to keep");
    }
    std::vector<storage::KeptFile> out;
    for (const auto& path : paths) {
        struct stat status {};
        if (::stat(path.c_str(), &status) != 0) {
            if (errno == ENOENT) {
                continue;
            }
            return tl::unexpected(systemError("read " + path));
        }
        auto content = files::readFile(path, kMostBytes);
        if (!content) {
            return tl::unexpected(content.error());
        }
        out.push_back({path, userName(status.st_uid), groupName(status.st_gid),
                       static_cast<int>(status.st_mode & 07777U), std::move(*content)});
    }
    return out;
}

Expected<void> writeKept(const storage::KeptFile& file) {
    const auto owner = ownerHere(file);
    if (auto made = makeDirectories(fs::path(file.path).parent_path(), owner); !made) {
        return made;
    }
    const auto before = files::readFile(file.path, kMostBytes);
    if (before && *before == file.content) {
        return {};
    }
    const auto aside = file.path + ".before-restore";
    if (fs::exists(fs::symlink_status(file.path)) && ::rename(file.path.c_str(), aside.c_str()) != 0) {
        return tl::unexpected(systemError("rename " + file.path));
    }
    if (auto written = files::writeFile(file.path, file.content, static_cast<mode_t>(file.mode)); !written) {
        return written;
    }
    return giveTo(file.path, file, file.mode);
}

Expected<void> giveTo(const std::string& path, const storage::KeptFile& like, int mode) {
    const auto owner = ownerHere(like);
    if (::geteuid() == 0 && ::chown(path.c_str(), owner.uid, owner.gid) != 0) {
        return tl::unexpected(systemError("give " + path + " its owner"));
    }
    if (::chmod(path.c_str(), static_cast<mode_t>(mode)) != 0) {
        return tl::unexpected(systemError("set the mode of " + path));
    }
    return {};
}

}  // namespace lapwing::collector
