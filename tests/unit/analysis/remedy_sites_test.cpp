// Sites of many shapes: a remedy closes no flow that the site uses, unless its first line says that it is
// incomplete.
#include <algorithm>
#include <map>
#include <set>

#include "common/reach/ruleset.h"
#include "tests/unit/analysis/nft_rules.h"
#include "tests/unit/analysis/site_shape.h"

using namespace lapwing;
using namespace lapwing::analysis;
using reach::Verdict;
using test::SiteShape;
using test::UsedFlow;

namespace {

reach::Packet packetOf(const UsedFlow& flow, bool outgoing) {
    reach::Packet out;
    out.source = reach::AddressRange::of(flow.source);
    out.destination = flow.destination;
    out.port = static_cast<std::uint16_t>(flow.port);
    out.interface = "eth0";
    out.outgoing = outgoing;
    return out;
}

bool isIncomplete(const std::string& remedy) {
    return remedy.substr(0, remedy.find('\n')).find("Incomplete") != std::string::npos;
}

/// Returns "web-01" for "mysql@web-01".
std::string hostOf(const Finding& finding) {
    return finding.subject.substr(finding.subject.find('@') + 1);
}

std::string withoutComments(const std::string& rules) {
    std::string out;
    std::istringstream lines(rules);
    std::string line;
    while (std::getline(lines, line)) {
        out += line.starts_with('#') ? "" : line + "\n";
    }
    return out;
}

struct Tally {
    int sites = 0;
    int rulesets = 0;
    int flows = 0;
    int incomplete = 0;
};

/// The flows of the site that the ruleset closes.
std::vector<std::string> closedFlows(const std::string& rules, const std::string& host, bool outgoing,
                                     const std::vector<UsedFlow>& flows, Tally& tally) {
    const auto ruleset = reach::Ruleset::parse(test::listed(rules));
    REQUIRE(ruleset);
    std::vector<std::string> out;
    for (const auto& flow : flows) {
        if ((outgoing ? flow.from : flow.to) != host) {
            continue;
        }
        ++tally.flows;
        if (ruleset->evaluate(packetOf(flow, outgoing)).verdict != Verdict::must_reach) {
            out.push_back(flow.text());
        }
    }
    return out;
}

std::vector<Finding> findingsOf(const SiteShape& shape, test::BuiltSite& built) {
    test::SiteSamples samples;
    built = test::build(shape, samples);
    Analyst analyst(samples.store(), built.site);
    REQUIRE(analyst.run(samples.now));
    return analyst.findings();
}

void checkRemedies(const SiteShape& shape, Tally& tally) {
    INFO(shape.text());
    test::BuiltSite built;
    const auto findings = findingsOf(shape, built);
    ++tally.sites;
    std::map<std::string, std::vector<std::string>> closed_by;  // several findings propose one ruleset
    std::set<std::string> ids;
    for (const auto& finding : findings) {
        const auto rules = withoutComments(test::stepsOf(finding.remedy).rules);
        if (rules.empty()) {
            continue;
        }
        INFO(finding.id << " " << finding.subject << "\n" << finding.remedy);
        ids.insert(finding.id);
        const auto host = hostOf(finding);
        const bool outgoing = rules.find("lapwing_output") != std::string::npos;
        const auto known = closed_by.find(host + rules);
        if (known == closed_by.end()) {
            ++tally.rulesets;
            closed_by[host + rules] = closedFlows(rules, host, outgoing, built.flows, tally);
        }
        const bool incomplete = isIncomplete(finding.remedy);
        tally.incomplete += incomplete ? 1 : 0;
        for (const auto& flow : closed_by[host + rules]) {
            INFO("closes " << flow);
            CHECK(incomplete);
        }
        // The remedy must say so if and only if facts are missing.
        if (!outgoing && (host == "web-01" || host == "web-02")) {
            CHECK(incomplete == !shape.tellsEverything());
        }
    }
    CHECK(ids.contains("F1"));
    CHECK(ids.contains("F13"));
    const bool servers_known = shape.server_names == SiteShape::ServerNames::hosts ||
                               shape.server_addresses != SiteShape::ServerAddresses::hidden;
    CHECK(ids.contains("F4") == servers_known);
}

}  // namespace

TEST_CASE("a remedy never closes a flow that the site uses, whatever the site's shape") {
    test::needNft();
    std::mt19937 random(12);
    Tally tally;
    const int wanted = test::isLong() ? 600 : 40;
    for (int i = 0; i < wanted; ++i) {
        checkRemedies(SiteShape::random(random), tally);
    }
    CHECK(tally.sites == wanted);
    CHECK(tally.rulesets >= 6 * wanted);
    CHECK(tally.flows > 20 * wanted);
    CHECK(tally.incomplete > 0);
}

TEST_CASE("F4 and F1 identify a server by its address, in both families") {
    test::needNft();
    for (const auto families :
         {SiteShape::Families::ipv4, SiteShape::Families::ipv6, SiteShape::Families::both}) {
        SiteShape shape;
        shape.families = families;
        shape.inside = shape.entry = reach::Family::ipv6;
        shape.server_names = SiteShape::ServerNames::others;
        shape.backends = 2;
        shape.tried = false;
        INFO(shape.text());
        test::BuiltSite built;
        const auto findings = findingsOf(shape, built);
        const auto remedy_of = [&](const char* id, const char* subject) {
            const auto found = std::find_if(findings.begin(), findings.end(), [&](const auto& finding) {
                return finding.id == id && finding.subject == subject;
            });
            REQUIRE(found != findings.end());
            return found->remedy;
        };
        for (const auto& [id, subject] : {std::pair("F1", "web-01"), std::pair("F4", "nginx@web-01")}) {
            const auto remedy = remedy_of(id, subject);
            INFO(remedy);
            CHECK_FALSE(isIncomplete(remedy));
            const auto* from =
                families == SiteShape::Families::ipv4 ? "ip saddr 10.77.0.10" : "ip6 saddr 2001:db8:77::10";
            for (const auto* port : {"80", "8080"}) {
                CHECK(remedy.find(std::string(from) + " tcp dport " + port + " accept") != std::string::npos);
            }
        }
    }
}
