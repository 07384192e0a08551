#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "common/reach/nft_json.h"

namespace lapwing::reach {

namespace {

using Writer = rapidjson::Writer<rapidjson::StringBuffer>;

void put(Writer& out, const char* name, const std::string& value) {
    if (!value.empty()) {
        out.Key(name);
        out.String(value.data(), static_cast<rapidjson::SizeType>(value.size()));
    }
}

void put(Writer& out, const char* name, unsigned value) {
    out.Key(name);
    out.Uint(value);
}

void put(Writer& out, const char* name, std::optional<bool> value) {
    if (value) {
        out.Key(name);
        out.Bool(*value);
    }
}

template <typename Entries, typename Put>
void putList(Writer& out, const char* name, const Entries& entries, const Put& put_entry) {
    out.Key(name);
    out.StartArray();
    for (const auto& entry : entries) {
        out.StartObject();
        put_entry(entry);
        out.EndObject();
    }
    out.EndArray();
}

void putNetwork(Writer& out, const Network& network) {
    out.Key("network");
    out.StartObject();
    putList(out, "routes", network.routes, [&](const Network::Route& route) {
        put(out, "table", route.table);
        put(out, "to", route.to.toString());
        put(out, "type", std::string(routeTypeName(route.type)));
        put(out, "interface", route.interface);
        put(out, "gateway", route.gateway ? route.gateway->toString() : "");
        put(out, "metric", route.metric);
    });
    putList(out, "rules", network.rules, [&](const Network::Rule& rule) {
        put(out, "family", std::string(familyName(rule.family)));
        put(out, "priority", rule.priority);
        put(out, "from", rule.from ? rule.from->toString() : "");
        put(out, "to", rule.to ? rule.to->toString() : "");
        if (rule.mark) {
            put(out, "mark", *rule.mark);
            put(out, "mask", rule.mask);
        }
        if (rule.suppressed) {
            put(out, "suppressed", *rule.suppressed);
        }
        put(out, "inverted", std::optional(rule.inverted));
        put(out, "further", std::optional(rule.further));
        put(out, "type", std::string(routeTypeName(rule.type)));
        put(out, "table", rule.table);
    });
    putList(out, "links", network.links, [&](const Network::Link& link) {
        put(out, "name", link.name);
        put(out, "kind", link.kind);
        put(out, "master", link.master);
        put(out, "lower", link.lower);
        put(out, "resolves", std::optional(link.resolves));
        put(out, "xdp", std::optional(link.xdp));
        put(out, "tc", std::optional(link.tc));
    });
    putList(out, "neighbours", network.neighbours, [&](const Network::Neighbour& neighbour) {
        put(out, "interface", neighbour.interface);
        put(out, "address", neighbour.address.toString());
    });
    putList(out, "rp_filter", network.rp_filter, [&](const auto& filter) {
        put(out, "interface", filter.first);
        put(out, "value", static_cast<unsigned>(filter.second));
    });
    out.EndObject();
}

std::optional<bool> flag(const Json& json, const char* name) {
    const auto* value = member(json, name);
    return value != nullptr && value->IsBool() ? std::optional(value->GetBool()) : std::nullopt;
}

unsigned unsignedOf(const Json& json, const char* name) {
    const auto* value = member(json, name);
    return value != nullptr && value->IsUint() ? value->GetUint() : 0;
}

void eachEntry(const Json& json, const char* name, const auto& each) {
    if (const auto* entries = member(json, name); entries != nullptr && entries->IsArray()) {
        for (const auto& entry : entries->GetArray()) {
            each(entry);
        }
    }
}

RouteType typeOf(const Json& json) {
    return parseRouteType(text(json, "type")).value_or(RouteType::other);
}

Network parseNetwork(const Json& json) {
    Network out;
    eachEntry(json, "routes", [&](const Json& entry) {
        if (const auto to = AddressRange::parse(text(entry, "to"))) {
            out.routes.push_back({unsignedOf(entry, "table"), *to, typeOf(entry), text(entry, "interface"),
                                  Address::parse(text(entry, "gateway")), unsignedOf(entry, "metric")});
        }
    });
    eachEntry(json, "rules", [&](const Json& entry) {
        Network::Rule rule;
        rule.family = parseFamily(text(entry, "family")).value_or(Family::ipv4);
        rule.priority = unsignedOf(entry, "priority");
        rule.from = AddressRange::parse(text(entry, "from"));
        rule.to = AddressRange::parse(text(entry, "to"));
        if (member(entry, "mark") != nullptr) {
            rule.mark = unsignedOf(entry, "mark");
            rule.mask = unsignedOf(entry, "mask");
        }
        if (member(entry, "suppressed") != nullptr) {
            rule.suppressed = unsignedOf(entry, "suppressed");
        }
        rule.inverted = flag(entry, "inverted").value_or(false);
        rule.further = flag(entry, "further").value_or(true);
        rule.type = typeOf(entry);
        rule.table = unsignedOf(entry, "table");
        out.rules.push_back(rule);
    });
    eachEntry(json, "links", [&](const Json& entry) {
        out.links.push_back({text(entry, "name"), text(entry, "kind"), text(entry, "master"),
                             text(entry, "lower"), flag(entry, "resolves").value_or(true),
                             flag(entry, "xdp").value_or(false), flag(entry, "tc").value_or(false)});
    });
    eachEntry(json, "neighbours", [&](const Json& entry) {
        if (const auto address = Address::parse(text(entry, "address"))) {
            out.neighbours.push_back({text(entry, "interface"), *address});
        }
    });
    eachEntry(json, "rp_filter", [&](const Json& entry) {
        out.rp_filter[text(entry, "interface")] = static_cast<int>(unsignedOf(entry, "value"));
    });
    return out;
}

}  // namespace

std::string toJson(const Host& host) {
    rapidjson::StringBuffer buffer;
    Writer out(buffer);
    out.StartObject();
    putList(out, "interfaces", host.interfaces, [&](const Host::Interface& interface) {
        put(out, "name", interface.name);
        put(out, "address", interface.address.toString());
        put(out, "prefix", interface.prefix_length);
    });
    put(out, "forwards_ipv4", host.forwards_ipv4);
    put(out, "forwards_ipv6", host.forwards_ipv6);
    if (host.network) {
        putNetwork(out, *host.network);
    }
    out.EndObject();
    return {buffer.GetString(), buffer.GetSize()};
}

Host parseHost(const Json& json) {
    Host host;
    eachEntry(json, "interfaces", [&](const Json& entry) {
        if (const auto address = Address::parse(text(entry, "address"))) {
            host.interfaces.push_back({text(entry, "name"), *address, unsignedOf(entry, "prefix")});
        }
    });
    host.forwards_ipv4 = flag(json, "forwards_ipv4");
    host.forwards_ipv6 = flag(json, "forwards_ipv6");
    if (const auto* network = member(json, "network"); network != nullptr && network->IsObject()) {
        host.network = parseNetwork(*network);
    }
    return host;
}

Host hostFromJson(std::string_view json) {
    auto document = json::parseOwn(json);
    return document.HasParseError() ? Host{} : parseHost(document);
}

}  // namespace lapwing::reach
