#include "agent/snapshot/snapshot_file.h"

#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <thread>
#include <vector>

#include "agent/snapshot/helper/last_snapshot.h"
#include "agent/snapshot/helper/write_snapshot.h"
#include "tests/unit/catch.h"

using namespace lapwing;
using namespace lapwing::agent;

namespace {

constexpr TimestampMs kNow = 1'700'000'000'000;
constexpr std::int64_t kMostAgeMs = 60'000;

/// A snapshot's file without a boot id and a namespace, so that it fits any host.
class TemporarySnapshot {
  public:
    TemporarySnapshot() : path_("/tmp/lapwing-snapshot-test-" + std::to_string(getpid())) {}
    ~TemporarySnapshot() { std::remove(path_.c_str()); }
    TemporarySnapshot(const TemporarySnapshot&) = delete;
    TemporarySnapshot& operator=(const TemporarySnapshot&) = delete;
    const std::string& path() const { return path_; }

    void write(const std::string& version, TimestampMs time = kNow) const {
        Snapshot snapshot;
        snapshot.time = time;
        snapshot.versions["nft"] = version;
        REQUIRE(writeSnapshot(path_, toJson(snapshot), ""));
    }

  private:
    std::string path_;
};

std::string versionIn(SnapshotFile& file) {
    const auto snapshot = file.read(kNow, kMostAgeMs);
    REQUIRE(snapshot);
    return (*snapshot)->versions.at("nft");
}

}  // namespace

TEST_CASE("a snapshot is parsed once for all readers, and again after the file has changed") {
    const TemporarySnapshot written;
    SnapshotFile file(written.path());
    written.write("1.0.6");
    const auto first = file.read(kNow, kMostAgeMs);
    REQUIRE(first);
    CHECK(*file.read(kNow + 1, kMostAgeMs) == *first);
    written.write("1.0.7");
    CHECK(versionIn(file) == "1.0.7");
    CHECK((*first)->versions.at("nft") == "1.0.6");
}

TEST_CASE("the age of a snapshot is judged at each reading") {
    const TemporarySnapshot written;
    SnapshotFile file(written.path());
    written.write("1.0.6");
    CHECK(file.read(kNow + kMostAgeMs, kMostAgeMs));
    const auto old = file.read(kNow + kMostAgeMs + 1, kMostAgeMs);
    REQUIRE_FALSE(old);
    CHECK(old.error().kind == ErrorKind::unavailable);
    written.write("1.0.6", kNow + kMostAgeMs);
    CHECK(file.read(kNow + kMostAgeMs + 1, kMostAgeMs));
}

TEST_CASE("a file that disappears or is damaged is no snapshot, even after a good one") {
    const TemporarySnapshot written;
    SnapshotFile file(written.path());
    CHECK(file.read(kNow, kMostAgeMs).error().kind == ErrorKind::not_found);
    written.write("1.0.6");
    CHECK(versionIn(file) == "1.0.6");
    std::ofstream(written.path()) << "{\"format\":1";
    CHECK(file.read(kNow, kMostAgeMs).error().kind == ErrorKind::protocol);
    std::remove(written.path().c_str());
    CHECK(file.read(kNow, kMostAgeMs).error().kind == ErrorKind::not_found);
    written.write("1.0.7");
    CHECK(versionIn(file) == "1.0.7");
}

TEST_CASE("several threads may read a snapshot while it is replaced") {
    const TemporarySnapshot written;
    SnapshotFile file(written.path());
    written.write("0");
    std::vector<std::thread> readers;
    std::vector<int> failures(4, 0);
    for (int& failed : failures) {
        readers.emplace_back([&file, &failed] {
            for (int i = 0; i < 500; ++i) {
                failed += file.read(kNow, kMostAgeMs) ? 0 : 1;
            }
        });
    }
    for (int i = 1; i <= 50; ++i) {
        written.write(std::to_string(i));
    }
    for (auto& reader : readers) {
        reader.join();
    }
    CHECK(failures == std::vector<int>(4, 0));
    CHECK(versionIn(file) == "50");
}

TEST_CASE("large rules have a file of their own, which is read once") {
    const TemporarySnapshot written;
    Snapshot snapshot;
    snapshot.time = kNow;
    snapshot.ruleset = {"/usr/sbin/nft", ReadStatus::ok, std::string(200'000, 'x'), ""};
    snapshot.listing = {"/usr/sbin/nft", ReadStatus::ok, "table ip t {\n}\n", ""};
    snapshot.iptables.push_back({"/usr/sbin/iptables-nft-save", ReadStatus::ok, "*filter\nCOMMIT\n", ""});
    snapshot.ipsets = {"/usr/sbin/ipset", ReadStatus::ok, "create a hash:net family inet\n", ""};
    REQUIRE(writeSnapshot(written.path(), snapshot, ""));
    SnapshotFile file(written.path());
    const auto first = file.read(kNow, kMostAgeMs);
    REQUIRE(first);
    const auto rules = (*first)->rules.file;
    REQUIRE_FALSE(rules.empty());
    CHECK((*first)->ruleset.output == snapshot.ruleset.output);
    CHECK((*first)->listing.output == snapshot.listing.output);
    CHECK((*first)->iptables.at(0).output == snapshot.iptables[0].output);
    CHECK((*first)->ipsets.output == snapshot.ipsets.output);

    // The helper writes the snapshot again, and the rules are the same.
    auto again = snapshot;
    again.time = kNow + 1;
    again.rules.file = rules;
    again.ruleset.output.clear();
    again.iptables[0].output.clear();
    REQUIRE(writeSnapshot(written.path(), again, ""));
    const auto second = file.read(kNow, kMostAgeMs);
    REQUIRE(second);
    CHECK((*second)->time == kNow + 1);
    CHECK((*second)->ruleset.output == snapshot.ruleset.output);
    CHECK((*second)->ipsets.output == snapshot.ipsets.output);

    snapshot.ruleset.output = std::string(200'000, 'y');
    REQUIRE(writeSnapshot(written.path(), snapshot, ""));
    const auto third = file.read(kNow, kMostAgeMs);
    REQUIRE(third);
    CHECK((*third)->ruleset.output == snapshot.ruleset.output);
    const auto directory = written.path().substr(0, written.path().rfind('/') + 1);
    std::remove((directory + rules).c_str());
    std::remove((directory + (*third)->rules.file).c_str());
    CHECK(SnapshotFile(written.path()).read(kNow, kMostAgeMs).error().kind == ErrorKind::not_found);
}

TEST_CASE("large rules of the next boot have a file of their own, which the helper's next run keeps") {
    const TemporarySnapshot written;
    Snapshot snapshot;
    snapshot.time = kNow;
    snapshot.boot.rehearsed = kNow;
    snapshot.boot.listing = std::string(200'000, 'x');
    REQUIRE(writeSnapshot(written.path(), snapshot, ""));
    SnapshotFile file(written.path());
    const auto first = file.read(kNow, kMostAgeMs);
    REQUIRE(first);
    CHECK((*first)->boot.listing == snapshot.boot.listing);
    const auto last = lastSnapshot(written.path());
    REQUIRE(last);
    CHECK(last->boot.listing.empty());
    CHECK(last->boot.file == (*first)->boot.file);

    REQUIRE(writeSnapshot(written.path(), *last, ""));
    const auto second = file.read(kNow, kMostAgeMs);
    REQUIRE(second);
    CHECK((*second)->boot.listing == snapshot.boot.listing);
    const auto directory = written.path().substr(0, written.path().rfind('/') + 1);
    std::remove((directory + last->boot.file).c_str());
    CHECK(SnapshotFile(written.path()).read(kNow, kMostAgeMs).error().kind == ErrorKind::not_found);
}
