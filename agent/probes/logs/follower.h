#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/probes/probe.h"
#include "common/error.h"

namespace lapwing::agent::logs {

/// An open file. Closes it at the end.
class OpenFile {
  public:
    explicit OpenFile(int fd) : fd_(fd) {}
    OpenFile(OpenFile&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
    OpenFile& operator=(OpenFile&& other) noexcept;
    ~OpenFile();
    int fd() const { return fd_; }

  private:
    int fd_;
};

/// The place up to which a file is read.
struct Place {
    std::uint64_t inode = 0;
    std::uint64_t offset = 0;      ///< bytes: the begin of the next line
    bool in_line = false;          ///< the rest of the line at the offset is left out
    std::uint64_t head_bytes = 0;  ///< at most 1024
    std::string head;              ///< SHA-256 of the file's first `head_bytes` bytes
};

/// The places in a log.
struct Places {
    std::vector<Place> rotated;    ///< in files of earlier rotations that may still grow
    std::optional<Place> current;  ///< in the file at the log's path
    bool watched = false;          ///< a file that appears at the path is new, and is read from its begin
};

/// Follows one log file through its rotations, by renaming and by copying and truncating. Not synchronised.
///
/// A file is known by its inode and its first bytes, so no clock matters. The first read() of a log without
/// places begins at its end. Files that are no regular files, links among them, are never opened.
class Follower {
  public:
    struct Limits {
        std::uint64_t round = 32U << 20;     ///< bytes a read()
        std::size_t line = 32U << 10;        ///< bytes
        std::uint64_t backlog = 256U << 20;  ///< bytes that may wait; beyond it lines are left out
        std::size_t rotated = 16;            ///< rotated files that are read at a time
        std::uint64_t without_places = 0;    ///< bytes before the end at which a log without places begins
        std::chrono::seconds idle{600};      ///< a rotated file that has not grown for so long is done
        std::chrono::seconds idle_deleted{60};
    };
    /// The result of one read().
    struct Outcome {
        std::optional<Error> error;       ///< why the file at the path was not read
        std::uint64_t long_lines = 0;     ///< lines that were left out for their length
        std::uint64_t skipped_bytes = 0;  ///< left out because too much waited
        std::uint64_t unread_bytes = 0;   ///< that wait
        std::uint64_t truncated = 0;      ///< truncations: lines may be missing
        std::uint64_t gone = 0;           ///< files that disappeared before they were read to their end
    };
    using Line = std::function<void(std::string_view)>;

    Follower(std::string path, Limits limits) : path_(std::move(path)), limits_(limits) {}

    /// The places of an earlier run, before the first read().
    void resume(Places places) { resumed_ = std::move(places); }
    Places places() const;
    /// Calls `line` for each whole line since the last call, without its end.
    Outcome read(const Line& line, const Deadline& deadline);

  private:
    struct File {
        OpenFile open;
        Place place;
        Deadline::Clock::time_point grew = Deadline::Clock::now();
        double age = 0;      ///< of its name, while rotations are looked for
        char separator = 0;  ///< before the number in its name
    };
    struct Round;

    bool begin(Round& round);
    void resumeCurrent(Expected<OpenFile>& open, const Place& place, Round& round);
    void adopt(OpenFile open);
    bool find(const Place& place);
    void findPassedOver();
    void follow(Round& round);
    void truncated(Round& round);
    void drain(File& file, Round& round) const;
    void drainAll(Round& round);
    void dropFinished(Round& round);

    std::string path_;
    Limits limits_;
    std::optional<Places> resumed_;
    bool begun_ = false;
    bool watched_ = false;
    std::vector<File> rotated_;
    std::optional<File> current_;
};

}  // namespace lapwing::agent::logs
