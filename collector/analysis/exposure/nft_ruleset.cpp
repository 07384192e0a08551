#include "collector/analysis/exposure/nft_ruleset.h"

#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <set>
#include <tuple>

namespace lapwing::analysis::exposure {

namespace {

using reach::AddressRange;
using reach::Family;
using Writer = rapidjson::Writer<rapidjson::StringBuffer>;

constexpr Family kFamilies[] = {Family::ipv4, Family::ipv6};
constexpr std::size_t kMostComment = 127;  // NFTNL_UDATA_COMMENT_MAXLEN, with its end

/// How nft writes a field: its text, and in JSON an object with `key`, of a `protocol`'s header for
/// "payload".
struct FieldSyntax {
    NftField field;
    const char* text;
    const char* object;
    const char* protocol;
    const char* key;
};

constexpr FieldSyntax kSyntax[] = {
    {NftField::ip_source, "ip saddr", "payload", "ip", "saddr"},
    {NftField::ip6_source, "ip6 saddr", "payload", "ip6", "saddr"},
    {NftField::ip_destination, "ip daddr", "payload", "ip", "daddr"},
    {NftField::ip6_destination, "ip6 daddr", "payload", "ip6", "daddr"},
    {NftField::tcp_port, "tcp dport", "payload", "tcp", "dport"},
    {NftField::udp_port, "udp dport", "payload", "udp", "dport"},
    {NftField::protocol, "meta l4proto", "meta", nullptr, "l4proto"},
    {NftField::interface_in, "iif", "meta", nullptr, "iif"},
    {NftField::interface_in_name, "iifname", "meta", nullptr, "iifname"},
    {NftField::interface_out, "oif", "meta", nullptr, "oif"},
    {NftField::connection_state, "ct state", "ct", nullptr, "state"},
};

const FieldSyntax& syntaxOf(NftField field) {
    return *std::find_if(std::begin(kSyntax), std::end(kSyntax),
                         [&](const auto& syntax) { return syntax.field == field; });
}

bool isInterface(NftField field) {
    return field == NftField::interface_in || field == NftField::interface_in_name ||
           field == NftField::interface_out;
}

std::string valueText(NftField field, const NftValue& value) {
    if (const auto* range = std::get_if<AddressRange>(&value)) {
        return range->toString();
    }
    if (const auto* number = std::get_if<int>(&value)) {
        return std::to_string(*number);
    }
    const auto& word = std::get<std::string>(value);
    return isInterface(field) ? "\"" + word + "\"" : word;
}

std::string matchText(const NftMatch& match) {
    std::string out = syntaxOf(match.field).text;
    out += match.negated ? " != " : " ";
    // States are bits of one number, not members of a set.
    const bool flags = match.field == NftField::connection_state;
    std::string list;
    for (const auto& value : match.values) {
        list += (list.empty() ? "" : flags ? "," : ", ") + valueText(match.field, value);
    }
    return out + (match.values.size() == 1 || flags ? list : "{ " + list + " }");
}

void write(Writer& writer, const std::string& text) {
    writer.String(text.data(), static_cast<rapidjson::SizeType>(text.size()));
}

void write(Writer& writer, const char* key, const std::string& text) {
    writer.Key(key);
    write(writer, text);
}

void write(Writer& writer, const AddressRange& range) {
    const auto first = reach::Address{range.family, range.low}.toString();
    const auto text = range.toString();
    if (range.low == range.high) {
        write(writer, text);
        return;
    }
    writer.StartObject();
    if (const auto slash = text.find('/'); slash != std::string::npos) {
        writer.Key("prefix");
        writer.StartObject();
        write(writer, "addr", first);
        writer.Key("len");
        writer.Int(std::stoi(text.substr(slash + 1)));
        writer.EndObject();
    } else {
        writer.Key("range");
        writer.StartArray();
        write(writer, first);
        write(writer, reach::Address{range.family, range.high}.toString());
        writer.EndArray();
    }
    writer.EndObject();
}

void write(Writer& writer, const NftValue& value) {
    if (const auto* range = std::get_if<AddressRange>(&value)) {
        write(writer, *range);
    } else if (const auto* number = std::get_if<int>(&value)) {
        writer.Int(*number);
    } else {
        write(writer, std::get<std::string>(value));
    }
}

void writeField(Writer& writer, NftField field) {
    const auto& syntax = syntaxOf(field);
    writer.StartObject();
    writer.Key(syntax.object);
    writer.StartObject();
    if (syntax.protocol != nullptr) {
        write(writer, "protocol", syntax.protocol);
    }
    write(writer, syntax.protocol != nullptr ? "field" : "key", syntax.key);
    writer.EndObject();
    writer.EndObject();
}

void writeValues(Writer& writer, const NftMatch& match) {
    if (match.values.size() == 1) {
        write(writer, match.values.front());
        return;
    }
    const bool flags = match.field == NftField::connection_state;
    if (!flags) {
        writer.StartObject();
        writer.Key("set");
    }
    writer.StartArray();
    for (const auto& value : match.values) {
        write(writer, value);
    }
    writer.EndArray();
    if (!flags) {
        writer.EndObject();
    }
}

void writeMatch(Writer& writer, const NftMatch& match) {
    const bool flags = match.field == NftField::connection_state;
    writer.StartObject();
    writer.Key("match");
    writer.StartObject();
    write(writer, "op", match.negated ? "!=" : flags ? "in" : "==");
    writer.Key("left");
    writeField(writer, match.field);
    writer.Key("right");
    writeValues(writer, match);
    writer.EndObject();
    writer.EndObject();
}

/// nft's comments hold no quotes and are short; control characters would end the line.
std::string commentOf(const NftRule& rule) {
    std::string out;
    for (const char c : rule.comment) {
        const auto byte = static_cast<unsigned char>(c);
        out += c == '"' ? '\'' : byte < 0x20 || byte == 0x7f ? ' ' : c;
    }
    if (out.size() > kMostComment) {
        // Not within a character of UTF-8: its further bytes are 10xxxxxx.
        auto end = kMostComment;
        while (end > 0 && (static_cast<unsigned char>(out[end]) & 0xc0U) == 0x80) {
            --end;
        }
        out.resize(end);
    }
    return out;
}

void writeRule(Writer& writer, const NftTable& table, const NftRule& rule, unsigned handle) {
    writer.StartObject();
    writer.Key("rule");
    writer.StartObject();
    write(writer, "family", reach::tableFamilyName(reach::TableFamily::inet));
    write(writer, "table", table.name);
    write(writer, "chain", reach::hookName(table.hook));
    writer.Key("handle");
    writer.Uint(handle);
    if (const auto comment = commentOf(rule); !comment.empty()) {
        write(writer, "comment", comment);
    }
    writer.Key("expr");
    writer.StartArray();
    for (const auto& match : rule.matches) {
        writeMatch(writer, match);
    }
    writer.StartObject();
    writer.Key(reach::policyName(rule.verdict));
    writer.Null();
    writer.EndObject();
    writer.EndArray();
    writer.EndObject();
    writer.EndObject();
}

void writeTable(Writer& writer, const NftTable& table) {
    writer.StartObject();
    writer.Key("table");
    writer.StartObject();
    write(writer, "family", reach::tableFamilyName(reach::TableFamily::inet));
    write(writer, "name", table.name);
    writer.Key("handle");
    writer.Uint(1);
    writer.EndObject();
    writer.EndObject();
}

void writeChain(Writer& writer, const NftTable& table) {
    writer.StartObject();
    writer.Key("chain");
    writer.StartObject();
    write(writer, "family", reach::tableFamilyName(reach::TableFamily::inet));
    write(writer, "table", table.name);
    write(writer, "name", reach::hookName(table.hook));
    writer.Key("handle");
    writer.Uint(1);
    write(writer, "type", reach::chainTypeName(reach::ChainType::filter));
    write(writer, "hook", reach::hookName(table.hook));
    writer.Key("prio");
    writer.Int(table.priority);
    write(writer, "policy", reach::policyName(table.policy));
    writer.EndObject();
    writer.EndObject();
}

std::vector<NftRule> rulesFor(NftField (*field_of)(Family), const std::vector<AddressRange>& addresses,
                              const NftRule& rest) {
    std::vector<NftRule> out;
    for (const auto family : kFamilies) {
        const auto some = ofFamily(addresses, family);
        if (!some.empty()) {
            out.push_back(rest);
            out.back().matches.insert(out.back().matches.begin(), addressMatch(field_of(family), some));
        }
    }
    return out;
}

}  // namespace

NftField sourceField(Family family) {
    return family == Family::ipv4 ? NftField::ip_source : NftField::ip6_source;
}

NftField destinationField(Family family) {
    return family == Family::ipv4 ? NftField::ip_destination : NftField::ip6_destination;
}

NftMatch portMatch(NftField field, const std::vector<int>& ports) {
    return {field, {ports.begin(), ports.end()}, false};
}

NftMatch addressMatch(NftField field, const std::vector<AddressRange>& addresses, bool negated) {
    // A wider range stands before those that it covers.
    auto sorted = addresses;
    std::sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) {
        return std::tie(a.family, a.low, b.high) < std::tie(b.family, b.low, a.high);
    });
    std::set<AddressRange, bool (*)(const AddressRange&, const AddressRange&)> kept(
        [](const AddressRange& a, const AddressRange& b) {
            return std::tie(a.family, a.low, a.high) < std::tie(b.family, b.low, b.high);
        });
    const AddressRange* widest = nullptr;
    for (const auto& range : sorted) {
        if (widest == nullptr || !widest->contains(range)) {
            widest = &range;
            kept.insert(range);
        }
    }
    NftMatch out{field, {}, negated};
    for (const auto& range : addresses) {
        if (kept.erase(range) != 0) {
            out.values.emplace_back(range);
        }
    }
    return out;
}

NftMatch wordMatch(NftField field, std::vector<std::string> words) {
    NftMatch out{field, {}, false};
    std::move(words.begin(), words.end(), std::back_inserter(out.values));
    return out;
}

std::vector<AddressRange> ofFamily(const std::vector<AddressRange>& ranges, Family family) {
    std::vector<AddressRange> out;
    std::copy_if(ranges.begin(), ranges.end(), std::back_inserter(out),
                 [&](const auto& range) { return range.family == family; });
    return out;
}

std::vector<NftRule> rulesFrom(const std::vector<AddressRange>& addresses, const NftRule& rest) {
    return rulesFor(sourceField, addresses, rest);
}

std::vector<NftRule> rulesTo(const std::vector<AddressRange>& addresses, const NftRule& rest) {
    return rulesFor(destinationField, addresses, rest);
}

std::string ruleText(const NftRule& rule) {
    std::string out;
    for (const auto& match : rule.matches) {
        out += matchText(match) + " ";
    }
    return out + reach::policyName(rule.verdict);
}

std::string tableText(const NftTable& table) {
    const auto name = "table inet " + table.name;
    const std::string hook = reach::hookName(table.hook);
    std::string out = name + "\ndelete " + name + "\n" + name + " {\n  chain " + hook + " {\n";
    out += "    type filter hook " + hook + " priority " +
           (table.priority == 0 ? "filter" : std::to_string(table.priority)) + "; policy " +
           reach::policyName(table.policy) + ";\n";
    for (const auto& rule : table.rules) {
        const auto comment = commentOf(rule);
        out += "    " + ruleText(rule) + (comment.empty() ? "" : " comment \"" + comment + "\"") + "\n";
    }
    return out + "  }\n}\n";
}

std::string tableJson(const NftTable& table) {
    rapidjson::StringBuffer buffer;
    Writer writer(buffer);
    writer.StartObject();
    writer.Key("nftables");
    writer.StartArray();
    writeTable(writer, table);
    writeChain(writer, table);
    unsigned handle = 2;
    for (const auto& rule : table.rules) {
        writeRule(writer, table, rule, handle++);
    }
    writer.EndArray();
    writer.EndObject();
    return {buffer.GetString(), buffer.GetSize()};
}

}  // namespace lapwing::analysis::exposure
