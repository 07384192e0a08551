#include "agent/snapshot/helper/read_boot.h"

#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <set>
#include <string>
#include <utility>

#include "agent/snapshot/helper/boot_plan.h"
#include "agent/snapshot/helper/last_snapshot.h"
#include "agent/snapshot/helper/rehearse.h"
#include "agent/snapshot/snapshot.h"

namespace lapwing::agent {

namespace {

/// A rehearsal that failed, perhaps at a deadline, is tried again after this time.
constexpr std::int64_t kRetryMs = 120'000;

/// The last rehearsal holds: its inputs are the same, and its listing can be read.
bool stillHolds(const CollectOptions& options, const Boot& last, const Boot& boot, TimestampMs now) {
    if (last.fingerprint != boot.fingerprint || last.rehearsed == 0 ||
        (!last.unknown.empty() && std::abs(now - last.rehearsed) >= kRetryMs)) {
        return false;
    }
    const auto directory = options.previous.substr(0, options.previous.rfind('/') + 1);
    return last.file.empty() || access((directory + last.file).c_str(), R_OK) == 0;
}

}  // namespace

Boot readBoot(const CollectOptions& options, const reach::Host& host) {
    std::set<std::string> names;
    for (const auto& interface : host.interfaces) {
        names.insert(interface.name);
    }
    auto plan = planBoot(options.root, {names.begin(), names.end()});
    Boot boot;
    boot.makers = plan.makers;
    boot.faults = plan.faults;
    boot.unknown = plan.unknown;
    boot.fingerprint = plan.fingerprint;
    for (const auto& source : plan.sources) {
        boot.sources.push_back(source.unit + " " + source.file);
    }
    if (!boot.unknown.empty() || !boot.makers.empty()) {
        return boot;
    }
    if (plan.sources.empty()) {
        boot.listing = reach::listingOf(R"({"nftables":[]})", {}, {}, {});
        return boot;
    }
    const auto now = nowMs();
    if (auto last = lastSnapshot(options.previous); last && stillHolds(options, last->boot, boot, now)) {
        return std::move(last->boot);
    }
    auto rehearsal = rehearse(plan, options);
    boot.rehearsed = now;
    boot.listing = std::move(rehearsal.listing);
    boot.unknown = std::move(rehearsal.unknown);
    boot.faults.insert(boot.faults.end(), rehearsal.faults.begin(), rehearsal.faults.end());
    return boot;
}

}  // namespace lapwing::agent
