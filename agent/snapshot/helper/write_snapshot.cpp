#include "agent/snapshot/helper/write_snapshot.h"

#include <fcntl.h>
#include <grp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "common/digest.h"

namespace lapwing::agent {

namespace {

/// Larger outputs go into a file of their own, which is written and read only after the rules have changed.
constexpr std::size_t kMostInlineRules = 64U << 10;
constexpr std::size_t kNameLength = 16;
constexpr std::chrono::minutes kKeep{1};

void dropOthers(const std::string& directory, const std::string& prefix, const std::string& kept) {
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
        const auto name = entry.path().filename().string();
        // A reader of the last snapshot may be about to open its file.
        const auto written = entry.last_write_time(error);
        const bool old = !error && std::filesystem::file_time_type::clock::now() - written > kKeep;
        if (name.starts_with(prefix) && name != kept && old) {
            unlink(entry.path().c_str());
        }
    }
}

}  // namespace

Expected<void> writeSnapshot(const std::string& file, const std::string& json, const std::string& group) {
    const auto failed = [&](const std::string& what) {
        return fail(errno == EACCES || errno == EPERM ? ErrorKind::denied : ErrorKind::unavailable,
                    "writing " + what + ": " + std::strerror(errno));
    };
    const auto fresh = file + ".new";
    unlink(fresh.c_str());
    const int fd =
        open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR);
    if (fd < 0) {
        return failed(fresh);
    }
    std::size_t written = 0;
    bool ok = true;
    while (ok && written < json.size()) {
        const auto some = write(fd, json.data() + written, json.size() - written);
        if (some > 0) {
            written += static_cast<std::size_t>(some);
        } else if (some == 0 || errno != EINTR) {
            ok = false;
        }
    }
    if (ok) {
        const auto* entry = group.empty() ? nullptr : getgrnam(group.c_str());
        struct stat about {};
        // The unit's group is the agent's. Without the group (the agent is not installed here) the file stays
        // its writer's own.
        ok = (entry == nullptr || (fstat(fd, &about) == 0 && about.st_gid == entry->gr_gid) ||
              fchown(fd, static_cast<uid_t>(-1), entry->gr_gid) == 0) &&
             fchmod(fd, S_IRUSR | S_IWUSR | S_IRGRP) == 0;
    }
    const int error = errno;
    close(fd);
    if (ok && rename(fresh.c_str(), file.c_str()) == 0) {
        return {};
    }
    errno = ok ? errno : error;
    auto result = failed(file);
    unlink(fresh.c_str());
    return result;
}

Expected<void> writeSnapshot(const std::string& file, Snapshot snapshot, const std::string& group) {
    const auto slash = file.rfind('/');
    const auto directory = slash == std::string::npos ? std::string("./") : file.substr(0, slash + 1);
    const auto name = slash == std::string::npos ? file : file.substr(slash + 1);
    const auto prefix = name + ".rules-";
    const auto boot_prefix = name + ".boot-";
    if (snapshot.rules.file.empty()) {
        const auto rules = rulesToJson(snapshot);
        if (rules.size() > kMostInlineRules) {
            snapshot.rules.file = prefix + sha256(rules).substr(0, kNameLength);
            if (auto written = writeSnapshot(directory + snapshot.rules.file, rules, group); !written) {
                return written;
            }
            snapshot.ruleset.output.clear();
            snapshot.listing.output.clear();
            snapshot.ipsets.output.clear();
            for (auto& tool : snapshot.iptables) {
                tool.output.clear();
            }
        }
    }
    auto& boot = snapshot.boot;
    if (boot.file.empty() && boot.listing.size() > kMostInlineRules) {
        boot.file = boot_prefix + sha256(boot.listing).substr(0, kNameLength);
        if (auto written = writeSnapshot(directory + boot.file, boot.listing, group); !written) {
            return written;
        }
        boot.listing.clear();
    }
    auto written = writeSnapshot(file, toJson(snapshot), group);
    if (written) {
        dropOthers(directory, prefix, snapshot.rules.file);
        dropOthers(directory, boot_prefix, boot.file);
    }
    return written;
}

}  // namespace lapwing::agent
