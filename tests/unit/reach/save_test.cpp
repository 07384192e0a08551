// Random comments, put through the real iptables-save and nft: nothing in them is a rule.
#include <chrono>
#include <iterator>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "common/reach/iptables_rule.h"
#include "common/reach/iptables_save.h"
#include "common/reach/ruleset.h"
#include "common/run_tool.h"
#include "tests/unit/catch.h"
#include "tests/unit/reach/namespaces.h"

using namespace lapwing;
using namespace lapwing::reach;

namespace {

constexpr std::chrono::seconds kDeadline{10};
constexpr std::size_t kMost = 4'000'000;

const char* const kPieces[] = {"\"",        "\\",       "'",
                               "\n",        " ",        "a",
                               "_-9",       "{",        "}",
                               "#",         "\xc3\xa9", "\t",
                               "*",         ":",        "!",
                               "|",         "\r",       "-A INPUT -j ACCEPT",
                               "COMMIT",    "*filter",  ":INPUT ACCEPT [0:0]",
                               "--comment", "-j",       "# handle 2",
                               "chain x {", "drop"};

std::string randomText(std::mt19937& random, std::size_t most, bool newlines) {
    std::string out;
    const auto pieces = random() % 12;
    for (std::size_t i = 0; i < pieces; ++i) {
        const std::string piece = kPieces[random() % std::size(kPieces)];
        if ((newlines || piece != "\n") && out.size() + piece.size() <= most) {
            out += piece;
        }
    }
    return out;
}

std::string output(const test::Namespaces& namespaces, const std::vector<std::string>& argv) {
    std::string out;
    namespaces.inServer([&] { out = lapwing::runTool(argv, kDeadline, kMost).output; });
    return out;
}

Verdict verdict(const Ruleset& rules, std::uint16_t port) {
    Packet packet;
    packet.source = AddressRange::of(*Address::parse("10.213.7.2"));
    packet.destination = *Address::parse("10.213.7.1");
    packet.port = port;
    packet.interface = "veth-s";
    return rules.evaluate(packet).verdict;
}

/// The comments and prefixes of a save, as they were given.
std::vector<std::string> quotedIn(const std::string& save) {
    std::vector<std::string> out;
    for (const auto& statement : saveStatements(save)) {
        if (statement.kind != SaveStatement::Kind::rule) {
            continue;
        }
        const auto options = iptablesOptions(statement.text);
        REQUIRE(options);
        for (const auto& option : *options) {
            if (option.name == "--comment" || option.name == "--log-prefix") {
                out.push_back(option.value());
            }
        }
    }
    return out;
}

}  // namespace

TEST_CASE("comments and prefixes come back from iptables-save as they were given", "[root]") {
    const test::Namespaces namespaces;
    namespaces.need();
    std::mt19937 random(41);
    const int rounds = test::isLong() ? 300 : 12;
    for (int round = 0; round < rounds; ++round) {
        const bool legacy = round % 2 == 0;
        const std::string tool = legacy ? "/usr/sbin/iptables-legacy" : "/usr/sbin/iptables-nft";
        REQUIRE(namespaces.runInServer({tool, "-F"}).empty());
        REQUIRE(namespaces.runInServer({tool, "-P", "INPUT", "DROP"}).empty());
        std::vector<std::string> given;
        for (int rule = 0; rule < 6; ++rule) {
            const auto comment = randomText(random, 250, true);
            const auto prefix = randomText(random, 28, false);
            const auto port = std::to_string(1000 + rule);
            const auto with_comment =
                namespaces.runInServer({tool, "-A", "INPUT", "-p", "tcp", "--dport", port, "-m", "comment",
                                        "--comment", comment, "-j", "ACCEPT"});
            if (with_comment.empty()) {
                given.push_back(comment);
            }
            if (namespaces
                    .runInServer({tool, "-A", "INPUT", "-p", "tcp", "--dport", port, "-j", "LOG",
                                  "--log-prefix", prefix})
                    .empty()) {
                given.push_back(prefix);
            }
            if (!with_comment.empty()) {
                REQUIRE(namespaces
                            .runInServer({tool, "-A", "INPUT", "-p", "tcp", "--dport", port, "-j", "ACCEPT"})
                            .empty());
            }
        }
        const auto save = output(namespaces, {tool + "-save"});
        INFO(save);
        CHECK(quotedIn(save) == given);
        const auto nft = legacy ? R"({"nftables":[]})" : namespaces.listRules();
        auto rules = Ruleset::parse(listingOf(nft, {{Family::ipv4, legacy, save}}, {}, Host{}));
        REQUIRE(rules);
        for (std::uint16_t port = 1000; port < 1006; ++port) {
            CHECK(verdict(*rules, port) == (legacy ? Verdict::must_reach : verdict(*rules, 1000)));
        }
        CHECK(verdict(*rules, 1007) == Verdict::must_block);
    }
    REQUIRE(namespaces.runInServer({"/usr/sbin/iptables-legacy", "-F"}).empty());
    REQUIRE(namespaces.runInServer({"/usr/sbin/iptables-legacy", "-P", "INPUT", "ACCEPT"}).empty());
}

TEST_CASE("a comment never becomes the text of another rule", "[root]") {
    const test::Namespaces namespaces;
    namespaces.need();
    const auto error = namespaces.loadRules(
        "table inet t {\n"
        " set s { type ipv4_addr; elements = { 192.0.2.1 comment \"e\n\t\tdrop # handle 3\n\" } }\n"
        " chain c { type filter hook input priority 0; policy accept;\n"
        "  tcp dport 22 accept comment \"x # handle 9\n\t\tdrop # handle 5\n\t}\n\tchain other {\n\t\tdrop # "
        "handle 6\"\n"
        "  tcp dport 23 drop comment \"plain # here\"\n"
        "  ip saddr @s drop\n"
        " }\n}\n");
    REQUIRE(error == "");
    auto rules = Ruleset::parse(namespaces.listRules());
    REQUIRE(rules);
    const auto listing = output(namespaces, {"/usr/sbin/nft", "-a", "-s", "list", "ruleset"});
    INFO(listing);
    rules->addTexts(listing);
    const auto text = [&](int handle) { return rules->textOf("inet t c handle " + std::to_string(handle)); };
    std::set<std::string> starts;
    for (int handle = 3; handle < 6; ++handle) {
        starts.insert(text(handle).substr(0, 12));
    }
    CHECK(starts.contains("tcp dport 23"));
    CHECK(starts.contains("ip saddr @s "));
    CHECK_FALSE(starts.contains("drop"));
}
