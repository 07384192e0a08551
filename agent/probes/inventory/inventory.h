#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/configtest/configtest.h"
#include "agent/probes/inventory/files.h"
#include "agent/probes/inventory/nginx_routes.h"
#include "agent/probes/inventory/pending.h"
#include "agent/probes/inventory/security_updates.h"
#include "agent/probes/probe.h"
#include "agent/snapshot/snapshot_file.h"

namespace lapwing::agent::inventory {

/// The paths to read; elsewhere in tests.
struct Places {
    std::string nginx = "/etc/nginx";
    std::string haproxy = "/etc/haproxy";
    std::string hosts = "/etc/hosts";
    std::string configtest = "/run/lapwing/configtest.json";
    RebootPlaces reboot = {};
    PackagePlaces packages = {};
    std::vector<std::string> unit_directories{"/etc/systemd/system", "/run/systemd/system"};
};

/// Digests of the files and packages that servers of one kind should share, the routes of Nginx's
/// configuration, whether Nginx and HAProxy would load theirs, and restarts, reboots and security updates
/// that are due. `sets`: further sets besides those of the README's table.
class InventoryProbe : public Probe {
  public:
    InventoryProbe(Places places, std::vector<FileSet> sets,
                   std::shared_ptr<SnapshotFile> snapshot = nullptr);
    Expected<ProbeResult> collect(const Deadline& deadline) override;

  private:
    std::vector<FileSet> allSets() const;
    std::vector<std::string> packages();
    NginxConfiguration nginx() const;
    void addTests(ProbeResult& result, const Deadline& deadline) const;
    void addPending(ProbeResult& result) const;
    void addSecurityUpdates(ProbeResult& result, const Deadline& deadline);

    Places places_;
    std::vector<FileSet> sets_;
    std::shared_ptr<SnapshotFile> snapshot_;
    FileDigests digests_;
    std::int64_t packages_modified_ = 0;
    std::vector<std::string> packages_;
    SecurityUpdates security_updates_;
};

/// Pure: the document of a set (a line for each entry), and its sample.
ProbeResult inventoryResult(const std::map<std::string, std::vector<std::string>>& entries_by_set);

/// Pure: `lapwing_nginx_route_info`. Empty if a part of the configuration is unknown, because that part could
/// contain the relevant route.
prometheus::MetricFamily routeFamily(const NginxConfiguration& configuration);

/// Pure: the results of the tests of configurations.
std::vector<prometheus::MetricFamily> testFamilies(const std::vector<configtest::Test>& tests);

}  // namespace lapwing::agent::inventory
