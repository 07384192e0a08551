#include <algorithm>

#include "common/reach/nft_json.h"

namespace lapwing::reach {

const Json* member(const Json& json, const char* name) {
    if (!json.IsObject()) {
        return nullptr;
    }
    const auto found = json.FindMember(name);
    return found == json.MemberEnd() ? nullptr : &found->value;
}

Json* mutableMember(Json& json, const char* name) {
    return json.IsObject() && json.HasMember(name) ? &json[name] : nullptr;
}

std::string text(const Json* json) {
    return json != nullptr && json->IsString() ? std::string(json->GetString(), json->GetStringLength()) : "";
}

std::string text(const Json& json, const char* name) {
    return text(member(json, name));
}

std::pair<std::string, const Json*> singleMember(const Json& json) {
    if (!json.IsObject() || json.MemberCount() != 1) {
        return {"", nullptr};
    }
    const auto entry = json.MemberBegin();
    return {std::string(entry->name.GetString(), entry->name.GetStringLength()), &entry->value};
}

namespace {

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
        {"ip", "hdrlength", FieldKind::ip_header_length},
        {"ip", "frag-off", FieldKind::ip_fragment},
        {"ip", "ttl", FieldKind::ip_ttl},
        {"ip6", "hoplimit", FieldKind::ip6_hop_limit},
        {"ip6", "saddr", FieldKind::ip6_source},
        {"ip6", "daddr", FieldKind::ip6_destination},
        {"ip6", "nexthdr", FieldKind::ip6_next_header},
        {"tcp", "sport", FieldKind::tcp_source_port},
        {"tcp", "dport", FieldKind::tcp_destination_port},
        {"tcp", "flags", FieldKind::tcp_flags},
        {"tcp", "doff", FieldKind::tcp_header_length},
        {"udp", "sport", FieldKind::udp_source_port},
        {"udp", "dport", FieldKind::udp_destination_port},
        {"th", "sport", FieldKind::any_source_port},
        {"th", "dport", FieldKind::any_destination_port},
        {"icmpv6", "type", FieldKind::icmpv6_type},
        {"arp", "operation", FieldKind::arp_operation},
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
    struct Known {
        const char* key;
        FieldKind kind;
    };
    static constexpr Known known_fields[] = {
        {"state", FieldKind::ct_state},         {"status", FieldKind::ct_status},
        {"direction", FieldKind::ct_direction}, {"mark", FieldKind::ct_mark},
        {"zone", FieldKind::ct_zone},
    };
    static constexpr Known original_fields[] = {
        {"ip saddr", FieldKind::ct_original_source},
        {"ip6 saddr", FieldKind::ct_original_source},
        {"ip daddr", FieldKind::ct_original_destination},
        {"ip6 daddr", FieldKind::ct_original_destination},
        {"proto-src", FieldKind::ct_original_source_port},
        {"proto-dst", FieldKind::ct_original_destination_port},
    };
    const auto key = text(json, "key");
    const auto direction = text(json, "dir");
    Field field;
    field.text = "ct " + (direction.empty() ? "" : direction + " ") + key;
    const auto find = [&](const auto& known) {
        const auto* found = std::find_if(std::begin(known), std::end(known),
                                         [&](const Known& each) { return key == each.key; });
        field.kind = found == std::end(known) ? FieldKind::unknown : found->kind;
    };
    if (direction.empty()) {
        find(known_fields);
    } else if (direction == "original") {
        find(original_fields);
    }
    return field;
}

std::vector<std::string> flagsOf(const Json& json) {
    std::vector<std::string> out;
    if (const auto* list = member(json, "flags")) {
        if (list->IsString()) {
            out.push_back(text(list));
        } else if (list->IsArray()) {
            for (const auto& flag : list->GetArray()) {
                out.push_back(text(&flag));
            }
        }
    }
    return out;
}

Field fibField(const Json& json) {
    const auto result = text(json, "result");
    const auto flags = flagsOf(json);
    Field field;
    field.text = "fib " + result;
    if (result == "type" && flags == std::vector<std::string>{"daddr"}) {
        field.kind = FieldKind::fib_destination_type;
    } else if (result == "type" && flags == std::vector<std::string>{"daddr", "iif"}) {
        field.kind = FieldKind::fib_destination_type_here;
    } else if (result == "type" && flags == std::vector<std::string>{"saddr"}) {
        field.kind = FieldKind::fib_source_type;
    } else if ((result == "oif" || result == "oifname") &&
               (flags == std::vector<std::string>{"saddr", "iif"} ||
                flags == std::vector<std::string>{"saddr", "mark", "iif"})) {
        // Where routes depend on marks, the route of the source is unknown anyway.
        field.kind = FieldKind::fib_source_route;
    }
    return field;
}

/// An option of IPv4 or TCP, or an extension header of IPv6: whether it is there, or a field of it.
Field optionField(const std::string& form, const Json& json) {
    const auto name = text(json, "name");
    const auto part = text(json, "field");
    Field field;
    field.text = form + " " + name + (part.empty() ? "" : " " + part);
    if (form == "tcp option") {
        field.kind = name == "maxseg" && part == "size" ? FieldKind::tcp_segment_size : FieldKind::unknown;
    } else if (form == "ip option") {
        field.kind = part.empty() ? FieldKind::ip_options : FieldKind::absent_header;
    } else {
        field.kind = part.empty() ? FieldKind::extension_headers : FieldKind::absent_header;
    }
    return field;
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
    if (kind == FieldKind::ct_original_source || kind == FieldKind::ct_original_destination) {
        const auto address = Address::parse(text(&json));
        return address ? std::optional(address->key) : std::nullopt;
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

}  // namespace

bool isAddress(FieldKind kind) {
    return kind == FieldKind::ip_source || kind == FieldKind::ip_destination ||
           kind == FieldKind::ip6_source || kind == FieldKind::ip6_destination;
}

bool isIpv6(FieldKind kind) {
    return kind == FieldKind::ip6_source || kind == FieldKind::ip6_destination;
}

std::optional<Key> bitsKey(FieldKind kind, const Json& json) {
    if (!json.IsArray()) {
        const auto [name, inner] = singleMember(json);
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
        if (field.kind == FieldKind::interface_in || field.kind == FieldKind::interface_out) {
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
    const auto [form, inner] = singleMember(json);
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
    const auto [form, inner] = singleMember(json);
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
    if (form == "tcp option" || form == "ip option" || form == "exthdr") {
        return optionField(form, *inner);
    }
    if (form == "&" && inner->IsArray() && inner->Size() == 2) {
        const auto [base_form, base] = singleMember((*inner)[0]);
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

}  // namespace lapwing::reach
