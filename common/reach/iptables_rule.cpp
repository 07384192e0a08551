#include "common/reach/iptables_rule.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "common/reach/iptables_save.h"
#include "common/text.h"

namespace lapwing::reach {

namespace {

Statement matchOf(FieldKind kind, const IptablesOption& option, std::vector<Term> terms) {
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
        return numberTerm(saveNumber(text), saveNumber(text));
    }
    const auto low = text.substr(0, colon);
    const auto high = text.substr(colon + 1);
    return numberTerm(low.empty() ? 0 : saveNumber(low), high.empty() ? highest : saveNumber(high));
}

std::vector<Term> portTerms(const std::string& list) {
    std::vector<Term> out;
    for (const auto& one : saveList(list, ',')) {
        out.push_back(portTerm(one));
    }
    return out;
}

std::vector<Term> namedTerms(FieldKind kind, const std::string& list) {
    std::vector<Term> out;
    for (const auto& one : saveList(list, ',')) {
        const auto key = symbol(kind, lower(one));
        out.push_back(key ? rangeTerm(*key, *key) : Term{});
    }
    return out;
}

/// Reads one rule of a save.
class RuleReader {
  public:
    RuleReader(Family family, const Table& table, Ruleset::Model& model)
        : family_(family), table_(table), model_(model) {}

    std::optional<std::vector<Statement>> read(const std::vector<IptablesOption>& options) {
        for (std::size_t i = 1; i < options.size(); ++i) {
            option_ = &options[i];
            if (!isWellFormed()) {
                return std::nullopt;
            }
            if (target_.name.empty()) {
                matchOption();
            } else {
                target_.options[option_->name] = option_->value();
            }
        }
        finishMatch();
        if (auto statement = targetStatement(target_, table_)) {
            add(std::move(*statement));
        }
        return std::move(out_);
    }

  private:
    /// Whether iptables-save prints the option at this place, with so many values. An argument in quotes may
    /// hold whole rules, so it counts only where the module prints quotes.
    bool isWellFormed() const {
        static const std::set<std::string> without_options{"ACCEPT", "DROP", "RETURN", "QUEUE"};
        const auto& option = *option_;
        if (option.quoted && !printsQuotes(option.name)) {
            return false;
        }
        const auto count = valueCountOf(option.name);
        if (count && option.values.size() != *count) {
            return false;
        }
        if (!option.name.starts_with("--")) {
            return target_.name.empty() && count.has_value();
        }
        return target_.name.empty()
                   ? !module_.empty()
                   : !without_options.contains(target_.name) && !table_.chains.contains(target_.name);
    }

    void add(Statement statement) { out_.push_back(std::move(statement)); }
    void unknown() { add(unknownMatch(module_ + " " + option_->name)); }

    void matchOption() {
        const auto& name = option_->name;
        const auto value = option_->value();
        if (name == "-m") {
            finishMatch();
            module_ = value;
            enterModule();
            return;
        }
        if (name == "-j" || name == "-g") {
            target_.name = value;
            target_.is_goto = name == "-g";
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
                        {key ? rangeTerm(*key, *key) : numberTerm(saveNumber(value), saveNumber(value))}));
        } else if (name == "-f") {
            add(fixedAnswer(option_->negated, ""));
        } else if (!moduleOption(value)) {
            unknown();
        }
    }

    void enterModule() {
        static const std::set<std::string> headers{"icmp", "rt",  "frag", "hbh", "dst",
                                                   "ah",   "esp", "sctp", "dccp"};
        static const std::set<std::string> known{
            "comment",  "tcp",      "udp",   "multiport", "conntrack", "state",     "addrtype",
            "pkttype",  "iprange",  "mark",  "limit",     "hashlimit", "connlimit", "recent",
            "rpfilter", "connmark", "icmp6", "hl",        "ttl",       "tcpmss",    "set"};
        absent_ = headers.contains(module_);
        unknown_ = !absent_ && !known.contains(module_);
        if (absent_) {
            add(matchOf(FieldKind::other_protocol, *option_, {}));
        } else if (unknown_) {
            add(unknownMatch("match " + module_));
        }
    }

    FieldKind source() const {
        return family_ == Family::ipv6 ? FieldKind::ip6_source : FieldKind::ip_source;
    }
    FieldKind destination() const {
        return family_ == Family::ipv6 ? FieldKind::ip6_destination : FieldKind::ip_destination;
    }

    /// "10.0.0.0/8", "10.0.0.1", and "10.0.0.1/255.0.0.255", which is no network.
    Statement address(FieldKind kind, const std::string& value) const {
        const auto range = AddressRange::parse(value);
        return matchOf(kind, *option_, {range ? rangeTerm(range->low, range->high) : Term{}});
    }

    /// `--match-set NAME src`; sets of several dimensions and unread sets are unknown.
    Statement ofSet() const {
        const auto found = model_.ipsets.find(option_->values[0]);
        const auto& side = option_->values[1];
        if (found == model_.ipsets.end() || found->second.family != family_ ||
            (side != "src" && side != "dst")) {
            return unknownMatch("the set " + option_->values[0]);
        }
        auto statement = matchOf(side == "src" ? source() : destination(), *option_, {});
        statement.text = "the set " + option_->values[0];
        statement.data.index = found->second.addresses;
        return statement;
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
        if (module_ == "addrtype") {
            return addressTypeOption(value);
        }
        if (module_ == "icmp6" && name == "--icmpv6-type") {
            const auto key = symbol(FieldKind::icmpv6_type, value);
            const auto type = key ? std::optional<std::uint64_t>((*key)[15]) : saveNumber(value);
            add(matchOf(FieldKind::icmpv6_type, *option_, {numberTerm(type, type)}));
            return true;
        }
        if ((module_ == "hl" && name.starts_with("--hl-")) ||
            (module_ == "ttl" && name.starts_with("--ttl-"))) {
            add(matchOf(module_ == "hl" ? FieldKind::ip6_hop_limit : FieldKind::ip_ttl, *option_,
                        {hopsTerm(name.substr(name.size() - 3), value)}));
            return true;
        }
        if (module_ == "tcpmss" && name == "--mss") {
            add(matchOf(FieldKind::tcp_segment_size, *option_, {portTerm(value)}));
            return true;
        }
        if (module_ == "set" && name == "--match-set") {
            add(ofSet());
            return true;
        }
        if (module_ == "pkttype") {
            add(matchOf(FieldKind::packet_type, *option_, namedTerms(FieldKind::packet_type, value)));
            return true;
        }
        if (module_ == "iprange" && (name == "--src-range" || name == "--dst-range")) {
            const auto ends = saveList(value, '-');
            const auto low = Address::parse(ends[0]);
            const auto high = Address::parse(ends.back());
            add(matchOf(name == "--src-range" ? source() : destination(), *option_,
                        {low && high ? rangeTerm(low->key, high->key) : Term{}}));
            return true;
        }
        if ((module_ == "mark" || module_ == "connmark") && name == "--mark") {
            const auto parts = saveList(value, '/');
            auto statement = matchOf(module_ == "mark" ? FieldKind::mark : FieldKind::ct_mark, *option_,
                                     {numberTerm(saveNumber(parts[0]), saveNumber(parts[0]))});
            if (const auto mask = saveNumber(parts.back()); parts.size() > 1 && mask) {
                statement.fields[0].mask = keyOf(*mask);
            }
            add(std::move(statement));
            return true;
        }
        if (module_ == "limit" || module_ == "hashlimit" || module_ == "connlimit" || module_ == "recent" ||
            module_ == "rpfilter") {
            module_options_[option_->negated ? "!" : name] = value;
            return true;
        }
        return false;
    }

    bool addressTypeOption(const std::string& value) {
        const auto& name = option_->name;
        const auto kind = name == "--src-type"   ? FieldKind::fib_source_type
                          : name == "--dst-type" ? FieldKind::fib_destination_type
                                                 : FieldKind::unknown;
        if (kind != FieldKind::unknown) {
            add(matchOf(kind, *option_, namedTerms(kind, value)));
            return true;
        }
        const bool limits = name == "--limit-iface-in" && !out_.empty() && out_.back().fields.size() == 1 &&
                            out_.back().fields[0].kind == FieldKind::fib_destination_type;
        if (limits) {
            out_.back().fields[0].kind = FieldKind::fib_destination_type_here;
        }
        return limits;
    }

    /// `--ttl-eq 64`, `--hl-lt 255`, `--hl-gt 1`.
    static Term hopsTerm(const std::string& comparison, const std::string& value) {
        constexpr std::uint64_t most = 255;
        const auto number = saveNumber(value);
        if (!number || *number > most || (comparison == "-lt" && *number == 0)) {
            return {};
        }
        return comparison == "-eq"   ? numberTerm(number, number)
               : comparison == "-lt" ? numberTerm(0, *number - 1)
               : comparison == "-gt" ? numberTerm(*number + 1, most + 1)
                                     : Term{};
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
            for (const auto& one : saveList(list, ',')) {
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
        if (name == "--ctorigdst" || name == "--ctorigsrc") {
            add(address(
                name == "--ctorigdst" ? FieldKind::ct_original_destination : FieldKind::ct_original_source,
                value));
            return true;
        }
        if (name == "--ctorigdstport" || name == "--ctorigsrcport") {
            add(matchOf(name == "--ctorigdstport" ? FieldKind::ct_original_destination_port
                                                  : FieldKind::ct_original_source_port,
                        *option_, {portTerm(value)}));
            return true;
        }
        if (name == "--ctproto") {
            add(matchOf(FieldKind::transport, *option_, {numberTerm(saveNumber(value), saveNumber(value))}));
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

    /// "3/min" with a burst.
    Statement rateLimit(bool inverted, const char* rate, const char* burst) {
        static const std::map<std::string, std::string> units{
            {"min", "minute"}, {"hour", "hour"}, {"day", "day"}};
        const auto parts = saveList(module_options_[rate], '/');
        const auto unit = units.find(parts.back());
        return limitStatement(inverted, saveNumber(parts[0]).value_or(0),
                              unit == units.end() ? "" : unit->second,
                              saveNumber(module_options_[burst]).value_or(kDefaultBurst));
    }

    /// Ends a module whose options have a meaning only together.
    void finishMatch() {
        if (module_options_.empty()) {
            return;
        }
        const IptablesOption whole{"", false, {}};
        option_ = &whole;
        if (has("!")) {
            unknown();
        } else {
            addModule();
        }
        module_options_.clear();
    }

    void addModule() {
        if (module_ == "limit") {
            add(rateLimit(false, "--limit", "--limit-burst"));
        } else if (has("--hashlimit-upto")) {
            add(rateLimit(false, "--hashlimit-upto", "--hashlimit-burst"));
        } else if (has("--hashlimit-above")) {
            add(rateLimit(true, "--hashlimit-above", "--hashlimit-burst"));
        } else if (has("--connlimit-upto")) {
            add(fixedAnswer(true, "within its count of connections"));
        } else if (has("--connlimit-above") && module_options_["--connlimit-above"] != "0") {
            add(fixedAnswer(false, "within its count of connections"));
        } else if (module_ == "recent" && has("--set")) {
            add(fixedAnswer(true, ""));
        } else if (module_ == "recent" && saveNumber(module_options_["--hitcount"]).value_or(0) > 1) {
            add(fixedAnswer(false, "within its count of recent packets"));
        } else if (module_ == "rpfilter") {
            add(fixedAnswer(!has("--invert"),
                            "the source is routed back by the interface on which it arrives"));
        } else {
            unknown();
        }
    }

    const Family family_;
    const Table& table_;
    Ruleset::Model& model_;
    const IptablesOption* option_ = nullptr;
    std::string module_;
    bool absent_ = false;   ///< the module matches a header that packets of TCP and UDP lack
    bool unknown_ = false;  ///< the evaluation does not know the module
    std::map<std::string, std::string> module_options_;
    IptablesTarget target_;
    std::vector<Statement> out_;
};

}  // namespace

std::optional<std::vector<Statement>> readIptablesRule(const std::vector<IptablesOption>& options,
                                                       Family family, const Table& table,
                                                       Ruleset::Model& model) {
    return RuleReader(family, table, model).read(options);
}

}  // namespace lapwing::reach
