#include <algorithm>

#include "common/reach/model.h"

namespace lapwing::reach {

namespace {

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

void Ruleset::describeHost(Host host) {
    {
        const MutexLock lock(model_->found_mutex);
        model_->found.clear();
        model_->neighbours.clear();
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
