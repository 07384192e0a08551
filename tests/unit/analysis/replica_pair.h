#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "collector/analysis/replication/verdict.h"
#include "tests/unit/catch.h"

template <>
struct Catch::StringMaker<lapwing::analysis::replication::State> {
    static std::string convert(lapwing::analysis::replication::State state) { return stateName(state); }
};

template <>
struct Catch::StringMaker<lapwing::analysis::replication::Cause> {
    static std::string convert(lapwing::analysis::replication::Cause cause) { return causeName(cause); }
};

namespace lapwing::test {

namespace evidence = analysis::evidence;
namespace replication = analysis::replication;

/// The primary web-01 writes ten transactions of 100 bytes each a second, and the replica web-02 keeps up.
/// Both are observed every second for two minutes. Each test changes some of this.
class ReplicaPair {
  public:
    static constexpr TimestampMs kNow = 1'700'000'000'000;
    static constexpr int kSeconds = 120;
    static constexpr std::int64_t kRate = 10;
    static constexpr std::int64_t kBytes = 100;

    explicit ReplicaPair(bool mariadb = true) : mariadb_(mariadb) {
        inputs.databases.now = kNow + 300;
        inputs.declared = {{"web-01", "web-02"}};
        inputs.databases.hosts = {{address("10.77.0.11"), "web-01"}, {address("10.77.0.12"), "web-02"}};
        for (auto* server : {&primary(), &replica()}) {
            server->up = true;
            server->heard = kNow;
            server->mariadb = mariadb;
            server->version = mariadb ? "10.11.6-MariaDB" : "9.7.0";
            server->log_bin = true;
            server->super_read_only = mariadb ? std::nullopt : std::optional(server == &replica());
            server->clock = 0;
        }
        primary().server_id = "1";
        replica().server_id = "2";
        if (!mariadb) {
            primary().server_uuid = kUuid;
            replica().server_uuid = "22222222-0000-0000-0000-000000000000";
        }
        primary().read_only = false;
        primary().configured = false;
        replica().read_only = true;
        replica().configured = true;
        auto& followed = channel();
        followed.at = kNow;
        followed.source = {"10.77.0.11", 3306};
        followed.source_server_id = "1";
        followed.source_uuid = primary().server_uuid;
        followed.receiver.state = evidence::ThreadState::running;
        followed.applier.state = evidence::ThreadState::running;
        followed.seconds_behind = 0;
        writes();
        receives();
        applies();
    }

    evidence::Database& primary() { return inputs.databases.servers["web-01"]; }
    evidence::Database& replica() { return inputs.databases.servers["web-02"]; }
    evidence::ReplicaChannel& channel() { return replica().channels[""]; }
    std::string gtid() const { return mariadb_ ? "0" : kUuid; }

    static reach::Address address(const char* text) { return *reach::Address::parse(text); }

    static std::int64_t sequence(double second) { return 1000 + static_cast<std::int64_t>(second * kRate); }
    static std::int64_t position(double second) {
        return evidence::coordinate(
            7, 4000 + static_cast<double>(kBytes) * (static_cast<double>(sequence(second)) - 1000));
    }
    static TimestampMs time(double second) {
        return kNow + static_cast<TimestampMs>((second - kSeconds) * 1000);
    }

    /// The primary writes until second `until` and is observed until second `seen`.
    void writes(double until = kSeconds, int seen = kSeconds) {
        primary().written = {};
        primary().written_bytes = {};
        primary().executed = {};
        for (int i = 0; i <= seen; ++i) {
            const double second = std::min<double>(i, until);
            primary().written.add(time(i), position(second));
            primary().written_bytes.add(time(i), kBytes * sequence(second));
            primary().executed[gtid()].add(time(i), sequence(second));
        }
    }
    /// The replica's receiver gets all writes until second `until`, and none later.
    void receives(double until = kSeconds) {
        channel().read = {};
        for (int i = 0; i <= kSeconds; ++i) {
            channel().read.add(time(i), position(std::min<double>(i, until)));
        }
    }
    /// The replica's applier keeps up until second `until` and then continues at `pace`, a fraction of real
    /// time.
    void applies(double until = kSeconds, double pace = 0) {
        channel().executed = {};
        replica().executed = {};
        for (int i = 0; i <= kSeconds; ++i) {
            const double second = i <= until ? i : until + (i - until) * pace;
            channel().executed.add(time(i), position(second));
            replica().executed[gtid()].add(time(i), sequence(second));
        }
    }
    void beats(double age_on_replica, double age_on_primary = 0.5) {
        replica().heartbeats["1"] = {kNow, age_on_replica};
        primary().heartbeats["1"] = {kNow, age_on_primary};
        primary().heartbeat_writing = true;
    }

    /// The replica follows a second primary, web-03, over the channel "b".
    evidence::ReplicaChannel& followsAnother() {
        auto& other = inputs.databases.servers["web-03"];
        other = primary();
        other.server_id = "3";
        inputs.databases.hosts[address("10.77.0.13")] = "web-03";
        auto& second = replica().channels["b"];
        second = channel();
        second.source.host = "10.77.0.13";
        second.source_server_id = "3";
        return second;
    }

    replication::Verdict verdict() const {
        const auto all = replication::judge(inputs);
        REQUIRE(all.size() == 1);
        return all.front();
    }

    replication::Inputs inputs;
    static constexpr const char* kUuid = "11111111-0000-0000-0000-000000000000";

  private:
    bool mariadb_;
};

inline std::string evidenceOf(const replication::Verdict& verdict) {
    std::string out;
    for (const auto& line : verdict.evidence) {
        out += line.source + ": " + line.text + "\n";
    }
    return out;
}

inline bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

}  // namespace lapwing::test
