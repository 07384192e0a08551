// The options of a rule in the output of iptables-save.
#include <map>
#include <set>
#include <utility>

#include "common/reach/iptables_rule.h"
#include "common/reach/iptables_save.h"

namespace lapwing::reach {

bool printsQuotes(const std::string& option) {
    static const std::set<std::string> options{"--comment", "--log-prefix", "--nflog-prefix", "--ulog-prefix",
                                               "--prefix",  "--string",     "--hex-string",   "--bytecode",
                                               "--u32",     "--path",       "--helper",       "--selctx",
                                               "--label",   "--genre"};
    return options.contains(option);
}

std::optional<std::size_t> valueCountOf(const std::string& option) {
    static const std::map<std::string, std::size_t> counts{
        {"-A", 1},         {"-s", 1},          {"-d", 1},          {"-i", 1},
        {"-o", 1},         {"-p", 1},          {"-f", 0},          {"-m", 1},
        {"-j", 1},         {"-g", 1},          {"--dport", 1},     {"--dports", 1},
        {"--sport", 1},    {"--sports", 1},    {"--tcp-flags", 2}, {"--syn", 0},
        {"--ctstate", 1},  {"--state", 1},     {"--ctdir", 1},     {"--dst-type", 1},
        {"--pkt-type", 1}, {"--src-range", 1}, {"--dst-range", 1}, {"--mark", 1},
        {"--name", 1},     {"--limit", 1},     {"--match-set", 2}, {"--hashlimit-name", 1},
        {"--add-set", 2},  {"--del-set", 2},   {"--map-set", 2},   {"--to-destination", 1},
        {"--to-ports", 1}};
    const auto found = counts.find(option);
    if (found != counts.end()) {
        return found->second;
    }
    return printsQuotes(option) ? std::optional<std::size_t>(1) : std::nullopt;
}

std::optional<std::vector<IptablesOption>> iptablesOptions(std::string_view rule) {
    const auto tokens = saveTokens(rule);
    if (!tokens || tokens->empty() || (*tokens)[0].quoted || (*tokens)[0].text != "-A") {
        return std::nullopt;
    }
    std::vector<IptablesOption> out;
    bool negated = false;
    std::size_t values_left = 0;
    for (const auto& token : *tokens) {
        const bool is_value = values_left > 0;
        values_left -= is_value ? 1 : 0;
        if (!is_value && !token.quoted && token.text == "!" && !negated) {
            negated = true;
        } else if (!is_value && token.isOption()) {
            out.push_back({token.text, negated, {}, false});
            negated = false;
            values_left = valueCountOf(token.text).value_or(0);
        } else if (negated) {
            return std::nullopt;
        } else {
            out.back().values.push_back(token.text);
            out.back().quoted = out.back().quoted || token.quoted;
        }
    }
    return negated ? std::nullopt : std::optional(std::move(out));
}

}  // namespace lapwing::reach
