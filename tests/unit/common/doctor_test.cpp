#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>

#include "common/doctor/account.h"
#include "common/doctor/machine.h"
#include "common/doctor/named_files.h"
#include "common/doctor/report.h"
#include "common/doctor/unit.h"
#include "common/json.h"
#include "tests/unit/catch.h"
#include "tests/unit/temporary_folder.h"

using namespace lapwing;
using namespace lapwing::doctor;

namespace {

constexpr const char* kConfig = "/etc/lapwing/agent.yaml";
constexpr const char* kUnit = "lapwing-agent.service";

std::string shown(const std::string& more) {
    return "LoadState=loaded\nUser=lapwing\nGroup=lapwing\nSupplementaryGroups=adm www-data\n"
           "ExecStart={ path=/usr/bin/lapwing-agent ; argv[]=/usr/bin/lapwing-agent run --config "
           "/etc/lapwing/agent.yaml ; ignore_errors=no }\n" +
           more;
}

Report::Check stopped(const std::string& more, const std::vector<std::string>& lines = {}) {
    auto unit = parseUnit(shown(more), kUnit, kConfig);
    unit.last_lines = lines;
    Report out;
    reportStopped(out, unit, "lapwing-agent", "no socket", "lapwing-agent join STRING");
    return out.checks().at(0);
}

bool has(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

void onlyRoot() {
    if (::geteuid() != 0) {
        test::skip("it needs root");
    }
}

void write(const std::string& path, mode_t mode) {
    std::ofstream(path) << "x\n";
    std::filesystem::permissions(path, static_cast<std::filesystem::perms>(mode));
}

}  // namespace

TEST_CASE("a report counts what is wrong and what is unknown, and prints fixes as they are pasted") {
    Report out;
    CHECK(out.allWell());
    CHECK(out.text() == "nothing to fix\n");
    out.well("clock", "the clock", "fine\x1b[31m");
    out.unknown("tls", "a file", "not root");
    CHECK(out.allWell());
    out.wrong("disk", "/var", "full", "cat <<'END'\nx\nEND\n");
    CHECK_FALSE(out.allWell());
    const auto text = out.text();
    CHECK(has(text, "ok       clock        the clock: fine [31m\n"));
    CHECK(has(text, "\nWRONG    disk         /var: full\n\ncat <<'END'\nx\nEND\n\n"));
    CHECK(text.ends_with("one thing to fix; one thing could not be seen\n"));
    const auto read = json::parse(out.json());
    CHECK(json::integer(read, "wrong") == 1);
    CHECK(json::integer(read, "unknown") == 1);
    CHECK(json::text(json::items(json::member(read, "checks"))[2], "fix") == "cat <<'END'\nx\nEND\n");
}

TEST_CASE("a unit counts only for the configuration that it runs with") {
    const auto unit = parseUnit(shown("ActiveState=active\n"), kUnit, kConfig);
    CHECK(unit.known);
    CHECK(unit.runs());
    CHECK(unit.user == "lapwing");
    CHECK(unit.more_groups == std::vector<std::string>{"adm", "www-data"});
    CHECK_FALSE(parseUnit(shown(""), kUnit, "/etc/lapwing/agent").known);
    CHECK_FALSE(parseUnit(shown(""), kUnit, "/tmp/agent.yaml").known);
    CHECK_FALSE(parseUnit("LoadState=not-found\n", kUnit, kConfig).known);
    CHECK_FALSE(parseUnit("", kUnit, kConfig).known);
}

TEST_CASE("a stopped service is told in systemd's words, with the command that starts it") {
    const auto inactive =
        stopped("ActiveState=inactive\nSubState=dead\nResult=success\nConditionResult=yes\n");
    CHECK(has(inactive.found, "does not run (no socket); systemd: inactive (dead)"));
    CHECK(inactive.fix == "systemctl enable --now lapwing-agent.service");
    const auto unmet =
        stopped("ActiveState=inactive\nSubState=dead\nConditionResult=no\nConditionTimestampMonotonic=12\n");
    CHECK(has(unmet.found, "a condition of the unit is not met"));
    CHECK(unmet.fix == "lapwing-agent join STRING");
    // Never started: systemd has not looked at the condition.
    CHECK(stopped("ActiveState=inactive\nConditionResult=no\nConditionTimestampMonotonic=0\n").fix ==
          "systemctl enable --now lapwing-agent.service");
    const auto wrong =
        stopped("ActiveState=activating\nSubState=auto-restart\nResult=exit-code\nExecMainStatus=2\n",
                {"error: agent.yaml:1:1"});
    CHECK(has(wrong.found, "exit-code, exit status 2; its log: error: agent.yaml:1:1"));
    CHECK(wrong.fix == "lapwing-agent check-config && systemctl restart lapwing-agent.service");
    const auto killed = stopped("ActiveState=failed\nSubState=failed\nResult=oom-kill\nExecMainStatus=9\n");
    CHECK(has(killed.found, "oom-kill"));
    Report out;
    reportStopped(out, Unit{}, "lapwing-agent --config x", "no socket", "");
    CHECK(out.checks().at(0).fix == "lapwing-agent --config x run");
}

TEST_CASE("a file is tried with the rights of the account, and the fix opens it by the least change") {
    onlyRoot();
    const test::TemporaryFolder dir;
    std::filesystem::permissions(dir.path(""), static_cast<std::filesystem::perms>(0755));
    auto nobody = *Account::named("nobody");
    const auto key = dir.path("key.pem");
    write(key, 0600);
    auto obstacle = *tryUse(nobody, key, Use::read);
    REQUIRE(obstacle);
    CHECK(obstacle->fix == "chgrp nogroup " + key + " && chmod g+r " + key);
    CHECK(has(obstacle->found, "nobody may not read it: " + key + " is root:root 0600"));
    CHECK(tryUse(nobody, key, Use::secret).value()->fix == "chown nobody " + key + " && chmod 0600 " + key);
    // Readable, but the program refuses a secret that others may read.
    REQUIRE(::chown(key.c_str(), nobody.uid, nobody.gid) == 0);
    std::filesystem::permissions(key, static_cast<std::filesystem::perms>(0640));
    CHECK_FALSE(tryUse(nobody, key, Use::read).value());
    obstacle = *tryUse(nobody, key, Use::secret);
    REQUIRE(obstacle);
    CHECK(has(obstacle->found, key + " is nobody:nogroup 0640"));
    CHECK(obstacle->fix == "chmod 0600 " + key);
    REQUIRE(::chown(key.c_str(), 0, nobody.gid) == 0);
    CHECK(tryUse(nobody, key, Use::secret).value()->fix == "chown nobody " + key + " && chmod 0600 " + key);
    REQUIRE(::chown(key.c_str(), nobody.uid, nobody.gid) == 0);
    std::filesystem::permissions(key, static_cast<std::filesystem::perms>(0600));
    CHECK_FALSE(tryUse(nobody, key, Use::secret).value());
    REQUIRE(::chown(key.c_str(), 0, 0) == 0);
    nobody.unit = "x.service";
    CHECK(has(tryUse(nobody, key, Use::secret).value()->fix, " && systemctl restart x.service"));
    nobody.unit.clear();

    // A group that may read it already: nothing at the file changes. Never a group with more power.
    REQUIRE(::chown(key.c_str(), 0, 4) == 0);  // adm
    std::filesystem::permissions(key, static_cast<std::filesystem::perms>(0640));
    CHECK(tryUse(nobody, key, Use::read).value()->fix == "usermod -aG adm nobody");
    REQUIRE(::chown(key.c_str(), 0, 42) == 0);  // shadow
    CHECK(has(tryUse(nobody, key, Use::read).value()->fix, "setfacl -m u:nobody:r"));
    nobody.groups.push_back(42);
    CHECK_FALSE(tryUse(nobody, key, Use::read).value());

    // The directory above is the obstacle.
    std::filesystem::create_directory(dir.path("closed"));
    write(dir.path("closed/file"), 0644);
    std::filesystem::permissions(dir.path("closed"), static_cast<std::filesystem::perms>(0700));
    obstacle = *tryUse(nobody, dir.path("closed/file"), Use::read);
    REQUIRE(obstacle);
    CHECK(obstacle->fix == "chgrp nogroup " + dir.path("closed") + " && chmod g+x " + dir.path("closed"));
    CHECK(has(tryUse(nobody, dir.path("closed"), Use::write).value()->fix, "chown nobody:nogroup "));
    obstacle = *tryUse(nobody, dir.path("absent"), Use::read);
    REQUIRE(obstacle);
    CHECK(obstacle->absent);
    CHECK(obstacle->fix.empty());
    // A name that a shell would read as more than one word.
    write(dir.path("a b'c"), 0600);
    CHECK(has(tryUse(nobody, dir.path("a b'c"), Use::read).value()->fix, "a b'\\''c'"));
}

TEST_CASE("the account of a process is what the process has") {
    const auto own = *Account::ofProcess(::getpid());
    CHECK(own.uid == ::geteuid());
    CHECK(own.gid == ::getegid());
    CHECK(own.pid == ::getpid());
    CHECK_FALSE(Account::ofProcess(1 << 30));
    CHECK_FALSE(Account::named("nobody-of-this-name"));
    CHECK_FALSE(Account::ofService("/nowhere/sock", Unit{}));
    Unit unit;
    unit.known = true;
    unit.name = kUnit;
    unit.user = "nobody";
    unit.more_groups = {"adm"};
    const auto of_unit = *Account::ofService("/nowhere/sock", unit);
    CHECK(of_unit.user == "nobody");
    CHECK(of_unit.unit == kUnit);
    CHECK(of_unit.groups.back() == 4);
}

TEST_CASE("the files that a configuration names, each with its use") {
    config::Reader reader;
    const auto root = reader.text(
        "data: /var/lib/x\nstatus_socket: /run/s\nadmin: { socket: /run/a }\n"
        "collector: { ca: /c, cert: /c, key: relative }\n"
        "probes:\n  mysql: [ { socket: /m, password_file: /p, defaults_file: /d } ]\n"
        "  inventory: { files: [ { name: a, paths: [ /srv ] } ] }\n  logs: [ { access: /l/*.log }, { error: "
        "/e } ]\n  scrape: [ { header_files: { Authorization: /h } } ]\n"
        "notify: { webhook: [ { routing_key_file: /r } ] }\n",
        "x.yaml");
    std::vector<std::string> found;
    forEachNamedFile(root, [&](const config::Node& place, const std::string& path, Use use) {
        found.push_back(place.path() + " " + path + " " + std::to_string(static_cast<int>(use)));
    });
    const auto use = [](Use each) { return std::to_string(static_cast<int>(each)); };
    CHECK(found ==
          std::vector<std::string>{"collector.ca /c " + use(Use::read), "collector.cert /c " + use(Use::read),
                                   "probes.mysql[0].socket /m " + use(Use::connect),
                                   "probes.mysql[0].password_file /p " + use(Use::secret),
                                   "probes.mysql[0].defaults_file /d " + use(Use::secret),
                                   "probes.logs[1].error /e " + use(Use::read),
                                   "probes.scrape[0].header_files.Authorization /h " + use(Use::secret),
                                   "notify.webhook[0].routing_key_file /r " + use(Use::secret)});
    CHECK(reader.ok());
}

TEST_CASE("files that could not be tried are not said to be fine") {
    const test::TemporaryFolder dir;
    write(dir.path("ca.pem"), 0644);
    config::Reader reader;
    const auto root = reader.text("collector: { ca: " + dir.path("ca.pem") + " }\n", "x.yaml");
    const auto own = Account::own();
    CHECK(judgeNamedFiles(root, own));
    CHECK(triedAs(own, true, "agent") == " (as " + own.user + ")");
    // Root tries it in a process of its own: without a descriptor for the answer, nothing can be tried.
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        auto other = own;
        other.uid = 65534;
        other.user = "another";
        const rlimit none{0, 0};
        const bool limited = ::setrlimit(RLIMIT_NOFILE, &none) == 0;
        ::_exit(limited && !judgeNamedFiles(root, other) && reader.ok() ? 0 : 1);
    }
    int status = -1;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(status == 0);
    CHECK(triedAs(own, false, "agent") == "; files were not tried as " + own.user + ": run it as root");
    CHECK(has(triedAs(fail(ErrorKind::not_found, ""), false, "agent"), "--user NAME"));
}

TEST_CASE("a setting is changed where it stands, and no file is overwritten") {
    const test::TemporaryFolder dir;
    const auto file = dir.path("20-spool.yaml");
    config::Reader reader;
    const auto root = reader.text("host: a\nspool:\n  size: 2GB\n", "/etc/x.yaml");
    const auto fix = [&](const config::Node& place) {
        return settingFix(place, file, "spool: { size: 100MB }", "spool.size: 100MB", "x.service");
    };
    CHECK(fix(root["spool"]["size"]) ==
          "editor +3 /etc/x.yaml && systemctl restart x.service   # spool.size: 100MB\n");
    CHECK(fix(root["spool"]["age"]) == "install -D -m 0644 /dev/stdin " + file +
                                           " <<'END'\nspool: { size: 100MB }\nEND\nsystemctl restart "
                                           "x.service   # spool.size: 100MB\n");
    write(file, 0644);
    CHECK(has(fix(root["none"]["size"]), "editor +1 " + file + " && "));
    CHECK_FALSE(has(fix(root["none"]["size"]), "install"));
}

TEST_CASE("space and inodes of a disk") {
    const auto judged = [](Disk disk) {
        Report out;
        disk.mount = "/var";
        reportDisk(out, "/var/lib/x", disk, "less: data\n");
        return out;
    };
    constexpr std::uint64_t gb = 1'000'000'000;
    CHECK(judged({"", 10 * gb, gb, 1000, 500}).allWell());
    CHECK(judged({"", 10 * gb, gb, 0, 0}).allWell());  // btrfs has no number of inodes
    const auto full = judged({"", 10 * gb, gb / 10, 0, 0});
    CHECK_FALSE(full.allWell());
    CHECK(has(full.checks().at(0).fix, "du -xh --max-depth=3 /var "));
    CHECK(has(full.checks().at(0).fix, "less: data\n"));
    const auto files = judged({"", 10 * gb, gb, 1000, 5});
    CHECK(has(files.checks().at(1).found, "5 of 1000 inodes"));
    // A small file system that is half empty is not full.
    CHECK(judged({"", 4'000'000, 3'000'000, 0, 0}).allWell());
    Report out;
    reportDisk(out, "/nowhere", diskOf("/nowhere"), "");
    CHECK(out.checks().at(0).result == Report::Result::unknown);
    CHECK(diskOf("/proc/self")->mount == "/proc");
}
