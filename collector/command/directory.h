#pragma once

#include <sys/types.h>

#include <string>
#include <utility>

#include "common/error.h"
#include "common/files.h"

namespace lapwing::collector {

/// An open directory, into which root can write files though other users may write into it or into a
/// directory above. A link is followed only where root or the caller alone could have made it.
class Directory {
  public:
    /// Opens the directory of an absolute, normal path. Errors: `not_found`; `denied`; `invalid` for a link
    /// that others could have made.
    static Expected<Directory> open(const std::string& path);
    /// The same; makes what is missing, with mode 0750. A process of root gives that to the owner.
    static Expected<Directory> make(const std::string& path, const files::Owner& owner);

    Directory(Directory&& other) noexcept : fd_(other.fd_), path_(std::move(other.path_)) { other.fd_ = -1; }
    Directory& operator=(Directory&&) = delete;
    ~Directory();

    int descriptor() const { return fd_; }
    /// A path of a file in it, which stays in this directory whatever others rename meanwhile.
    std::string at(const std::string& name) const;
    /// As files::writeFile().
    Expected<void> write(const std::string& name, const std::string& content, mode_t mode,
                         const files::Owner& owner) const;

  private:
    Directory(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
    Expected<Directory> below(const std::string& name, const files::Owner* owner) const;
    static Expected<Directory> walk(const std::string& path, const files::Owner* owner);

    int fd_;
    std::string path_;
};

}  // namespace lapwing::collector
