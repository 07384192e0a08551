#include "agent/snapshot/helper/write_snapshot.h"

#include <fcntl.h>
#include <grp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace lapwing::agent {

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
        // Without the group (the agent is not installed here) the file stays root's own.
        ok = (entry == nullptr || fchown(fd, static_cast<uid_t>(-1), entry->gr_gid) == 0) &&
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

}  // namespace lapwing::agent
