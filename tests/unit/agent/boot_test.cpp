// The loaders of rules at boot, and their rehearsal: files are loaded for real, in a namespace of their own.
#include "agent/snapshot/boot.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "agent/snapshot/helper/boot_plan.h"
#include "agent/snapshot/helper/collect.h"
#include "agent/snapshot/helper/read_boot.h"
#include "agent/snapshot/helper/rehearse.h"
#include "agent/snapshot/helper/write_snapshot.h"
#include "tests/unit/catch.h"
#include "tests/unit/reach/namespaces.h"
#include "tests/unit/temporary_folder.h"

using namespace lapwing;
using namespace lapwing::agent;

namespace {

namespace fs = std::filesystem;

constexpr const char* kNftUnit = "[Service]\nType=oneshot\nExecStart=/usr/sbin/nft -f /etc/nftables.conf\n";
constexpr const char* kDrops =
    "flush ruleset\n"
    "table inet filter { chain input { type filter hook input priority filter; policy drop; iif lo accept; "
    "}; }\n";

/// The directories of a machine that systemd has booted.
class Machine {
  public:
    Machine() {
        fs::create_directories(root_ + "/run/systemd/system");
        fs::create_directories(root_ + "/etc/systemd/system");
    }

    void write(const std::string& path, const std::string& text) const {
        fs::create_directories(fs::path(root_ + path).parent_path());
        std::ofstream(root_ + path) << text;
    }
    void enable(const std::string& unit, const std::string& text,
                const std::string& target = "sysinit") const {
        write("/lib/systemd/system/" + unit, text);
        const auto wants = root_ + "/etc/systemd/system/" + target + ".target.wants";
        fs::create_directories(wants);
        fs::create_symlink("/lib/systemd/system/" + unit, wants + "/" + unit);
    }
    void nftables(const std::string& rules) const {
        enable("nftables.service", kNftUnit);
        write("/etc/nftables.conf", rules);
    }

    BootPlan plan(const std::vector<std::string>& interfaces = {}) const {
        return planBoot(root_, interfaces);
    }
    Boot boot(const std::string& previous = "", const reach::Host& host = {}) const {
        CollectOptions options = tools_;
        options.root = root_;
        options.previous = previous;
        options.rehearsal_deadline = std::chrono::seconds(20);
        options.tool_deadline = std::chrono::seconds(20);
        return readBoot(options, host);
    }
    const std::string& root() const { return root_; }
    /// Replaces the tools and /proc of boot().
    void use(const CollectOptions& tools) { tools_ = tools; }

  private:
    CollectOptions tools_;
    test::TemporaryFolder folder_;
    std::string root_ = folder_.path();
};

/// The verdict for a stranger at a port of 10.0.0.1.
reach::Verdict verdict(const std::string& listing, std::uint16_t port, const char* interface = "eth7") {
    const auto ruleset = reach::Ruleset::parse(listing);
    REQUIRE(ruleset);
    reach::Packet packet;
    packet.source = reach::AddressRange::of(ruleset->stranger(reach::Family::ipv4));
    packet.destination = *reach::Address::parse("10.0.0.1");
    packet.port = port;
    packet.interface = interface;
    return ruleset->evaluate(packet).verdict;
}

bool holds(const std::string& text, const char* part) {
    return text.find(part) != std::string::npos;
}

/// A process with several threads gets no user namespace, and the thread sanitizer adds a thread.
void needRehearsal() {
#ifdef __SANITIZE_THREAD__
    test::skip("no user namespace under the thread sanitizer");
#endif
}

}  // namespace

TEST_CASE("a machine without systemd is not assessed") {
    const Machine machine;
    fs::remove_all(machine.root() + "/run/systemd");
    const auto boot = machine.boot();
    CHECK(holds(boot.unknown, "not assessed"));
    CHECK(boot.listing.empty());
}

TEST_CASE("if no enabled unit loads rules, the ruleset after a boot is empty") {
    const Machine machine;
    machine.write("/etc/nftables.conf", kDrops);
    machine.write("/lib/systemd/system/nftables.service", kNftUnit);
    machine.enable("nginx.service", "[Service]\nExecStart=/usr/sbin/nginx -g 'daemon on;'\n", "multi-user");
    const auto boot = machine.boot();
    CHECK(boot.unknown.empty());
    CHECK(boot.sources.empty());
    CHECK(verdict(boot.listing, 22) == reach::Verdict::must_reach);
}

TEST_CASE("enabled units: targets of a boot, no masks, drop-ins, other files") {
    const Machine machine;
    machine.nftables(kDrops);
    CHECK(machine.plan().sources.size() == 1);
    CHECK(machine.plan().sources[0].file == "/etc/nftables.conf");

    machine.write("/etc/systemd/system/nftables.service.d/local.conf",
                  "[Service]\nExecStart=\nExecStart=/usr/sbin/nft -f /etc/site.nft\n");
    CHECK(machine.plan().sources.empty());
    CHECK(machine.plan().faults == std::vector<std::string>{"nftables.service: /etc/site.nft is not there"});
    machine.write("/etc/site.nft", kDrops);
    CHECK(machine.plan().sources[0].file == "/etc/site.nft");

    fs::create_symlink("/dev/null", machine.root() + "/etc/systemd/system/nftables.service");
    CHECK(machine.plan().sources.empty());
    CHECK(machine.plan().unknown.empty());

    machine.enable("at-the-end.service", "[Service]\nExecStart=/usr/sbin/nft -f /etc/site.nft\n", "shutdown");
    CHECK(machine.plan().sources.empty());
}

TEST_CASE("programs that generate rules themselves") {
    const Machine machine;
    machine.enable("ufw.service", "[Service]\nExecStart=/lib/ufw/ufw-init start quiet\n", "multi-user");
    machine.write("/etc/ufw/ufw.conf", "# comment\nENABLED=no\n");
    CHECK(machine.plan().makers.empty());
    CHECK(machine.plan().faults.size() == 1);
    machine.write("/etc/ufw/ufw.conf", "# comment\nENABLED=yes\n");
    CHECK(machine.plan().makers == std::vector<std::string>{"ufw.service"});
    const auto boot = machine.boot();
    CHECK(boot.listing.empty());
    CHECK(boot.unknown.empty());
}

TEST_CASE("a unit that may load rules in another way makes the result unknown, with its name") {
    const Machine machine;
    machine.enable("site-firewall.service", "[Service]\nExecStart=/usr/local/sbin/site-firewall start\n",
                   "multi-user");
    machine.write("/usr/local/sbin/site-firewall", "#!/bin/sh\nlogger nftables\n");
    CHECK(machine.plan().unknown.empty());
    machine.write("/usr/local/sbin/site-firewall", "#!/bin/sh\niptables -P INPUT DROP\n");
    CHECK(machine.plan().unknown == "site-firewall.service may load rules: /usr/local/sbin/site-firewall");
    machine.write("/usr/local/sbin/site-firewall", "");
    machine.enable("networking.service", "[Service]\nExecStart=/sbin/ifup -a\n", "multi-user");
    machine.write("/etc/network/interfaces.d/eth0",
                  "iface eth0 inet dhcp\n  pre-up iptables-restore /etc/rules\n");
    CHECK(machine.plan().unknown == "/etc/network/interfaces.d/eth0 may load rules");
    CHECK(machine.boot().listing.empty());
}

TEST_CASE("the order of two units is unknown if one of them flushes") {
    const Machine machine;
    machine.nftables(kDrops);
    machine.enable("netfilter-persistent.service",
                   "[Service]\nExecStart=/usr/sbin/netfilter-persistent start\n", "multi-user");
    CHECK(machine.plan().unknown.empty());  // it has nothing to load
    machine.write("/usr/share/netfilter-persistent/plugins.d/15-ip4tables", "");
    machine.write("/etc/iptables/rules.v4", "*filter\n:INPUT DROP [0:0]\nCOMMIT\n");
    CHECK(holds(machine.plan().unknown, "which is first at boot"));
}

TEST_CASE("the rehearsal lists the rules of the file and its includes, and touches no other ruleset",
          "[root]") {
    needRehearsal();
    const test::Namespaces namespaces;
    namespaces.need();
    const Machine machine;
    machine.nftables(std::string(kDrops) + "include \"" + machine.root() + "/etc/nftables.d/*.nft\"\n");
    machine.write("/etc/nftables.d/web.nft", "add rule inet filter input iif eth7 tcp dport 80 accept\n");
    const reach::Host host{{{"eth7", *reach::Address::parse("10.0.0.1"), 24}}, false, false};
    REQUIRE(
        namespaces.loadRules("table inet live { chain i { type filter hook input priority 0; }; }").empty());
    const auto live = namespaces.listRules();
    Boot boot;
    namespaces.inServer([&] { boot = machine.boot("", host); });
    CHECK(boot.unknown.empty());
    CHECK(boot.sources == std::vector<std::string>{"nftables.service /etc/nftables.conf"});
    CHECK(verdict(boot.listing, 22) == reach::Verdict::must_block);
    CHECK(verdict(boot.listing, 80) == reach::Verdict::must_reach);
    CHECK(verdict(boot.listing, 80, "eth8") == reach::Verdict::must_block);
    CHECK_FALSE(holds(boot.listing, "live"));
    CHECK(namespaces.listRules() == live);
    Snapshot snapshot;
    snapshot.boot = boot;
    const auto read = parseSnapshot(toJson(snapshot));
    REQUIRE(read);
    CHECK(read->boot == boot);
}

TEST_CASE("rules of iptables are rehearsed completely") {
    needRehearsal();
    const Machine machine;
    machine.enable("netfilter-persistent.service",
                   "[Service]\nExecStart=/usr/sbin/netfilter-persistent start\n", "multi-user");
    machine.write("/usr/share/netfilter-persistent/plugins.d/15-ip4tables", "");
    machine.write(
        "/etc/iptables/rules.v4",
        "*filter\n:INPUT DROP [0:0]\n-A INPUT -p tcp -m multiport --dports 22,80 -j ACCEPT\nCOMMIT\n");
    const auto boot = machine.boot();
    INFO(boot.unknown);
    REQUIRE_FALSE(boot.listing.empty());
    CHECK(verdict(boot.listing, 80) == reach::Verdict::must_reach);
    CHECK(verdict(boot.listing, 3306) == reach::Verdict::must_block);
}

TEST_CASE("a rehearsal knows the legacy tables though nobody may read their names") {
    needRehearsal();
    Machine machine;
    CollectOptions tools;
    tools.proc = machine.root() + "/proc";
    machine.write("/proc/thread-self/net/ip_tables_names", "mangle\n");
    fs::permissions(tools.proc + "/thread-self/net/ip_tables_names", fs::perms::none);
    machine.use(tools);
    machine.nftables(kDrops);
    auto boot = machine.boot();
    INFO(boot.unknown << boot.listing);
    CHECK(verdict(boot.listing, 22) == reach::Verdict::must_block);
    CHECK_FALSE(holds(boot.listing, "could not be"));

    if (!fs::exists("/usr/sbin/xtables-legacy-multi")) {
        test::skip("no iptables-legacy");
    }
    tools.tools = machine.root() + "/sbin";
    fs::create_directory(tools.tools);
    fs::create_symlink("/usr/sbin/ip", tools.tools + "/ip");
    fs::create_symlink("/usr/sbin/xtables-legacy-multi", tools.tools + "/iptables-restore");
    fs::create_symlink("/usr/sbin/xtables-legacy-multi", tools.tools + "/iptables-legacy-save");
    machine.use(tools);
    machine.write("/etc/nftables.conf", "");
    machine.enable("netfilter-persistent.service",
                   "[Service]\nExecStart=/usr/sbin/netfilter-persistent start\n", "multi-user");
    machine.write("/usr/share/netfilter-persistent/plugins.d/15-ip4tables", "");
    machine.write("/etc/iptables/rules.v4",
                  "*filter\n:INPUT DROP [0:0]\n-A INPUT -p tcp --dport 80 -j ACCEPT\nCOMMIT\n");
    boot = machine.boot();
    INFO(boot.unknown << boot.listing);
    CHECK(verdict(boot.listing, 80) == reach::Verdict::must_reach);
    CHECK(verdict(boot.listing, 3306) == reach::Verdict::must_block);
}

TEST_CASE("a file that does not load is a fault, and a failed rehearsal leaves the result unknown") {
    needRehearsal();
    const Machine machine;
    machine.nftables(
        "table inet filter { chain input { type filter hook input priority filter policy drop; }; }\n");
    auto boot = machine.boot();
    REQUIRE(boot.faults.size() == 1);
    CHECK(holds(boot.faults[0], "nftables.service /etc/nftables.conf: "));
    CHECK(holds(boot.faults[0], "syntax error"));
    CHECK(verdict(boot.listing, 22) == reach::Verdict::must_reach);  // nothing is loaded then

    machine.write("/etc/nftables.conf", "table inet f { chain i { iif nowhere7 drop; }; }\n");
    boot = machine.boot();
    CHECK(boot.faults.empty());
    CHECK(boot.listing.empty());
    CHECK(holds(boot.unknown, "Interface does not exist"));
}

TEST_CASE("a rehearsal is repeated only after a file, or an included file, has changed") {
    needRehearsal();
    const Machine machine;
    machine.nftables(std::string(kDrops) + "include \"" + machine.root() + "/etc/nftables.d/*.nft\"\n");
    const auto file = machine.root() + "/snapshot.json";
    const auto next = [&] {
        Snapshot snapshot;
        snapshot.boot = machine.boot(file);
        REQUIRE(writeSnapshot(file, toJson(snapshot), ""));
        usleep(20'000);
        return snapshot.boot;
    };
    const auto first = next();
    REQUIRE_FALSE(first.listing.empty());
    const auto second = next();
    CHECK(second.rehearsed == first.rehearsed);
    CHECK(second.listing == first.listing);
    machine.write("/etc/nftables.d/ssh.nft", "add rule inet filter input tcp dport 22 accept\n");
    const auto third = next();
    CHECK(third.rehearsed > first.rehearsed);
    CHECK(verdict(third.listing, 22) == reach::Verdict::must_reach);
    CHECK(next().rehearsed == third.rehearsed);
    machine.write("/etc/nftables.d/ssh.nft", "add rule inet filter input tcp dport 23 accept\n");
    CHECK(verdict(next().listing, 22) == reach::Verdict::must_block);
    fs::remove_all(machine.root() + "/etc/systemd/system/sysinit.target.wants");
    CHECK(next().sources.empty());
}

TEST_CASE("a rehearsal that does not end is abandoned") {
    needRehearsal();
    const Machine machine;
    machine.write("/etc/site.nft", "");
    BootPlan plan;
    plan.sources = {{"nftables.service", "/etc/site.nft", BootPlan::Tool::nft}};
    machine.write("/slow", "#!/bin/sh\nexec sleep 60\n");
    fs::permissions(machine.root() + "/slow", fs::perms::owner_all);
    CollectOptions options;
    options.root = machine.root();
    options.nft = machine.root() + "/slow";
    options.rehearsal_deadline = std::chrono::milliseconds(300);
    CHECK(rehearse(plan, options).unknown == "rehearsal: no end within the deadline");
}
