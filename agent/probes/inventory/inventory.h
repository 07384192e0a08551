#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "agent/probes/inventory/files.h"
#include "agent/probes/inventory/nginx_routes.h"
#include "agent/probes/probe.h"

namespace lapwing::agent::inventory {

/// The paths to read; elsewhere in tests.
struct Places {
    std::string nginx = "/etc/nginx";
    std::string haproxy = "/etc/haproxy";
    std::string dpkg_status = "/var/lib/dpkg/status";
    std::string hosts = "/etc/hosts";
};

/// Digests of the files and packages that servers of one kind should share, and the routes of Nginx's
/// configuration. `sets`: further sets besides those of the README's table.
class InventoryProbe : public Probe {
  public:
    InventoryProbe(Places places, std::vector<FileSet> sets);
    Expected<ProbeResult> collect(const Deadline& deadline) override;

  private:
    std::vector<FileSet> allSets() const;
    std::vector<std::string> packages();
    NginxConfiguration nginx() const;

    Places places_;
    std::vector<FileSet> sets_;
    FileDigests digests_;
    std::int64_t packages_modified_ = 0;
    std::vector<std::string> packages_;
};

/// Pure: the document of a set (a line for each entry), and its sample.
ProbeResult inventoryResult(const std::map<std::string, std::vector<std::string>>& entries_by_set);

/// Pure: `lapwing_nginx_route_info`. Empty if a part of the configuration is unknown, because that part could
/// contain the relevant route.
prometheus::MetricFamily routeFamily(const NginxConfiguration& configuration);

}  // namespace lapwing::agent::inventory
