#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/error.h"

namespace lapwing::agent::node {

/// Where the trees stand that the collectors read: elsewhere in tests, and for an agent in a container.
struct Roots {
    std::string proc = "/proc";  ///< of procfs
    std::string sys = "/sys";    ///< of sysfs
    std::string root;            ///< of the host's other files, put before their absolute paths
};

/// Reads the small files of procfs and sysfs for one probe. The buffer is kept from file to file. Not
/// synchronised.
class Files {
  public:
    explicit Files(Roots roots) : roots_(std::move(roots)) {}

    /// Full paths; `path` begins with a slash.
    std::string proc(std::string_view path) const { return roots_.proc + std::string(path); }
    std::string sys(std::string_view path) const { return roots_.sys + std::string(path); }
    std::string root(std::string_view path) const { return roots_.root + std::string(path); }

    /// After `until` every read fails as `timeout`, so that slow sensors cost no other part its values.
    void readUntil(std::chrono::steady_clock::time_point until);
    /// Whether a read has failed so since readUntil().
    bool late() const { return late_; }

    /// The content, valid until the next read. `not_found` also stands for a file that this kernel or device
    /// does not support (its read fails with EOPNOTSUPP, ENODEV, EINVAL, ENODATA), `denied` for one that this
    /// user may not read, `exhausted` for one of more than 8 MiB.
    Expected<std::string_view> read(const std::string& path);
    /// The content without blanks around it; nothing for a file that cannot be read or is empty.
    std::optional<std::string> text(const std::string& path);
    /// A decimal number that is the whole content.
    std::optional<double> number(const std::string& path);
    bool exists(const std::string& path) const;

    /// The names in a directory, sorted, at most `most` of those that begin with `prefix`. A directory with
    /// more is noted: `what` names the kind of thing for people.
    Expected<std::vector<std::string>> list(const std::string& path, std::string_view prefix,
                                            std::size_t most, const char* what);
    /// Notes that only `most` of the host's `what` are reported.
    void noteCut(std::size_t most, const char* what);
    /// Takes the notes, for people: "only 256 disks are reported".
    std::set<std::string> takeNotes() { return std::exchange(notes_, {}); }

  private:
    Roots roots_;
    std::string buffer_;
    std::chrono::steady_clock::time_point until_ = std::chrono::steady_clock::time_point::max();
    bool late_ = false;
    std::set<std::string> notes_;
};

}  // namespace lapwing::agent::node
