#include "agent/probes/inventory/inventory.h"

#include <dirent.h>
#include <sys/stat.h>

#include <fstream>
#include <sstream>

#include "agent/probes/inventory/parse.h"
#include "common/digest.h"
#include "common/model/families.h"

namespace lapwing::agent::inventory {

namespace {

std::string contentsOf(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

bool exists(const std::string& path) {
    struct stat about {};
    return stat(path.c_str(), &about) == 0;
}

std::string pathOf(const std::string& line) {
    return line.substr(line.find("  ") + 2);
}

}  // namespace

InventoryProbe::InventoryProbe(Places places, std::vector<FileSet> sets)
    : places_(std::move(places)), sets_(std::move(sets)) {}

std::vector<FileSet> InventoryProbe::allSets() const {
    std::vector<FileSet> out = sets_;
    for (const auto& [name, place] :
         {std::pair("nginx", &places_.nginx), std::pair("haproxy", &places_.haproxy)}) {
        if (exists(*place)) {
            out.push_back({name, {*place}, {}});
        }
    }
    return out;
}

std::vector<std::string> InventoryProbe::packages() {
    struct stat about {};
    if (stat(places_.dpkg_status.c_str(), &about) != 0) {
        return {};
    }
    const std::int64_t modified = about.st_mtim.tv_sec * 1'000'000'000LL + about.st_mtim.tv_nsec;
    if (modified != packages_modified_) {
        packages_ = servingPackages(contentsOf(places_.dpkg_status));
        packages_modified_ = modified;
    }
    return packages_;
}

Expected<ProbeResult> InventoryProbe::collect(const Deadline& deadline) {
    const Deadline mine(deadline.budget());
    std::map<std::string, std::vector<std::string>> entries;
    for (const auto& set : allSets()) {
        auto listed = digests_.list(set, mine);
        if (!listed) {
            return tl::unexpected(listed.error());
        }
        entries[set.name] = std::move(*listed);
    }
    FileSet certificates{"certificates", {}, {}};
    for (const auto& line : entries["nginx"]) {
        for (auto& path : nginxCertificates(contentsOf(pathOf(line)))) {
            certificates.paths.push_back(path.starts_with('/') ? path : places_.nginx + "/" + path);
        }
    }
    auto listed = digests_.list(certificates, mine);
    if (!listed) {
        return tl::unexpected(listed.error());
    }
    entries["certificates"] = std::move(*listed);
    entries["packages"] = packages();
    digests_.forgetOthers();
    return inventoryResult(entries);
}

ProbeResult inventoryResult(const std::map<std::string, std::vector<std::string>>& entries_by_set) {
    ProbeResult result;
    auto info = gauge("lapwing_inventory_info",
                      "The digest of the document that lists a set of files, or the packages");
    auto count = gauge("lapwing_inventory_entries", "How many entries the set has");
    for (const auto& [set, entries] : entries_by_set) {
        if (entries.empty()) {
            continue;
        }
        std::string body;
        for (const auto& entry : entries) {
            body += entry + "\n";
        }
        add(info, {{"set", set}, {"digest", sha256(body)}}, 1);
        add(count, {{"set", set}}, static_cast<double>(entries.size()));
        result.documents.push_back({"inventory", std::move(body)});
    }
    for (auto* family : {&info, &count}) {
        if (!family->metric.empty()) {
            result.families.push_back(std::move(*family));
        }
    }
    return result;
}

}  // namespace lapwing::agent::inventory
