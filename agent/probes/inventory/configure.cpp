#include <chrono>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "agent/probes/inventory/inventory.h"
#include "agent/probes/kind.h"
#include "agent/probes/switch.h"
#include "agent/snapshot/snapshot_file.h"

namespace lapwing::agent {

namespace {

constexpr std::chrono::seconds kInterval{60};

std::vector<inventory::FileSet> readSets(const config::Node& node) {
    node.allow({"files"});
    std::vector<inventory::FileSet> out;
    std::set<std::string> names{"nginx", "haproxy", "certificates", "packages"};
    node["files"].forEach([&](const config::Node& entry) {
        entry.allow({"name", "paths", "exclude"});
        inventory::FileSet set;
        entry["name"].read(set.name);
        entry["paths"].read(set.paths);
        entry["exclude"].read(set.exclude);
        if (set.name.empty() || set.paths.empty()) {
            entry.problem(entry.path() + " needs a name and paths");
        } else if (!names.insert(set.name).second) {
            entry.problem(entry.path() + ".name: \"" + set.name + "\" is the name of another set");
        }
        for (const auto& path : set.paths) {
            if (!path.starts_with('/')) {
                entry.problem(entry.path() + ".paths: \"" + path + "\" is not absolute");
            }
        }
        out.push_back(std::move(set));
    });
    return out;
}

std::string configureInventory(const config::Node& node, const ProbeContext& context,
                               std::vector<ProbeSpec>& out) {
    const auto wanted = switchOf(node);
    if (wanted == Switch::off) {
        return "inventory: off (configured)";
    }
    inventory::Places places;
    places.reboot.proc = context.proc;
    if (context.snapshot) {
        const auto& snapshot = context.snapshot->path();
        places.configtest = snapshot.substr(0, snapshot.rfind('/') + 1) + "configtest.json";
    }
    ProbeSpec spec;
    spec.job = "inventory";
    spec.instance = context.host;
    spec.interval = kInterval;
    spec.probe = std::make_unique<inventory::InventoryProbe>(
        std::move(places), wanted == Switch::given ? readSets(node) : std::vector<inventory::FileSet>{},
        context.snapshot);
    out.push_back(std::move(spec));
    return wanted == Switch::detect ? "inventory: on (every host has it)" : "inventory: on (configured)";
}

}  // namespace

ProbeKind inventoryProbe() {
    return {"inventory", "files, certificates and packages that servers of one kind should share",
            &configureInventory};
}

}  // namespace lapwing::agent
