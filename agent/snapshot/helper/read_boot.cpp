#include "agent/snapshot/helper/read_boot.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <utility>

#include "agent/snapshot/helper/boot_plan.h"
#include "agent/snapshot/helper/rehearse.h"
#include "agent/snapshot/snapshot.h"

namespace lapwing::agent {

namespace {

/// A rehearsal that failed, perhaps at a deadline, is tried again after this time.
constexpr std::int64_t kRetryMs = 600'000;

/// The boot of the last snapshot. Only a file of this user's own is believed.
std::optional<Boot> lastBoot(const std::string& file) {
    struct stat about {};
    if (file.empty() || lstat(file.c_str(), &about) != 0 || !S_ISREG(about.st_mode) ||
        about.st_uid != geteuid()) {
        return std::nullopt;
    }
    std::ifstream in(file, std::ios::binary);
    std::stringstream text;
    text << in.rdbuf();
    auto snapshot = parseSnapshot(text.view());
    return snapshot ? std::optional(std::move(snapshot->boot)) : std::nullopt;
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
    if (auto last = lastBoot(options.previous);
        last && last->fingerprint == boot.fingerprint && last->rehearsed != 0 &&
        (last->unknown.empty() || std::abs(now - last->rehearsed) < kRetryMs)) {
        return std::move(*last);
    }
    auto rehearsal = rehearse(plan, options);
    boot.rehearsed = now;
    boot.listing = std::move(rehearsal.listing);
    boot.unknown = std::move(rehearsal.unknown);
    boot.faults.insert(boot.faults.end(), rehearsal.faults.begin(), rehearsal.faults.end());
    return boot;
}

}  // namespace lapwing::agent
