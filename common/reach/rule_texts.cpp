// The texts of rules, as `nft -a list ruleset` prints them.
#include <algorithm>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/reach/nft_json.h"

namespace lapwing::reach {

namespace {

/// The listing with those strings in one line each, so that a comment does not look like a rule.
/// Nothing is left of a listing with very many of them.
std::string inWholeLines(std::string_view listing, std::vector<std::string> broken) {
    constexpr std::size_t most = 64;
    if (broken.size() > most) {
        return "";
    }
    std::string out(listing);
    std::sort(broken.begin(), broken.end(), [](const auto& a, const auto& b) { return a.size() > b.size(); });
    for (const auto& each : broken) {
        auto whole = each;
        std::replace(whole.begin(), whole.end(), '\n', ' ');
        for (auto at = out.find(each); at != std::string::npos; at = out.find(each, at + each.size())) {
            out.replace(at, each.size(), whole);
        }
    }
    return out;
}

}  // namespace

void collectBrokenStrings(const Json& document, std::vector<std::string>& out) {
    std::vector<const Json*> open{&document};
    while (!open.empty()) {
        const auto* json = open.back();
        open.pop_back();
        if (json->IsString()) {
            const std::string_view value(json->GetString(), json->GetStringLength());
            if (value.find('\n') != std::string_view::npos) {
                out.emplace_back(value);
            }
        } else if (json->IsArray()) {
            for (const auto& each : json->GetArray()) {
                open.push_back(&each);
            }
        } else if (json->IsObject()) {
            for (const auto& each : json->GetObject()) {
                open.push_back(&each.value);
            }
        }
    }
}

void Ruleset::addTexts(std::string_view text) {
    const auto lines = inWholeLines(text, model_->broken_strings);
    std::string_view listing = lines;
    std::map<std::string, std::string> texts;
    std::string table;
    std::string chain;
    while (!listing.empty()) {
        const auto end = std::min(listing.find('\n'), listing.size());
        auto line = listing.substr(0, end);
        listing.remove_prefix(std::min(end + 1, listing.size()));
        const auto first = line.find_first_not_of(" \t");
        line = first == std::string_view::npos ? "" : line.substr(first);
        const auto mark = line.rfind(" # handle ");
        const auto name = [&](std::string_view keyword) {
            const auto rest = line.substr(keyword.size());
            return std::string(rest.substr(0, rest.find(" {")));
        };
        if (line.starts_with("table ")) {
            table = name("table ");
        } else if (line.starts_with("chain ")) {
            chain = name("chain ");
        } else if (mark != std::string_view::npos) {
            const auto rule = line.substr(0, mark);
            auto place = table;
            place.append(" ").append(chain).append(line.substr(mark + 2));
            texts[std::move(place)] = rule.find(" # handle ") == std::string_view::npos ? rule : "";
        }
    }
    for (auto& listed : model_->tables) {
        for (auto& [name, its_chain] : listed.chains) {
            for (auto& rule : its_chain.rules) {
                const auto found = texts.find(rule.place);
                if (rule.text.empty() && found != texts.end()) {
                    rule.text = found->second;
                }
            }
        }
    }
}

std::string Ruleset::textOf(const std::string& place) const {
    for (const auto& table : model_->tables) {
        for (const auto& [name, chain] : table.chains) {
            for (const auto& rule : chain.rules) {
                if (rule.place == place) {
                    return rule.text;
                }
            }
        }
    }
    return "";
}

}  // namespace lapwing::reach
