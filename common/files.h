#pragma once

#include <sys/types.h>

#include <cstddef>
#include <string>

#include "common/error.h"

namespace lapwing::files {

struct Owner {
    uid_t uid = 0;
    gid_t gid = 0;
};

/// The owner of an existing file or directory.
Expected<Owner> ownerOf(const std::string& path);

/// Reads a file of at most `most` bytes. Errors: `not_found`, `denied`, `invalid`.
Expected<std::string> readFile(const std::string& path, std::size_t most = 1U << 20);

/// Whether someone other than root may change the file, a directory above it, or one that a symbolic link on
/// the way leads through. True for a file that does not exist.
bool othersMayChange(const std::string& path);

/// Syncs the directory of `path`: without that a loss of power may lose the name of a new file. Errors:
/// `denied` (the directory may not be read), `invalid` (its file system cannot do it), `unavailable`.
Expected<void> syncDirectoryOf(const std::string& path);

/// Writes a temporary file beside the target and renames it: a reader sees the old content or the new one,
/// never a part. Both are durable before it returns. The file has `mode` from the beginning. Given an
/// `owner`, a process of root changes the file's owner.
Expected<void> writeFile(const std::string& path, const std::string& content, mode_t mode,
                         const Owner* owner = nullptr);

/// Creates a directory with mode 0700 if it does not exist, with its owner as above.
Expected<void> makePrivateDirectory(const std::string& path, const Owner* owner);

/// An exclusive lock on a file, held until destruction. The constructor waits for the present holder.
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

}  // namespace lapwing::files
