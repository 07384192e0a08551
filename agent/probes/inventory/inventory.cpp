#include "agent/probes/inventory/inventory.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstdint>
#include <utility>

#include "agent/nginx_conf/files.h"
#include "agent/probes/inventory/parse.h"
#include "common/digest.h"
#include "common/metric_names.h"
#include "common/model/families.h"

namespace lapwing::agent::inventory {

namespace {

bool exists(const std::string& path) {
    struct stat about {};
    return stat(path.c_str(), &about) == 0;
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
        packages_ = servingPackages(readText(places_.dpkg_status).value_or(""));
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
    const auto nginx_configuration = nginx();
    FileSet certificates{"certificates", {}, {}};
    for (const auto& path : nginx_configuration.certificates) {
        certificates.paths.push_back(path.starts_with('/') ? path : places_.nginx + "/" + path);
    }
    auto listed = digests_.list(certificates, mine);
    if (!listed) {
        return tl::unexpected(listed.error());
    }
    entries["certificates"] = std::move(*listed);
    entries["packages"] = packages();
    digests_.forgetOthers();
    auto result = inventoryResult(entries);
    if (auto routes = routeFamily(nginx_configuration); !routes.metric.empty()) {
        result.families.push_back(std::move(routes));
    }
    if (!nginx_configuration.fault.empty()) {
        result.note = "where Nginx passes requests is not known: " + nginx_configuration.fault;
    }
    return result;
}

NginxConfiguration InventoryProbe::nginx() const {
    const auto main_file = places_.nginx + "/nginx.conf";
    return exists(main_file)
               ? readNginx(main_file, hostFiles(), parseHosts(readText(places_.hosts).value_or("")))
               : NginxConfiguration();
}

prometheus::MetricFamily routeFamily(const NginxConfiguration& configuration) {
    auto out = gauge(metric::kNginxRouteInfo,
                     "Where Nginx passes the requests that come to a port, by its configuration");
    for (const auto& route : configuration.routes) {
        if (configuration.fault.empty()) {
            add(out,
                {{"port", std::to_string(route.port)},
                 {"server_names", route.server_names},
                 {"default_server", route.default_server ? "yes" : ""},
                 {"upstream", route.upstream},
                 {"address", route.address},
                 {"role", route.role},
                 {"next_upstream", route.next_upstream},
                 {"max_fails", route.max_fails}},
                1);
        }
    }
    return out;
}

ProbeResult inventoryResult(const std::map<std::string, std::vector<std::string>>& entries_by_set) {
    ProbeResult result;
    auto info = gauge(metric::kInventoryInfo,
                      "The digest of the document that lists a set of files, or the packages");
    auto count = gauge(metric::kInventoryEntries, "How many entries the set has");
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
