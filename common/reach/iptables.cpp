#include <algorithm>
#include <charconv>

#include "common/reach/model.h"

namespace lapwing::reach {

namespace {

struct Token {
    std::string text;
    bool quoted = false;

    bool isOption() const { return !quoted && text.size() > 1 && text[0] == '-'; }
};

std::vector<Token> tokensOf(std::string_view line) {
    std::vector<Token> out;
    std::size_t at = 0;
    while ((at = line.find_first_not_of(' ', at)) != std::string_view::npos) {
        Token token;
        token.quoted = line[at] == '"';
        if (token.quoted) {
            for (++at; at < line.size() && line[at] != '"'; ++at) {
                at += line[at] == '\\' && at + 1 < line.size() ? 1 : 0;
                token.text += line[at];
            }
            ++at;
        } else {
            const auto end = std::min(line.find(' ', at), line.size());
            token.text = line.substr(at, end - at);
            at = end;
        }
        out.push_back(std::move(token));
    }
    return out;
}

/// An option of a rule with what follows it: `! --dport 22`.
struct Option {
    std::string name;
    bool negated = false;
    std::vector<std::string> values;

    std::string value() const { return values.empty() ? "" : values[0]; }
};

std::vector<Option> optionsOf(const std::vector<Token>& tokens) {
    std::vector<Option> out;
    bool negated = false;
    for (const auto& token : tokens) {
        if (!token.quoted && token.text == "!") {
            negated = true;
        } else if (token.isOption()) {
            out.push_back({token.text, negated, {}});
            negated = false;
        } else if (!out.empty()) {
            out.back().values.push_back(token.text);
        }
    }
    return out;
}

std::vector<std::string> listed(const std::string& text, char separator) {
    std::vector<std::string> out;
    std::size_t at = 0;
    while (at <= text.size()) {
        const auto end = std::min(text.find(separator, at), text.size());
        out.push_back(text.substr(at, end - at));
        at = end + 1;
    }
    return out;
}

std::optional<std::uint64_t> numberOf(const std::string& text) {
    std::uint64_t number = 0;
    const bool hex = text.starts_with("0x");
    const auto* begin = text.data() + (hex ? 2 : 0);
    const auto [end, error] = std::from_chars(begin, text.data() + text.size(), number, hex ? 16 : 10);
    return error == std::errc() && end == text.data() + text.size() ? std::optional(number) : std::nullopt;
}

std::string lower(std::string text) {
    std::transform(text.begin(), text.end(), text.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return text;
}

Statement matchOf(FieldKind kind, const Option& option, std::vector<Term> terms) {
    Statement statement;
    statement.fields.push_back({kind, std::nullopt, option.name});
    statement.op = option.negated ? Operator::not_equal : Operator::equal;
    statement.text = option.name;
    for (auto& term : terms) {
        statement.data.elements.push_back({{std::move(term)}, false});
    }
    return statement;
}

Term numberTerm(std::optional<std::uint64_t> low, std::optional<std::uint64_t> high) {
    return low && high ? rangeTerm(keyOf(*low), keyOf(*high)) : Term{};
}

/// "22", "1024:65535", ":1023".
Term portTerm(const std::string& text) {
    constexpr std::uint64_t highest = 65535;
    const auto colon = text.find(':');
    if (colon == std::string::npos) {
        return numberTerm(numberOf(text), numberOf(text));
    }
    const auto low = text.substr(0, colon);
    const auto high = text.substr(colon + 1);
    return numberTerm(low.empty() ? 0 : numberOf(low), high.empty() ? highest : numberOf(high));
}

std::vector<Term> portTerms(const std::string& list) {
    std::vector<Term> out;
    for (const auto& one : listed(list, ',')) {
        out.push_back(portTerm(one));
    }
    return out;
}

std::vector<Term> namedTerms(FieldKind kind, const std::string& list) {
    std::vector<Term> out;
    for (const auto& one : listed(list, ',')) {
        const auto key = symbol(kind, lower(one));
        out.push_back(key ? rangeTerm(*key, *key) : Term{});
    }
    return out;
}

/// One rule of a save.
class RuleReader {
  public:
    RuleReader(bool v6, const Table& table, Ruleset::Model& model) : v6_(v6), table_(table), model_(model) {}

    std::vector<Statement> read(const std::vector<Option>& options) {
        for (const auto& option : options) {
            option_ = &option;
            if (target_.empty()) {
                matchOption();
            } else {
                target_options_[option.name] = option.value();
            }
        }
        finishMatch();
        finishTarget();
        return std::move(out_);
    }

  private:
    void add(Statement statement) { out_.push_back(std::move(statement)); }
    void unknown() { add(unknownMatch(module_ + " " + option_->name)); }

    void matchOption() {
        const auto& name = option_->name;
        const auto value = option_->value();
        if (name == "-A") {
            return;
        }
        if (name == "-m") {
            finishMatch();
            module_ = value;
            enterModule();
            return;
        }
        if (name == "-j" || name == "-g") {
            target_ = value;
            goes_ = name == "-g";
            return;
        }
        if (name == "-s" || name == "-d") {
            add(address(name == "-s" ? source() : destination(), value));
        } else if (name == "-i" || name == "-o") {
            Term term;
            term.kind = Term::Kind::name;
            term.name = value.ends_with('+') ? value.substr(0, value.size() - 1) + "*" : value;
            add(matchOf(name == "-i" ? FieldKind::interface_in : FieldKind::interface_out, *option_, {term}));
        } else if (name == "-p") {
            const auto key = symbol(FieldKind::transport, lower(value));
            add(matchOf(FieldKind::transport, *option_,
                        {key ? rangeTerm(*key, *key) : numberTerm(numberOf(value), numberOf(value))}));
        } else if (name == "-f") {
            add(fixedAnswer(option_->negated, ""));
        } else if (!moduleOption(value)) {
            unknown();
        }
    }

    void enterModule() {
        static const std::set<std::string> headers{"icmp", "icmp6", "rt",  "frag", "hbh",
                                                   "dst",  "ah",    "esp", "sctp", "dccp"};
        static const std::set<std::string> known{
            "comment", "tcp",  "udp",   "multiport", "conntrack", "state",  "addrtype", "pkttype",
            "iprange", "mark", "limit", "hashlimit", "connlimit", "recent", "rpfilter"};
        absent_ = headers.contains(module_);
        unknown_ = !absent_ && !known.contains(module_);
        if (absent_) {
            add(matchOf(FieldKind::other_protocol, *option_, {}));
        } else if (unknown_) {
            add(unknownMatch("match " + module_));
        }
    }

    FieldKind source() const { return v6_ ? FieldKind::ip6_source : FieldKind::ip_source; }
    FieldKind destination() const { return v6_ ? FieldKind::ip6_destination : FieldKind::ip_destination; }

    /// "10.0.0.0/8", "10.0.0.1", and "10.0.0.1/255.0.0.255", which is no network.
    Statement address(FieldKind kind, const std::string& value) const {
        const auto range = AddressRange::parse(value);
        return matchOf(kind, *option_, {range ? rangeTerm(range->low, range->high) : Term{}});
    }

    bool moduleOption(const std::string& value) {
        const auto& name = option_->name;
        if (module_ == "comment" || absent_ || unknown_) {
            return true;
        }
        if (module_ == "tcp" || module_ == "udp" || module_ == "multiport") {
            return portOption(value);
        }
        if (module_ == "conntrack" || module_ == "state") {
            return stateOption(value);
        }
        if (module_ == "addrtype" && name == "--dst-type") {
            add(matchOf(FieldKind::fib_destination_type, *option_,
                        namedTerms(FieldKind::fib_destination_type, value)));
            return true;
        }
        if (module_ == "pkttype") {
            add(matchOf(FieldKind::packet_type, *option_, namedTerms(FieldKind::packet_type, value)));
            return true;
        }
        if (module_ == "iprange" && (name == "--src-range" || name == "--dst-range")) {
            const auto ends = listed(value, '-');
            const auto low = Address::parse(ends[0]);
            const auto high = Address::parse(ends.back());
            add(matchOf(name == "--src-range" ? source() : destination(), *option_,
                        {low && high ? rangeTerm(low->key, high->key) : Term{}}));
            return true;
        }
        if (module_ == "mark" && name == "--mark") {
            const auto parts = listed(value, '/');
            auto statement =
                matchOf(FieldKind::mark, *option_, {numberTerm(numberOf(parts[0]), numberOf(parts[0]))});
            if (const auto mask = numberOf(parts.back()); parts.size() > 1 && mask) {
                statement.fields[0].mask = keyOf(*mask);
            }
            add(std::move(statement));
            return true;
        }
        if (module_ == "limit" || module_ == "hashlimit" || module_ == "connlimit" || module_ == "recent" ||
            module_ == "rpfilter") {
            module_options_[name] = value;
            return true;
        }
        return false;
    }

    bool portOption(const std::string& value) {
        const auto& name = option_->name;
        if (name == "--dport" || name == "--dports") {
            add(matchOf(FieldKind::any_destination_port, *option_, portTerms(value)));
        } else if (name == "--sport" || name == "--sports") {
            add(matchOf(FieldKind::any_source_port, *option_, portTerms(value)));
        } else if (name == "--tcp-flags" && option_->values.size() == 2) {
            add(flags(option_->values[0], option_->values[1]));
        } else if (name == "--syn") {
            add(flags("FIN,SYN,RST,ACK", "SYN"));
        } else {
            return false;
        }
        return true;
    }

    Statement flags(const std::string& examined, const std::string& set) const {
        const auto bits = [](const std::string& list) {
            std::uint64_t out = 0;
            for (const auto& one : listed(list, ',')) {
                const auto key = symbol(FieldKind::tcp_flags, lower(one));
                out |= lower(one) == "all" ? 0x3fU : key ? (*key)[15] : 0U;
            }
            return out;
        };
        auto statement = matchOf(FieldKind::tcp_flags, *option_, {numberTerm(bits(set), bits(set))});
        statement.fields[0].mask = keyOf(bits(examined));
        return statement;
    }

    bool stateOption(const std::string& value) {
        const auto& name = option_->name;
        if (name == "--ctdir") {
            add(matchOf(FieldKind::ct_direction, *option_, namedTerms(FieldKind::ct_direction, value)));
            return true;
        }
        if (name != "--ctstate" && name != "--state") {
            return false;
        }
        if (value == "DNAT" && !option_->negated) {
            auto statement = matchOf(FieldKind::ct_status, *option_, namedTerms(FieldKind::ct_status, value));
            statement.op = Operator::any_bit;
            add(std::move(statement));
            return true;
        }
        add(matchOf(FieldKind::ct_state, *option_, namedTerms(FieldKind::ct_state, value)));
        return true;
    }

    bool has(const char* option) const { return module_options_.contains(option); }

    /// Modules whose options mean something together only.
    void finishMatch() {
        if (module_options_.empty()) {
            return;
        }
        const Option whole{"", false, {}};
        option_ = &whole;
        if (module_ == "limit" || has("--hashlimit-upto")) {
            add(fixedAnswer(true, "within its rate limit"));
        } else if (has("--hashlimit-above")) {
            add(fixedAnswer(false, "within its rate limit"));
        } else if (has("--connlimit-upto")) {
            add(fixedAnswer(true, "within its count of connections"));
        } else if (has("--connlimit-above") && module_options_["--connlimit-above"] != "0") {
            add(fixedAnswer(false, "within its count of connections"));
        } else if (module_ == "recent" && has("--set")) {
            add(fixedAnswer(true, ""));
        } else if (module_ == "recent" && numberOf(module_options_["--hitcount"]).value_or(0) > 1) {
            add(fixedAnswer(false, "within its count of recent packets"));
        } else if (module_ == "rpfilter") {
            add(fixedAnswer(!has("--invert"),
                            "the source is routed back by the interface on which it arrives"));
        } else {
            unknown();
        }
        module_options_.clear();
    }

    void finishTarget() {
        static const std::map<std::string, Action> actions{
            {"ACCEPT", Action::accept},  {"DROP", Action::drop},   {"REJECT", Action::reject},
            {"RETURN", Action::return_}, {"QUEUE", Action::queue}, {"NFQUEUE", Action::queue}};
        static const std::set<std::string> neutral{
            "LOG", "NFLOG",    "ULOG",     "TRACE", "AUDIT", "TCPMSS", "TCPOPTSTRIP", "DSCP",
            "TOS", "CLASSIFY", "CHECKSUM", "TTL",   "HL",    "SET",    "SECMARK",     "CONNSECMARK"};
        if (target_.empty() || neutral.contains(target_)) {
            return;
        }
        if (table_.chains.contains(target_)) {
            add(decisionOf(goes_ ? Action::go_to : Action::jump, target_));
        } else if (const auto action = actions.find(target_); action != actions.end()) {
            add(decisionOf(action->second));
        } else if (target_ == "MARK" || target_ == "CONNMARK") {
            model_.sets_marks = true;
        } else if (target_ == "CT" || target_ == "NOTRACK") {
            model_.untracks =
                model_.untracks || target_ == "NOTRACK" || target_options_.contains("--notrack");
        } else if (target_ == "SNAT" || target_ == "MASQUERADE") {
            Statement statement;
            statement.kind = Statement::Kind::translate_source;
            add(std::move(statement));
        } else if (target_ == "DNAT" || target_ == "REDIRECT") {
            add(translation());
        } else {
            Statement statement;
            statement.kind = Statement::Kind::unknown_effect;
            statement.text = "target " + target_;
            add(std::move(statement));
        }
    }

    /// "10.0.0.2:80", "10.0.0.2", "[fd00::2]:80", ":80".
    Statement translation() const {
        Statement statement;
        statement.kind = Statement::Kind::translate;
        statement.text = target_;
        auto& target = statement.target;
        target.redirects = target_ == "REDIRECT";
        const auto find = [&](const char* name) {
            const auto found = target_options_.find(name);
            return found == target_options_.end() ? std::string() : found->second;
        };
        auto address = find("--to-destination");
        auto port = find("--to-ports");
        if (address.starts_with('[')) {
            const auto end = std::min(address.find(']'), address.size());
            port = address.substr(std::min(end + 1, address.size()));
            address = address.substr(1, end - 1);
        } else if (std::count(address.begin(), address.end(), ':') == 1) {
            port = address.substr(address.find(':'));
            address = address.substr(0, address.find(':'));
        }
        port = port.starts_with(':') ? port.substr(1) : port;
        if (!address.empty()) {
            target.address = Address::parse(address);
            target.unknown = !target.address;
        }
        if (!port.empty()) {
            const auto number = numberOf(port);
            target.unknown = target.unknown || !number || *number > 65535;
            target.port = static_cast<std::uint16_t>(number.value_or(0));
        }
        return statement;
    }

    const bool v6_;
    const Table& table_;
    Ruleset::Model& model_;
    const Option* option_ = nullptr;
    std::string module_;
    bool absent_ = false;   ///< the module looks at a header that no packet here has
    bool unknown_ = false;  ///< nothing is known of the module
    std::map<std::string, std::string> module_options_;
    std::string target_;
    bool goes_ = false;
    std::map<std::string, std::string> target_options_;
    std::vector<Statement> out_;
};

struct BaseChain {
    const char* table;
    const char* chain;
    const char* type;
    const char* hook;
    int priority;
};

// NF_IP_PRI_* of linux/netfilter_ipv4.h; IPv6 has the same.
constexpr BaseChain kBaseChains[] = {
    {"raw", "PREROUTING", "filter", "prerouting", -300},
    {"raw", "OUTPUT", "filter", "output", -300},
    {"mangle", "PREROUTING", "filter", "prerouting", -150},
    {"mangle", "INPUT", "filter", "input", -150},
    {"mangle", "FORWARD", "filter", "forward", -150},
    {"mangle", "OUTPUT", "filter", "output", -150},
    {"mangle", "POSTROUTING", "filter", "postrouting", -150},
    {"nat", "PREROUTING", "nat", "prerouting", -100},
    {"nat", "INPUT", "nat", "input", 100},
    {"nat", "OUTPUT", "nat", "output", -100},
    {"nat", "POSTROUTING", "nat", "postrouting", 100},
    {"filter", "INPUT", "filter", "input", 0},
    {"filter", "FORWARD", "filter", "forward", 0},
    {"filter", "OUTPUT", "filter", "output", 0},
    {"security", "INPUT", "filter", "input", 50},
    {"security", "FORWARD", "filter", "forward", 50},
    {"security", "OUTPUT", "filter", "output", 50},
};

void declareChain(std::string_view line, Table& table) {
    const auto tokens = tokensOf(line.substr(1));
    if (tokens.empty()) {
        return;
    }
    const auto& name = tokens[0].text;
    auto& chain = table.chains[name];
    chain.place = table.label + " " + name;
    for (const auto& known : kBaseChains) {
        if (table.name == known.table && name == known.chain) {
            chain.base = true;
            chain.type = known.type;
            chain.hook = known.hook;
            chain.priority = known.priority;
            chain.drops_by_default = tokens.size() > 1 && tokens[1].text == "DROP";
            table.base_chains.push_back(name);
        }
    }
}

/// The tables of a save, each with its rules.
std::vector<Table> tablesOf(std::string_view save, const std::string& family, bool legacy,
                            Ruleset::Model& model) {
    std::vector<Table> out;
    while (!save.empty()) {
        const auto end = std::min(save.find('\n'), save.size());
        const auto line = save.substr(0, end);
        save.remove_prefix(std::min(end + 1, save.size()));
        if (line.starts_with('*')) {
            Table table;
            table.family = family;
            table.name = line.substr(1);
            table.label = (legacy ? "legacy " : "") + family + " " + table.name;
            out.push_back(std::move(table));
        } else if (line.starts_with(':') && !out.empty()) {
            declareChain(line, out.back());
        } else if (line.starts_with("-A ") && !out.empty()) {
            auto& table = out.back();
            const auto options = optionsOf(tokensOf(line));
            auto& chain = table.chains[options.empty() ? "" : options[0].value()];
            Rule rule;
            rule.place = chain.place + " rule " + std::to_string(chain.rules.size() + 1);
            rule.text = line;
            rule.statements = RuleReader(family == "ip6", table, model).read(options);
            chain.rules.push_back(std::move(rule));
        }
    }
    return out;
}

/// Both listings name the same rules: those of the save get the handles by which nft knows them.
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

void addIptablesSave(std::string_view save, const std::string& family, bool legacy, Ruleset::Model& model) {
    for (auto& table : tablesOf(save, family, legacy, model)) {
        if (legacy) {
            model.tables.push_back(std::move(table));
            continue;
        }
        for (auto& listed : model.tables) {
            if (listed.has_xt && listed.family == family && listed.name == table.name) {
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
