#include "collector/analysis/judgement.h"

#include <algorithm>

namespace lapwing::analysis {

bool Judgement::ends(const FindingKey& key) const {
    return judged.contains(key) ||
           std::any_of(vanished.begin(), vanished.end(), [&](const auto& tells) { return tells(key); });
}

void conclude(Judgement& out, const FindingKey& key, std::optional<Finding> finding) {
    out.judged.insert(key);
    if (finding) {
        finding->id = key.first;
        finding->subject = key.second;
        out.findings.push_back(std::move(*finding));
    }
}

std::vector<reach::Address> knownAddresses(const Facts& facts, const std::string& host) {
    std::set<reach::Address> out;
    const auto note = [&](const std::string& text) {
        if (const auto address = reach::Address::parse(text)) {
            out.insert(*address);
        }
    };
    for (const auto& [instance, balancer] : facts.balancers) {
        for (const auto& server : balancer.servers) {
            const auto text = server.address.substr(0, server.address.rfind(':'));
            const auto address = reach::Address::parse(text);
            const auto* holder = address ? facts.holder(*address) : nullptr;
            if (server.server == host || (holder != nullptr && holder->name == host)) {
                note(text);
            }
        }
    }
    for (const auto& [name, other] : facts.hosts) {
        for (const auto& attempt : other.attempts) {
            if (name == host) {
                note(attempt.address);
            }
            if (attempt.from == host && !attempt.second) {
                note(attempt.source);
            }
        }
    }
    return {out.begin(), out.end()};
}

std::vector<reach::Address> entryAddresses(const Site& site) {
    std::vector<reach::Address> out;
    for (const auto& url : site.entry) {
        const auto scheme = url.find("://");
        auto rest = scheme == std::string::npos ? url : url.substr(scheme + 3);
        rest = rest.substr(0, rest.find('/'));
        const auto name =
            rest.starts_with('[') ? rest.substr(1, rest.find(']') - 1) : rest.substr(0, rest.find(':'));
        if (const auto address = reach::Address::parse(name)) {
            out.push_back(*address);
        }
    }
    return out;
}

std::string joined(const std::vector<std::string>& words) {
    std::string out;
    for (std::size_t i = 0; i < words.size(); ++i) {
        out += (i == 0 ? "" : i + 1 == words.size() ? " and " : ", ") + words[i];
    }
    return out;
}

std::string counted(std::size_t count, const std::string& one, const std::string& several) {
    return count == 1 ? "one " + one : std::to_string(count) + " " + several;
}

std::string rangesText(const std::vector<reach::AddressRange>& ranges) {
    constexpr std::size_t most_shown = 4;
    std::vector<std::string> words;
    for (std::size_t i = 0; i < std::min(ranges.size(), most_shown); ++i) {
        words.push_back(ranges[i].toString());
    }
    auto text = joined(words);
    if (ranges.size() > most_shown) {
        text += " (and " + counted(ranges.size() - most_shown, "more range", "more ranges") + ")";
    }
    return text;
}

}  // namespace lapwing::analysis
