#pragma once

#include <algorithm>
#include <optional>
#include <regex>
#include <string>
#include <vector>

#include "collector/analysis/analyst.h"
#include "tests/unit/analysis/site_samples.h"

namespace lapwing::test {

inline const char* const kNoRules = R"({"nftables": []})";

inline Labels server(const char* name) {
    return {{"agent", "web-01"}, {"instance", "lb-01"}, {"job", "haproxy"},
            {"proxy", "web"},    {"server", name},      {"via", "http"}};
}

/// The findings about redundancy hold no words of specialists, and refer to no other finding.
inline void checkWords(const std::vector<analysis::Finding>& findings) {
    static const std::regex forbidden(
        "cut set|single points|largest host|N\\+1|k-of-n|articulation|[Ss]hared fate|by design|"
        "\\b[RF][0-9]+\\b");
    for (const auto& finding : findings) {
        if (finding.id.front() != 'R') {
            continue;
        }
        std::string all = finding.title + "\n" + finding.remedy;
        for (const auto& line : finding.evidence) {
            all += "\n" + line.source + ": " + line.text;
        }
        for (const auto& line : finding.not_assessed) {
            all += "\n" + line;
        }
        INFO(finding.id << " " << finding.subject << "\n" << all);
        CHECK_FALSE(std::regex_search(all, forbidden));
        CHECK_FALSE(finding.title.empty());
        CHECK_FALSE(finding.evidence.empty());
        CHECK_FALSE(finding.remedy.empty());
    }
}

/// The site of SiteSamples with a collector on `monitor`, observed in rounds.
class Watched {
  public:
    Watched() : site(SiteSamples::site()) {
        options.setup.collector_host = "monitor";
        samples.everything(kNoRules, true, "silent");
        for (const auto* name : {"web-01", "web-02"}) {
            detail(name, "active", "L7", 1);
        }
        samples.write();
        samples.now += 1'000;
    }

    void detail(const char* name, const char* role, const char* check, double weight,
                const char* address = nullptr) {
        auto info = server(name);
        info.set("address", address != nullptr              ? address
                            : std::string(name) == "web-01" ? "10.77.0.11:80"
                                                            : "10.77.0.12:80");
        info.set("role", role);
        info.set("check", check);
        samples.add("lapwing_haproxy_server_info", info);
        samples.add("haproxy_server_weight", server(name), weight);
    }

    void state(const char* name, const char* state) {
        for (const auto* each : {"UP", "DOWN", "MAINT", "DRAIN"}) {
            auto labels = server(name);
            labels.set("state", each);
            samples.add("haproxy_server_status", labels, std::string(each) == state ? 1 : 0);
        }
    }

    /// Runs a round ten seconds later, with the added samples.
    const std::vector<analysis::Finding>& round() {
        samples.write();
        if (!analyst) {
            analyst.emplace(samples.store(), site, options);
        }
        REQUIRE(analyst->run(samples.now));
        samples.now += 10'000;
        findings = analyst->findings();
        checkWords(findings);
        return findings;
    }

    const analysis::Finding* find(const std::string& id) const {
        const auto found = std::find_if(findings.begin(), findings.end(),
                                        [&](const auto& finding) { return finding.id == id; });
        return found == findings.end() ? nullptr : &*found;
    }

    const analysis::topology::Edge& edge(const std::string& from, const std::string& to) const {
        const auto& edges = analyst->moment()->model.edges;
        const auto found = std::find_if(edges.begin(), edges.end(),
                                        [&](const auto& edge) { return edge.from == from && edge.to == to; });
        REQUIRE(found != edges.end());
        return *found;
    }

    SiteSamples samples;
    analysis::Site site;
    analysis::AnalystOptions options;
    std::optional<analysis::Analyst> analyst;
    std::vector<analysis::Finding> findings;
};

}  // namespace lapwing::test
