#include <rapidjson/document.h>

#include <algorithm>

#include "common/reach/model.h"

namespace lapwing::reach {

namespace {

using Json = rapidjson::Value;

const Json* member(const Json& json, const char* name) {
    if (!json.IsObject()) {
        return nullptr;
    }
    const auto found = json.FindMember(name);
    return found == json.MemberEnd() ? nullptr : &found->value;
}

std::string text(const Json* json) {
    return json != nullptr && json->IsString() ? std::string(json->GetString(), json->GetStringLength()) : "";
}

std::string text(const Json& json, const char* name) {
    return text(member(json, name));
}

/// The one member of an object such as {"match": ...}.
std::pair<std::string, const Json*> only(const Json& json) {
    if (!json.IsObject() || json.MemberCount() != 1) {
        return {"", nullptr};
    }
    const auto entry = json.MemberBegin();
    return {std::string(entry->name.GetString(), entry->name.GetStringLength()), &entry->value};
}

Field payloadField(const Json& json) {
    const auto protocol = text(json, "protocol");
    const auto name = text(json, "field");
    Field field;
    field.text = protocol + " " + name;
    struct Known {
        const char* protocol;
        const char* name;
        FieldKind kind;
    };
    static constexpr Known known_fields[] = {
        {"ip", "saddr", FieldKind::ip_source},
        {"ip", "daddr", FieldKind::ip_destination},
        {"ip", "protocol", FieldKind::ip_protocol},
        {"ip", "version", FieldKind::ip_version},
        {"ip6", "saddr", FieldKind::ip6_source},
        {"ip6", "daddr", FieldKind::ip6_destination},
        {"ip6", "nexthdr", FieldKind::ip6_next_header},
        {"tcp", "sport", FieldKind::tcp_source_port},
        {"tcp", "dport", FieldKind::tcp_destination_port},
        {"tcp", "flags", FieldKind::tcp_flags},
        {"udp", "sport", FieldKind::udp_source_port},
        {"udp", "dport", FieldKind::udp_destination_port},
        {"th", "sport", FieldKind::any_source_port},
        {"th", "dport", FieldKind::any_destination_port},
    };
    for (const auto& known : known_fields) {
        if (protocol == known.protocol && name == known.name) {
            field.kind = known.kind;
            return field;
        }
    }
    static constexpr const char* other_protocols[] = {"icmp",    "icmpv6", "igmp", "sctp", "dccp",
                                                      "udplite", "esp",    "ah",   "comp", "arp"};
    if (std::find(std::begin(other_protocols), std::end(other_protocols), protocol) !=
        std::end(other_protocols)) {
        field.kind = FieldKind::other_protocol;
    }
    return field;
}

Field metaField(const Json& json) {
    const auto key = text(json, "key");
    Field field;
    field.text = "meta " + key;
    if (key == "iif" || key == "iifname") {
        field.kind = FieldKind::interface_in;
    } else if (key == "oif" || key == "oifname") {
        field.kind = FieldKind::interface_out;
    } else if (key == "l4proto") {
        field.kind = FieldKind::transport;
    } else if (key == "nfproto") {
        field.kind = FieldKind::nf_protocol;
    } else if (key == "protocol") {
        field.kind = FieldKind::ether_type;
    } else if (key == "mark") {
        field.kind = FieldKind::mark;
    } else if (key == "pkttype") {
        field.kind = FieldKind::packet_type;
    }
    return field;
}

Field ctField(const Json& json) {
    const auto key = text(json, "key");
    Field field;
    field.text = "ct " + key;
    if (key == "state") {
        field.kind = FieldKind::ct_state;
    } else if (key == "status") {
        field.kind = FieldKind::ct_status;
    } else if (key == "direction") {
        field.kind = FieldKind::ct_direction;
    } else if (key == "mark") {
        field.kind = FieldKind::ct_mark;
    }
    return field;
}

Field fibField(const Json& json) {
    const auto result = text(json, "result");
    Field field;
    field.text = "fib " + result;
    std::vector<std::string> flags;
    if (const auto* list = member(json, "flags")) {
        if (list->IsString()) {
            flags.push_back(text(list));
        } else if (list->IsArray()) {
            for (const auto& flag : list->GetArray()) {
                flags.push_back(text(&flag));
            }
        }
    }
    if (result == "type" && !flags.empty() && flags[0] == "daddr") {
        field.kind = FieldKind::fib_destination_type;
    } else if ((result == "oif" || result == "oifname") && !flags.empty() && flags[0] == "saddr") {
        field.kind = FieldKind::fib_source_route;
    }
    return field;
}

bool isAddress(FieldKind kind) {
    return kind == FieldKind::ip_source || kind == FieldKind::ip_destination ||
           kind == FieldKind::ip6_source || kind == FieldKind::ip6_destination;
}

bool isIpv6(FieldKind kind) {
    return kind == FieldKind::ip6_source || kind == FieldKind::ip6_destination;
}

Term unknownTerm() {
    return {};
}

Term rangeTerm(const Key& low, const Key& high) {
    Term term;
    term.kind = Term::Kind::range;
    term.range = {low, high};
    return term;
}

std::optional<Key> scalarKey(FieldKind kind, const Json& json) {
    if (json.IsBool()) {
        return keyOf(json.GetBool() ? 1 : 0);
    }
    if (json.IsUint64()) {
        return keyOf(json.GetUint64());
    }
    if (!json.IsString()) {
        return std::nullopt;
    }
    if (isAddress(kind)) {
        const auto address = Address::parse(text(&json));
        if (!address || (address->family == Family::ipv6) != isIpv6(kind)) {
            return std::nullopt;
        }
        return address->key;
    }
    return symbol(kind, text(&json));
}

/// Bits given as one name, one number, or a list of names.
std::optional<Key> bitsKey(FieldKind kind, const Json& json) {
    if (!json.IsArray()) {
        const auto [name, inner] = only(json);
        if (inner != nullptr && name == "|" && inner->IsArray()) {
            return bitsKey(kind, *inner);
        }
        return scalarKey(kind, json);
    }
    Key bits{};
    for (const auto& item : json.GetArray()) {
        const auto one = scalarKey(kind, item);
        if (!one) {
            return std::nullopt;
        }
        for (std::size_t i = 0; i < bits.size(); ++i) {
            bits[i] = static_cast<std::uint8_t>(bits[i] | (*one)[i]);
        }
    }
    return bits;
}

Term parseTerm(const Field& field, const Json& json) {
    if (json.IsString() && text(&json) == "*") {
        Key highest{};
        highest.fill(0xff);
        auto term = rangeTerm(Key{}, highest);
        if (field.kind == FieldKind::interface_in) {
            term.kind = Term::Kind::name;
            term.name = "*";
        }
        return term;
    }
    if (field.kind == FieldKind::interface_in || field.kind == FieldKind::interface_out) {
        Term term;
        if (json.IsString()) {
            term.kind = Term::Kind::name;
            term.name = text(&json);
        }
        return term;
    }
    if (json.IsArray()) {
        const auto bits = bitsKey(field.kind, json);
        return bits ? rangeTerm(*bits, *bits) : unknownTerm();
    }
    const auto [form, inner] = only(json);
    if (inner == nullptr) {
        const auto key = scalarKey(field.kind, json);
        return key ? rangeTerm(*key, *key) : unknownTerm();
    }
    if (form == "prefix" && isAddress(field.kind)) {
        const auto address = Address::parse(text(*inner, "addr"));
        const auto* length = member(*inner, "len");
        if (address && length != nullptr && length->IsUint() &&
            (address->family == Family::ipv6) == isIpv6(field.kind)) {
            const auto network = AddressRange::prefix(*address, length->GetUint());
            return rangeTerm(network.low, network.high);
        }
        return unknownTerm();
    }
    if (form == "range" && inner->IsArray() && inner->Size() == 2) {
        const auto low = scalarKey(field.kind, (*inner)[0]);
        const auto high = scalarKey(field.kind, (*inner)[1]);
        return low && high && *low <= *high ? rangeTerm(*low, *high) : unknownTerm();
    }
    if (form == "|") {
        const auto bits = bitsKey(field.kind, json);
        return bits ? rangeTerm(*bits, *bits) : unknownTerm();
    }
    return unknownTerm();
}

Element parseElement(const std::vector<Field>& fields, const Json& json) {
    Element element;
    const Json* value = &json;
    if (const auto* wrapped = member(json, "elem")) {
        element.timed = member(*wrapped, "expires") != nullptr || member(*wrapped, "timeout") != nullptr;
        if (const auto* inner = member(*wrapped, "val")) {
            value = inner;
        }
    }
    if (fields.size() == 1) {
        element.parts.push_back(parseTerm(fields[0], *value));
        return element;
    }
    const auto* parts = member(*value, "concat");
    const bool fits = parts != nullptr && parts->IsArray() && parts->Size() == fields.size();
    for (std::size_t i = 0; i < fields.size(); ++i) {
        element.parts.push_back(fits ? parseTerm(fields[i], (*parts)[static_cast<rapidjson::SizeType>(i)])
                                     : unknownTerm());
    }
    return element;
}

Field parseField(const Json& json) {
    const auto [form, inner] = only(json);
    if (inner == nullptr) {
        return {};
    }
    if (form == "payload") {
        return payloadField(*inner);
    }
    if (form == "meta") {
        return metaField(*inner);
    }
    if (form == "ct") {
        return ctField(*inner);
    }
    if (form == "fib") {
        return fibField(*inner);
    }
    if (form == "&" && inner->IsArray() && inner->Size() == 2) {
        const auto [base_form, base] = only((*inner)[0]);
        if (base_form == "&" || base == nullptr) {
            return {FieldKind::unknown, std::nullopt, "nested mask"};
        }
        auto field = parseField((*inner)[0]);
        field.mask = bitsKey(field.kind, (*inner)[1]);
        if (!field.mask) {
            field.kind = FieldKind::unknown;
        }
        return field;
    }
    return {FieldKind::unknown, std::nullopt, form};
}

std::vector<Field> parseFields(const Json& json) {
    std::vector<Field> fields;
    const auto* parts = member(json, "concat");
    if (parts != nullptr && parts->IsArray()) {
        for (const auto& part : parts->GetArray()) {
            fields.push_back(parseField(part));
        }
    }
    if (fields.empty()) {
        fields.push_back(parseField(json));
    }
    return fields;
}

std::optional<Decision> parseDecision(const std::string& name, const Json& json) {
    if (name == "accept") {
        return Decision{Action::accept, ""};
    }
    if (name == "drop") {
        return Decision{Action::drop, ""};
    }
    if (name == "reject") {
        return Decision{Action::reject, ""};
    }
    if (name == "return") {
        return Decision{Action::return_, ""};
    }
    if (name == "continue") {
        return Decision{Action::continue_, ""};
    }
    if (name == "queue") {
        return Decision{Action::queue, ""};
    }
    if (name == "jump" || name == "goto") {
        return Decision{name == "jump" ? Action::jump : Action::go_to, text(json, "target")};
    }
    return std::nullopt;
}

Statement unknownMatch(std::string what) {
    Statement statement;
    statement.kind = Statement::Kind::unknown_match;
    statement.text = std::move(what);
    return statement;
}

Statement fixedAnswer(bool matches, std::string assumption) {
    Statement statement;
    statement.kind = Statement::Kind::fixed;
    statement.fixed = matches;
    statement.text = std::move(assumption);
    return statement;
}

/// The right side of `<`, `>` and their kin as a range.
std::optional<Term> comparison(const std::string& op, const Term& term) {
    if (term.kind != Term::Kind::range || term.range.low != term.range.high) {
        return std::nullopt;
    }
    Key highest{};
    highest.fill(0xff);
    const auto value = term.range.low;
    if (op == ">=") {
        return rangeTerm(value, highest);
    }
    if (op == "<=") {
        return rangeTerm(Key{}, value);
    }
    if (op == ">" && value != highest) {
        return rangeTerm(next(value), highest);
    }
    if (op == "<" && value != Key{}) {
        return rangeTerm(Key{}, previous(value));
    }
    return std::nullopt;
}

/// `ip saddr & 255.255.0.0 == 10.1.0.0` is a network; other masks stay.
void maskToNetwork(Statement& statement) {
    auto& field = statement.fields[0];
    if (statement.fields.size() != 1 || !field.mask || !isAddress(field.kind)) {
        return;
    }
    Key host_bits{};
    for (std::size_t i = isIpv6(field.kind) ? 0 : 12; i < host_bits.size(); ++i) {
        host_bits[i] = static_cast<std::uint8_t>(~(*field.mask)[i]);
    }
    const auto above = next(host_bits);
    for (std::size_t i = 0; i < above.size(); ++i) {
        if ((above[i] & host_bits[i]) != 0) {
            return;
        }
    }
    for (auto& element : statement.data.elements) {
        auto& term = element.parts[0];
        if (term.kind != Term::Kind::range || term.range.low != term.range.high) {
            return;
        }
    }
    for (auto& element : statement.data.elements) {
        auto& range = element.parts[0].range;
        for (std::size_t i = 0; i < host_bits.size(); ++i) {
            range.high[i] = static_cast<std::uint8_t>(range.low[i] | host_bits[i]);
        }
    }
    field.mask.reset();
}

Statement parseMatch(const Json& json) {
    const auto* left = member(json, "left");
    const auto* right = member(json, "right");
    const auto op = text(json, "op");
    if (left == nullptr || right == nullptr) {
        return unknownMatch("a match without sides");
    }
    Statement statement;
    statement.fields = parseFields(*left);
    statement.text = statement.fields[0].text;
    if (op == "==" || op.empty()) {
        statement.op = Operator::equal;
    } else if (op == "!=") {
        statement.op = Operator::not_equal;
    } else if (op == "in") {
        statement.op = Operator::any_bit;
        const auto bits = bitsKey(statement.fields[0].kind, *right);
        statement.data.elements.push_back({{bits ? rangeTerm(*bits, *bits) : unknownTerm()}, false});
        return statement;
    } else {
        const auto term = comparison(op, parseTerm(statement.fields[0], *right));
        if (!term || statement.fields.size() != 1) {
            return unknownMatch(statement.text + " " + op);
        }
        statement.data.elements.push_back({{*term}, false});
        return statement;
    }
    const auto name = text(right);
    if (!name.empty() && name[0] == '@') {
        statement.set = name.substr(1);
        return statement;
    }
    const auto* set = member(*right, "set");
    if (set != nullptr && set->IsArray()) {
        for (const auto& item : set->GetArray()) {
            statement.data.elements.push_back(parseElement(statement.fields, item));
        }
    } else {
        statement.data.elements.push_back(parseElement(statement.fields, *right));
    }
    maskToNetwork(statement);
    return statement;
}

void parsePairs(const std::vector<Field>& fields, const Json& pairs, SetData& out) {
    for (const auto& pair : pairs.GetArray()) {
        if (!pair.IsArray() || pair.Size() != 2) {
            continue;
        }
        const auto [name, inner] = only(pair[1]);
        auto decision = inner == nullptr ? std::nullopt : parseDecision(name, *inner);
        out.elements.push_back(parseElement(fields, pair[0]));
        out.decisions.push_back(decision.value_or(Decision{Action::queue, ""}));
    }
}

Statement parseVmap(const Json& json) {
    const auto* key = member(json, "key");
    const auto* data = member(json, "data");
    Statement statement;
    statement.kind = Statement::Kind::vmap;
    if (key == nullptr || data == nullptr) {
        statement.kind = Statement::Kind::unknown_effect;
        statement.text = "a verdict map without key";
        return statement;
    }
    statement.fields = parseFields(*key);
    statement.text = statement.fields[0].text + " vmap";
    const auto name = text(data);
    if (!name.empty() && name[0] == '@') {
        statement.set = name.substr(1);
    } else if (const auto* set = member(*data, "set"); set != nullptr && set->IsArray()) {
        parsePairs(statement.fields, *set, statement.data);
    }
    return statement;
}

Statement parseXt(const Json& json, Ruleset::Model& model) {
    const auto name = text(json, "name");
    Statement statement;
    // Some versions of nft print neither type nor name.
    if (text(json, "type") != "match") {
        if (name == "LOG" || name == "NFLOG") {
            return fixedAnswer(true, "");
        }
        if (name == "REJECT") {
            statement.kind = Statement::Kind::decision;
            statement.decision.action = Action::reject;
            return statement;
        }
        model.untracks |= name == "CT" || name == "NOTRACK" || name.empty();
        model.sets_marks |= name == "MARK" || name == "CONNMARK" || name.empty();
        statement.kind = Statement::Kind::unknown_effect;
        statement.text = "xt target " + name;
        return statement;
    }
    return unknownMatch("xt match " + name + " (its arguments are not listed)");
}

bool inverted(const Json& json) {
    const auto* inverse = member(json, "inv");
    return inverse != nullptr && inverse->IsBool() && inverse->GetBool();
}

Statement parseStatement(const Json& json, Ruleset::Model& model) {
    const auto [name, inner] = only(json);
    if (inner == nullptr) {
        return unknownMatch("a statement that is not understood");
    }
    if (auto decision = parseDecision(name, *inner)) {
        Statement statement;
        statement.kind = Statement::Kind::decision;
        statement.decision = *decision;
        statement.text = "queue to a program";
        return statement;
    }
    if (name == "match") {
        return parseMatch(*inner);
    }
    if (name == "vmap") {
        return parseVmap(*inner);
    }
    if (name == "limit") {
        if (!inner->IsObject()) {
            return unknownMatch("a named limit");
        }
        return fixedAnswer(!inverted(*inner), "within its rate limit");
    }
    if (name == "ct count") {
        // The connection counts itself.
        const auto* most = member(*inner, "val");
        const bool none = most != nullptr && most->IsUint64() && most->GetUint64() == 0;
        return fixedAnswer(none == inverted(*inner), none ? "" : "within its count of connections");
    }
    if (name == "mangle") {
        const auto* key = member(*inner, "key");
        const auto field = key == nullptr ? Field{} : parseField(*key);
        if (field.kind != FieldKind::unknown) {
            model.sets_marks = true;
        }
        const bool harmless = field.kind == FieldKind::mark || field.kind == FieldKind::ct_mark ||
                              (field.kind == FieldKind::unknown && field.text.starts_with("meta"));
        return harmless ? fixedAnswer(true, "") : unknownMatch("a change of " + field.text);
    }
    if (name == "notrack") {
        model.untracks = true;
        return fixedAnswer(true, "");
    }
    static constexpr const char* neutral[] = {"counter",        "log",  "comment", "ct helper", "ct timeout",
                                              "ct expectation", "last", "flow",    "dup",       "secmark"};
    if (std::find(std::begin(neutral), std::end(neutral), name) != std::end(neutral)) {
        return fixedAnswer(true, "");
    }
    Statement statement;
    statement.text = name;
    if (name == "dnat" || name == "redirect") {
        statement.kind = Statement::Kind::translate;
        return statement;
    }
    if (name == "snat" || name == "masquerade") {
        statement.kind = Statement::Kind::decision;
        statement.decision.action = Action::accept;
        return statement;
    }
    if (name == "xt") {
        return parseXt(*inner, model);
    }
    if (name == "tproxy" || name == "synproxy" || name == "fwd") {
        statement.kind = Statement::Kind::unknown_effect;
        return statement;
    }
    return unknownMatch(name);
}

/// `add @set { key limit ... }`: goes on only where the packet has the key, and past what is nested in it.
void parseSetStatement(const Json& json, Ruleset::Model& model, std::vector<Statement>& out) {
    const auto* key = member(json, "elem");
    if (key == nullptr) {
        key = member(json, "key");
    }
    if (key != nullptr && member(*key, "elem") != nullptr) {
        key = member(*key, "elem");
    }
    if (key != nullptr && member(*key, "val") != nullptr) {
        key = member(*key, "val");
    }
    if (key == nullptr) {
        out.push_back(unknownMatch("a set statement without key"));
        return;
    }
    Statement statement;
    statement.fields = parseFields(*key);
    statement.text = statement.fields[0].text;
    const auto any = Json("*");
    Element element;
    for (const auto& field : statement.fields) {
        element.parts.push_back(parseTerm(field, any));
    }
    statement.data.elements.push_back(std::move(element));
    const auto set = text(json, "set");
    if (text(json, "op") != "delete" && set.starts_with('@')) {
        statement.adds_to = set.substr(1);
    }
    out.push_back(std::move(statement));
    const auto* nested = member(json, "stmt");
    if (nested != nullptr && nested->IsArray()) {
        for (const auto& each : nested->GetArray()) {
            out.push_back(parseStatement(each, model));
        }
    } else if (nested != nullptr) {
        out.push_back(parseStatement(*nested, model));
    }
}

std::string handleText(const Json& json) {
    const auto* handle = member(json, "handle");
    return handle != nullptr && handle->IsUint64() ? std::to_string(handle->GetUint64()) : "?";
}

class Parser {
  public:
    explicit Parser(Ruleset::Model& model) : model_(model) {}

    void object(const Json& entry) {
        const auto [kind, inner] = only(entry);
        if (inner == nullptr) {
            return;
        }
        if (kind == "table") {
            table(*inner).maybe_dormant = member(*inner, "flags") != nullptr;
        } else if (kind == "chain") {
            chain(*inner);
        } else if (kind == "rule") {
            rule(*inner);
        } else if (kind == "set" || kind == "map") {
            sets_.emplace_back(&table(*inner) - model_.tables.data(), inner);
        }
    }

    /// What a set's elements mean depends on the fields that rules compare with it.
    void resolveSets() {
        for (auto& one : model_.tables) {
            for (auto& [name, chain] : one.chains) {
                for (auto& rule : chain.rules) {
                    for (auto& statement : rule.statements) {
                        if (!statement.set.empty()) {
                            resolve(one, statement);
                        }
                    }
                }
            }
        }
    }

  private:
    Table& table(const Json& json) {
        const auto family = text(json, "family");
        const auto* named = member(json, "table");
        const auto name = named != nullptr ? text(named) : text(json, "name");
        for (auto& known : model_.tables) {
            if (known.family == family && known.name == name) {
                return known;
            }
        }
        Table fresh;
        fresh.family = family;
        fresh.name = name;
        model_.tables.push_back(std::move(fresh));
        return model_.tables.back();
    }

    Chain& chainOf(Table& owner, const std::string& name) {
        auto& found = owner.chains[name];
        found.place = owner.family + " " + owner.name + " " + name;
        return found;
    }

    void chain(const Json& json) {
        auto& owner = table(json);
        const auto name = text(json, "name");
        auto& made = chainOf(owner, name);
        made.hook = text(json, "hook");
        if (made.hook.empty()) {
            return;
        }
        made.base = true;
        made.type = text(json, "type");
        made.drops_by_default = text(json, "policy") == "drop";
        made.device_unknown = made.hook == "ingress";
        const auto* priority = member(json, "prio");
        made.priority = priority != nullptr && priority->IsInt() ? priority->GetInt() : 0;
        owner.base_chains.push_back(name);
    }

    void rule(const Json& json) {
        auto& owner = table(json);
        auto& target = chainOf(owner, text(json, "chain"));
        Rule made;
        made.place = target.place + " handle " + handleText(json);
        const auto* statements = member(json, "expr");
        if (statements == nullptr || !statements->IsArray()) {
            made.statements.push_back(unknownMatch("a rule without statements"));
        } else {
            for (const auto& statement : statements->GetArray()) {
                const auto [name, inner] = only(statement);
                if (inner != nullptr && (name == "set" || name == "meter")) {
                    parseSetStatement(*inner, model_, made.statements);
                } else {
                    made.statements.push_back(parseStatement(statement, model_));
                }
            }
        }
        target.rules.push_back(std::move(made));
    }

    void resolve(const Table& owner, Statement& statement) {
        for (const auto& [index, json] : sets_) {
            if (&model_.tables[static_cast<std::size_t>(index)] != &owner ||
                text(*json, "name") != statement.set) {
                continue;
            }
            const auto* elements = member(*json, "elem");
            if (elements == nullptr || !elements->IsArray()) {
                return;
            }
            if (statement.kind == Statement::Kind::vmap) {
                parsePairs(statement.fields, *elements, statement.data);
                return;
            }
            // A set's own timeout holds for elements that name none.
            const bool timed = member(*json, "timeout") != nullptr;
            for (const auto& item : elements->GetArray()) {
                statement.data.elements.push_back(parseElement(statement.fields, item));
                statement.data.elements.back().timed |= timed;
            }
            return;
        }
        statement = unknownMatch("the set @" + statement.set + " (not in the listing)");
    }

    Ruleset::Model& model_;
    std::vector<std::pair<std::ptrdiff_t, const Json*>> sets_;
};

}  // namespace

Expected<Ruleset> Ruleset::parse(std::string_view nft_json) {
    rapidjson::Document document;
    document.Parse<rapidjson::kParseIterativeFlag>(nft_json.data(), nft_json.size());
    if (document.HasParseError()) {
        return fail(ErrorKind::invalid,
                    "reading the ruleset: not JSON at byte " + std::to_string(document.GetErrorOffset()));
    }
    const auto* objects = member(document, "nftables");
    if (objects == nullptr || !objects->IsArray()) {
        return fail(ErrorKind::invalid, "reading the ruleset: no list named nftables");
    }
    auto model = std::make_unique<Model>();
    Parser parser(*model);
    for (const auto& object : objects->GetArray()) {
        parser.object(object);
    }
    parser.resolveSets();
    return Ruleset(std::move(model));
}

Ruleset::Ruleset(std::unique_ptr<Model> model) : model_(std::move(model)) {}
Ruleset::Ruleset(Ruleset&&) noexcept = default;
Ruleset& Ruleset::operator=(Ruleset&&) noexcept = default;
Ruleset::~Ruleset() = default;

void Ruleset::addUnknown(std::string reason, bool translates) {
    model_->unknowns.push_back(std::move(reason));
    model_->translates = model_->translates || translates;
}

}  // namespace lapwing::reach
