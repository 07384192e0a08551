#include "common/files.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>

namespace lapwing::files {
namespace {

tl::unexpected<Error> systemFailure(const std::string& what, int reason) {
    const auto kind = reason == ENOENT                                          ? ErrorKind::not_found
                      : reason == EACCES || reason == EPERM                     ? ErrorKind::denied
                      : reason == ENOSPC || reason == EROFS || reason == EDQUOT ? ErrorKind::unavailable
                                                                                : ErrorKind::invalid;
    return fail(kind, what + ": " + std::strerror(reason));
}

bool give(int fd, const Owner* owner) {
    return owner == nullptr || geteuid() != 0 || fchown(fd, owner->uid, owner->gid) == 0;
}

bool writeAll(int fd, const std::string& content) {
    std::size_t done = 0;
    while (done < content.size()) {
        const ssize_t n = ::write(fd, content.data() + done, content.size() - done);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return false;
        }
        done += static_cast<std::size_t>(n);
    }
    return true;
}

}  // namespace

Expected<Owner> ownerOf(const std::string& path) {
    struct stat info {};
    if (::stat(path.c_str(), &info) != 0) {
        return systemFailure("look at " + path, errno);
    }
    return Owner{info.st_uid, info.st_gid};
}

Expected<std::string> readFile(const std::string& path, std::size_t most) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return systemFailure("read " + path, errno);
    }
    std::string content;
    char buffer[4096];
    while (true) {
        const ssize_t n = ::read(fd, buffer, sizeof buffer);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0 || content.size() > most) {
            const int reason = n < 0 ? errno : EFBIG;
            ::close(fd);
            return systemFailure("read " + path, reason);
        }
        if (n == 0) {
            break;
        }
        content.append(buffer, static_cast<std::size_t>(n));
    }
    ::close(fd);
    return content;
}

bool othersMayChange(const std::string& path) {
    namespace fs = std::filesystem;
    constexpr int most_links = 40;  // as the kernel follows
    std::error_code error;
    struct stat file {};
    const auto is_roots = [&file] {
        return file.st_uid == 0 && (file.st_mode & S_IWOTH) == 0 &&
               ((file.st_mode & S_IWGRP) == 0 || file.st_gid == 0);
    };
    const auto whole = fs::absolute(path, error);
    if (error || path.empty() || ::stat("/", &file) != 0 || !is_roots()) {
        return true;
    }
    fs::path place = "/";  // what leads here is root's
    std::deque<fs::path> left;
    const auto follow = [&](const fs::path& target) {
        const auto parts = target.relative_path();
        place = target.is_absolute() ? "/" : place;
        left.insert(left.begin(), parts.begin(), parts.end());
    };
    follow(whole);
    for (int links = 0; !left.empty();) {
        const auto part = std::move(left.front());
        left.pop_front();
        if (part == "..") {
            place = place.parent_path();
        } else if (part.empty() || part == ".") {
            continue;
        } else if (::lstat((place / part).c_str(), &file) != 0 || (!S_ISLNK(file.st_mode) && !is_roots())) {
            return true;
        } else if (S_ISLNK(file.st_mode)) {
            follow(fs::read_symlink(place / part, error));
            if (error || ++links > most_links) {
                return true;
            }
        } else {
            place /= part;
        }
    }
    return false;
}

Expected<void> syncDirectoryOf(const std::string& path) {
    const auto slash = path.rfind('/');
    const auto directory = slash == std::string::npos ? std::string(".") : path.substr(0, slash + 1);
    const int fd = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const bool synced = fd >= 0 && ::fsync(fd) == 0;
    const int reason = errno;
    if (fd >= 0) {
        ::close(fd);
    }
    if (synced) {
        return {};
    }
    const auto kind = reason == EACCES   ? ErrorKind::denied
                      : reason == EINVAL ? ErrorKind::invalid
                                         : ErrorKind::unavailable;
    return fail(kind, "sync " + directory + ": " + std::strerror(reason));
}

Expected<void> writeFile(const std::string& path, const std::string& content, mode_t mode,
                         const Owner* owner) {
    std::string temporary = path + ".XXXXXX";
    // mkstemp creates a new file with mode 0600, whatever the directory holds.
    const int fd = ::mkostemp(temporary.data(), O_CLOEXEC);
    if (fd < 0) {
        return systemFailure("write " + path, errno);
    }
    const bool written =
        writeAll(fd, content) && ::fchmod(fd, mode) == 0 && give(fd, owner) && ::fsync(fd) == 0;
    int reason = errno;
    ::close(fd);
    if (written && ::rename(temporary.c_str(), path.c_str()) == 0) {
        auto synced = syncDirectoryOf(path);
        // Who may write into a directory need not be able to read it, and not every file system can do it.
        const bool fails = !synced && synced.error().kind == ErrorKind::unavailable;
        return fails ? std::move(synced) : Expected<void>();
    }
    if (written) {
        reason = errno;
    }
    ::unlink(temporary.c_str());
    return systemFailure("write " + path, reason);
}

Expected<void> makePrivateDirectory(const std::string& path, const Owner* owner) {
    if (::mkdir(path.c_str(), 0700) != 0) {
        if (errno == EEXIST) {
            return {};
        }
        return systemFailure("make the directory " + path, errno);
    }
    if (owner != nullptr && geteuid() == 0 && ::lchown(path.c_str(), owner->uid, owner->gid) != 0) {
        return systemFailure("give away the directory " + path, errno);
    }
    return {};
}

Expected<FileLock> FileLock::take(const std::string& path, const Owner* owner) {
    const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return systemFailure("lock " + path, errno);
    }
    if (!give(fd, owner)) {
        const int reason = errno;
        ::close(fd);
        return systemFailure("lock " + path, reason);
    }
    while (::flock(fd, LOCK_EX) != 0) {
        if (errno == EINTR) {
            continue;
        }
        const int reason = errno;
        ::close(fd);
        return systemFailure("lock " + path, reason);
    }
    return FileLock(fd);
}

FileLock::~FileLock() {
    if (fd_ >= 0) {
        ::close(fd_);
    }
}

}  // namespace lapwing::files
