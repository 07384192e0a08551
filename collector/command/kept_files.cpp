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

#include "collector/command/directory.h"
#include "common/config/reader.h"
#include "common/files.h"
#include "common/glob.h"

namespace lapwing::collector {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostFiles = 10'000;
constexpr std::size_t kMostBytes = 4U << 20;  // of a file: the configuration has that limit
constexpr mode_t kPermissions = 0666;         // nothing that a backup holds is a program

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
        add(each.body_file);
        for (const auto& header : each.header_files) {
            add(header.second);
        }
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

Expected<void> mayWrite(const std::string& path) {
    const auto directory = Directory::open(fs::path(path).parent_path());
    if (!directory) {
        return directory.error().kind == ErrorKind::not_found ? Expected<void>() : fail(directory.error());
    }
    struct stat status {};
    const auto name = fs::path(path).filename();
    const bool there = ::fstatat(directory->descriptor(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0;
    if (there && !S_ISREG(status.st_mode) && !S_ISLNK(status.st_mode)) {
        return fail(ErrorKind::invalid, path + ": is no file");
    }
    return {};
}

Expected<void> writeKept(const storage::KeptFile& file) {
    const auto owner = ownerHere(file);
    const auto directory = Directory::make(fs::path(file.path).parent_path(), owner);
    if (!directory) {
        return fail(directory.error());
    }
    const int at = directory->descriptor();
    const auto name = fs::path(file.path).filename().string();
    struct stat status {};
    const bool there = ::fstatat(at, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0;
    const bool same = there && S_ISREG(status.st_mode) &&
                      files::readFile(directory->at(name), kMostBytes).value_or("") == file.content;
    if (there && !same && ::renameat(at, name.c_str(), at, (name + ".before-restore").c_str()) != 0) {
        return tl::unexpected(systemError("rename " + file.path));
    }
    // The same content as well: an interrupted run may have left another owner and mode.
    return directory->write(name, file.content, static_cast<mode_t>(file.mode) & kPermissions, owner);
}

}  // namespace lapwing::collector
