#include "agent/probes/inventory/security_updates.h"

#include <re2/re2.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <string_view>
#include <utility>

#include "agent/probes/inventory/package_version.h"
#include "agent/probes/inventory/packages.h"
#include "common/metric_names.h"
#include "common/model/families.h"

namespace lapwing::agent::inventory {

namespace {

constexpr std::size_t kMostLists = 64;
constexpr std::size_t kMostTold = 64;
constexpr std::string_view kPlainList = "_Packages";

std::optional<struct stat> statOf(const std::string& path) {
    struct stat about {};
    return stat(path.c_str(), &about) == 0 ? std::optional(about) : std::nullopt;
}

/// Tells whether a file has changed.
std::string stateOf(const std::string& path) {
    const auto about = statOf(path);
    return about ? path + " " + std::to_string(about->st_size) + " " + std::to_string(about->st_mtim.tv_sec) +
                       "." + std::to_string(about->st_mtim.tv_nsec) + "\n"
                 : path + " absent\n";
}

/// The lists of security suites, sorted.
std::vector<std::string> securityLists(const std::string& directory) {
    std::vector<std::string> out;
    std::error_code ignored;
    for (auto entry = std::filesystem::directory_iterator(directory, ignored);
         entry != std::filesystem::directory_iterator(); entry.increment(ignored)) {
        if (auto name = entry->path().filename().string(); isSecurityList(name)) {
            out.push_back(std::move(name));
        }
    }
    std::sort(out.begin(), out.end());
    return out;
}

std::int64_t newest(const std::vector<std::string>& paths) {
    std::int64_t out = 0;
    for (const auto& path : paths) {
        if (const auto about = statOf(path)) {
            out = std::max<std::int64_t>(out, about->st_mtim.tv_sec);
        }
    }
    return out;
}

/// Installed packages by name and architecture; `most` is their commonest architecture, the machine's.
struct Installed {
    std::map<std::pair<std::string, std::string>, std::string> versions;
    std::string most;
};

Installed installedPackages(const std::string& dpkg_status) {
    Installed out;
    std::map<std::string, std::size_t> architectures;
    std::ifstream in(dpkg_status);
    forEachPackage(in, [&](const Package& package) {
        if (package.installed) {
            out.versions[{package.name, package.architecture}] = package.version;
            architectures[package.architecture] += package.architecture == "all" ? 0 : 1;
        }
    });
    const auto most = std::max_element(architectures.begin(), architectures.end(),
                                       [](const auto& a, const auto& b) { return a.second < b.second; });
    out.most = most == architectures.end() ? "" : most->first;
    return out;
}

/// A package may change between "all" and an architecture.
const std::string* versionOf(const Installed& installed, const std::string& name,
                             const std::string& architecture) {
    for (const auto& each : {architecture, std::string("all")}) {
        if (const auto found = installed.versions.find({name, each}); found != installed.versions.end()) {
            return &found->second;
        }
    }
    if (architecture == "all") {
        const auto found = installed.versions.find({name, installed.most});
        return found == installed.versions.end() ? nullptr : &found->second;
    }
    return nullptr;
}

}  // namespace

bool isSecurityList(const std::string& file_name) {
    static const RE2 list("(.*)_dists_(.*)_binary-[^_]+_Packages(\\.(gz|bz2|xz|lz4|lzma|zst))?");
    static const RE2 suite("[^_]*-security_.*");
    static const RE2 suite_before_11("[^_]+_updates_.*");
    std::string archive;
    std::string path;
    return RE2::FullMatch(file_name, list, &archive, &path) &&
           (RE2::FullMatch(path, suite) ||
            (archive.find("security") != std::string::npos && RE2::FullMatch(path, suite_before_11)));
}

Expected<PackageLists> SecurityUpdates::read(const Deadline& deadline) {
    auto lists = securityLists(places_.apt_lists);
    std::string state = stateOf(places_.dpkg_status);
    for (const auto& name : lists) {
        state += stateOf(places_.apt_lists + "/" + name);
    }
    // apt writes into "partial" even where nothing is new.
    const auto fetched = newest({places_.apt_stamp, places_.apt_lists, places_.apt_lists + "/partial"});
    if (state == state_) {
        lists_.fetched_s = fetched;
        return lists_;
    }
    PackageLists out;
    out.fetched_s = fetched;
    const auto installed = installedPackages(places_.dpkg_status);
    std::map<std::string, SecurityUpdate> updates;
    if (lists.size() > kMostLists) {
        out.note = "more than " + std::to_string(kMostLists) + " lists of security suites are in " +
                   places_.apt_lists;
        lists.clear();
    }
    for (const auto& name : lists) {
        const auto path = places_.apt_lists + "/" + name;
        if (!name.ends_with(kPlainList)) {
            out.note = path + " is compressed (Acquire::GzipIndexes), which is not read";
            continue;
        }
        std::ifstream in(path);
        if (!in) {
            out.note = path + " cannot be read";
            continue;
        }
        forEachPackage(in, [&](const Package& package) {
            const auto* version = versionOf(installed, package.name, package.architecture);
            if (version == nullptr || compareVersions(*version, package.version) >= 0) {
                return;
            }
            const bool foreign = package.architecture != installed.most && package.architecture != "all";
            const auto full_name = foreign ? package.name + ":" + package.architecture : package.name;
            auto& update = updates[full_name];
            if (update.offered.empty() || compareVersions(update.offered, package.version) < 0) {
                update = {full_name, *version, package.version};
            }
        });
        if (deadline.passed()) {
            return tl::unexpected(Error{ErrorKind::timeout, "reading " + path + " took too long"});
        }
    }
    if (lists.empty() && out.note.empty() && statOf(places_.apt_lists) && !installed.versions.empty()) {
        out.note = "no list of a security suite is in " + places_.apt_lists;
    }
    out.known = !lists.empty() && out.note.empty();
    for (auto& [name, update] : updates) {
        out.updates.push_back(std::move(update));
    }
    lists_ = std::move(out);
    state_ = std::move(state);
    return lists_;
}

std::vector<prometheus::MetricFamily> securityFamilies(const PackageLists& lists) {
    std::vector<prometheus::MetricFamily> out;
    if (!lists.known) {
        return out;
    }
    auto pending = gauge(metric::kSecurityUpdatesPending,
                         "Installed packages for which a security suite has a newer version");
    add(pending, {}, static_cast<double>(lists.updates.size()));
    auto info = gauge(metric::kSecurityUpdateInfo, "A package that waits for an update of a security suite");
    for (const auto& update : lists.updates) {
        if (info.metric.size() < kMostTold) {
            add(info,
                {{"package", update.package}, {"installed", update.installed}, {"offered", update.offered}},
                1);
        }
    }
    auto fetched = gauge(metric::kPackageListsTime, "When apt last fetched lists of packages");
    if (lists.fetched_s != 0) {
        add(fetched, {}, static_cast<double>(lists.fetched_s));
    }
    for (auto* family : {&pending, &info, &fetched}) {
        if (!family->metric.empty()) {
            out.push_back(std::move(*family));
        }
    }
    return out;
}

}  // namespace lapwing::agent::inventory
