#pragma once

#include <prometheus/metric_family.h>

#include <cstdint>
#include <string>
#include <vector>

#include "agent/probes/probe.h"

namespace lapwing::agent::inventory {

/// An installed package for which a security suite has a newer version.
struct SecurityUpdate {
    std::string package;  ///< "libc6", or "libc6:i386" where another architecture's is installed
    std::string installed;
    std::string offered;
    bool operator==(const SecurityUpdate&) const = default;
};

/// The files of dpkg and apt; elsewhere in tests.
struct PackagePlaces {
    std::string dpkg_status = "/var/lib/dpkg/status";
    std::string apt_lists = "/var/lib/apt/lists";
    std::string apt_stamp = "/var/lib/apt/periodic/update-success-stamp";
};

/// What apt's lists, as they were last fetched, say of updates.
struct PackageLists {
    bool known = false;  ///< there are lists of security suites, and each was read
    std::vector<SecurityUpdate> updates;
    std::int64_t fetched_s = 0;  ///< when apt last fetched lists, in seconds since 1970; 0: unknown
    std::string note;            ///< why `known` is false on a host with apt
};

/// Reads the lists again when one of the files has changed. Needs no network and no rights. Pins and holds
/// are not looked at: a held package lacks the update all the same. Not synchronised.
class SecurityUpdates {
  public:
    explicit SecurityUpdates(PackagePlaces places) : places_(std::move(places)) {}
    /// Errors: `timeout`; the next call begins anew.
    Expected<PackageLists> read(const Deadline& deadline);

  private:
    PackagePlaces places_;
    std::string state_;  ///< names, sizes and times of the files that `lists_` is of
    PackageLists lists_;
};

/// Whether a file of apt's directory of lists is of a security suite: of Debian
/// ("..._debian-security_dists_bookworm-security_main_binary-amd64_Packages"), of its releases before 11, or
/// of Ubuntu ("..._ubuntu_dists_jammy-security_..."). The compressed forms have a further extension. Pure.
bool isSecurityList(const std::string& file_name);

/// Pure: `lapwing_security_updates_pending`, `lapwing_security_update_info` (64 at most) and
/// `lapwing_package_lists_timestamp_seconds`, as far as they are known.
std::vector<prometheus::MetricFamily> securityFamilies(const PackageLists& lists);

}  // namespace lapwing::agent::inventory
