#include "agent/probes/logs/follower.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <limits>
#include <memory>
#include <utility>

#include "agent/probes/text.h"
#include "common/digest.h"

namespace lapwing::agent::logs {

namespace {

constexpr std::size_t kHeadBytes = 1024;
constexpr std::size_t kChunkBytes = 64U << 10;
constexpr std::size_t kMostEntries = 4096;  ///< of a directory

std::string baseOf(const std::string& path) {
    return path.substr(path.rfind('/') + 1);
}

std::string directoryOf(const std::string& path) {
    return path.substr(0, path.rfind('/') + 1);
}

const char* kindOfFile(mode_t mode) {
    return S_ISLNK(mode)    ? "a symbolic link: name the file itself"
           : S_ISDIR(mode)  ? "a directory"
           : S_ISFIFO(mode) ? "a FIFO"
           : S_ISSOCK(mode) ? "a socket"
                            : "a device";
}

tl::unexpected<Error> cannotRead(const std::string& path, int reason) {
    const auto kind = reason == ENOENT || reason == ENOTDIR ? ErrorKind::not_found
                      : reason == EACCES || reason == EPERM ? ErrorKind::denied
                                                            : ErrorKind::unavailable;
    return fail(kind, path + ": " + std::strerror(reason));
}

/// Opens a regular file. Looks first: opening a FIFO or a device has effects of its own.
Expected<OpenFile> openRegular(const std::string& path) {
    struct stat about {};
    if (lstat(path.c_str(), &about) != 0) {
        return cannotRead(path, errno);
    }
    if (S_ISREG(about.st_mode)) {
        OpenFile file(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
        if (file.fd() < 0) {
            return cannotRead(path, errno);
        }
        if (fstat(file.fd(), &about) == 0 && S_ISREG(about.st_mode)) {
            return file;
        }
    }
    return fail(ErrorKind::invalid, path + " is no regular file but " + kindOfFile(about.st_mode));
}

struct stat aboutOf(const OpenFile& file) {
    struct stat about {};
    fstat(file.fd(), &about);
    return about;
}

std::uint64_t sizeOf(const OpenFile& file) {
    return static_cast<std::uint64_t>(aboutOf(file).st_size);
}

ssize_t readAt(const OpenFile& file, char* to, std::size_t bytes, std::uint64_t offset) {
    ssize_t got = 0;
    do {
        got = pread(file.fd(), to, bytes, static_cast<off_t>(offset));
    } while (got < 0 && errno == EINTR);
    return got;
}

/// The first bytes of the file, at most kHeadBytes.
std::string headOf(const OpenFile& file) {
    std::string head(kHeadBytes, '\0');
    head.resize(static_cast<std::size_t>(std::max<ssize_t>(0, readAt(file, head.data(), head.size(), 0))));
    return head;
}

bool isHeadOf(const Place& place, std::string_view head) {
    return head.size() >= place.head_bytes && sha256(head.substr(0, place.head_bytes)) == place.head;
}

bool hasHead(const OpenFile& file, const Place& place) {
    return place.head_bytes == 0 || isHeadOf(place, headOf(file));
}

/// Whether the file is the one of the place, or a copy of it, and not shorter.
bool continues(const OpenFile& file, const Place& place) {
    return sizeOf(file) >= place.offset && hasHead(file, place);
}

/// The first bytes of a growing file stay, so more of them can be compared once they are there.
void extendHead(const OpenFile& file, Place& place) {
    if (place.head_bytes == kHeadBytes) {
        return;
    }
    const auto head = headOf(file);
    if (head.size() > place.head_bytes && (place.head_bytes == 0 || isHeadOf(place, head))) {
        place.head = sha256(head);
        place.head_bytes = head.size();
    }
}

bool isCompressed(std::string_view name) {
    constexpr std::array<std::string_view, 5> endings{".gz", ".bz2", ".xz", ".zst", ".lz4"};
    return std::any_of(endings.begin(), endings.end(), [&](auto ending) { return name.ends_with(ending); });
}

/// Files that a rotation may have made of the log: those beside it whose names begin like its own.
std::vector<std::string> siblingsOf(const std::string& path) {
    const auto base = baseOf(path);
    const auto stem = base.substr(0, base.find('.', 1));
    std::vector<std::string> out;
    const auto directory = directoryOf(path);
    const std::unique_ptr<DIR, int (*)(DIR*)> entries(opendir(directory.c_str()), &closedir);
    for (std::size_t i = 0; entries && i < kMostEntries; ++i) {
        const dirent* entry = readdir(entries.get());
        if (entry == nullptr) {
            break;
        }
        const std::string name = entry->d_name;
        if (name != base && name.starts_with(stem) && !isCompressed(name)) {
            out.push_back(name);
        }
    }
    std::sort(out.begin(), out.end());
    return out;
}

/// The order in which logrotate names the files of a log: "access.log.2" is older than "access.log.1", and
/// "access.log-20261130" than "access.log-20261201". Nothing for other names.
std::optional<double> ageOf(const std::string& name, const std::string& base) {
    if (!name.starts_with(base) || name.size() < base.size() + 2) {
        return std::nullopt;
    }
    const char separator = name[base.size()];
    const auto number = toNumber(std::string_view(name).substr(base.size() + 1));
    if (!number || (separator != '.' && separator != '-')) {
        return std::nullopt;
    }
    return separator == '.' ? *number : -*number;
}

}  // namespace

OpenFile& OpenFile::operator=(OpenFile&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
}

OpenFile::~OpenFile() {
    if (fd_ >= 0) {
        ::close(fd_);
    }
}

struct Follower::Round {
    const Line& line;
    const Deadline& deadline;
    Outcome& outcome;
    std::uint64_t bytes_left;
    std::string buffer = std::string(kChunkBytes, '\0');
};

Places Follower::places() const {
    if (!begun_) {
        return resumed_.value_or(Places{});
    }
    Places out;
    out.watched = watched_;
    for (const auto& file : rotated_) {
        out.rotated.push_back(file.place);
    }
    if (current_) {
        out.current = current_->place;
    }
    return out;
}

/// Goes on with the file that is now at the path: where it was left, else at its begin or at its end.
void Follower::adopt(OpenFile open) {
    const auto about = aboutOf(open);
    for (auto file = rotated_.begin(); file != rotated_.end(); ++file) {
        const auto mine = aboutOf(file->open);
        if (mine.st_ino == about.st_ino && mine.st_dev == about.st_dev) {
            current_.emplace(std::move(*file));
            rotated_.erase(file);
            return;
        }
    }
    findPassedOver();
    current_.emplace(File{std::move(open), {}});
    auto& place = current_->place;
    place.inode = about.st_ino;
    extendHead(current_->open, place);
    if (!std::exchange(watched_, true)) {
        const auto size = sizeOf(current_->open);
        place.offset = size - std::min(size, limits_.without_places);
        char before = '\n';
        if (place.offset > 0) {
            (void)readAt(current_->open, &before, 1, place.offset - 1);
        }
        place.in_line = before != '\n';
    }
}

/// Opens the file of a place that is no longer at the log's path: renamed, or else the youngest copy, which a
/// truncation leaves.
bool Follower::find(const Place& place) {
    std::optional<File> copy;
    for (const auto& name : siblingsOf(path_)) {
        auto open = openRegular(directoryOf(path_) + name);
        if (!open || !continues(*open, place)) {
            continue;
        }
        File file{std::move(*open), place};
        file.place.inode = aboutOf(file.open).st_ino;
        file.age = ageOf(name, baseOf(path_)).value_or(std::numeric_limits<double>::infinity());
        if (file.place.inode == place.inode) {
            rotated_.push_back(std::move(file));
            return true;
        }
        const bool known = std::any_of(rotated_.begin(), rotated_.end(), [&](const File& other) {
            return other.place.inode == file.place.inode;
        });
        if (place.head_bytes > 0 && !known && (!copy || file.age < copy->age)) {
            copy.emplace(std::move(file));
        }
    }
    if (copy) {
        rotated_.push_back(std::move(*copy));
    }
    return copy.has_value();
}

/// Several rotations since the last look: opens the files between the last one and that at the path.
void Follower::findPassedOver() {
    if (rotated_.empty()) {
        return;
    }
    const auto last = rotated_.back().place.inode;
    const auto base = baseOf(path_);
    std::optional<double> limit;
    char separator = 0;  // files that an earlier way of rotating has left are older, whatever their names
    std::vector<File> files;
    for (const auto& name : siblingsOf(path_)) {
        const auto age = ageOf(name, base);
        auto open = age ? openRegular(directoryOf(path_) + name) : fail(ErrorKind::not_found, "");
        if (!open) {
            continue;
        }
        File file{std::move(*open), {}};
        file.place.inode = aboutOf(file.open).st_ino;
        file.age = *age;
        if (file.place.inode == last) {
            limit = age;
            separator = name[base.size()];
        }
        file.separator = name[base.size()];
        files.push_back(std::move(file));
    }
    for (auto& file : files) {
        const bool known = std::any_of(rotated_.begin(), rotated_.end(), [&](const File& other) {
            return other.place.inode == file.place.inode;
        });
        if (limit && file.separator == separator && file.age < *limit && !known) {
            extendHead(file.open, file.place);
            rotated_.push_back(std::move(file));
        }
    }
}

void Follower::resumeCurrent(Expected<OpenFile>& open, const Place& place, Round& round) {
    const bool same = open && aboutOf(*open).st_ino == place.inode;
    if (same && continues(*open, place)) {
        current_.emplace(File{std::move(*open), place});
        return;
    }
    const bool found = find(place);
    round.outcome.truncated += same ? 1 : 0;
    round.outcome.gone += same || found ? 0 : 1;
    if (found) {
        findPassedOver();
    }
}

/// False if the path cannot be looked at, while there are places to go on from.
bool Follower::begin(Round& round) {
    auto open = openRegular(path_);
    const bool looked = open || open.error().kind == ErrorKind::not_found;
    if (!looked && resumed_) {
        round.outcome.error = open.error();
        return false;
    }
    begun_ = true;
    if (const auto resumed = std::exchange(resumed_, std::nullopt)) {
        watched_ = resumed->watched;
        for (const auto& place : resumed->rotated) {
            round.outcome.gone += find(place) ? 0 : 1;
        }
        if (resumed->current) {
            resumeCurrent(open, *resumed->current, round);
        }
    }
    watched_ = watched_ || (!open && looked);
    return true;
}

/// The file has lost its content. A copy of it (logrotate's copytruncate) has what was not read.
void Follower::truncated(Round& round) {
    ++round.outcome.truncated;
    const auto before = std::exchange(current_->place, Place{});
    current_->place.inode = before.inode;
    extendHead(current_->open, current_->place);
    if (find(before)) {
        findPassedOver();
    }
}

/// Compares the file that is read with the one at the log's path.
void Follower::follow(Round& round) {
    if (current_ && !continues(current_->open, current_->place)) {
        truncated(round);
    }
    auto open = openRegular(path_);
    if (!open) {
        const auto kind = open.error().kind;
        round.outcome.error = open.error();
        if (current_ && (kind == ErrorKind::not_found || kind == ErrorKind::invalid)) {
            rotated_.push_back(std::move(*current_));
            current_.reset();
        }
        return;
    }
    const auto about = aboutOf(*open);
    if (current_) {
        const auto mine = aboutOf(current_->open);
        if (mine.st_ino == about.st_ino && mine.st_dev == about.st_dev) {
            return;
        }
        rotated_.push_back(std::move(*current_));
    }
    adopt(std::move(*open));
}

void Follower::drain(File& file, Round& round) const {
    auto& place = file.place;
    while (round.bytes_left > 0 && !round.deadline.passed()) {
        const auto got = readAt(file.open, round.buffer.data(), round.buffer.size(), place.offset);
        if (got < 0) {
            round.outcome.error = cannotRead(path_, errno).value();
            break;
        }
        // A truncation meanwhile makes these bytes another file's.
        if (got == 0 || !hasHead(file.open, place)) {
            break;
        }
        std::string_view text(round.buffer.data(), static_cast<std::size_t>(got));
        const auto take = [&](std::size_t bytes) {
            text.remove_prefix(bytes);
            place.offset += bytes;
            round.bytes_left -= std::min<std::uint64_t>(round.bytes_left, bytes);
        };
        for (auto end = text.find('\n'); end != std::string_view::npos; end = text.find('\n')) {
            const auto line = text.substr(0, end);
            if (std::exchange(place.in_line, false)) {
                // Counted when its begin was left out.
            } else if (line.size() > limits_.line) {
                ++round.outcome.long_lines;
            } else {
                round.line(line);
            }
            take(end + 1);
        }
        if (place.in_line || text.size() > limits_.line) {
            round.outcome.long_lines += place.in_line ? 0 : 1;
            place.in_line = true;
            take(text.size());
        }
        if (static_cast<std::size_t>(got) < round.buffer.size()) {
            break;
        }
    }
    extendHead(file.open, place);
    const auto size = sizeOf(file.open);
    auto unread = size - std::min(size, place.offset);
    if (unread > limits_.backlog) {
        const auto left_out = unread - limits_.round;
        round.outcome.skipped_bytes += left_out;
        place.offset += left_out;
        place.in_line = true;
        unread -= left_out;
    }
    round.outcome.unread_bytes += unread;
}

void Follower::drainAll(Round& round) {
    round.outcome.unread_bytes = 0;
    for (auto& file : rotated_) {
        const auto before = file.place.offset;
        drain(file, round);
        if (file.place.offset != before) {
            file.grew = Deadline::Clock::now();
        }
    }
    if (current_) {
        drain(*current_, round);
    }
}

/// Closes rotated files that nobody writes any more, and the oldest ones beyond the limit.
void Follower::dropFinished(Round& round) {
    const auto now = Deadline::Clock::now();
    auto surplus = rotated_.size() - std::min(rotated_.size(), limits_.rotated);
    std::erase_if(rotated_, [&](const File& file) {
        const auto about = aboutOf(file.open);
        const bool at_end = static_cast<std::uint64_t>(about.st_size) <= file.place.offset;
        const auto idle = about.st_nlink == 0 ? limits_.idle_deleted : limits_.idle;
        const bool could_read = round.bytes_left > 0 && !round.deadline.passed();
        const bool finished = now - file.grew >= idle && (at_end || could_read);
        if (surplus == 0 && !finished) {
            return false;
        }
        surplus -= surplus > 0 ? 1 : 0;
        round.outcome.gone += at_end ? 0 : 1;
        return true;
    });
}

Follower::Outcome Follower::read(const Line& line, const Deadline& deadline) {
    Outcome outcome;
    Round round{line, deadline, outcome, limits_.round};
    if (!begun_ && !begin(round)) {
        return outcome;
    }
    // First the lines that were written before a rotation, then those of the files that it made.
    drainAll(round);
    follow(round);
    drainAll(round);
    dropFinished(round);
    return outcome;
}

}  // namespace lapwing::agent::logs
