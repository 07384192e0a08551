#include "collector/command/directory.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

namespace lapwing::collector {
namespace {

tl::unexpected<Error> systemError(const std::string& doing, int reason) {
    const auto kind = reason == ENOENT                      ? ErrorKind::not_found
                      : reason == EACCES || reason == EPERM ? ErrorKind::denied
                                                            : ErrorKind::unavailable;
    return fail(kind, doing + ": " + std::system_category().message(reason));
}

/// True if root and the caller alone can put a link into a directory.
bool isOurs(int directory) {
    struct stat status {};
    constexpr mode_t others = S_IWGRP | S_IWOTH;
    return ::fstat(directory, &status) == 0 && (status.st_uid == 0 || status.st_uid == ::geteuid()) &&
           (status.st_mode & others) == 0;
}

bool isLink(int directory, const std::string& name) {
    struct stat status {};
    return ::fstatat(directory, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(status.st_mode);
}

}  // namespace

Directory::~Directory() {
    if (fd_ >= 0) {
        ::close(fd_);
    }
}

Expected<Directory> Directory::open(const std::string& path) {
    return walk(path, nullptr);
}

Expected<Directory> Directory::make(const std::string& path, const files::Owner& owner) {
    return walk(path, &owner);
}

Expected<Directory> Directory::walk(const std::string& path, const files::Owner* owner) {
    const int root = ::open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0) {
        return systemError("open /", errno);
    }
    Directory at(root, "");
    for (const auto& part : std::filesystem::path(path).relative_path()) {
        auto next = at.below(part.string(), owner);
        if (!next) {
            return next;
        }
        std::swap(at.fd_, next->fd_);
        at.path_ = next->path_;
    }
    return at;
}

/// Makes it for `owner`, if there is one.
Expected<Directory> Directory::below(const std::string& name, const files::Owner* owner) const {
    const auto path = path_ + "/" + name;
    const bool made = owner != nullptr && ::mkdirat(fd_, name.c_str(), 0750) == 0;
    if (owner != nullptr && !made && errno != EEXIST) {
        return systemError("make " + path, errno);
    }
    const int follow = isOurs(fd_) && !made ? 0 : O_NOFOLLOW;
    const int fd = ::openat(fd_, name.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC | follow);
    if (fd < 0) {
        const int reason = errno;
        return follow != 0 && isLink(fd_, name)
                   ? fail(ErrorKind::invalid, path + ": is a link in a directory that others can write into")
                   : systemError("open " + path, reason);
    }
    Directory out(fd, path);
    if (made && ::geteuid() == 0 && ::fchownat(fd, "", owner->uid, owner->gid, AT_EMPTY_PATH) != 0) {
        return systemError("give " + path + " its owner", errno);
    }
    return out;
}

std::string Directory::at(const std::string& name) const {
    return "/proc/self/fd/" + std::to_string(fd_) + "/" + name;
}

Expected<void> Directory::write(const std::string& name, const std::string& content, mode_t mode,
                                const files::Owner& owner) const {
    auto written = files::writeFile(at(name), content, mode, &owner);
    if (!written) {
        auto& message = written.error().message;
        if (const auto place = message.find(at(name)); place != std::string::npos) {
            message.replace(place, at(name).size(), path_ + "/" + name);
        }
    }
    return written;
}

}  // namespace lapwing::collector
