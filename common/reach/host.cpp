#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <algorithm>

#include "common/reach/nft_json.h"

namespace lapwing::reach {

namespace {

std::optional<bool> flag(const Json& json, const char* name) {
    const auto* value = member(json, name);
    return value != nullptr && value->IsBool() ? std::optional(value->GetBool()) : std::nullopt;
}

bool anyChain(const Ruleset::Model& model, const auto& wanted) {
    return std::any_of(model.tables.begin(), model.tables.end(), [&](const Table& table) {
        return std::any_of(table.chains.begin(), table.chains.end(),
                           [&](const auto& chain) { return wanted(table, chain.first); });
    });
}

bool isLegacy(const Table& table) {
    return table.label.starts_with("legacy ");
}

bool isOfIptables(const Table& table) {
    const auto has = [&](const char* chain) { return table.chains.contains(chain); };
    return isLegacy(table) || ((table.family == TableFamily::ip || table.family == TableFamily::ip6) &&
                               (has("INPUT") || has("FORWARD") || has("PREROUTING") || has("POSTROUTING")));
}

bool restricts(const Table& table) {
    return std::any_of(table.chains.begin(), table.chains.end(), [](const auto& chain) {
        return !chain.second.rules.empty() || chain.second.dropsByDefault();
    });
}

}  // namespace

std::string toJson(const Host& host) {
    rapidjson::StringBuffer buffer;
    rapidjson::Writer<rapidjson::StringBuffer> writer(buffer);
    writer.StartObject();
    writer.Key("interfaces");
    writer.StartArray();
    for (const auto& interface : host.interfaces) {
        writer.StartObject();
        writer.Key("name");
        writer.String(interface.name.c_str());
        writer.Key("address");
        writer.String(interface.address.toString().c_str());
        writer.Key("prefix");
        writer.Uint(interface.prefix_length);
        writer.EndObject();
    }
    writer.EndArray();
    for (const auto& [name, forwards] :
         {std::pair("forwards_ipv4", host.forwards_ipv4), std::pair("forwards_ipv6", host.forwards_ipv6)}) {
        if (forwards) {
            writer.Key(name);
            writer.Bool(*forwards);
        }
    }
    writer.EndObject();
    return {buffer.GetString(), buffer.GetSize()};
}

Host parseHost(const Json& json) {
    Host host;
    if (const auto* interfaces = member(json, "interfaces"); interfaces != nullptr && interfaces->IsArray()) {
        for (const auto& interface : interfaces->GetArray()) {
            const auto* prefix = member(interface, "prefix");
            if (const auto address = Address::parse(text(interface, "address"))) {
                host.interfaces.push_back({text(interface, "name"), *address,
                                           prefix != nullptr && prefix->IsUint() ? prefix->GetUint() : 0});
            }
        }
    }
    host.forwards_ipv4 = flag(json, "forwards_ipv4");
    host.forwards_ipv6 = flag(json, "forwards_ipv6");
    return host;
}

namespace {

/// A program that makes rules, by the beginning of its chains' names and by the table of its own.
struct Manager {
    const char* name;
    const char* chains;
    const char* table;
};

constexpr Manager kManagers[] = {
    {"ufw", "ufw-", ""},
    {"ufw", "ufw6-", ""},
    {"firewalld", "INPUT_ZONES", "firewalld"},
    {"Docker", "DOCKER", "docker-bridges"},
    {"fail2ban", "f2b-", "f2b-table"},
    {"libvirt", "LIBVIRT_", "libvirt_network"},
    {"Kubernetes", "KUBE-", "kube-proxy"},
    {"Podman", "NETAVARK", "netavark"},
};

}  // namespace

Host hostFromJson(std::string_view json) {
    rapidjson::Document document;
    document.Parse<rapidjson::kParseIterativeFlag>(json.data(), json.size());
    return document.HasParseError() ? Host{} : parseHost(document);
}

void Ruleset::describeHost(Host host) {
    {
        const MutexLock lock(model_->found_mutex);
        model_->found.clear();
        model_->found_ranges = 0;
    }
    model_->host = std::move(host);
}

const Host& Ruleset::host() const {
    return model_->host;
}

std::vector<std::string> Ruleset::managers() const {
    std::vector<std::string> out;
    for (const auto& manager : kManagers) {
        if (anyChain(*model_, [&](const Table& table, const std::string& chain) {
                return chain.starts_with(manager.chains) || table.name == manager.table;
            })) {
            out.emplace_back(manager.name);
        }
    }
    if (anyChain(*model_, [](const Table& table, const std::string& /*chain*/) {
            return table.family == TableFamily::inet && table.name == "lapwing";
        })) {
        out.emplace_back("Lapwing's remedy");
    }
    out.erase(std::unique(out.begin(), out.end()), out.end());
    return out;
}

bool Ruleset::mixesLegacy() const {
    const auto has_rules = [&](bool legacy) {
        return std::any_of(model_->tables.begin(), model_->tables.end(),
                           [&](const Table& table) { return isLegacy(table) == legacy && restricts(table); });
    };
    return has_rules(true) && has_rules(false);
}

bool Ruleset::hasRules() const {
    return std::any_of(model_->tables.begin(), model_->tables.end(), restricts);
}

std::vector<std::string> Ruleset::nativeTables() const {
    std::vector<std::string> out;
    for (const auto& table : model_->tables) {
        if (restricts(table) && !isOfIptables(table)) {
            out.push_back(table.label);
        }
    }
    return out;
}

}  // namespace lapwing::reach
