// Generated firewalls, each loaded into a namespace and tried: the evaluator never contradicts the kernel.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <future>

#include "tests/unit/catch.h"
#include "tests/unit/reach/against_kernel.h"
#include "tests/unit/reach/generator.h"

using namespace lapwing;

namespace {

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

test::Count fuzz(unsigned seed, int rulesets) {
    test::Count count;
    const test::Namespaces namespaces;
    if (!namespaces.missing().empty()) {
        return count;
    }
    const test::Listeners listeners(namespaces);
    std::mt19937 random(seed);
    bool legacy_used = false;
    for (int i = 0; i < rulesets; ++i) {
        const auto rules = test::generateRules(random);
        const auto before = count.contradictions.size();
        if (load(namespaces, rules, legacy_used)) {
            test::compareWithKernel(namespaces, test::listingIn(namespaces), count);
        } else {
            legacy_used = true;  // what was loaded before the refusal is still there
        }
        for (auto at = before; at < count.contradictions.size(); ++at) {
            count.contradictions[at] = "seed " + std::to_string(seed) + ", ruleset " + std::to_string(i) +
                                       ": " + count.contradictions[at] + "\n" + rules.nft + rules.changes +
                                       rules.iptables_nft + rules.iptables_legacy + rules.ip6tables_legacy;
        }
        if (count.contradictions.size() > 5) {
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
    const int each = test::isLong() ? 1000 : 75;
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
    const int verdicts = count.reach + count.block + count.may;
    std::printf(
        "%d rulesets, %d verdicts: %d MUST-REACH (%d of them forwarded), %d MUST-BLOCK, %d MAY (%.1f %%)\n",
        count.rulesets, verdicts, count.reach, count.forwarded, count.block, count.may,
        100.0 * count.may / std::max(verdicts, 1));
    CHECK(count.rulesets > each * static_cast<int>(spaces) / 3);
    CHECK(count.reach > count.rulesets);
    CHECK(count.block > count.rulesets);
    CHECK(count.forwarded > 0);
    // Nearly all verdicts are definite. The share of "may" verdicts must not grow unnoticed.
    CHECK(count.may * 10 < verdicts);
}
