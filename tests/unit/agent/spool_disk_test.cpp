#include <sys/mount.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <random>
#include <thread>

#include "agent/delivery/spool.h"
#include "tests/unit/agent/failing_disk.h"
#include "tests/unit/agent/small_disk.h"
#include "tests/unit/agent/spool_fixture.h"
#include "tests/unit/catch.h"
#include "tests/unit/common/certificates.h"
#include "tests/unit/temporary_folder.h"

using lapwing::agent::Spool;
using lapwing::agent::SpoolConfig;
using lapwing::test::drain;
using lapwing::test::FailingDisk;
using lapwing::test::numbered;
using lapwing::test::onSmallDisk;
using lapwing::test::range;
using lapwing::test::TemporaryFolder;
using lapwing::test::valuesOf;

namespace {

SpoolConfig at(const std::string& path) {
    SpoolConfig config;
    config.path = path;
    return config;
}

/// The spool tries to open its file again every few seconds.
bool writtenAgain(Spool& spool) {
    for (int i = 0; i < 600; ++i) {
        if (spool.flush()) {
            return true;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    return false;
}

}  // namespace

TEST_CASE("a backlog survives a failing disk, though younger samples are sent from memory meanwhile") {
    const TemporaryFolder dir;
    FailingDisk disk;
    auto opened = Spool::open(at(dir.path("spool.db")));
    REQUIRE(opened);
    auto& spool = **opened;
    for (int i = 0; i < 10; ++i) {
        spool.add(numbered(i));
        REQUIRE(spool.flush());
    }
    disk.fail(true);
    spool.add(numbered(10));
    CHECK_FALSE(spool.flush());
    CHECK(spool.state().samples == 11);
    // The collector takes what is in memory. The file's batches wait.
    CHECK(drain(spool) == range(10, 11));
    CHECK(spool.state().samples == 10);
    spool.add(numbered(11));
    CHECK_FALSE(spool.flush());
    spool.add(numbered(12));
    CHECK_FALSE(spool.flush());
    const auto in_flight = spool.next(1);
    REQUIRE(in_flight);
    CHECK(valuesOf(in_flight->body) == range(11, 12));

    disk.fail(false);
    REQUIRE(writtenAgain(spool));
    // The answer comes when the file has got the batch.
    spool.sent(*in_flight);
    auto expected = range(0, 10);
    expected.push_back(12);
    CHECK(drain(spool) == expected);
    CHECK(spool.state().samples == 0);
    CHECK(spool.state().dropped["disk"] == 0);
    CHECK(spool.state().dropped["damaged"] == 0);
    REQUIRE(spool.flush());
    opened->reset();
    auto again = Spool::open(at(dir.path("spool.db")));
    REQUIRE(again);
    CHECK(drain(**again).empty());
}

TEST_CASE("a backlog that is partly sent when the disk fails is not sent twice") {
    const TemporaryFolder dir;
    FailingDisk disk;
    auto opened = Spool::open(at(dir.path("spool.db")));
    REQUIRE(opened);
    auto& spool = **opened;
    for (int i = 0; i < 4; ++i) {
        spool.add(numbered(i));
        REQUIRE(spool.flush());
    }
    const auto first = spool.next(2);
    REQUIRE(first);
    CHECK(valuesOf(first->body) == range(0, 2));
    disk.fail(true);
    spool.add(numbered(4));
    CHECK_FALSE(spool.flush());
    spool.sent(*first);
    disk.fail(false);
    REQUIRE(writtenAgain(spool));
    CHECK(drain(spool) == range(2, 5));
    CHECK(spool.state().samples == 0);
}

TEST_CASE("a file that cannot be read for a while is not taken for damaged") {
    const TemporaryFolder dir;
    FailingDisk disk;
    const auto config = at(dir.path("spool.db"));
    auto opened = Spool::open(config);
    REQUIRE(opened);
    auto& spool = **opened;
    // More than SQLite's cache holds.
    std::minstd_rand random(5);
    for (int i = 0; i < 300; ++i) {
        auto series = numbered(i);
        std::string noise;
        for (int k = 0; k < 3000; ++k) {
            noise += static_cast<char>('!' + random() % 90);
        }
        series[0].labels.set("noise", noise);
        spool.add(std::move(series));
        REQUIRE(spool.flush());
    }
    disk.fail(true);
    auto values = drain(spool, 1);  // what SQLite has in its cache
    CHECK(values.size() < 250);
    CHECK_FALSE(spool.state().trouble.empty());
    disk.fail(false);
    REQUIRE(writtenAgain(spool));
    CHECK(spool.state().dropped["damaged"] == 0);
    CHECK_FALSE(std::filesystem::exists(config.path + ".damaged"));
    const auto rest = drain(spool);
    values.insert(values.end(), rest.begin(), rest.end());
    CHECK(values == range(0, 300));
}

TEST_CASE("the agent runs even if the disk fails from the start") {
    const TemporaryFolder dir;
    FailingDisk disk;
    disk.fail(true);
    auto opened = Spool::open(at(dir.path("spool.db")));
    REQUIRE(opened);
    auto& spool = **opened;
    CHECK_FALSE(spool.state().trouble.empty());
    spool.add(numbered(5));
    CHECK_FALSE(spool.flush());
    CHECK(drain(spool) == range(5, 6));
    disk.fail(false);
    spool.add(numbered(6));
    REQUIRE(writtenAgain(spool));
    CHECK(spool.state().trouble.empty());
    CHECK(drain(spool) == range(6, 7));
}

namespace {

/// On a file system that becomes read-only: 0 if all checks held, otherwise the number of the failed check.
int onReadOnlyDisk(const std::string& mount_point) {
    const auto config = at(mount_point + "/spool.db");
    for (const bool fresh : {true, false}) {
        if (mount(nullptr, mount_point.c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr) != 0) {
            return 1;
        }
        auto opened = Spool::open(config);
        if (!opened) {
            return fresh ? 2 : 3;
        }
        auto& spool = **opened;
        spool.add(numbered(5));
        if (spool.flush()) {
            return 4;
        }
        if (drain(spool) != range(5, 6)) {
            return 5;
        }
        if (mount(nullptr, mount_point.c_str(), nullptr, MS_REMOUNT, nullptr) != 0) {
            return 6;
        }
        spool.add(numbered(6));
        if (!writtenAgain(spool) || drain(spool) != range(6, 7)) {
            return 7;
        }
    }
    return 0;
}

}  // namespace

TEST_CASE("the agent runs even if the file system is read-only from the start") {
    const TemporaryFolder dir;
    onSmallDisk(dir.path(), "4m", [&] { return onReadOnlyDisk(dir.path()); });
}
