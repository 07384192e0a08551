#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <random>
#include <set>
#include <thread>

#include "agent/delivery/spool.h"
#include "tests/unit/agent/small_disk.h"
#include "tests/unit/agent/spool_fixture.h"
#include "tests/unit/catch.h"
#include "tests/unit/common/certificates.h"
#include "tests/unit/temporary_folder.h"

using lapwing::agent::Spool;
using lapwing::agent::SpoolConfig;
using lapwing::test::drain;
using lapwing::test::numbered;
using lapwing::test::onSmallDisk;
using lapwing::test::TemporaryFolder;
using lapwing::test::valuesOf;

namespace {

/// In a process of its own: adds numbered samples, flushes, and reports through the pipe the written ("+N")
/// and the sent samples ("-N"), until it is killed.
[[noreturn]] void writeUntilKilled(const std::string& path, int first, int pipe_end) {
    SpoolConfig config;
    config.path = path;
    auto spool = Spool::open(config);
    if (!spool) {
        _exit(1);
    }
    for (int number = first;; ++number) {
        (*spool)->add(numbered(number));
        if (!(*spool)->flush()) {
            _exit(2);
        }
        int note = number + 1;
        if (write(pipe_end, &note, sizeof note) != sizeof note) {
            _exit(3);
        }
        if (number % 3 != 0) {
            continue;
        }
        // Reports before removing: a sample may be sent again, but must not be missing.
        const auto batch = (*spool)->next(2);
        if (!batch) {
            _exit(4);
        }
        for (const double value : valuesOf(batch->body)) {
            note = -static_cast<int>(value) - 1;
            if (write(pipe_end, &note, sizeof note) != sizeof note) {
                _exit(3);
            }
        }
        (*spool)->sent(*batch);
    }
}

}  // namespace

TEST_CASE("a kill at any moment leaves all flushed and unsent samples in the spool") {
    const TemporaryFolder dir;
    const std::string path = dir.path("spool.db");
    std::set<int> written;
    std::set<int> sent;
    std::minstd_rand random(7);
    for (int round = 0; round < 20; ++round) {
        int ends[2];
        REQUIRE(pipe(ends) == 0);
        const int first = written.empty() ? 0 : *written.rbegin() + 2;
        const pid_t child = fork();
        if (child == 0) {
            close(ends[0]);
            writeUntilKilled(path, first, ends[1]);
        }
        close(ends[1]);
        int note = 0;
        const auto record = [&] {
            if (read(ends[0], &note, sizeof note) != sizeof note) {
                return false;
            }
            (note > 0 ? written : sent).insert(std::abs(note) - 1);
            return true;
        };
        // However slow the disk, each round makes progress before it is killed at some point of the next
        // write.
        for (auto notes = 6 + random() % 10; notes > 0 && record(); --notes) {
        }
        std::this_thread::sleep_for(std::chrono::microseconds(random() % 3000));
        kill(child, SIGKILL);
        int status = 0;
        waitpid(child, &status, 0);
        CHECK(WIFSIGNALED(status));
        while (record()) {
        }
        close(ends[0]);
    }
    REQUIRE(written.size() > 60);

    SpoolConfig config;
    config.path = path;
    auto spool = Spool::open(config);
    REQUIRE(spool);
    CHECK((*spool)->state().dropped["damaged"] == 0);
    std::set<int> left;
    for (const double value : drain(**spool)) {
        CHECK(left.insert(static_cast<int>(value)).second);
    }
    for (const int number : written) {
        INFO(number);
        CHECK((left.count(number) == 1 || sent.count(number) == 1));
    }
}

namespace {

/// On a small file system: 0 if all checks held, otherwise the number of the
/// failed check.
int fillDisk(const std::string& mount_point) {
    SpoolConfig config;
    config.path = mount_point + "/spool.db";
    config.memory_bytes = 100'000;
    auto opened = Spool::open(config);
    if (!opened) {
        return 1;
    }
    auto& spool = **opened;
    std::string noise;
    std::minstd_rand random(3);
    int added = 0;
    const auto add = [&](int count) {
        for (int i = 0; i < count; ++i, ++added) {
            auto series = numbered(added);
            noise.clear();
            for (int k = 0; k < 3000; ++k) {
                noise += static_cast<char>('!' + random() % 90);
            }
            series[0].labels.set("noise", noise);
            spool.add(std::move(series));
            spool.flush();
        }
    };
    add(200);
    auto state = spool.state();
    if (state.trouble.empty()) {
        return 2;
    }
    if (state.dropped["disk"] == 0) {
        return 3;  // memory is bounded,
    }
    if (state.samples + state.dropped["disk"] != added) {
        return 4;  // and each is waiting or counted
    }
    // Waiting samples can still be sent, the file's first.
    const int kept = static_cast<int>(state.samples);
    const auto values = drain(spool);
    if (static_cast<int>(values.size()) != kept) {
        return 5;
    }
    if (values.front() != 0 || values.back() != added - 1) {
        return 6;
    }
    for (std::size_t i = 1; i < values.size(); ++i) {
        if (values[i] <= values[i - 1]) {
            return 7;
        }
    }
    // Now that everything was sent, there is room again.
    add(3);
    state = spool.state();
    if (!state.trouble.empty()) {
        return 8;
    }
    if (state.samples != 3) {
        return 9;
    }
    if (drain(spool).size() != 3) {
        return 10;
    }
    return 0;
}

}  // namespace

TEST_CASE("on a full disk the agent goes on from memory, counts dropped samples, and recovers") {
    const TemporaryFolder dir;
    onSmallDisk(dir.path(), "400k", [&] { return fillDisk(dir.path()); });
}

TEST_CASE("the agent runs even if the disk is full from the start") {
    const TemporaryFolder dir;
    onSmallDisk(dir.path(), "8k", [&] {
        SpoolConfig config;
        config.path = dir.path("spool.db");
        auto spool = Spool::open(config);
        if (!spool) {
            return 1;
        }
        (*spool)->add(numbered(5));
        if ((*spool)->flush()) {
            return 2;
        }
        const auto batch = (*spool)->next(64);
        if (!batch || valuesOf(batch->body) != std::vector<double>{5}) {
            return 3;
        }
        (*spool)->sent(*batch);
        return (*spool)->next(64) ? 4 : 0;
    });
}
