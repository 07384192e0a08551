#pragma once

#include <map>
#include <string>
#include <vector>

#include "agent/probes/inventory/files.h"
#include "agent/probes/probe.h"

namespace lapwing::agent::inventory {

/// Where things are; elsewhere in tests.
struct Places {
    std::string nginx = "/etc/nginx";
    std::string haproxy = "/etc/haproxy";
    std::string dpkg_status = "/var/lib/dpkg/status";
};

/// Digests of what servers of one kind should have alike. `sets`: besides those of the README's table.
class InventoryProbe : public Probe {
  public:
    InventoryProbe(Places places, std::vector<FileSet> sets);
    Expected<ProbeResult> collect(const Deadline& deadline) override;

  private:
    std::vector<FileSet> allSets() const;
    std::vector<std::string> packages();

    Places places_;
    std::vector<FileSet> sets_;
    FileDigests digests_;
    std::int64_t packages_modified_ = 0;
    std::vector<std::string> packages_;
};

/// Pure: the document of a set (a line for each entry), and its sample.
ProbeResult inventoryResult(const std::map<std::string, std::vector<std::string>>& entries_by_set);

}  // namespace lapwing::agent::inventory
