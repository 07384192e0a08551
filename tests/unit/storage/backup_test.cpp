#include "collector/storage/backup.h"

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <map>
#include <sstream>
#include <thread>

#include "tests/unit/storage/support.h"
#include "tests/unit/temporary_folder.h"

namespace lapwing::storage {
namespace {

constexpr int kSeries = 30;
const Labels kUp{{"__name__", "up"}, {"agent", "web-01"}};

std::string contentOf(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    std::ostringstream out;
    out << in.rdbuf();
    return out.str();
}

/// The child: a collector that appends batch after batch, reports each, and compacts continuously. Never
/// returns.
[[noreturn]] void appendForEver(const std::string& path, int report) {
    auto store = SqliteStore::open(keepEverything(path));
    if (!store) {
        ::_exit(3);
    }
    std::thread([&] {
        for (;;) {
            if (!(*store)->compact()) {
                ::_exit(6);
            }
        }
    }).detach();
    for (std::int64_t batch = 1;; ++batch) {
        std::vector<TimeSeries> series;
        for (int s = 0; s < kSeries; ++s) {
            series.push_back({Labels{{"__name__", "m" + std::to_string(s)}, {"agent", std::to_string(s % 3)}},
                              {{batch * 20'000, static_cast<double>(batch * 100 + s)}}});
        }
        const auto result = (*store)->append(series);
        if (!result || result->stored != kSeries) {
            ::_exit(4);
        }
        if (::write(report, &batch, sizeof batch) != sizeof batch) {
            ::_exit(5);
        }
    }
}

/// Checks that every batch up to `acknowledged` is stored completely, with the right values.
void checkCopy(const std::string& path, std::int64_t acknowledged) {
    auto store = openStore(keepEverything(path));
    std::map<TimestampMs, int> series_at;
    int wrong = 0;
    for (const auto& one : mustSelect(*store, {}, 0, INT64_MAX)) {
        const int s = std::stoi(std::string(one.labels->metricName().substr(1)));
        for (const auto& sample : one.samples) {
            ++series_at[sample.timestamp];
            const auto batch = sample.timestamp / 20'000;
            wrong += sample.value == static_cast<double>(batch * 100 + s) ? 0 : 1;
        }
    }
    CHECK(wrong == 0);
    CHECK(static_cast<std::int64_t>(series_at.size()) >= acknowledged);
    for (const auto& [time, count] : series_at) {
        CHECK(count == kSeries);
    }
    // The copy can be written to.
    CHECK(mustAppend(*store, {{kUp, {{1000, 1}}}}).stored == 1);
    REQUIRE(store->compact());
}

TEST_CASE("a copy of a running collector's database has every acknowledged batch, complete") {
    const test::TemporaryFolder dir;
    int pipe[2];
    REQUIRE(::pipe(pipe) == 0);
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        ::close(pipe[0]);
        appendForEver(dir.path("lapwing.db"), pipe[1]);
    }
    ::close(pipe[1]);
    std::atomic<std::int64_t> acknowledged{0};
    std::thread reading([&] {
        std::int64_t batch = 0;
        while (::read(pipe[0], &batch, sizeof batch) == sizeof batch) {
            acknowledged = batch;
        }
    });
    for (int copy = 1; copy <= 5; ++copy) {
        const auto until = acknowledged + 50;
        while (acknowledged < until) {
            if (::waitpid(child, nullptr, WNOHANG) != 0) {
                FAIL("the child ended by itself");
            }
            ::usleep(1000);
        }
        const std::int64_t before = acknowledged;
        const auto target = dir.path("copy-" + std::to_string(copy));
        const auto done = backup(dir.path("lapwing.db"), target);
        if (!done) {
            FAIL(done.error().message);
        }
        checkCopy(target, before);
    }
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    reading.join();
    ::close(pipe[0]);

    // No process has it open now, and part of it is in the WAL only.
    REQUIRE(std::filesystem::file_size(dir.path("lapwing.db") + "-wal") > 0);
    REQUIRE(backup(dir.path("lapwing.db"), dir.path("after")));
    checkCopy(dir.path("after"), acknowledged);
    checkCopy(dir.path("lapwing.db"), acknowledged);
}

TEST_CASE("a copy of a stopped collector's database leaves no other files") {
    const test::TemporaryFolder dir;
    {
        auto store = openStore(keepEverything(dir.path("lapwing.db")));
        mustAppend(*store, {{kUp, {{1000, 1}}}});
        REQUIRE(store->putState("x", "y"));
    }
    const auto before = contentOf(dir.path("lapwing.db"));
    REQUIRE(backup(dir.path("lapwing.db"), dir.path("copy")));
    CHECK(contentOf(dir.path("lapwing.db")) == before);
    for (const char* left : {"copy.unfinished", "copy-wal", "copy-shm", "copy-journal"}) {
        CHECK_FALSE(std::filesystem::exists(dir.path(left)));
    }
    struct stat status {};
    REQUIRE(::stat(dir.path("copy").c_str(), &status) == 0);
    CHECK((status.st_mode & 0777 & ~0640U) == 0);
    auto copy = openStore(keepEverything(dir.path("copy")));
    CHECK(samplesOf(*copy, named("up")) == "1000:1");
    CHECK(copy->state("x").value() == "y");
}

TEST_CASE("a backup overwrites no file, and names a source that it cannot copy") {
    const test::TemporaryFolder dir;
    openStore(keepEverything(dir.path("lapwing.db"))).reset();
    std::ofstream(dir.path("precious")) << "a letter";
    auto done = backup(dir.path("lapwing.db"), dir.path("precious"));
    REQUIRE(!done);
    CHECK(done.error().message == dir.path("precious") + ": is there already, and was left as it is");
    CHECK(contentOf(dir.path("precious")) == "a letter");
    REQUIRE(::symlink("nowhere", dir.path("link").c_str()) == 0);
    CHECK(backup(dir.path("lapwing.db"), dir.path("link")).error().kind == ErrorKind::invalid);

    // SQLite would take them for those of the copy.
    for (const char* left : {"copy-wal", "copy-shm", "copy-journal"}) {
        std::ofstream(dir.path(left)) << "old frames";
        done = backup(dir.path("lapwing.db"), dir.path("copy"));
        REQUIRE(!done);
        CHECK(done.error().message == dir.path(left) + ": is there already, and was left as it is");
        CHECK_FALSE(std::filesystem::exists(dir.path("copy")));
        std::filesystem::remove(dir.path(left));
    }

    done = backup(dir.path("none"), dir.path("copy"));
    REQUIRE(!done);
    CHECK(done.error().kind == ErrorKind::not_found);
    done = backup(dir.path("precious"), dir.path("copy"));
    REQUIRE(!done);
    CHECK(done.error().message.find("is not a SQLite database") != std::string::npos);
    done = backup(dir.path("lapwing.db"), dir.path("missing/copy"));
    REQUIRE(!done);
    CHECK(done.error().message.find("No such file or directory") != std::string::npos);
    CHECK_FALSE(std::filesystem::exists(dir.path("none")));
    CHECK_FALSE(std::filesystem::exists(dir.path("copy")));
}

}  // namespace
}  // namespace lapwing::storage
