#include <algorithm>

#include "common/reach/iptables_rule.h"

namespace lapwing::reach {

namespace {

struct BaseChain {
    const char* table;
    const char* chain;
    ChainType type;
    Hook hook;
    int priority;
};

// NF_IP_PRI_* of linux/netfilter_ipv4.h; IPv6 has the same.
constexpr BaseChain kBaseChains[] = {
    {"raw", "PREROUTING", ChainType::filter, Hook::prerouting, -300},
    {"raw", "OUTPUT", ChainType::filter, Hook::output, -300},
    {"mangle", "PREROUTING", ChainType::filter, Hook::prerouting, -150},
    {"mangle", "INPUT", ChainType::filter, Hook::input, -150},
    {"mangle", "FORWARD", ChainType::filter, Hook::forward, -150},
    {"mangle", "OUTPUT", ChainType::filter, Hook::output, -150},
    {"mangle", "POSTROUTING", ChainType::filter, Hook::postrouting, -150},
    {"nat", "PREROUTING", ChainType::nat, Hook::prerouting, -100},
    {"nat", "INPUT", ChainType::nat, Hook::input, 100},
    {"nat", "OUTPUT", ChainType::nat, Hook::output, -100},
    {"nat", "POSTROUTING", ChainType::nat, Hook::postrouting, 100},
    {"filter", "INPUT", ChainType::filter, Hook::input, 0},
    {"filter", "FORWARD", ChainType::filter, Hook::forward, 0},
    {"filter", "OUTPUT", ChainType::filter, Hook::output, 0},
    {"security", "INPUT", ChainType::filter, Hook::input, 50},
    {"security", "FORWARD", ChainType::filter, Hook::forward, 50},
    {"security", "OUTPUT", ChainType::filter, Hook::output, 50},
};

void declareChain(std::string_view line, Table& table) {
    // ":INPUT DROP [0:0]"
    line.remove_prefix(1);
    const auto name = std::string(line.substr(0, line.find(' ')));
    if (name.empty()) {
        return;
    }
    line.remove_prefix(std::min(name.size() + 1, line.size()));
    auto& chain = table.chains[name];
    chain.place = table.label + " " + name;
    for (const auto& known : kBaseChains) {
        if (table.name == known.table && name == known.chain) {
            chain.base = true;
            chain.type = known.type;
            chain.hook = known.hook;
            chain.priority = known.priority;
            chain.policy = line.substr(0, line.find(' ')) == "DROP" ? Policy::drop : Policy::accept;
            table.base_chains.push_back(name);
        }
    }
}

/// The tables of a save, each with its rules.
std::vector<Table> tablesOf(std::string_view save, Family family, bool legacy, Ruleset::Model& model) {
    const auto table_family = family == Family::ipv4 ? TableFamily::ip : TableFamily::ip6;
    std::vector<Table> out;
    while (!save.empty()) {
        const auto end = std::min(save.find('\n'), save.size());
        const auto line = save.substr(0, end);
        save.remove_prefix(std::min(end + 1, save.size()));
        if (line.starts_with('*')) {
            Table table;
            table.family = table_family;
            table.name = line.substr(1);
            table.label =
                (legacy ? "legacy " : "") + std::string(tableFamilyName(table_family)) + " " + table.name;
            out.push_back(std::move(table));
        } else if (line.starts_with(':') && !out.empty()) {
            declareChain(line, out.back());
        } else if (line.starts_with("-A ") && !out.empty()) {
            auto& table = out.back();
            const auto options = iptablesOptions(line);
            auto& chain = table.chains[options.empty() ? "" : options[0].value()];
            Rule rule;
            rule.place = chain.place + " rule " + std::to_string(chain.rules.size() + 1);
            rule.text = line;
            rule.statements = readIptablesRule(options, family, table, model);
            table.sets_marks = table.sets_marks || setsMarks(rule);
            chain.rules.push_back(std::move(rule));
        }
    }
    return out;
}

/// Both listings hold the same rules: the rules of the save get nft's handles.
void takeHandles(const Table& listed, Table& saved) {
    for (auto& [name, chain] : saved.chains) {
        const auto same = listed.chains.find(name);
        if (same == listed.chains.end() || same->second.rules.size() != chain.rules.size()) {
            continue;
        }
        for (std::size_t i = 0; i < chain.rules.size(); ++i) {
            chain.rules[i].place = same->second.rules[i].place;
        }
    }
}

}  // namespace

void addIptablesSave(std::string_view save, Family family, bool legacy, Ruleset::Model& model) {
    for (auto& table : tablesOf(save, family, legacy, model)) {
        if (legacy) {
            model.tables.push_back(std::move(table));
            continue;
        }
        for (auto& listed : model.tables) {
            if (listed.has_xt && listed.family == table.family && listed.name == table.name) {
                takeHandles(listed, table);
                listed = std::move(table);
                break;
            }
        }
    }
}

std::string withoutCounters(std::string_view save) {
    std::string out;
    while (!save.empty()) {
        const auto end = std::min(save.find('\n'), save.size());
        auto line = save.substr(0, end);
        save.remove_prefix(std::min(end + 1, save.size()));
        if (line.starts_with('#')) {
            continue;
        }
        if (line.starts_with(':')) {
            line = line.substr(0, line.find(" ["));
        }
        out.append(line).append("\n");
    }
    return out;
}

}  // namespace lapwing::reach
