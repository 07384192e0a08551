#pragma once

#include <sys/types.h>

#include <string>

#include "common/error.h"

namespace lapwing::trust {

struct Owner {
    uid_t uid = 0;
    gid_t gid = 0;
};

/// The owner of an existing file or directory.
Expected<Owner> ownerOf(const std::string& path);

/// At most 1 MiB. Errors: `not_found`, `denied`, `invalid`.
Expected<std::string> readFile(const std::string& path);

/// Writes beside the target and renames: a reader sees the old content or the new one, whole. The file has
/// `mode` from its first moment. With `owner`, and as root, it is given to that owner.
Expected<void> writeFile(const std::string& path, const std::string& content, mode_t mode,
                         const Owner* owner = nullptr);

/// Makes a directory if it is not there, 0700, with its owner as above.
Expected<void> makePrivateDirectory(const std::string& path, const Owner* owner);

/// An exclusive lock on a file, held until destruction. Waits for the holder.
class FileLock {
  public:
    static Expected<FileLock> take(const std::string& path, const Owner* owner);
    FileLock(FileLock&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
    FileLock& operator=(FileLock&&) = delete;
    ~FileLock();

  private:
    explicit FileLock(int fd) : fd_(fd) {}
    int fd_;
};

}  // namespace lapwing::trust
