#include <algorithm>

#include "common/enum_names.h"
#include "common/reach/nft_json.h"

namespace lapwing::reach {

namespace {

constexpr std::array kActions{
    EnumName<Action>{Action::accept, "accept"},      EnumName<Action>{Action::drop, "drop"},
    EnumName<Action>{Action::reject, "reject"},      EnumName<Action>{Action::jump, "jump"},
    EnumName<Action>{Action::go_to, "goto"},         EnumName<Action>{Action::return_, "return"},
    EnumName<Action>{Action::continue_, "continue"}, EnumName<Action>{Action::queue, "queue"},
};

/// The right side of `<`, `>`, `<=` and `>=` as a range.
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
    } else if (op == "in" || op == "!") {
        statement.op = op == "in" ? Operator::any_bit : Operator::no_bit;
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

Statement parseVmap(const Json& json) {
    const auto* key = member(json, "key");
    const auto* data = member(json, "data");
    Statement statement;
    statement.kind = Statement::Kind::vmap;
    if (key == nullptr || data == nullptr) {
        return unknownEffect("a verdict map without key");
    }
    statement.fields = parseFields(*key);
    statement.text = statement.fields[0].text + " vmap";
    const auto name = text(data);
    if (!name.empty() && name[0] == '@') {
        statement.set = name.substr(1);
    } else if (const auto* set = member(*data, "set"); set != nullptr && set->IsArray()) {
        parsePairs(statement.fields, *set, statement.kind, statement.data);
    } else {
        return unknownEffect(statement.text + " by a map that is not understood");
    }
    return statement;
}

Statement parseXt(const Json& json, Ruleset::Model& model) {
    const auto name = text(json, "name");
    // Some versions of nft print neither type nor name.
    if (text(json, "type") == "match") {
        return unknownMatch("xt match " + name + " (its arguments are not listed)");
    }
    if (name == "LOG" || name == "NFLOG") {
        return fixedAnswer(true, "");
    }
    if (name == "REJECT") {
        return decisionOf(Action::reject);
    }
    if (name == "MASQUERADE" || name == "SNAT") {
        Statement statement;
        statement.kind = Statement::Kind::translate_source;
        return statement;
    }
    model.untracks |= name == "CT" || name == "NOTRACK" || name.empty();
    if (name == "MARK" || name == "CONNMARK") {
        return markStatement();
    }
    return unknownEffect("xt target " + name);
}

bool inverted(const Json& json) {
    const auto* inverse = member(json, "inv");
    return inverse != nullptr && inverse->IsBool() && inverse->GetBool();
}

/// The address and the port of a translation. Where either is a range, the kernel chooses: unknown.
void readTarget(const Json* address, const Json* port, Target& out) {
    if (address != nullptr) {
        out.address = Address::parse(text(address));
        out.unknown = out.unknown || !out.address;
    }
    if (port != nullptr && port->IsUint() && port->GetUint() <= 0xffffU) {
        out.port = static_cast<std::uint16_t>(port->GetUint());
    } else if (port != nullptr) {
        out.unknown = true;
    }
}

/// `dnat to ADDRESS:PORT`, `redirect to :PORT`, and by a map of the addresses, of the ports, or of both.
Statement parseTranslation(const std::string& name, const Json& json) {
    Statement statement;
    statement.kind = Statement::Kind::translate;
    statement.text = name;
    statement.target.redirects = name == "redirect";
    const auto* address = member(json, "addr");
    const auto* port = member(json, "port");
    const auto* map = address == nullptr ? nullptr : member(*address, "map");
    const auto* key = map == nullptr ? nullptr : member(*map, "key");
    const auto* data = map == nullptr ? nullptr : member(*map, "data");
    if (key == nullptr || data == nullptr || port != nullptr) {
        readTarget(address, port, statement.target);
        return statement;
    }
    statement.fields = parseFields(*key);
    const auto set_name = text(data);
    const auto* set = member(*data, "set");
    if (set_name.starts_with('@')) {
        statement.set = set_name.substr(1);
    } else if (set != nullptr && set->IsArray()) {
        parsePairs(statement.fields, *set, statement.kind, statement.data);
    } else {
        statement.target.unknown = true;
    }
    return statement;
}

std::optional<std::uint32_t> markConstant(const Json& json) {
    return json.IsUint() ? std::optional(json.GetUint()) : std::nullopt;
}

/// The new value of a mark: a constant, a mark, or a mark changed by `&`, `|` and `^` with constants.
MarkChange parseMark(const Json& json) {
    MarkChange out;
    if (const auto constant = markConstant(json)) {
        out.known = true;
        out.flip = *constant;
        return out;
    }
    const auto [form, inner] = singleMember(json);
    if (inner == nullptr) {
        return out;
    }
    if (form == "meta" || form == "ct") {
        const auto kind = parseField(json).kind;
        out.known = kind == FieldKind::mark || kind == FieldKind::ct_mark;
        out.source = kind == FieldKind::ct_mark ? MarkChange::Mark::connection : MarkChange::Mark::packet;
        out.take = ~0U;
        return out;
    }
    const bool of_bits = form == "&" || form == "|" || form == "^";
    if (!of_bits || !inner->IsArray() || inner->Size() != 2) {
        return out;
    }
    const auto constant = markConstant((*inner)[1]);
    out = parseMark((*inner)[0]);
    out.known = out.known && constant;
    const auto bits = constant.value_or(0);
    if (form == "&") {
        out.take &= bits;
        out.flip &= bits;
    } else if (form == "|") {
        out.take &= ~bits;
        out.flip |= bits;
    } else {
        out.flip ^= bits;
    }
    return out;
}

/// A change of a packet, of its marks or of its connection.
Statement parseMangle(const Json& json) {
    const auto* key = member(json, "key");
    const auto* value = member(json, "value");
    const auto field = key == nullptr ? Field{} : parseField(*key);
    if (field.kind == FieldKind::mark || field.kind == FieldKind::ct_mark) {
        auto change = value == nullptr ? MarkChange{} : parseMark(*value);
        change.target =
            field.kind == FieldKind::mark ? MarkChange::Mark::packet : MarkChange::Mark::connection;
        return markStatement(change);
    }
    // No match here depends on them.
    static constexpr const char* without_effect[] = {
        "meta priority", "meta nftrace", "meta secmark", "ct event", "ct label", "ct helper",
        "ct secmark",    "ip dscp",      "ip ecn",       "ip6 dscp", "ip6 ecn"};
    const bool neutral = std::find(std::begin(without_effect), std::end(without_effect), field.text) !=
                         std::end(without_effect);
    if (field.kind == FieldKind::ip_ttl || field.kind == FieldKind::ip6_hop_limit ||
        field.kind == FieldKind::tcp_segment_size) {
        return overwriteStatement(field.kind);
    }
    return neutral ? fixedAnswer(true, "") : unknownEffect("a change of " + field.text);
}

/// The field has that value.
Statement valueMatch(FieldKind kind, std::uint64_t value, const std::string& words) {
    Statement statement;
    statement.fields.push_back({kind, std::nullopt, words});
    statement.text = words;
    statement.data.elements.push_back({{rangeTerm(keyOf(value), keyOf(value))}, false});
    return statement;
}

/// A packet without the header that a statement changes leaves the rule. nft does not list that match.
void addHeaderMatch(const Json& mangle, std::vector<Statement>& out) {
    const auto* key = member(mangle, "key");
    const auto [form, inner] = key == nullptr ? std::pair<std::string, const Json*>{} : singleMember(*key);
    const auto protocol = form == "tcp option"                    ? "tcp"
                          : form == "payload" && inner != nullptr ? text(*inner, "protocol")
                                                                  : "";
    if (protocol == "ip" || protocol == "ip6") {
        out.push_back(familyMatch(protocol == "ip" ? "ipv4" : "ipv6"));
    } else if (protocol == "tcp" || protocol == "udp") {
        out.push_back(valueMatch(FieldKind::transport, protocol == "tcp" ? kTcp : kUdp, "meta l4proto"));
    }
}

Statement parseOne(const Json& json, Ruleset::Model& model) {
    const auto [name, inner] = singleMember(json);
    if (inner == nullptr) {
        // nft prints a statement for which it has no JSON as text: `jump { ... }`.
        const auto words = text(&json);
        return unknownEffect(words.empty()
                                 ? "a statement that is not understood"
                                 : "\"" + words.substr(0, words.find('\n')) + "\" is not understood");
    }
    if (auto decision = parseDecision(name, *inner)) {
        return decisionOf(decision->action, decision->chain);
    }
    if (name == "match") {
        return parseMatch(*inner);
    }
    if (name == "vmap") {
        return parseVmap(*inner);
    }
    if (auto limit = parseLimit(name, *inner)) {
        return std::move(*limit);
    }
    if (name == "mangle") {
        return parseMangle(*inner);
    }
    if (name == "notrack") {
        return notrackStatement();
    }
    static constexpr const char* neutral[] = {"counter",        "log",  "comment", "ct helper", "ct timeout",
                                              "ct expectation", "last", "dup",     "secmark"};
    if (std::find(std::begin(neutral), std::end(neutral), name) != std::end(neutral)) {
        return fixedAnswer(true, "");
    }
    if (name == "dnat" || name == "redirect") {
        return parseTranslation(name, *inner);
    }
    if (name == "snat" || name == "masquerade") {
        Statement statement;
        statement.kind = Statement::Kind::translate_source;
        return statement;
    }
    if (name == "xt") {
        return parseXt(*inner, model);
    }
    return unknownEffect(name);
}

/// `add @set { key limit ... }`: continues only where the packet has the key and the nested statements match.
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
        out.push_back(unknownEffect("a set statement without key"));
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
            out.push_back(parseOne(each, model));
        }
    } else if (nested != nullptr) {
        out.push_back(parseOne(*nested, model));
    }
}

}  // namespace

std::optional<Statement> parseLimit(const std::string& name, const Json& json) {
    if (name == "limit" || name == "quota") {
        if (!json.IsObject() || member(json, "map") != nullptr) {
            return unknownMatch("a named " + name +
                                (json.IsObject() ? " of a map" : ", which is not listed"));
        }
        if (name == "quota") {
            return fixedAnswer(!inverted(json), "within its quota");
        }
        const auto* rate = member(json, "rate");
        const auto* burst = member(json, "burst");
        const bool of_packets = rate != nullptr && rate->IsUint64() && text(json, "rate_unit").empty();
        return limitStatement(inverted(json), of_packets ? rate->GetUint64() : 0, text(json, "per"),
                              burst != nullptr && burst->IsUint64() ? burst->GetUint64() : kDefaultBurst);
    }
    if (name == "ct count") {
        // The count includes the connection itself.
        const auto* most = member(json, "val");
        const bool none = most != nullptr && most->IsUint64() && most->GetUint64() == 0;
        return fixedAnswer(none == inverted(json), none ? "" : "within its count of connections");
    }
    return std::nullopt;
}

std::optional<Decision> parseDecision(const std::string& name, const Json& json) {
    const auto action = valueOf(kActions, name);
    if (!action) {
        return std::nullopt;
    }
    const bool calls = *action == Action::jump || *action == Action::go_to;
    return Decision{*action, calls ? text(json, "target") : ""};
}

Statement familyMatch(const std::string& family) {
    const auto number = symbol(FieldKind::nf_protocol, family);
    return number ? valueMatch(FieldKind::nf_protocol, number->back(), "meta nfproto")
                  : unknownMatch("meta nfproto");
}

void parsePairs(const std::vector<Field>& fields, const Json& pairs, Statement::Kind kind, SetData& out) {
    for (const auto& pair : pairs.GetArray()) {
        if (!pair.IsArray() || pair.Size() != 2) {
            out.elements.push_back({std::vector<Term>(fields.size()), false});
            out.decisions.push_back({Action::queue, ""});
            out.targets.push_back({std::nullopt, std::nullopt, false, true});
            continue;
        }
        out.elements.push_back(parseElement(fields, pair[0]));
        if (kind == Statement::Kind::translate) {
            const auto* parts = member(pair[1], "concat");
            const bool both = parts != nullptr && parts->IsArray() && parts->Size() == 2;
            Target target;
            readTarget(both ? &(*parts)[0] : &pair[1], both ? &(*parts)[1] : nullptr, target);
            out.targets.push_back(target);
            continue;
        }
        const auto [name, inner] = singleMember(pair[1]);
        const auto decision = inner == nullptr ? std::nullopt : parseDecision(name, *inner);
        out.decisions.push_back(decision.value_or(Decision{Action::queue, ""}));
    }
}

void parseStatement(const Json& json, Ruleset::Model& model, std::vector<Statement>& out) {
    const auto [name, inner] = singleMember(json);
    if (inner != nullptr && name == "mangle") {
        addHeaderMatch(*inner, out);
    }
    if (inner != nullptr && (name == "set" || name == "meter")) {
        parseSetStatement(*inner, model, out);
        return;
    }
    // In a table of both families `dnat ip to` applies to IPv4 only; nft does not list that match.
    const auto family = inner == nullptr || name != "dnat" ? "" : text(*inner, "family");
    if (!family.empty()) {
        out.push_back(familyMatch(family == "ip6" ? "ipv6" : "ipv4"));
    }
    out.push_back(parseOne(json, model));
}

}  // namespace lapwing::reach
