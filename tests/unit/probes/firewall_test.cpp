#include "agent/probes/firewall/firewall.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <fstream>

#include "agent/snapshot/helper/collect.h"
#include "agent/snapshot/helper/write_snapshot.h"
#include "common/model/sample.h"
#include "common/run_tool.h"
#include "tests/unit/catch.h"
#include "tests/unit/fixtures.h"
#include "tests/unit/probes/samples.h"
#include "tests/unit/reach/namespaces.h"

using namespace lapwing;
using namespace lapwing::agent;
using namespace lapwing::agent::firewall;

namespace {

const std::vector<Listener> kListeners{{"tcp", "0.0.0.0", false, 80, 1, true},
                                       {"tcp", "0.0.0.0", false, 3306, 2, true},
                                       {"tcp", "127.0.0.1", false, 8000, 3, true},
                                       {"tcp", "::", true, 22, 4, false}};
const std::vector<InterfaceAddress> kAddresses{{"eth0", *reach::Address::parse("10.77.0.11")},
                                               {"eth0", *reach::Address::parse("fd77::11")}};
const std::vector<PeerSource> kPeers{{*reach::Address::parse("10.77.0.12"), "eth0"}};

Snapshot snapshotWith(const std::string& ruleset) {
    Snapshot snapshot;
    snapshot.time = nowMs();
    snapshot.ruleset = {"/usr/sbin/nft", ReadStatus::ok, test::fixture("firewall/" + ruleset), ""};
    snapshot.legacy_status = ReadStatus::absent;
    return snapshot;
}

test::Samples judged(const Snapshot& snapshot) {
    const auto ruleset = rulesetOf(snapshot);
    REQUIRE(ruleset);
    return test::Samples(firewallFamilies("d", 3, judge(*ruleset, kListeners, kAddresses, kPeers)));
}

std::string verdict(const test::Samples& samples, const char* family, const char* port, const char* source) {
    for (const auto* name : {"must_reach", "must_block", "may"}) {
        if (samples.value("lapwing_firewall_port_verdict", {{"family", family},
                                                            {"protocol", "tcp"},
                                                            {"port", port},
                                                            {"source", source},
                                                            {"verdict", name}})) {
            return name;
        }
    }
    return "";
}

class TemporaryFile {
  public:
    TemporaryFile() : path_("/tmp/lapwing-firewall-test-" + std::to_string(getpid())) {}
    ~TemporaryFile() { std::remove(path_.c_str()); }
    TemporaryFile(const TemporaryFile&) = delete;
    TemporaryFile& operator=(const TemporaryFile&) = delete;
    const std::string& path() const { return path_; }

  private:
    std::string path_;
};

}  // namespace

TEST_CASE("a host without rules accepts by default, in each family of its addresses") {
    const auto samples = judged(snapshotWith("none.json"));
    CHECK(samples.value("lapwing_firewall_default_deny", {{"family", "ipv4"}}) == 0);
    CHECK(samples.value("lapwing_firewall_default_deny", {{"family", "ipv6"}}) == 0);
    CHECK(verdict(samples, "ipv4", "3306", "any") == "must_reach");
    CHECK(verdict(samples, "ipv4", "3306", "10.77.0.12") == "must_reach");
    CHECK(verdict(samples, "ipv4", "22", "any") == "must_reach");  // :: takes IPv4 too
    CHECK(verdict(samples, "ipv6", "22", "any") == "must_reach");
    CHECK(verdict(samples, "ipv4", "8000", "any") == "");  // loopback is not evaluated
    CHECK(samples.value("lapwing_ruleset_info", {{"digest", "d"}}) == 1);
    CHECK(samples.value("lapwing_ruleset_age_seconds") == 3);
}

TEST_CASE("a plain ruleset") {
    const auto samples = judged(snapshotWith("plain.json"));
    CHECK(samples.value("lapwing_firewall_default_deny", {{"family", "ipv4"}}) == 1);
    CHECK(samples.value("lapwing_firewall_default_deny", {{"family", "ipv6"}}) == 1);
    CHECK(verdict(samples, "ipv4", "3306", "any") == "must_block");
    CHECK(verdict(samples, "ipv4", "3306", "10.77.0.12") == "must_reach");
    CHECK(verdict(samples, "ipv4", "80", "10.77.0.12") == "must_block");
    CHECK(verdict(samples, "ipv4", "22", "any") == "must_reach");
    CHECK(samples.count("lapwing_firewall_unknown_info") == 0);
}

TEST_CASE("rules of one family say nothing about the other") {
    const auto samples = judged(snapshotWith("ip_only.json"));
    CHECK(samples.value("lapwing_firewall_default_deny", {{"family", "ipv4"}}) == 1);
    CHECK(samples.value("lapwing_firewall_default_deny", {{"family", "ipv6"}}) == 0);
}

TEST_CASE("an uncertain verdict is absent, with the reason") {
    const auto samples = judged(snapshotWith("dormant.json"));
    CHECK_FALSE(samples.value("lapwing_firewall_default_deny", {{"family", "ipv4"}}));
    CHECK(verdict(samples, "ipv4", "80", "any") == "may");
    CHECK(samples.value("lapwing_firewall_unknown_info",
                        {{"reason", "inet d i: its table may be dormant"}}) == 1);
}

TEST_CASE("a list of very many addresses makes nothing uncertain") {
    std::string elements;
    for (int i = 0; i < 5000; ++i) {
        elements += (elements.empty() ? "" : ",") + std::string("\"5.") + std::to_string(i / 250) + "." +
                    std::to_string(i % 250) + ".7\"";
    }
    const std::string match =
        R"({"match":{"op":"==","left":{"payload":{"protocol":"ip","field":"saddr"}},"right":{"set":[)";
    const auto ruleset = reach::Ruleset::parse(
        R"({"nftables":[{"table":{"family":"inet","name":"f","handle":1}},{"chain":{"family":"inet","table":"f",)"
        R"("name":"i","handle":1,"type":"filter","hook":"input","prio":0,"policy":"drop"}},{"rule":{"family":"inet",)"
        R"("table":"f","chain":"i","handle":2,"expr":[)" +
        match + elements + R"(]}}},{"accept":null}]}}]})");
    REQUIRE(ruleset);
    const auto verdicts = judge(*ruleset, kListeners, kAddresses, kPeers);
    CHECK(verdicts.unknowns.empty());
    CHECK(verdicts.defaults.at(0).denies == true);
    for (const auto& each : verdicts.ports) {
        CHECK(each.verdict != reach::Verdict::may);
    }
}

TEST_CASE("legacy tables count like others, and an unreadable one makes the verdict uncertain") {
    auto snapshot = snapshotWith("none.json");
    snapshot.legacy_status = ReadStatus::ok;
    snapshot.legacy_tables = {"ip filter"};
    ToolOutput save{"/usr/sbin/iptables-legacy-save", ReadStatus::ok,
                    "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n",
                    ""};
    snapshot.iptables = {save};
    CHECK(judged(snapshot).value("lapwing_firewall_default_deny", {{"family", "ipv4"}}) == 0);
    save.output = "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -p tcp -j DROP\nCOMMIT\n";
    snapshot.iptables = {save};
    CHECK(judged(snapshot).value("lapwing_firewall_default_deny", {{"family", "ipv4"}}) == 1);
    save.output = "*filter\n:INPUT DROP [0:0]\nCOMMIT\n";
    snapshot.iptables = {save};
    CHECK(judged(snapshot).value("lapwing_firewall_default_deny", {{"family", "ipv4"}}) == 1);
    snapshot.iptables.clear();
    CHECK_FALSE(judged(snapshot).value("lapwing_firewall_default_deny", {{"family", "ipv4"}}));
}

TEST_CASE("without a current snapshot the verdict is unknown, never open") {
    const TemporaryFile file;
    FirewallProbe probe("/proc", std::make_shared<SnapshotFile>(file.path()), {});
    const auto kind = [&](const Snapshot& snapshot) {
        REQUIRE(writeSnapshot(file.path(), toJson(snapshot), ""));
        const auto result = probe.collect(Deadline(std::chrono::seconds(4)));
        REQUIRE_FALSE(result);
        return result.error().kind;
    };
    CHECK(probe.collect(Deadline(std::chrono::seconds(4))).error().kind == ErrorKind::not_found);
    auto old = snapshotWith("none.json");
    old.time -= 61'000;
    CHECK(kind(old) == ErrorKind::unavailable);
    auto boot = snapshotWith("none.json");
    boot.boot_id = "another";
    CHECK(kind(boot) == ErrorKind::unavailable);
    auto space = snapshotWith("none.json");
    space.network_namespace = 1;
    CHECK(kind(space) == ErrorKind::unavailable);
    auto denied = snapshotWith("none.json");
    denied.ruleset = {"/usr/sbin/nft", ReadStatus::denied, "", "Operation not permitted (you must be root)"};
    CHECK(kind(denied) == ErrorKind::denied);
    auto missing = snapshotWith("none.json");
    missing.ruleset = {"/usr/sbin/nft", ReadStatus::absent, "", "no such file"};
    CHECK(kind(missing) == ErrorKind::not_found);
    auto broken = snapshotWith("none.json");
    broken.ruleset.output = "{\"nftables\"";
    CHECK(kind(broken) == ErrorKind::invalid);
    std::ofstream(file.path()) << "{\"format\":1";
    CHECK(probe.collect(Deadline(std::chrono::seconds(4))).error().kind == ErrorKind::protocol);
}

TEST_CASE(
    "the rules after a reboot go out as a document with its digest, or with the reason why they are "
    "unknown") {
    const TemporaryFile file;
    FirewallProbe probe("/proc", std::make_shared<SnapshotFile>(file.path()), {});
    auto snapshot = snapshotWith("none.json");
    snapshot.boot.sources = {"nftables.service /etc/nftables.conf", "b.service /etc/b.nft"};
    snapshot.boot.listing = "{}";
    REQUIRE(writeSnapshot(file.path(), toJson(snapshot), ""));
    const auto result = probe.collect(Deadline(std::chrono::seconds(4)));
    REQUIRE(result);
    REQUIRE(result->documents.size() == 2);
    CHECK(result->documents[1].kind == "boot_ruleset");
    CHECK(result->documents[1].body == "{}");
    const test::Samples samples(result->families);
    CHECK(samples.value("lapwing_boot_ruleset_info",
                        {{"digest", "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"},
                         {"source", "nftables.service /etc/nftables.conf, b.service /etc/b.nft"}}) == 1);
    CHECK(samples.count("lapwing_boot_ruleset_unknown_info") == 0);

    // Once, and again after a change.
    const auto again = probe.collect(Deadline(std::chrono::seconds(4)));
    REQUIRE(again);
    CHECK(again->documents.size() == 1);
    CHECK(test::Samples(again->families).count("lapwing_boot_ruleset_info") == 1);
    snapshot.boot.listing = "{ }";
    REQUIRE(writeSnapshot(file.path(), toJson(snapshot), ""));
    const auto changed = probe.collect(Deadline(std::chrono::seconds(4)));
    REQUIRE(changed);
    REQUIRE(changed->documents.size() == 2);
    CHECK(changed->documents[1].body == "{ }");

    Boot boot;
    boot.unknown = "why";
    boot.faults = {"a", "b"};
    boot.makers = {"ufw.service"};
    const test::Samples untold(bootFamilies(boot, ""));
    CHECK(untold.count("lapwing_boot_ruleset_info") == 0);
    CHECK(untold.value("lapwing_boot_ruleset_unknown_info", {{"reason", "why"}}) == 1);
    CHECK(untold.count("lapwing_boot_ruleset_fault_info") == 2);
    CHECK(untold.value("lapwing_boot_ruleset_maker_info", {{"unit", "ufw.service"}}) == 1);
}

TEST_CASE("a snapshot comes back from its text") {
    auto snapshot = snapshotWith("plain.json");
    snapshot.boot_id = "b";
    snapshot.network_namespace = 4026531833;
    snapshot.versions["nft"] = "nftables v1.0.6";
    snapshot.owners[7] = {12, "nginx", "/usr/sbin/nginx", "nginx.service"};
    snapshot.unread = {"a \"quoted\" reason\n"};
    snapshot.boot = {{"a.service /a"}, {"ufw.service"}, {"a \"fault\""}, "{\"nftables\":[]}", "", "f\n", 7};
    const auto back = parseSnapshot(toJson(snapshot));
    REQUIRE(back);
    CHECK(toJson(*back) == toJson(snapshot));
    CHECK(back->owners.at(7).process == "nginx");
    CHECK(back->owners.at(7).unit == "nginx.service");
}

TEST_CASE("a tool that hangs, fails, floods or is absent is recorded as such") {
    const auto run = [](const std::vector<std::string>& argv) {
        return runTool(argv, std::chrono::seconds(10), 4096);
    };
    const auto hung = runTool({"/bin/sleep", "60"}, std::chrono::milliseconds(300), 4096);
    CHECK(hung.status == ReadStatus::failed);
    CHECK(hung.error == "no end within the deadline");
    CHECK(run({"/nonexistent/nft"}).status == ReadStatus::absent);
    CHECK(run({"/bin/false"}).status == ReadStatus::failed);
    CHECK(run({"/bin/echo", "yes"}).output == "yes\n");
    CHECK(run({"/usr/bin/yes"}).error == "more output than 4096 bytes");
    CHECK(run({"/bin/cat", "/nonexistent"}).error.find("No such file") != std::string::npos);
}

TEST_CASE("the snapshot of a namespace: its rules, its sockets and their owners", "[root]") {
    const test::Namespaces namespaces;
    namespaces.need();
    REQUIRE(namespaces
                .loadRules(
                    "table inet f { chain i { type filter hook input priority 0; policy drop; counter; }; }")
                .empty());
    namespaces.inServer([&] {
        const auto first = collectSnapshot({});
        CHECK(first.ruleset.status == ReadStatus::ok);
        CHECK(first.ruleset.output.find("\"policy\": \"drop\"") != std::string::npos);
        CHECK(first.ruleset.output.find("packets") == std::string::npos);
        CHECK(first.owners.empty());  // other sockets belong to other namespaces
        const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        REQUIRE(listen(fd, 1) == 0);
        const auto second = collectSnapshot({});
        close(fd);
        REQUIRE(second.owners.size() == 1);
        CHECK(second.owners.begin()->second.pid == getpid());
        CHECK(second.owners.begin()->second.process == "test-probe_firewall");
    });
}

TEST_CASE("rules are read again only after a change", "[root]") {
    const test::Namespaces namespaces;
    namespaces.need();
    const auto file = "/tmp/lapwing-firewall-test-" + std::to_string(getpid());
    const std::string rules =
        "table inet f { chain i { type filter hook input priority 0; policy drop; tcp dport 22 accept; }; }";
    REQUIRE(namespaces.loadRules(rules) == "");
    namespaces.inServer([&] {
        CollectOptions options;
        options.previous = file;
        const auto first = collectSnapshot(options);
        REQUIRE(first.rules.generation != 0);
        REQUIRE(writeSnapshot(file, first, ""));
        auto other = options;
        other.nft = "/bin/false";
        const auto broken = collectSnapshot(other);
        CHECK(broken.rules.read_ms != first.rules.read_ms);  // another nft, perhaps
        const auto second = collectSnapshot(options);
        CHECK(second.rules.read_ms == first.rules.read_ms);
        CHECK(second.ruleset.output == first.ruleset.output);
        CHECK(second.listing.output == first.listing.output);
        CHECK(second.time >= first.time);
    });
    REQUIRE(namespaces.runInServer({"/usr/sbin/nft", "add rule inet f i tcp dport 23 accept"}) == "");
    namespaces.inServer([&] {
        CollectOptions options;
        options.previous = file;
        const auto third = collectSnapshot(options);
        CHECK(third.ruleset.output.find("23") != std::string::npos);
        // Elements that expire do not show in the generation: soon their set is read again.
        auto last = third;
        last.rules.changes_unseen = true;
        last.rules.cost_ms = 1'000;
        REQUIRE(writeSnapshot(file, last, ""));
        CHECK(collectSnapshot(options).rules.read_ms == third.rules.read_ms);
        last.rules.read_ms -= 100'001;
        REQUIRE(writeSnapshot(file, last, ""));
        CHECK(collectSnapshot(options).rules.read_ms >= third.rules.read_ms);
    });
    std::remove(file.c_str());
}

TEST_CASE("whether sshd takes a password") {
    CHECK(takesPasswords("port 22\npasswordauthentication no\nkbdinteractiveauthentication no\n") == false);
    CHECK(takesPasswords("passwordauthentication yes\nkbdinteractiveauthentication no\n") == true);
    CHECK(takesPasswords("passwordauthentication no\nkbdinteractiveauthentication yes\n") == true);
    CHECK(takesPasswords("") == std::nullopt);
    CHECK(takesPasswords("Missing privilege separation directory: /run/sshd\n") == std::nullopt);
}
