#pragma once

#include <prometheus/metric_family.h>

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "agent/host/owners.h"

namespace lapwing::agent::inventory {

/// Pure but for `exists`: `lapwing_replaced_program_info`, a sample for each listening program whose file an
/// upgrade has replaced; at most 64. A program whose file is gone without another in its place is none:
/// nobody upgraded it.
prometheus::MetricFamily replacedFamily(const std::map<std::uint64_t, Owner>& owners,
                                        const std::function<bool(const std::string& path)>& exists);

/// The files that tell of a reboot that is due.
struct RebootPlaces {
    std::string root;            ///< prefix of /run and /boot; "" is this machine
    std::string proc = "/proc";  ///< tells the running kernel and the time of the boot
};

/// `lapwing_reboot_required_info`: what packages ask for in /run/reboot-required, and a kernel that was
/// installed since the boot and that the next boot would load by Debian's link (vmlinuz). Without samples
/// where neither says so; that proves nothing on a system without these files.
prometheus::MetricFamily rebootFamily(const RebootPlaces& places);

}  // namespace lapwing::agent::inventory
