// Generated firewalls, each loaded into a namespace and tried: the evaluator never contradicts the kernel.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <future>
#include <iterator>
#include <sstream>

#include "tests/unit/catch.h"
#include "tests/unit/reach/against_kernel.h"
#include "tests/unit/reach/generator.h"

using namespace lapwing;

namespace {

constexpr int kLongRulesets = 3'800;  // about a million exchanges
constexpr std::chrono::minutes kLongest{50};

/// Loads a save; an empty one empties what an earlier one has left.
std::string restore(const test::Namespaces& namespaces, const std::string& tool, const std::string& save) {
    const auto file =
        "/tmp/lapwing-reach-fuzz-" + std::to_string(reinterpret_cast<std::uintptr_t>(&namespaces));
    std::ofstream(file) << (save.empty() ? "*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n" : save);
    auto error = namespaces.runInServer({"/usr/sbin/" + tool, file});
    std::remove(file.c_str());
    return error;
}

/// Loads it all; false where one of the tools refuses (an IPv4 and an IPv6 source in one rule).
bool load(const test::Namespaces& namespaces, const test::GeneratedRules& rules, bool& legacy_used) {
    if (!namespaces.loadRules(rules.nft).empty()) {
        return false;
    }
    if (!rules.changes.empty()) {
        const auto words = rules.changes.substr(0, rules.changes.size() - 1);
        if (!namespaces.runInServer({"/usr/sbin/nft", words}).empty()) {
            return false;
        }
    }
    if (!rules.iptables_nft.empty() &&
        !restore(namespaces, "iptables-nft-restore", rules.iptables_nft).empty()) {
        return false;
    }
    const bool legacy = !rules.iptables_legacy.empty() || !rules.ip6tables_legacy.empty();
    if (!legacy && !legacy_used) {
        return true;
    }
    legacy_used = legacy;
    const std::string no_nat = "*nat\n:PREROUTING ACCEPT [0:0]\nCOMMIT\n";
    const std::string nothing = "*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n";
    const auto& v4 = rules.iptables_legacy;
    const auto v4_whole = (v4.empty() ? nothing : v4) + (v4.find("*nat") == std::string::npos ? no_nat : "");
    return restore(namespaces, "iptables-legacy-restore", v4_whole).empty() &&
           restore(namespaces, "ip6tables-legacy-restore", rules.ip6tables_legacy).empty();
}

std::vector<std::string> words(const std::string& line) {
    std::istringstream in(line);
    return {std::istream_iterator<std::string>(in), {}};
}

/// Adds the routes of a ruleset to the server's namespace, or deletes them again.
bool changeRoutes(const test::Namespaces& namespaces, const test::GeneratedRules& rules, const char* verb) {
    bool ok = true;
    for (const auto& route : rules.routes) {
        auto argv = words(route);
        const auto object =
            std::find_if(argv.begin(), argv.end(), [](const auto& word) { return word[0] != '-'; });
        argv.insert(std::next(object), verb);
        if (route.find(':') != std::string::npos && argv[0] != "-6") {
            argv.insert(argv.begin(), "-6");
        }
        argv.insert(argv.begin(), "/usr/sbin/ip");
        ok = namespaces.runInServer(argv).empty() && ok;
    }
    const auto filter = std::string(verb) == "add" ? std::to_string(rules.rp_filter) : "0";
    return namespaces.runInServer({"/usr/sbin/sysctl", "-qw", "net.ipv4.conf.veth-s.rp_filter=" + filter})
               .empty() &&
           ok;
}

test::Count fuzz(unsigned seed, int rulesets) {
    test::Count count;
    const test::Namespaces namespaces;
    if (!namespaces.missing().empty()) {
        return count;
    }
    const test::Listeners listeners(namespaces);
    std::mt19937 random(seed);
    const auto end = std::chrono::steady_clock::now() + kLongest;
    bool legacy_used = false;
    for (int i = 0; i < rulesets; ++i) {
        const auto rules = test::generateRules(random);
        const auto before = count.contradictions.size();
        if (load(namespaces, rules, legacy_used)) {
            changeRoutes(namespaces, rules, "add");
            namespaces.forgetNeighbours();
            test::Count one;
            test::compareWithKernel(namespaces, test::listingIn(namespaces), one);
            one.modelled = rules.modelled ? one.verdicts() : 0;
            one.may_modelled = rules.modelled ? one.may : 0;
            if (!rules.modelled) {
                one.may_reasons.clear();
                one.may_history = 0;
            }
            count.add(one);
            changeRoutes(namespaces, rules, "del");
        } else {
            legacy_used = true;  // what was loaded before the refusal is still there
        }
        for (auto at = before; at < count.contradictions.size(); ++at) {
            count.contradictions[at] = "seed " + std::to_string(seed) + ", ruleset " + std::to_string(i) +
                                       ": " + count.contradictions[at] + "\n" + rules.nft + rules.changes +
                                       rules.iptables_nft + rules.iptables_legacy + rules.ip6tables_legacy;
            for (const auto& route : rules.routes) {
                count.contradictions[at] += route + "\n";
            }
            count.contradictions[at] += "rp_filter " + std::to_string(rules.rp_filter) + "\n";
        }
        if (count.contradictions.size() > 5 || std::chrono::steady_clock::now() > end) {
            break;
        }
    }
    return count;
}

}  // namespace

TEST_CASE("certain verdicts never contradict the kernel: generated rulesets", "[root]") {
    test::Namespaces().need();
    const auto* wanted = std::getenv("LAPWING_FUZZ_SEED");
    const unsigned seed = wanted != nullptr ? static_cast<unsigned>(std::atoi(wanted)) : 20231U;
    constexpr unsigned spaces = 4;
    const int each = test::isLong() ? kLongRulesets : 75;
    // Most of the time goes by in waiting for answers that do not come.
    std::vector<std::future<test::Count>> running;
    for (unsigned i = 0; i < spaces; ++i) {
        running.push_back(std::async(std::launch::async, [=] { return fuzz(seed + i, each); }));
    }
    test::Count count;
    for (auto& one : running) {
        count.add(one.get());
    }
    for (const auto& contradiction : count.contradictions) {
        FAIL_CHECK(contradiction);
    }
    const int verdicts = count.verdicts();
    const auto share = [](int part, int whole) { return 100.0 * part / std::max(whole, 1); };
    std::printf(
        "%d rulesets, %d exchanges (%d complete), %zu contradictions: %d MUST-REACH (%d of them forwarded), "
        "%d MUST-BLOCK, %d MAY (%.1f %%; %.1f %% where each construct is modelled, of which %.1f %% depend "
        "on "
        "what the hosts have learned of each other)\n",
        count.rulesets, verdicts, count.complete, count.contradictions.size(), count.reach, count.forwarded,
        count.block, count.may, share(count.may, verdicts), share(count.may_modelled, count.modelled),
        share(count.may_history, count.modelled));
    test::printReasons(count);
    CHECK(count.rulesets > each * static_cast<int>(spaces) / 3);
    CHECK(count.reach > count.rulesets);
    CHECK(count.block > count.rulesets);
    CHECK(count.forwarded > 0);
    // Nearly all verdicts are definite. The share of "may" verdicts must not grow unnoticed.
    CHECK(count.may * 10 < verdicts);
    CHECK(count.may_modelled * 100 < count.modelled * 6);
    CHECK((count.may_modelled - count.may_history) * 100 < count.modelled * 2);
}
