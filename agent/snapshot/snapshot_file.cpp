#include "agent/snapshot/snapshot_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "agent/host/host.h"

namespace lapwing::agent {

namespace {

/// The change time is nobody's to set, unlike the modification time.
bool isSameFile(const struct stat& a, const struct stat& b) {
    return a.st_dev == b.st_dev && a.st_ino == b.st_ino && a.st_size == b.st_size &&
           a.st_ctim.tv_sec == b.st_ctim.tv_sec && a.st_ctim.tv_nsec == b.st_ctim.tv_nsec;
}

class File {
  public:
    explicit File(const std::string& path) : fd_(open(path.c_str(), O_RDONLY | O_CLOEXEC)) {}
    ~File() {
        if (fd_ >= 0) {
            close(fd_);
        }
    }
    File(const File&) = delete;
    File& operator=(const File&) = delete;

    bool describe(struct stat& out) const { return fd_ >= 0 && fstat(fd_, &out) == 0; }

    bool read(std::string& out) const {
        std::array<char, 65'536> buffer{};
        for (;;) {
            const auto got = ::read(fd_, buffer.data(), buffer.size());
            if (got == 0) {
                return true;
            }
            if (got < 0 && errno != EINTR) {
                return false;
            }
            if (got > 0) {
                out.append(buffer.data(), static_cast<std::size_t>(got));
            }
        }
    }

  private:
    int fd_;
};

/// The text of the file `name` in the snapshot's directory.
Expected<std::string> readBeside(const std::string& snapshot_file, const std::string& name) {
    if (name.find('/') != std::string::npos) {
        return fail(ErrorKind::protocol,
                    "reading the snapshot: its rules must be in a file of the same directory");
    }
    const auto path = snapshot_file.substr(0, snapshot_file.rfind('/') + 1) + name;
    const File file(path);
    std::string text;
    struct stat about {};
    if (!file.describe(about) || !file.read(text)) {
        const auto kind = errno == EACCES ? ErrorKind::denied : ErrorKind::not_found;
        return fail(kind, "reading the rules " + path + ": " + std::strerror(errno));
    }
    return text;
}

}  // namespace

Expected<void> readRulesBeside(const std::string& snapshot_file, Snapshot& snapshot) {
    if (snapshot.rules.file.empty()) {
        return {};
    }
    const auto text = readBeside(snapshot_file, snapshot.rules.file);
    return text ? takeRules(*text, snapshot) : tl::unexpected(text.error());
}

Expected<void> readBootBeside(const std::string& snapshot_file, Snapshot& snapshot) {
    if (snapshot.boot.file.empty()) {
        return {};
    }
    auto text = readBeside(snapshot_file, snapshot.boot.file);
    if (!text) {
        return tl::unexpected(text.error());
    }
    snapshot.boot.listing = std::move(*text);
    return {};
}

SnapshotFile::SnapshotFile(std::string path, std::string proc)
    : path_(std::move(path)), proc_(std::move(proc)) {}

Expected<std::shared_ptr<const Snapshot>> SnapshotFile::current() {
    const MutexLock lock(mutex_);
    const File file(path_);
    struct stat about {};
    std::string text;
    const bool described = file.describe(about);
    if (described && snapshot_ && isSameFile(about, parsed_)) {
        return snapshot_;
    }
    const auto last = std::exchange(snapshot_, nullptr);
    if (!described || !file.read(text)) {
        const auto kind = errno == EACCES ? ErrorKind::denied : ErrorKind::not_found;
        return fail(kind, "reading the snapshot " + path_ + ": " + std::strerror(errno));
    }
    auto snapshot = parseSnapshot(text);
    if (!snapshot) {
        return tl::unexpected(snapshot.error());
    }
    const auto& rules = snapshot->rules.file;
    if (last && !rules.empty() && last->rules.file == rules) {
        snapshot->ruleset = last->ruleset;
        snapshot->listing = last->listing;
        snapshot->iptables = last->iptables;
        snapshot->ipsets = last->ipsets;
    } else if (const auto read = readRulesBeside(path_, *snapshot); !read) {
        return tl::unexpected(read.error());
    }
    const auto& boot = snapshot->boot.file;
    if (last && !boot.empty() && last->boot.file == boot) {
        snapshot->boot.listing = last->boot.listing;
    } else if (const auto read = readBootBeside(path_, *snapshot); !read) {
        return tl::unexpected(read.error());
    }
    snapshot_ = std::make_shared<const Snapshot>(std::move(*snapshot));
    parsed_ = about;
    return snapshot_;
}

Expected<std::shared_ptr<const Snapshot>> SnapshotFile::read(TimestampMs now, std::int64_t max_age_ms) {
    auto snapshot = current();
    if (!snapshot) {
        return snapshot;
    }
    const auto outdated = [&](const std::string& why) {
        return fail(ErrorKind::unavailable, "reading the snapshot " + path_ + ": " + why);
    };
    const auto age = now - (*snapshot)->time;
    if (age > max_age_ms) {
        return outdated("it is " + std::to_string(age / 1000) + " s old; is lapwing-snapshot.timer running?");
    }
    const auto boot = bootId(proc_);
    if (!boot.empty() && !(*snapshot)->boot_id.empty() && boot != (*snapshot)->boot_id) {
        return outdated("it is from before the last boot");
    }
    const auto inode = networkNamespace(proc_);
    if (inode != 0 && (*snapshot)->network_namespace != 0 && inode != (*snapshot)->network_namespace) {
        return outdated("it is of another network namespace");
    }
    return snapshot;
}

}  // namespace lapwing::agent
