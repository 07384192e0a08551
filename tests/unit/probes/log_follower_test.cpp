#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "agent/probes/logs/follower.h"
#include "tests/unit/catch.h"
#include "tests/unit/probes/server.h"
#include "tests/unit/temporary_folder.h"

using namespace lapwing;
using namespace lapwing::agent;
using namespace lapwing::agent::logs;
namespace fs = std::filesystem;
using lapwing::test::TemporaryFolder;
using Lines = std::vector<std::string>;

namespace {

/// A log, and the lines that its follower reads.
struct Followed {
    TemporaryFolder dir;
    std::string path = dir.path("access.log");
    Follower::Limits limits;
    std::unique_ptr<Follower> follower;
    Follower::Outcome last;

    Followed() { restart({}); }
    void restart(std::optional<Places> places) {
        follower = std::make_unique<Follower>(path, limits);
        if (places) {
            follower->resume(std::move(*places));
        }
    }
    void restart() { restart(follower->places()); }
    void append(const std::string& text, const std::string& file = "access.log") const {
        std::ofstream(dir.path(file), std::ios::app | std::ios::binary) << text;
    }
    void rename(const std::string& from, const std::string& to) const {
        fs::rename(dir.path(from), dir.path(to));
    }
    void copy(const std::string& from, const std::string& to) const {
        fs::copy_file(dir.path(from), dir.path(to));
    }
    void truncate() const { REQUIRE(::truncate(path.c_str(), 0) == 0); }
    Lines read() {
        Lines out;
        last = follower->read([&](std::string_view line) { out.emplace_back(line); },
                              Deadline(std::chrono::seconds(20)));
        return out;
    }
};

}  // namespace

TEST_CASE("a new follower begins at the end, within a line too") {
    Followed log;
    log.append("old\nhal");
    CHECK(log.read().empty());
    log.append("f\nnew\n");
    CHECK(log.read() == Lines{"new"});
    CHECK(log.read().empty());
    log.append("a");
    CHECK(log.read().empty());
    log.append("b\n\nc");
    CHECK(log.read() == Lines{"ab", ""});
}

TEST_CASE("a file that appears later is read from its begin") {
    Followed log;
    CHECK(log.read().empty());
    CHECK(log.last.error->kind == ErrorKind::not_found);
    log.append("first\n");
    CHECK(log.read() == Lines{"first"});
}

TEST_CASE("rotation by renaming, with a writer that goes on in the old file") {
    Followed log;
    log.append("");
    log.read();
    log.append("a\n");
    log.rename("access.log", "access.log.1");
    log.append("b\n", "access.log.1");
    CHECK(log.read() == Lines{"a", "b"});
    CHECK(log.last.error->kind == ErrorKind::not_found);
    log.append("c\n", "access.log.1");
    log.append("d\n");
    log.append("e\n", "access.log.1");
    CHECK(log.read() == Lines{"c", "e", "d"});
    log.append("f\n", "access.log.1");
    log.append("g\n");
    CHECK(log.read() == Lines{"f", "g"});
    // The file moves back.
    log.rename("access.log", "access.log.2");
    CHECK(log.read().empty());
    log.rename("access.log.2", "access.log");
    CHECK(log.read().empty());
    CHECK(log.last.gone == 0);
    CHECK(log.last.truncated == 0);
}

TEST_CASE("a file that an earlier way of rotating has left is not read") {
    Followed log;
    log.append("old\n", "access.log-20261130");
    log.append("");
    log.read();
    log.append("1\n");
    log.rename("access.log", "access.log.1");
    log.append("2\n");
    CHECK(log.read() == Lines{"1", "2"});
}

TEST_CASE("rotations while the agent is off") {
    Followed log;
    log.append("0\n");
    log.read();
    log.append("1\n");
    CHECK(log.read() == Lines{"1"});
    SECTION("one") {
        log.append("2\n");
        log.rename("access.log", "access.log.1");
        log.append("3\n");
        log.restart();
        CHECK(log.read() == Lines{"2", "3"});
        log.restart();
        CHECK(log.read().empty());
        CHECK(log.last.gone == 0);
    }
    SECTION("several") {
        log.append("older\n", "access.log.5");
        log.append("2\n");
        log.rename("access.log", "access.log.3");
        log.append("3\n", "access.log.2");
        log.append("4\n", "access.log.1");
        log.append("5\n");
        log.restart();
        auto lines = log.read();
        std::sort(lines.begin(), lines.end());
        CHECK(lines == Lines{"2", "3", "4", "5"});
    }
    SECTION("with dates in the names") {
        log.append("older\n", "access.log-20261101");
        log.append("2\n");
        log.rename("access.log", "access.log-20261129");
        log.append("3\n", "access.log-20261130");
        log.append("4\n");
        log.restart();
        CHECK(log.read() == Lines{"2", "3", "4"});
    }
    SECTION("and the file was compressed") {
        log.append("2\n");
        log.rename("access.log", "access.log.1.gz");
        log.append("3\n");
        log.restart();
        CHECK(log.read() == Lines{"3"});
        CHECK(log.last.gone == 1);
    }
    SECTION("and it cannot be looked at for a while") {
        const auto places = log.follower->places();
        log.append("2\n");
        log.rename("access.log", "kept");
        fs::create_directory(log.path);
        log.restart();
        CHECK(log.read().empty());
        REQUIRE(log.last.error);
        CHECK(log.follower->places().current->offset == places.current->offset);
        fs::remove(log.path);
        log.rename("kept", "access.log");
        CHECK(log.read() == Lines{"2"});
    }
}

TEST_CASE("copytruncate: the copy has what was not read") {
    Followed log;
    log.append("0\n");
    log.read();
    log.append("1\n");
    CHECK(log.read() == Lines{"1"});
    log.append("2\n");
    log.copy("access.log", "access.log.1");
    log.truncate();
    SECTION("seen while it is empty") {
        CHECK(log.read() == Lines{"2"});
        log.append("3\n");
        CHECK(log.read() == Lines{"3"});
    }
    SECTION("seen when it is longer than before") {
        log.append("another line that is longer than all of the earlier ones together\n");
        CHECK(log.read() == Lines{"2", "another line that is longer than all of the earlier ones together"});
    }
    SECTION("while the agent is off") {
        log.append("another line that is longer than all of the earlier ones together\n");
        log.restart();
        CHECK(log.read() == Lines{"2", "another line that is longer than all of the earlier ones together"});
    }
    CHECK(log.read().empty());
    log.restart();
    CHECK(log.read().empty());
}

TEST_CASE("copies that begin alike: the youngest has what was not read") {
    Followed log;
    log.append("same\n");
    log.read();
    for (int number = 1; number <= 3; ++number) {
        log.append("same\nsame\n");
        CHECK(log.read() == Lines{"same", "same"});
        log.append(std::to_string(number) + "\n");
        log.copy("access.log", "access.log-" + std::to_string(number));
        log.truncate();
        log.append("same\n");
        CHECK(log.read() == Lines{std::to_string(number), "same"});
    }
}

TEST_CASE("truncation without a copy is counted, since lines may be missing") {
    Followed log;
    log.append("0\n1\n");
    log.read();
    log.append("2\n");
    CHECK(log.read() == Lines{"2"});
    log.truncate();
    log.append("3\n");
    CHECK(log.read() == Lines{"3"});
    CHECK(log.last.truncated == 1);
    CHECK(log.read().empty());
    CHECK(log.last.truncated == 0);
}

TEST_CASE("a new file with the inode of the old one is a new file") {
    Followed log;
    log.append("0\n");
    log.read();
    log.append("1\n");
    log.read();
    auto places = log.follower->places();
    fs::remove(log.path);
    log.append("other\n2\n");
    struct stat about {};
    REQUIRE(stat(log.path.c_str(), &about) == 0);
    places.current->inode = about.st_ino;
    log.restart(places);
    CHECK(log.read() == Lines{"other", "2"});
}

TEST_CASE("a log that is deleted and made anew loses no line that was written before") {
    Followed log;
    log.append("0\n");
    log.read();
    log.append("1\n");
    fs::remove(log.path);
    log.append("2\n");
    CHECK(log.read() == Lines{"1", "2"});
    CHECK(log.last.gone == 0);
}

// It attacks "a line of a log".
TEST_CASE("long lines are left out and counted, across rounds and restarts") {
    Followed log;
    log.limits.round = 100'000;
    log.restart({});
    log.append("");
    log.read();
    log.append(std::string(32768, 'a') + "\n" + std::string(32769, 'b') + "\nc\n");
    const auto lines = log.read();
    REQUIRE(lines.size() == 2);
    CHECK(lines[0].size() == 32768);
    CHECK(lines[1] == "c");
    CHECK(log.last.long_lines == 1);
    log.append(std::string(500'000, 'd'));
    CHECK(log.read().empty());
    CHECK(log.last.long_lines == 1);
    log.restart();
    log.append("end\ne\n");
    Lines rest;
    for (int i = 0; i < 6; ++i) {
        const auto more = log.read();
        rest.insert(rest.end(), more.begin(), more.end());
        CHECK(log.last.long_lines == 0);
    }
    CHECK(rest == Lines{"e"});
}

// It attacks "bytes of a log that are read in one run".
// It attacks "bytes of a log that wait".
TEST_CASE("a round is bounded, and the rest is read in the next ones") {
    Followed log;
    log.limits.round = 200'000;
    log.limits.backlog = 1'000'000;
    log.restart({});
    log.append("");
    log.read();
    const std::string line = std::string(99, 'x') + "\n";
    std::string text;
    for (int i = 0; i < 9000; ++i) {
        text += line;
    }
    log.append(text);
    std::size_t total = log.read().size();
    CHECK(total < 3000);
    CHECK(log.last.unread_bytes == 900'000 - total * 100);
    CHECK(log.last.skipped_bytes == 0);
    for (int i = 0; i < 5; ++i) {
        total += log.read().size();
    }
    CHECK(total == 9000);
    CHECK(log.last.unread_bytes == 0);
    // More than may wait: lines are left out, and counted.
    log.append(text + text);
    total = 0;
    std::uint64_t skipped = 0;
    for (int i = 0; i < 12; ++i) {
        total += log.read().size();
        skipped += log.last.skipped_bytes;
    }
    CHECK(skipped > 0);
    CHECK(total * 100 + skipped <= 1'800'000);
    CHECK(total * 100 + skipped >= 1'799'900);
}

TEST_CASE("binary garbage and holes are lines like others") {
    Followed log;
    log.append("");
    log.read();
    log.append(std::string("\0\xff\r\x1b[2J\n", 8) + std::string(1000, '\0') + "\n");
    CHECK(log.read().size() == 2);
    fs::resize_file(log.path, 3'000'000);
    CHECK(log.read().empty());
    CHECK(log.last.long_lines == 1);
    log.append("\nz\n");
    CHECK(log.read() == Lines{"z"});
}

TEST_CASE("a directory, a FIFO or a link in place of the log is never opened") {
    Followed log;
    log.append("0\n");
    log.read();
    log.append("1\n");
    log.rename("access.log", "access.log.1");
    SECTION("a directory") {
        fs::create_directory(log.path);
    }
    SECTION("a FIFO") {
        REQUIRE(mkfifo(log.path.c_str(), 0600) == 0);
    }
    SECTION("a link") {
        log.append("secret\n", "elsewhere");
        fs::create_symlink(log.dir.path("elsewhere"), log.path);
    }
    SECTION("a device") {
        fs::create_symlink("/dev/zero", log.path);
    }
    CHECK(log.read() == Lines{"1"});
    REQUIRE(log.last.error);
    CHECK(log.last.error->kind == ErrorKind::invalid);
    fs::remove(log.path);
    log.append("2\n");
    CHECK(log.read() == Lines{"2"});
    CHECK_FALSE(log.last.error);
}

// It attacks "rotated files of a log that are read at once".
TEST_CASE("files that are rotated very often are read to a bounded number") {
    Followed log;
    log.append("");
    log.read();
    for (int i = 0; i < 30; ++i) {
        log.append("x\n");
        log.rename("access.log", "access.log-" + std::to_string(100 + i));
        log.append("");
        CHECK(log.read() == Lines{"x"});
        CHECK(log.follower->places().rotated.size() <= 16);
    }
    CHECK(log.last.gone == 0);
}

TEST_CASE("a rotated file that nobody writes any more is closed") {
    Followed log;
    log.limits.idle = std::chrono::seconds(0);
    log.restart({});
    log.append("");
    log.read();
    log.append("1\n");
    log.rename("access.log", "access.log.1");
    log.append("2\n");
    CHECK(log.read() == Lines{"1", "2"});
    CHECK(log.follower->places().rotated.empty());
}
