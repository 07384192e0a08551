// Rulesets that real programs and people have written, changed here and there and loaded into a namespace:
// the evaluator never contradicts the kernel.
#include "tests/unit/reach/mutation.h"

#include <fmt/format.h>
#include <rapidjson/document.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <future>
#include <iterator>
#include <random>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "agent/snapshot/snapshot.h"
#include "common/reach/ruleset.h"
#include "tests/unit/catch.h"
#include "tests/unit/fixtures.h"
#include "tests/unit/reach/against_kernel.h"

using namespace lapwing;

namespace {

constexpr std::chrono::minutes kLongest{50};
constexpr int kMutants = 10;
constexpr int kLongMutants = 1'000;
constexpr std::size_t kAtOnce = 4;

std::string textOf(const std::string& name) {
    return lapwing::test::fixture("firewall/" + name);
}

/// The names and addresses of the fixtures' host, as those of the server's namespace. Both families have
/// their own lists of recent senders: one list takes the mask of the family that was loaded first, and counts
/// all senders of IPv6 as one.
std::string here(std::string text) {
    static const std::pair<const char*, const char*> names[] = {
        {"eth0", "veth-s"},
        {"docker0", "veth-i"},
        {"10\\.77\\.0\\.10\\b", "10.213.7.4"},
        {"10\\.77\\.0\\.11\\b", "10.213.7.1"},
        {"10\\.77\\.0\\.12\\b", "10.213.7.2"},
        {"10\\.77\\.0\\.2([0-9])\\b", "10.213.7.3"},
        {"172\\.17\\.0\\.0/16", "10.213.8.0/24"},
        {"172\\.17\\.0\\.2\\b", "10.213.8.2"},
        {"\\b13306\\b", "8080"},
        {"--dport 80\\b", "--dport 8080"},
        {"\"right\": ?80\\b", "\"right\": 8080"},
        {"DEFAULT --mask ffff", "DEFAULT6 --mask ffff"}};
    for (const auto& [from, to] : names) {
        text = std::regex_replace(text, std::regex(from), to);
    }
    return text;
}

/// The listing without the tables that a save has with all arguments: nft cannot load their rules.
std::string withoutTables(const std::string& listing, const std::set<std::string>& tables) {
    rapidjson::Document document;
    document.Parse(listing.c_str());
    auto& allocator = document.GetAllocator();
    rapidjson::Value objects(rapidjson::kArrayType);
    for (auto& object : document["nftables"].GetArray()) {
        auto& inner = object.MemberBegin()->value;
        if (object.HasMember("metainfo")) {
            continue;
        }
        const auto* name = object.HasMember("table") ? "name" : "table";
        const auto table = std::string(inner["family"].GetString()) + " " + inner[name].GetString();
        if (!tables.contains(table)) {
            inner.RemoveMember("handle");
            objects.PushBack(object, allocator);
        }
    }
    if (objects.Empty()) {
        return "";
    }
    document["nftables"] = objects;
    rapidjson::StringBuffer buffer;
    rapidjson::Writer<rapidjson::StringBuffer> writer(buffer);
    document.Accept(writer);
    return buffer.GetString();
}

/// A snapshot of tests/fixtures/firewall/real.
test::RealRules fromSnapshot(const std::string& name) {
    const auto snapshot = agent::parseSnapshot(textOf("real/" + name + ".json"));
    REQUIRE(snapshot);
    test::RealRules out;
    out.name = name;
    std::set<std::string> tables;
    for (const auto& tool : snapshot->iptables) {
        const auto program = tool.tool.substr(tool.tool.rfind('/') + 1);
        if (tool.output.empty()) {
            continue;
        }
        out.saves.push_back({program.substr(0, program.rfind("-save")), here(tool.output)});
        for (const auto& table : reach::tablesOfSave(tool.output)) {
            if (program.find("nft") != std::string::npos) {
                tables.insert((program.starts_with("ip6") ? "ip6 " : "ip ") + table);
            }
        }
    }
    out.nft_json = withoutTables(here(snapshot->ruleset.output), tables);
    return out;
}

/// nft's text, as nft itself lists it.
test::RealRules fromText(const test::Namespaces& namespaces, const std::string& name) {
    REQUIRE(namespaces.loadRules(here(textOf("rules/" + name + ".nft"))) == "");
    return {name, withoutTables(namespaces.listRules(), {}), {}};
}

test::RealRules fromSave(const std::string& name, const std::string& tool) {
    return {name + " by " + tool, "", {{tool, here(textOf("rules/" + name + ".save"))}}};
}

std::string fileName(const test::Namespaces& namespaces) {
    return "/tmp/lapwing-reach-mutation-" + std::to_string(reinterpret_cast<std::uintptr_t>(&namespaces));
}

std::string run(const test::Namespaces& namespaces, std::vector<std::string> argv, const std::string& input) {
    const auto file = fileName(namespaces);
    std::ofstream(file) << input;
    argv.push_back(file);
    auto error = namespaces.runInServer(argv);
    std::remove(file.c_str());
    return error;
}

/// "" if all of it is loaded.
std::string load(const test::Namespaces& namespaces, const test::RealRules& rules) {
    auto error = namespaces.loadRules("");
    if (error.empty() && !rules.nft_json.empty()) {
        error = run(namespaces, {"/usr/sbin/nft", "-j", "-f"}, rules.nft_json);
    }
    for (const auto& save : rules.saves) {
        if (error.empty()) {
            error = run(namespaces, {"/usr/sbin/" + save.tool + "-restore"}, save.text);
        }
    }
    return error;
}

std::string whole(const test::RealRules& rules) {
    auto out = rules.nft_json;
    for (const auto& save : rules.saves) {
        out += "\n" + save.tool + ":\n" + save.text;
    }
    return out;
}

/// The ruleset itself, then `mutants` of it with one to three changes, until `end`.
test::Count tryMutants(const test::RealRules& rules, unsigned seed, int mutants,
                       std::chrono::steady_clock::time_point end) {
    test::Count count;
    const test::Namespaces namespaces;
    if (!namespaces.missing().empty()) {
        return count;
    }
    const test::Listeners listeners(namespaces);
    std::mt19937 random(seed);
    for (int i = 0; i <= mutants && std::chrono::steady_clock::now() < end; ++i) {
        auto changed = rules;
        for (auto changes = i == 0 ? 0 : 1 + random() % 3; changes > 0; --changes) {
            changed = test::mutated(changed, random);
        }
        const auto error = load(namespaces, changed);
        if (!error.empty()) {
            if (i == 0) {
                count.contradictions.push_back(rules.name + " cannot be loaded: " + error);
            }
            continue;
        }
        namespaces.forgetNeighbours();
        test::Count one;
        test::compareWithKernel(namespaces, test::listingIn(namespaces), one);
        for (auto& contradiction : one.contradictions) {
            contradiction = fmt::format("{}, mutant {} of seed {}: {}\n{}", rules.name, i, seed,
                                        contradiction, whole(changed));
        }
        count.add(one);
        if (count.contradictions.size() > 2) {
            break;
        }
    }
    return count;
}

}  // namespace

TEST_CASE("certain verdicts never contradict the kernel: mutants of real rulesets", "[root]") {
    std::vector<test::RealRules> all;
    {
        const test::Namespaces namespaces;
        namespaces.need();
        for (const auto* name : {"ufw", "firewalld", "docker-nft", "docker-legacy", "fail2ban-nft",
                                 "fail2ban-iptables", "debian-example"}) {
            all.push_back(fromSnapshot(name));
        }
        for (const auto* name : {"web", "egress", "fw4", "crowdsec"}) {
            all.push_back(fromText(namespaces, name));
        }
    }
    for (const auto* tool : {"iptables-nft", "iptables-legacy"}) {
        all.push_back(fromSave("kube-proxy", tool));
        all.push_back(fromSave("shorewall", tool));
    }
    if (const auto* only = std::getenv("LAPWING_FUZZ_ONLY"); only != nullptr) {
        std::erase_if(all, [&](const auto& rules) { return rules.name.find(only) == std::string::npos; });
    }
    const auto* wanted = std::getenv("LAPWING_FUZZ_SEED");
    const unsigned seed = wanted != nullptr ? static_cast<unsigned>(std::atoi(wanted)) : 7U;
    const int mutants = test::isLong() ? kLongMutants : kMutants;
    // The rulesets get equal parts of the time.
    const auto rounds = (all.size() + kAtOnce - 1) / kAtOnce;
    const auto part = std::chrono::steady_clock::duration(kLongest) / rounds;
    std::vector<test::Count> counts(all.size());
    std::atomic<std::size_t> next{0};
    std::vector<std::future<void>> running;
    for (std::size_t i = 0; i < kAtOnce; ++i) {
        running.push_back(std::async(std::launch::async, [&] {
            for (auto at = next++; at < all.size(); at = next++) {
                counts[at] = tryMutants(all[at], seed, mutants, std::chrono::steady_clock::now() + part);
            }
        }));
    }
    for (auto& one : running) {
        one.get();
    }
    test::Count total;
    for (std::size_t i = 0; i < all.size(); ++i) {
        const auto& count = counts[i];
        std::printf("%-28s %5d rulesets %7d exchanges (%d complete): %d MUST-REACH, %d MUST-BLOCK, %d MAY\n",
                    all[i].name.c_str(), count.rulesets, count.verdicts(), count.complete, count.reach,
                    count.block, count.may);
        CHECK(count.rulesets > kMutants / 2);
        total.add(count);
    }
    for (const auto& contradiction : total.contradictions) {
        FAIL_CHECK(contradiction);
    }
    test::printReasons(total);
    CHECK(total.complete > 0);
    CHECK(total.may * 20 < total.verdicts());
}
