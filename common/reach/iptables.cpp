#include <algorithm>
#include <iterator>
#include <utility>

#include "common/reach/iptables_rule.h"
#include "common/reach/iptables_save.h"

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

/// The start of a text in one line, for a message.
std::string excerpt(std::string_view text) {
    constexpr std::size_t most = 80;
    std::string out(text.substr(0, most));
    std::replace_if(
        out.begin(), out.end(), [](char each) { return static_cast<unsigned char>(each) < ' '; }, ' ');
    return out + (text.size() > most ? "..." : "");
}

Chain& baseChain(Table& table, const BaseChain& known) {
    auto& chain = table.chains[known.chain];
    if (!chain.base) {
        chain.place = table.label + " " + known.chain;
        chain.base = true;
        chain.type = known.type;
        chain.hook = known.hook;
        chain.priority = known.priority;
        table.base_chains.emplace_back(known.chain);
    }
    return chain;
}

/// The table may do anything with any packet: each of its possible chains begins with an unknown effect.
void makeUnknown(Table& table, const std::string& reason, Ruleset::Model& model) {
    for (const auto& known : kBaseChains) {
        if (table.name != known.table) {
            continue;
        }
        auto& chain = baseChain(table, known);
        Rule rule;
        rule.place = chain.place;
        rule.statements.push_back(unknownEffect(reason));
        chain.rules.insert(chain.rules.begin(), std::move(rule));
    }
    table.sets_marks = true;
    model.untracks = model.untracks || table.name == "raw";
}

/// The tables of a save, each with its rules.
class SaveReader {
  public:
    SaveReader(Family family, bool legacy, Ruleset::Model& model)
        : family_(family),
          table_family_(family == Family::ipv4 ? TableFamily::ip : TableFamily::ip6),
          legacy_(legacy),
          model_(model) {}

    std::vector<Table> read(std::string_view save) {
        for (const auto& statement : saveStatements(save)) {
            if (statement.open) {
                distrustAll(statement.text);
                break;
            }
            readStatement(statement);
        }
        if (open_) {
            close("its save does not end with COMMIT");
        }
        return std::move(out_);
    }

  private:
    void readStatement(const SaveStatement& statement) {
        const auto& text = statement.text;
        bool understood = false;
        switch (statement.kind) {
            case SaveStatement::Kind::comment:
                return;
            case SaveStatement::Kind::table:
                if (open_) {
                    close("its save does not end with COMMIT");
                }
                openTable(text.substr(1));
                return;
            case SaveStatement::Kind::commit:
                if (open_) {
                    close("");
                    return;
                }
                break;
            case SaveStatement::Kind::chain:
                understood = open_ && declareChain(text, out_.back());
                break;
            case SaveStatement::Kind::rule:
                understood = open_ && readRule(text, out_.back());
                break;
            case SaveStatement::Kind::other:
                break;
        }
        if (!understood && open_) {
            why_ = why_.empty() ? "a line of its save is not understood: " + excerpt(text) : why_;
        } else if (!understood) {
            distrustAll(text);
        }
    }

    void openTable(std::string_view name) {
        Table table;
        table.family = table_family_;
        table.name = name;
        table.label =
            (legacy_ ? "legacy " : "") + std::string(tableFamilyName(table_family_)) + " " + table.name;
        const bool known = std::any_of(std::begin(kBaseChains), std::end(kBaseChains),
                                       [&](const BaseChain& each) { return name == each.table; });
        if (!known) {
            distrustAll("*" + table.name);
        }
        out_.push_back(std::move(table));
        open_ = true;
        why_.clear();
    }

    void close(const std::string& reason) {
        auto& table = out_.back();
        why_ = why_.empty() ? reason : why_;
        if (!why_.empty()) {
            makeUnknown(table, why_, model_);
        }
        open_ = false;
    }

    /// The save may hide or forge any rule of any table.
    void distrustAll(std::string_view text) {
        model_.unknowns.push_back("a line of iptables-save is not understood: " + excerpt(text));
        model_.translates = true;
    }

    /// ":INPUT DROP [0:0]", ":mine - [0:0]"
    static bool declareChain(std::string_view line, Table& table) {
        line.remove_prefix(1);
        const auto name = std::string(line.substr(0, line.find(' ')));
        line.remove_prefix(std::min(name.size() + 1, line.size()));
        const auto policy = line.substr(0, line.find(' '));
        if (name.empty() || table.chains.contains(name)) {
            return false;
        }
        for (const auto& known : kBaseChains) {
            if (table.name == known.table && name == known.chain) {
                baseChain(table, known).policy = policy == "DROP" ? Policy::drop : Policy::accept;
                return policy == "DROP" || policy == "ACCEPT";
            }
        }
        table.chains[name].place = table.label + " " + name;
        return policy == "-";
    }

    bool readRule(std::string_view line, Table& table) {
        const auto options = iptablesOptions(line);
        if (!options || options->empty() || (*options)[0].values.size() != 1) {
            return false;
        }
        const auto found = table.chains.find((*options)[0].value());
        if (found == table.chains.end()) {
            return false;
        }
        for (const auto& option : *options) {
            for (const auto& value : option.values) {
                if (value.find('\n') != std::string::npos) {
                    model_.broken_strings.push_back(value);
                }
            }
        }
        auto& chain = found->second;
        auto statements = readIptablesRule(*options, family_, table, model_);
        if (!statements) {
            return false;
        }
        Rule rule;
        rule.place = chain.place + " rule " + std::to_string(chain.rules.size() + 1);
        rule.text = line;
        std::replace(rule.text.begin(), rule.text.end(), '\n', ' ');
        rule.statements = std::move(*statements);
        table.sets_marks = table.sets_marks || setsMarks(rule);
        chain.rules.push_back(std::move(rule));
        return true;
    }

    const Family family_;
    const TableFamily table_family_;
    const bool legacy_;
    Ruleset::Model& model_;
    std::vector<Table> out_;
    bool open_ = false;  ///< the last table has not ended
    std::string why_;    ///< the last table is unknown
};

std::size_t ruleCount(const Table& table) {
    std::size_t count = 0;
    for (const auto& [name, chain] : table.chains) {
        count += chain.rules.size();
    }
    return count;
}

/// Both listings hold the same rules: the rules of the save get nft's handles. False where the listings
/// differ: then the rules have changed in between, or something in the save only looks like a rule.
bool takeHandles(const Table& listed, Table& saved) {
    bool same = ruleCount(listed) == ruleCount(saved);
    for (auto& [name, chain] : saved.chains) {
        const auto found = listed.chains.find(name);
        if (found == listed.chains.end()) {
            continue;
        }
        if (found->second.rules.size() != chain.rules.size()) {
            same = false;
            continue;
        }
        for (std::size_t i = 0; i < chain.rules.size(); ++i) {
            chain.rules[i].place = found->second.rules[i].place;
        }
    }
    return same;
}

}  // namespace

void addIptablesSave(std::string_view save, Family family, bool legacy, Ruleset::Model& model) {
    for (auto& table : SaveReader(family, legacy, model).read(save)) {
        if (legacy) {
            model.tables.push_back(std::move(table));
            continue;
        }
        for (auto& listed : model.tables) {
            if (listed.has_xt && listed.family == table.family && listed.name == table.name) {
                if (!takeHandles(listed, table)) {
                    makeUnknown(table, "nft and iptables-save list different rules", model);
                }
                listed = std::move(table);
                break;
            }
        }
    }
}

}  // namespace lapwing::reach
