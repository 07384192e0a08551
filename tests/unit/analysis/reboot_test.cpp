// F10 (a reboot would change the rules) and F11 (a change of the rules has opened a port). The tests load
// real rules.
#include <filesystem>
#include <fstream>
#include <sstream>

#include "agent/snapshot/boot.h"
#include "agent/snapshot/helper/read_boot.h"
#include "collector/analysis/evidence/rules_history.h"
#include "common/run_tool.h"
#include "tests/unit/analysis/site_samples.h"
#include "tests/unit/temporary_folder.h"

using namespace lapwing;
using namespace lapwing::analysis;
using lapwing::test::SiteSamples;

namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kHour = 3'600'000;
const char* const kClosed =
    "table inet f { chain i { type filter hook input priority 0; policy drop; iif lo accept; ct state "
    "established accept; ip saddr { 10.77.0.10, 10.77.0.12 } tcp dport { 80, 3306 } accept; }; }\n";
const std::string kDatabaseOpen = std::string(kClosed) + "add rule inet f i tcp dport 3306 accept\n";

const reach::Host kHost{{{"eth0", *reach::Address::parse("10.77.0.11"), 24}}, true, true};

std::string runInScratch(const std::string& script) {
    const auto file = "/tmp/lapwing-reboot-test-" + std::to_string(getpid());
    std::ofstream(file) << "set -e\n" << script;
    const auto result =
        lapwing::runTool({"/usr/bin/unshare", "-rn", "/bin/bash", file}, std::chrono::seconds(20), 1U << 22);
    fs::remove(file);
    INFO(script << result.error);
    REQUIRE(result.status == lapwing::ReadStatus::ok);
    return result.output;
}

std::string loading(const std::string& rules) {
    return "nft -f - <<'RULES'\n" + rules + "\nRULES\n";
}

/// The listing that the agent sends after these rules and then `commands` were loaded.
std::string live(const std::string& rules, const std::string& commands = "") {
    return reach::listingOf(runInScratch(loading(rules) + commands + "\nnft -j -s list ruleset\n"), {}, {},
                            kHost);
}

/// The agent's report about the next boot.
struct Told {
    std::string listing;
    std::string sources;
    std::string unknown;
    std::string maker;
    std::string fault;
};

Told nothing() {
    return {reach::listingOf(R"({"nftables":[]})", {}, {}, {}), "", "", "", ""};
}

/// The agent's rehearsal of a boot file.
Told rehearsed(const std::string& file_text) {
    const test::TemporaryFolder folder;
    const auto& root = folder.path();
    const auto write = [&](const std::string& path, const std::string& text) {
        fs::create_directories(fs::path(root + path).parent_path());
        std::ofstream(root + path) << text;
    };
    fs::create_directories(root + "/run/systemd/system");
    write("/lib/systemd/system/nftables.service",
          "[Service]\nExecStart=/usr/sbin/nft -f /etc/nftables.conf\n");
    write("/etc/systemd/system/sysinit.target.wants/nftables.service", "");
    write("/etc/nftables.conf", file_text);
    agent::CollectOptions options;
    options.root = root;
    options.tool_deadline = options.rehearsal_deadline = std::chrono::seconds(20);
    const auto boot = agent::readBoot(options, {});
    INFO(file_text);
    CHECK(boot.unknown.empty());
    return {boot.listing, boot.sources.empty() ? "" : boot.sources[0], boot.unknown, "",
            boot.faults.empty() ? "" : boot.faults[0]};
}

/// web-01 over several rounds. The collector keeps its state.
class Scene {
  public:
    std::vector<Finding> round(const std::string& rules, const Told& told) {
        const auto add = [&](const char* metric, std::vector<Label> labels) {
            labels.push_back({"agent", "web-01"});
            labels.push_back({"instance", "web-01"});
            labels.push_back({"job", "firewall"});
            samples_.add(metric, Labels(std::move(labels)));
        };
        samples_.now += 600'000;
        samples_.web("web-01", "10.77.0.11", "10.77.0.111", rules);
        samples_.web("web-02", "10.77.0.12", "10.77.0.112", R"({"nftables":[]})");
        if (!told.listing.empty()) {
            add("lapwing_boot_ruleset_info",
                {{"digest", samples_.document("boot_ruleset", "web-01", told.listing)},
                 {"source", told.sources}});
        }
        if (!told.unknown.empty()) {
            add("lapwing_boot_ruleset_unknown_info", {{"reason", told.unknown}});
        }
        if (!told.maker.empty()) {
            add("lapwing_boot_ruleset_maker_info", {{"unit", told.maker}});
        }
        if (!told.fault.empty()) {
            add("lapwing_boot_ruleset_fault_info", {{"reason", told.fault}});
        }
        samples_.control("web-02", "web-01", true, "10.77.0.11");
        samples_.attempt("web-02", "web-01", "10.77.0.11", "3306", "10.77.0.12", "main", "open");
        for (const auto& [port, result] : attempts) {
            samples_.attempt("web-02", "web-01", "10.77.0.11", port, "10.77.0.112", "second", result);
        }
        samples_.balancer();
        samples_.write();
        if (!analyst_) {
            analyst_ = std::make_unique<Analyst>(samples_.store(), SiteSamples::site());
        }
        REQUIRE(analyst_->run(samples_.now));
        return analyst_->findings();
    }
    void restart() {
        analyst_.reset();
        samples_.reopen();
    }
    void pass(std::int64_t ms) { samples_.now += ms; }

    std::vector<std::pair<const char*, const char*>> attempts;

  private:
    SiteSamples samples_;
    std::unique_ptr<Analyst> analyst_;
};

std::optional<Finding> find(const std::vector<Finding>& findings, const std::string& id) {
    for (const auto& one : findings) {
        if (one.id == id && one.subject == "web-01") {
            return one;
        }
    }
    return std::nullopt;
}

std::string textOf(const Finding& finding) {
    std::string out = finding.title + "\n";
    for (const auto& one : finding.evidence) {
        out += one.source + ": " + one.text + "\n";
    }
    return out;
}

std::size_t count(const std::string& text, const std::string& part) {
    std::size_t found = 0;
    for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
        ++found;
    }
    return found;
}

}  // namespace

TEST_CASE("F10: nothing loads the rules at boot, and the rehearsed file of the remedy clears the finding") {
    Scene site;
    const auto finding = find(site.round(live(kClosed), nothing()), "F10");
    REQUIRE(finding);
    CHECK(finding->severity == Severity::high);
    CHECK(finding->confidence == Confidence::suspected);
    const auto text = textOf(*finding);
    INFO(text << finding->remedy);
    CHECK(count(text, "tcp/3306 (mysql) over IPv4 from anywhere: blocked now (inet f i policy drop)") == 1);
    CHECK(count(text, "a port that no rule names over IPv4 from anywhere") == 1);
    CHECK(count(text, "8000") == 0);  // on loopback
    CHECK_FALSE(finding->not_assessed.empty());

    // Run the remedy as printed, but with another path for the file.
    const auto file = "/tmp/lapwing-reboot-conf-" + std::to_string(getpid());
    std::string commands;
    std::istringstream lines(finding->remedy);
    for (std::string line; std::getline(lines, line);) {
        for (auto at = line.find("/etc/nftables.conf"); at != std::string::npos;
             at = line.find("/etc/nftables.conf")) {
            line.replace(at, 18, file);
        }
        commands += line.starts_with("{ ") || line.starts_with("nft ") ? line + "\n" : "";
    }
    CHECK(count(finding->remedy, "systemctl enable nftables.service") == 1);
    const auto kept = runInScratch(loading(kClosed) + commands + "cat " + file + "\n");
    fs::remove(file);
    fs::remove(file + ".new");
    REQUIRE(kept.starts_with("#!/usr/sbin/nft -f\nflush ruleset\n"));
    CHECK_FALSE(find(site.round(live(kClosed), rehearsed(kept)), "F10"));
}

TEST_CASE("F10: names only the port that the boot configuration opens") {
    Scene site;
    const auto finding = find(site.round(live(kClosed), rehearsed(kDatabaseOpen)), "F10");
    REQUIRE(finding);
    CHECK(finding->confidence == Confidence::confirmed);
    const auto text = textOf(*finding);
    CHECK(count(text, "reachable after a reboot") == 1);
    CHECK(count(text, "tcp/3306 (mysql) over IPv4 from anywhere") == 1);
    CHECK(count(text, "nftables.service /etc/nftables.conf") == 1);
    // Other rules with the same verdicts make no difference.
    const auto other =
        "table ip a { set s { type ipv4_addr; elements = { 10.77.0.10, 10.77.0.12 }; }; chain c { type "
        "filter hook "
        "input priority -5; policy accept; tcp dport { 80, 3306 } ip saddr @s accept; iif lo accept; ct "
        "state "
        "established accept; drop; }; }\n";
    CHECK_FALSE(find(site.round(live(kClosed), rehearsed(other)), "F10"));
}

TEST_CASE("F10: a reboot would block a flow that the site needs") {
    Scene site;
    const auto stricter =
        "table inet f { chain i { type filter hook input priority 0; policy drop; ct state established "
        "accept; ip "
        "saddr 10.77.0.12 tcp dport { 80, 3306 } accept; }; }\n";
    const auto finding = find(site.round(live(kClosed), rehearsed(stricter)), "F10");
    REQUIRE(finding);
    CHECK(finding->severity == Severity::high);
    CHECK(finding->title == "After a reboot web-01 would keep out what the site needs");
    CHECK(count(textOf(*finding), "tcp/80 from 10.77.0.10 to 10.77.0.11 (the load balancer): let in now") ==
          1);
    // The same without any rules now.
    CHECK(find(site.round(live(""), rehearsed(stricter)), "F10"));
}

TEST_CASE("F10: a file that does not load leaves the host open") {
    Scene site;
    const auto told =
        rehearsed("table inet f { chain i { type filter hook input priority 0 policy drop; }; }\n");
    const auto finding = find(site.round(live(kClosed), told), "F10");
    REQUIRE(finding);
    CHECK(count(textOf(*finding), "syntax error") == 1);
}

TEST_CASE("F10: absent without differing verdicts, unknown without a readable boot configuration") {
    Scene site;
    CHECK_FALSE(find(site.round(live(""), nothing()), "F10"));
    CHECK_FALSE(find(site.round(live(kClosed), rehearsed(kClosed)), "F10"));
    // An agent without a report about the boot.
    CHECK_FALSE(find(site.round(live(kClosed), {}), "F10"));
    Told ufw;
    ufw.maker = "ufw.service";
    CHECK_FALSE(find(site.round(live(kClosed), ufw), "F10"));
    Told unknown;
    unknown.unknown = "site.service may load rules: /usr/local/sbin/site";
    const auto finding = find(site.round(live(kClosed), unknown), "F10");
    REQUIRE(finding);
    CHECK(finding->severity == Severity::info);
    CHECK(finding->confidence == Confidence::unknown);
    CHECK(count(textOf(*finding), unknown.unknown) == 1);
    // A host without rules cannot lose them.
    CHECK_FALSE(find(site.round(live(""), unknown), "F10"));
}

TEST_CASE("F10: nothing loads rules at boot that no verdict depends on") {
    Scene site;
    const auto finding =
        find(site.round(
                 live("table inet f { chain i { type filter hook input priority 0; udp dport 53 drop; }; }"),
                 nothing()),
             "F10");
    REQUIRE(finding);
    CHECK(finding->severity == Severity::medium);
    // Docker restores its rules, and publishes its ports, when it starts.
    const std::string docker =
        "table ip nat { chain DOCKER { tcp dport 80 dnat to 172.17.0.2:80; }; chain PREROUTING { type nat "
        "hook "
        "prerouting priority -100; jump DOCKER; }; }\n";
    CHECK_FALSE(find(site.round(live(docker), nothing()), "F10"));
    CHECK_FALSE(find(site.round(live(docker + kClosed), rehearsed(kClosed)), "F10"));
    for (const auto* program : {"table ip filter { chain KUBE-FIREWALL { ip daddr 127.0.0.0/8 drop; }; chain "
                                "INPUT { type filter hook "
                                "input priority 0; jump KUBE-FIREWALL; }; }\n",
                                "table inet netavark { chain INPUT { type filter hook input priority 0; udp "
                                "dport 53 drop; }; }\n"}) {
        CAPTURE(program);
        CHECK_FALSE(find(site.round(live(program), nothing()), "F10"));
        const auto file = find(site.round(live(std::string(program) + kClosed), nothing()), "F10");
        REQUIRE(file);
        CHECK(count(file->remedy, "nft -s list table inet f; }") == 1);
    }
    // The file must not contain Docker's rules.
    const auto beside = find(site.round(live(docker + kClosed), nothing()), "F10");
    REQUIRE(beside);
    CHECK(count(beside->remedy, "nft -s list table inet f; }") == 1);
    CHECK(count(beside->remedy, "Docker") == 1);
}

TEST_CASE("F10: the remedy saves iptables rules with netfilter-persistent and disables a conflicting unit") {
    const std::string rules =
        "table ip filter { chain INPUT { type filter hook input priority 0; policy drop; ip saddr { "
        "10.77.0.10, "
        "10.77.0.12 } tcp dport { 80, 3306 } accept; }; }\n";
    Scene site;
    auto finding = find(site.round(live(rules), nothing()), "F10");
    REQUIRE(finding);
    CHECK(count(finding->remedy, "apt-get install -y iptables-persistent\nnetfilter-persistent save\n") == 1);
    finding = find(site.round(live(rules), rehearsed("")), "F10");
    REQUIRE(finding);
    CHECK(count(finding->remedy, "systemctl disable nftables.service") == 1);
    CHECK(count(finding->remedy, "load them now: systemctl restart nftables.service\n") == 1);
}

TEST_CASE("F11: stays for a day after a change that opens a port, even across a restart") {
    Scene site;
    CHECK_FALSE(find(site.round(live(kDatabaseOpen), nothing()), "F11"));  // the first ruleset: the baseline
    CHECK_FALSE(find(site.round(live(kClosed), nothing()), "F11"));        // stricter
    site.pass(25 * kHour);
    CHECK_FALSE(find(site.round(live(kClosed), nothing()), "F11"));
    site.pass(kHour);
    const auto finding = find(site.round(live(kDatabaseOpen), nothing()), "F11");
    REQUIRE(finding);
    CHECK(finding->severity == Severity::medium);
    CHECK(finding->confidence == Confidence::suspected);
    const auto text = textOf(*finding);
    INFO(text);
    CHECK(count(text, "changed at 2023-11-16 ") == 1);
    CHECK(count(text, "now let in") == 1);
    CHECK(count(text,
                "tcp/3306 (mysql) over IPv4 from anywhere: before blocked (inet f i policy drop), now let in "
                "(inet f i handle ") == 1);
    site.restart();
    site.attempts = {{"3306", "open"}};
    CHECK(find(site.round(live(kDatabaseOpen), nothing()), "F11")->confidence == Confidence::confirmed);
    site.pass(24 * kHour);
    CHECK_FALSE(find(site.round(live(kDatabaseOpen), nothing()), "F11"));
}

TEST_CASE("F11: ends when the port is closed again or the boot configuration opens it too") {
    Scene site;
    site.round(live(kClosed), nothing());
    auto finding = find(site.round(live(kDatabaseOpen), nothing()), "F11");
    REQUIRE(finding);
    std::string commands;
    std::istringstream lines(finding->remedy);
    for (std::string line; std::getline(lines, line);) {
        commands += line.starts_with("nft ") ? line + "\n" : "";
    }
    INFO(finding->remedy);
    CHECK(count(commands, "nft delete rule inet f i handle ") == 1);
    CHECK_FALSE(find(site.round(live(kDatabaseOpen, commands), nothing()), "F11"));
    CHECK(find(site.round(live(kDatabaseOpen), nothing()), "F11"));
    CHECK_FALSE(find(site.round(live(kClosed), nothing()), "F11"));
    CHECK(find(site.round(live(kDatabaseOpen), rehearsed(kClosed)), "F11"));
    CHECK(count(find(site.round(live(kDatabaseOpen), rehearsed(kClosed)), "F11")->remedy,
                "systemctl restart") == 1);
    CHECK_FALSE(find(site.round(live(kDatabaseOpen), rehearsed(kDatabaseOpen)), "F11"));
}

TEST_CASE("F11: the remedy reverts only the change that opened the port") {
    const std::string rules =
        std::string(kClosed) + "add chain inet f o { type filter hook output priority 0; policy accept; }\n";
    const auto commands = [](const std::string& before, const std::string& after) {
        Scene site;
        site.round(live(before), nothing());
        const auto finding = find(site.round(live(after), nothing()), "F11");
        REQUIRE(finding);
        std::string out;
        std::istringstream lines(finding->remedy);
        for (std::string line; std::getline(lines, line);) {
            out += line.starts_with("nft ") ? line + "\n" : "";
        }
        return out;
    };
    CHECK(commands(rules, rules + "chain inet f i { policy accept; }\n") ==
          "nft chain inet f i '{ policy drop; }'\n");
    const auto one = commands(rules, rules + "add rule inet f i tcp dport 3306 accept\n");
    CHECK(count(one, "nft delete rule inet f i handle ") == 1);
    CHECK(count(one, "\n") == 1);
    // The accepting rule is old: the change removed the rule that dropped the packets.
    CHECK(commands("table inet f { chain i { type filter hook input priority 0; policy drop; ip saddr != "
                   "10.77.0.0/24 "
                   "tcp dport 3306 drop; tcp dport 3306 accept; }; }",
                   "table inet f { chain i { type filter hook input priority 0; policy drop; tcp dport 3306 "
                   "accept; }; "
                   "}")
              .empty());
}

TEST_CASE("F11: a change removes all rules") {
    Scene site;
    site.round(live(kClosed), nothing());
    const auto finding = find(site.round(live(""), nothing()), "F11");
    REQUIRE(finding);
    CHECK(count(textOf(*finding), "a port that no rule names over IPv4 from anywhere") == 1);
    CHECK(count(textOf(*finding), "no chain at the input hook") >= 1);
}

TEST_CASE("F11: bans that come and go do not open a port") {
    Scene site;
    const auto banning = [&](const char* elements) {
        return live(
            std::string(kClosed) + "table inet f2b-table { set addr-set-mysql { type ipv4_addr; " + elements +
            " }; chain f2b-chain { type filter hook input priority -1; policy accept; tcp dport { 80, 3306 } "
            "ip saddr @addr-set-mysql reject; }; }\n");
    };
    const auto timed = [&](const char* elements) {
        return live(std::string(kClosed) +
                    "table inet bans { set b { type ipv4_addr; flags dynamic, timeout; " + elements +
                    " }; chain c { type filter hook input priority -1; policy accept; ip saddr @b drop; "
                    "}; }\n");
    };
    site.round(banning("elements = { 10.77.0.12, 198.51.100.9 };"), nothing());
    CHECK_FALSE(find(site.round(banning(""), nothing()), "F11"));
    site.round(timed("elements = { 10.77.0.12 timeout 1h, 203.0.113.77 timeout 1h };"), nothing());
    CHECK_FALSE(find(site.round(timed(""), nothing()), "F11"));
}

TEST_CASE("F11: a port closes and opens again within a day") {
    Scene site;
    site.round(live(kDatabaseOpen), nothing());
    site.pass(kHour);
    CHECK_FALSE(find(site.round(live(kClosed), nothing()), "F11"));
    site.pass(kHour);
    REQUIRE(find(site.round(live(kDatabaseOpen), nothing()), "F11"));
    CHECK(count(textOf(*find(site.round(live(kDatabaseOpen), nothing()), "F11")), "now let in") == 1);
    site.pass(25 * kHour);
    CHECK_FALSE(find(site.round(live(kDatabaseOpen), nothing()), "F11"));
}

TEST_CASE("F11: a change may open a flow that the site needs") {
    Scene site;
    site.round(live(kClosed), nothing());
    const auto open = [](const char* source) {
        return live(std::string(kClosed) + "add rule inet f i ip saddr " + source +
                    " tcp dport 3306 accept\n");
    };
    CHECK_FALSE(find(site.round(open("10.77.0.12"), nothing()), "F11"));  // the replica
    CHECK(find(site.round(live(kDatabaseOpen), nothing()), "F11"));
    CHECK_FALSE(find(site.round(open("10.77.0.12"), nothing()), "F11"));
}

TEST_CASE("the history of rulesets knows the ruleset of a day ago and its successors") {
    using Digests = std::vector<std::string>;
    evidence::RulesHistory history;
    CHECK(history.since("a") == 0);
    history.note("a", "1", 1000);
    CHECK(history.since("a") == 0);
    CHECK_FALSE(history.change("a"));
    history.note("a", "2", 1000 + kHour);
    history.note("a", "3", 1000 + 2 * kHour);
    history.note("a", "3", 1000 + 3 * kHour);
    history = evidence::RulesHistory::fromText(history.toText());
    CHECK(history.since("a") == 1000 + 2 * kHour);
    auto change = history.change("a");
    REQUIRE(change);
    CHECK(change->before == Digests{"2", "1"});
    CHECK(change->first == 1000 + kHour);
    CHECK(change->last == 1000 + 2 * kHour);
    CHECK(change->count == 2);
    history.note("a", "3", 1000 + 25 * kHour);
    change = history.change("a");
    REQUIRE(change);
    CHECK(change->before == Digests{"2"});
    CHECK(change->count == 1);
    history.note("a", "2", 1000 + 25 * kHour + 1);
    REQUIRE(history.change("a"));
    CHECK(history.change("a")->before == Digests{"3"});
    history.note("a", "2", 1000 + 60 * kHour);
    CHECK_FALSE(history.change("a"));
    CHECK(history.since("a") == 1000 + 25 * kHour + 1);
    // However often the ruleset changes, the history keeps the baseline and bounds its text.
    for (int i = 0; i < 1000; ++i) {
        history.note("b", "digest" + std::to_string(i), 60 * kHour + i);
    }
    REQUIRE(history.change("b"));
    CHECK(history.change("b")->before ==
          Digests{"digest998", "digest997", "digest996", "digest995", "digest0"});
    CHECK(history.toText().size() < 5000);
}
