#include "agent/probes/units/units.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <filesystem>
#include <string>

#include "agent/probes/kind.h"
#include "agent/probes/units/choice.h"
#include "agent/probes/units/families.h"
#include "common/config/reader.h"
#include "tests/unit/catch.h"
#include "tests/unit/probes/samples.h"
#include "tests/unit/probes/server.h"
#include "tests/unit/temporary_folder.h"

using namespace lapwing;
using namespace lapwing::agent;
using namespace lapwing::agent::units;
using lapwing::test::Samples;
using lapwing::test::TemporaryFolder;

namespace {

/// A tree as the kernel shows it (cgroup-v2.rst) below "fs/cgroup" of a directory.
class Tree {
  public:
    Tree() { write("", {{"cgroup.controllers", "cpu memory pids\n"}}); }

    void write(const std::string& group, const std::vector<std::pair<std::string, std::string>>& files) {
        const auto path = directory_.path("fs/cgroup/" + group);
        std::filesystem::create_directories(path);
        for (const auto& [name, content] : files) {
            directory_.write(fmt::format("fs/cgroup/{}/{}", group, name), content);
        }
    }
    void service(const std::string& group) {
        write(group, {{"cpu.stat", "usage_usec 1500000\nuser_usec 1000000\nsystem_usec 500000\n"},
                      {"memory.current", "1048576\n"},
                      {"memory.max", "max\n"},
                      {"memory.events", "low 0\nhigh 0\nmax 7\noom 3\noom_kill 2\noom_group_kill 0\n"},
                      {"pids.current", "5\n"},
                      {"pids.max", "115\n"}});
    }
    std::string sys() const { return directory_.path(); }
    std::string mount() const { return directory_.path("fs/cgroup"); }

  private:
    TemporaryFolder directory_;
};

/// A Unix socket that takes connections, and never says a word.
class MuteBus {
  public:
    MuteBus() : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_un address = {};
        address.sun_family = AF_UNIX;
        std::strncpy(address.sun_path, path().c_str(), sizeof address.sun_path - 1);
        REQUIRE(::bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
        REQUIRE(::listen(fd_, 5) == 0);
    }
    ~MuteBus() { ::close(fd_); }
    MuteBus(const MuteBus&) = delete;
    MuteBus& operator=(const MuteBus&) = delete;
    std::string path() const { return directory_.path("bus"); }

  private:
    TemporaryFolder directory_;
    int fd_;
};

Unit unit(const std::string& name, const std::string& active = "active", const std::string& sub = "running",
          const std::string& load = "loaded") {
    return {name, load, active, sub, ""};
}

}  // namespace

TEST_CASE("units: services of one connection and of one command are passing") {
    for (const char* name : {"sshd@0-10.0.0.1:22-10.0.0.2:4567.service", "each@12-[::1]:22-[::1]:99.service",
                             "each@3-1234-1000.service", "each@3-1234_5678-1000.service", "run-u12.service",
                             "run-r0a1b2c.service", "run-p12-i34.service"}) {
        INFO(name);
        CHECK(isPassing(name));
    }
    for (const char* name :
         {"nginx.service", "postgresql@15-main.service", "user@1000.service", "shop@8085.service",
          "worker@2-3.service", "user-runtime-dir@0.service", "each@3-1-2.socket", "run-backup.service",
          "run-user-1000.mount", "run-parts.service"}) {
        INFO(name);
        CHECK_FALSE(isPassing(name));
    }
}

TEST_CASE("units: what is asked of which unit") {
    const Choice choice{{"shop*.service", "*.mount"}, {"noisy@*.service"}};
    CHECK(wantedOf(choice, unit("nginx.service", "inactive", "dead")).states);
    CHECK(wantedOf(choice, unit("shop@1.service", "inactive", "dead")).restarts);
    CHECK(wantedOf(choice, unit("srv.mount", "active", "mounted")).states);
    const auto other = wantedOf(choice, unit("cron.service"));
    CHECK_FALSE(other.states);
    CHECK(other.restarts);
    CHECK(wantedOf(choice, unit("cron.service", "activating", "auto-restart")).restarts);
    CHECK_FALSE(wantedOf(choice, unit("cron.service", "inactive", "dead")).any());
    CHECK_FALSE(wantedOf(choice, unit("systemd-sysctl.service", "active", "exited")).any());
    CHECK_FALSE(wantedOf(choice, unit("sshd@0-10.0.0.1:22-10.0.0.2:4567.service")).any());
    CHECK_FALSE(wantedOf(choice, unit("sshd@0-10.0.0.1:22-10.0.0.2:4567.service", "failed", "failed")).any());
    CHECK_FALSE(wantedOf(choice, unit("run-u12.service", "failed", "failed")).any());
    CHECK(wantedOf({{"sshd@*"}, {}}, unit("sshd@0-10.0.0.1:22-10.0.0.2:4567.service", "failed")).states);
    CHECK(wantedOf(choice, unit("cron.service", "failed", "failed")).states);
    CHECK(wantedOf(choice, unit("gone.service", "failed", "failed", "not-found")).states);
    CHECK_FALSE(wantedOf(choice, unit("nginx.service", "inactive", "dead", "not-found")).any());
    CHECK_FALSE(wantedOf(choice, unit("noisy@1.service", "failed", "failed")).any());
    CHECK_FALSE(wantedOf(choice, unit("dev-sda.device", "failed", "failed")).any());
    CHECK(wantedOf(choice, unit("logrotate.timer", "active", "waiting")).timer);
    CHECK_FALSE(wantedOf(choice, unit("dbus.socket")).any());
}

// attacks "units of systemd whose states or counters are reported"
TEST_CASE("units: of too many units, watched ones come first, then failed ones") {
    std::vector<Unit> listed;
    for (int i = 0; i < 600; ++i) {
        listed.push_back(unit("s" + std::to_string(i) + ".service"));
    }
    listed.push_back(unit("broken.service", "failed", "failed"));
    listed.push_back(unit("nginx.service"));
    bool cut = false;
    const auto asked = chosen({}, listed, kMostUnits, cut);
    CHECK(cut);
    REQUIRE(asked.size() == 512);
    CHECK(asked[0]->name == "nginx.service");
    CHECK(asked[1]->name == "broken.service");
    CHECK(asked[2]->name == "s0.service");
    listed.resize(512);
    CHECK(chosen({}, listed, kMostUnits, cut).size() == 512);
    CHECK_FALSE(cut);
}

// attacks "units of systemd whose states or counters are reported"
TEST_CASE("units: failed services of connections take no watched unit's place") {
    std::vector<Unit> listed;
    for (int i = 0; i < 600; ++i) {
        listed.push_back(
            unit("sshd@" + std::to_string(i) + "-10.0.0.1:22-10.0.0.2:4567.service", "failed", "failed"));
    }
    listed.push_back(unit("shop.service"));
    bool cut = false;
    auto asked = chosen({}, listed, kMostUnits, cut);
    CHECK_FALSE(cut);
    REQUIRE(asked.size() == 1);
    CHECK(asked[0]->name == "shop.service");
    asked = chosen({{"*"}, {}}, listed, kMostUnits, cut);
    CHECK(cut);
    REQUIRE(asked.size() == 512);
    CHECK(asked[0]->name == "shop.service");
}

TEST_CASE("units: the manager's answers, under node_exporter's names") {
    ManagerFacts facts;
    facts.version = "252.39-1~deb12u2";
    facts.system_state = "degraded";
    facts.listed = {unit("a.service"), unit("b.service", "failed"), unit("c.service", "reloading")};
    UnitFacts failed;
    failed.unit = unit("b.service", "failed", "failed");
    failed.states = true;
    failed.type = "notify";
    failed.result = "oom-kill";
    failed.restarts = 4;
    failed.active_since_us = 0;
    UnitFacts timer;
    timer.unit = unit("t.timer", "active", "waiting");
    timer.last_trigger_us = 1'700'000'000'500'000;
    facts.reported = {failed, timer};
    const Samples samples(managerFamilies(facts));
    CHECK(samples.value("node_systemd_version", {{"version", "252.39-1~deb12u2"}}) == 252.39);
    CHECK(samples.value("node_systemd_system_running") == 0);
    CHECK(samples.value("node_systemd_units", {{"state", "active"}}) == 1);
    CHECK(samples.value("node_systemd_units", {{"state", "failed"}}) == 1);
    CHECK(samples.value("node_systemd_units", {{"state", "reloading"}}) == 1);
    CHECK(samples.value("node_systemd_units", {{"state", "inactive"}}) == 0);
    CHECK(samples.count("node_systemd_unit_state") == 5);
    CHECK(samples.value("node_systemd_unit_state",
                        {{"name", "b.service"}, {"state", "failed"}, {"type", "notify"}}) == 1);
    CHECK(samples.value("node_systemd_unit_state",
                        {{"name", "b.service"}, {"state", "active"}, {"type", "notify"}}) == 0);
    CHECK(samples.value("lapwing_unit_result_info", {{"name", "b.service"}, {"result", "oom-kill"}}) == 1);
    CHECK(samples.value("node_systemd_service_restart_total", {{"name", "b.service"}}) == 4);
    CHECK(samples.value("node_systemd_unit_start_time_seconds", {{"name", "b.service"}}) == 0);
    CHECK(samples.value("node_systemd_timer_last_trigger_seconds", {{"name", "t.timer"}}) == 1'700'000'000.5);
    CHECK(samples.count("node_systemd_socket_accepted_connections_total") == 0);
    facts.version = "257~rc1";
    CHECK(Samples(managerFamilies(facts)).value("node_systemd_version", {{"version", "257~rc1"}}) == 257);
    facts.version = "unknown";
    CHECK(Samples(managerFamilies(facts)).count("node_systemd_version") == 0);
}

TEST_CASE("units: what the kernel counts for services and the first slices") {
    Tree tree;
    tree.service("system.slice");
    tree.service("system.slice/nginx.service");
    tree.service("system.slice/system-shop.slice/shop@1.service");
    tree.service("system.slice/nginx.service/inner.service");
    tree.service("system.slice/_cgroup.service");
    tree.write("system.slice/limited.service",
               {{"memory.max", "4096\n"}, {"memory.current", "nonsense\n"}, {"cpu.stat", "usage_usec 1\n"}});
    tree.write("system.slice/ended.service", {});
    tree.service("init.scope");
    const auto read = readCgroups(tree.mount());
    REQUIRE(read);
    CHECK_FALSE(read->cut);
    CHECK(read->by_unit.size() == 5);
    CHECK(read->by_unit.count("cgroup.service") == 1);
    const auto& nginx = read->by_unit.at("nginx.service");
    CHECK(nginx.cpu_seconds == 1.5);
    CHECK(nginx.memory_bytes == 1048576);
    CHECK_FALSE(nginx.memory_limit_bytes);
    CHECK(nginx.oom_kills == 2);
    CHECK(nginx.tasks == 5);
    CHECK(nginx.tasks_limit == 115);
    CHECK(read->by_unit.at("limited.service").memory_limit_bytes == 4096);
    CHECK_FALSE(read->by_unit.at("limited.service").memory_bytes);
    const Samples samples(usageFamilies(*read));
    CHECK(samples.value("lapwing_unit_oom_kills_total", {{"name", "shop@1.service"}}) == 2);
    CHECK(samples.value("lapwing_unit_memory_limit_bytes", {{"name", "limited.service"}}) == 4096);
    CHECK(samples.count("lapwing_unit_memory_limit_bytes") == 1);
    CHECK(samples.value("node_systemd_unit_tasks_current", {{"name", "nginx.service"}}) == 5);
    CHECK(samples.value("node_systemd_unit_tasks_max", {{"name", "nginx.service"}}) == 115);
    CHECK(samples.value("lapwing_unit_cpu_seconds_total", {{"name", "system.slice"}}) == 1.5);
}

// attacks "services whose cgroups the agent reads; the depth of their slices"
TEST_CASE("units: a huge and a deep tree of cgroups are cut") {
    Tree tree;
    std::string deep = "deep.slice";
    for (int i = 0; i < 12; ++i) {
        deep += "/deep-" + std::to_string(i) + ".slice";
    }
    tree.service(deep + "/lost.service");
    auto read = readCgroups(tree.mount());
    REQUIRE(read);
    CHECK(read->cut);
    CHECK(read->by_unit.count("lost.service") == 0);
    for (int i = 0; i < 600; ++i) {
        tree.write("system.slice/s" + std::to_string(i) + ".service", {{"pids.current", "1\n"}});
    }
    read = readCgroups(tree.mount());
    REQUIRE(read);
    CHECK(read->cut);
    CHECK(read->by_unit.size() <= 512);
    CHECK(read->by_unit.size() >= 500);
}

TEST_CASE("units: cgroups of version 1 are told apart") {
    TemporaryFolder directory;
    CHECK(cgroupMount(directory.path()).empty());
    std::filesystem::create_directories(directory.path("fs/cgroup/unified"));
    directory.write("fs/cgroup/unified/cgroup.controllers", "");
    CHECK(cgroupMount(directory.path()) == directory.path("fs/cgroup/unified"));
    const auto read = readCgroups(directory.path("fs/cgroup"));
    REQUIRE_FALSE(read);
    CHECK(read.error().kind == ErrorKind::not_found);
}

TEST_CASE("units: a mute bus costs the run its deadline, and no value of the kernel's") {
    Tree tree;
    tree.service("system.slice/nginx.service");
    MuteBus bus;
    UnitsProbe probe({}, {"unix:path=" + bus.path(), tree.sys()});
    const auto before = std::chrono::steady_clock::now();
    const auto result = probe.collect(Deadline(std::chrono::milliseconds(700)));
    CHECK(std::chrono::steady_clock::now() - before < std::chrono::seconds(20));
    REQUIRE(result);
    REQUIRE(result->failure);
    CHECK(result->failure->kind == ErrorKind::timeout);
    CHECK(Samples(result->families).value("lapwing_unit_memory_bytes", {{"name", "nginx.service"}}) ==
          1048576);
}

TEST_CASE("units: no bus") {
    TemporaryFolder directory;
    UnitsProbe probe({}, {"unix:path=" + directory.path("nothing"), directory.path()});
    const auto result = probe.collect(Deadline(std::chrono::seconds(4)));
    REQUIRE(result);
    REQUIRE(result->failure);
    CHECK(result->failure->kind == ErrorKind::unavailable);
    CHECK(result->families.empty());
    CHECK(result->note.find("no cgroups") != std::string::npos);
}

// attacks "patterns of `probes.units`"
TEST_CASE("units: the configuration") {
    const auto configured = [](const std::string& yaml, std::vector<std::string>& problems) {
        config::Reader reader;
        ProbeContext context;
        context.host = "web-01";
        std::vector<ProbeSpec> specs;
        (void)unitsProbe().configure(reader.text(yaml, "test"), context, specs);
        for (const auto& problem : reader.problems()) {
            problems.push_back(problem.message);
        }
        return specs.size();
    };
    std::vector<std::string> problems;
    CHECK(configured("{ watch: [ shop.service ], ignore: noisy.service }", problems) == 1);
    CHECK(configured("on", problems) == 1);
    CHECK(configured("off", problems) == 0);
    CHECK(problems.empty());
    configured("{ units: [ shop.service ] }", problems);
    CHECK(problems.size() == 1);
    std::string many = "a";
    for (int i = 0; i < 64; ++i) {
        many += ", a";
    }
    configured("{ watch: [ " + many + " ] }", problems);
    CHECK(problems.size() == 2);
}
