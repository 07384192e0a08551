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

void addParts(const std::string& what, const std::vector<reach::AddressRange>& from, std::vector<Part>& out) {
    for (const auto& range : from) {
        out.push_back({what, range.toString()});
    }
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
