#include "agent/probes/inventory/inventory.h"

#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <fstream>
#include <set>
#include <utility>

#include "agent/nginx_conf/files.h"
#include "agent/probes/inventory/packages.h"
#include "agent/probes/inventory/served.h"
#include "common/digest.h"
#include "common/metric_names.h"
#include "common/model/clock.h"
#include "common/model/families.h"

namespace lapwing::agent::inventory {

namespace {

/// The helper writes twice a minute, and takes 90 s at most.
constexpr std::int64_t kMostTestAgeMs = 300'000;
constexpr std::int64_t kMostSnapshotAgeMs = 120'000;
constexpr std::chrono::seconds kMostHandshakes{3};

void append(std::string& note, const std::string& text) {
    note += (note.empty() ? "" : "; ") + text;
}

bool exists(const std::string& path) {
    struct stat about {};
    return stat(path.c_str(), &about) == 0;
}

}  // namespace

InventoryProbe::InventoryProbe(Places places, std::vector<FileSet> sets,
                               std::shared_ptr<SnapshotFile> snapshot)
    : places_(std::move(places)),
      sets_(std::move(sets)),
      snapshot_(std::move(snapshot)),
      security_updates_(places_.packages) {}

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
    if (stat(places_.packages.dpkg_status.c_str(), &about) != 0) {
        return {};
    }
    const std::int64_t modified = about.st_mtim.tv_sec * 1'000'000'000LL + about.st_mtim.tv_nsec;
    if (modified != packages_modified_) {
        std::ifstream status(places_.packages.dpkg_status);
        packages_ = servingPackages(status);
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
    addTests(result, mine);
    addPending(result);
    addSecurityUpdates(result, mine);
    return result;
}

void InventoryProbe::addPending(ProbeResult& result) const {
    std::vector<prometheus::MetricFamily> families{rebootFamily(places_.reboot)};
    // The probe `firewall` tells of a snapshot that cannot be read.
    if (snapshot_ != nullptr) {
        if (const auto snapshot = snapshot_->read(readClocks().wall, kMostSnapshotAgeMs)) {
            families.push_back(replacedFamily((*snapshot)->owners, &exists));
        }
    }
    for (auto& family : families) {
        if (!family.metric.empty()) {
            result.families.push_back(std::move(family));
        }
    }
}

void InventoryProbe::addSecurityUpdates(ProbeResult& result, const Deadline& deadline) {
    const auto lists = security_updates_.read(deadline);
    const auto& note = lists ? lists->note : lists.error().message;
    if (!note.empty()) {
        append(result.note, "whether security updates are pending is not known: " + note);
    }
    for (auto& family : securityFamilies(lists.value_or(PackageLists{}))) {
        result.families.push_back(std::move(family));
    }
}

void InventoryProbe::addTests(ProbeResult& result, const Deadline& deadline) const {
    // The wall clock, as lapwing-configtest, which no collector corrects.
    const auto read = configtest::readTests(places_.configtest, readClocks().wall, kMostTestAgeMs);
    if (!read) {
        const auto& error = read.error();
        const bool concerned = exists(places_.nginx) || exists(places_.haproxy);
        const bool unwanted =
            error.kind == ErrorKind::unavailable && configtest::isSwitchedOff(places_.unit_directories);
        if (error.kind != ErrorKind::not_found && !unwanted) {
            result.failure = error;
        } else if (unwanted && concerned) {
            append(result.note, error.message + ": lapwing-configtest.timer is switched off");
        } else if (concerned) {
            append(result.note, "whether Nginx and HAProxy would load their configuration is not known: " +
                                    error.message + " (systemctl status lapwing-configtest.timer)");
        }
        return;
    }
    for (const auto& test : read->tests) {
        if (test.result == configtest::Result::unknown) {
            append(result.note,
                   "whether " + test.program + " would load its configuration is not known: " + test.words);
        }
    }
    for (auto& family : testFamilies(read->tests)) {
        result.families.push_back(std::move(family));
    }
    std::string unknown;
    auto stale =
        staleFamily(read->certificates,
                    std::min(deadline.at(), std::chrono::steady_clock::now() + kMostHandshakes), unknown);
    if (!unknown.empty()) {
        append(result.note, unknown);
    }
    if (!stale.metric.empty()) {
        result.families.push_back(std::move(stale));
    }
}

std::vector<prometheus::MetricFamily> testFamilies(const std::vector<configtest::Test>& tests) {
    auto info = gauge(metric::kConfigurationTestInfo,
                      "Whether the program would load its configuration, by its own test");
    auto time = gauge(metric::kConfigurationTestTime, "When the test last ran");
    std::set<std::pair<std::string, std::string>> told;
    for (const auto& test : tests) {
        // Two masters with one configuration: one of them is told.
        if (!told.emplace(test.program, test.configuration).second) {
            continue;
        }
        add(info,
            {{"program", test.program},
             {"configuration", test.configuration},
             {"result", nameOf(configtest::kResultNames, test.result)},
             {"place", test.place},
             {"words", test.words}},
            1);
        if (test.tested != 0) {
            add(time, {{"program", test.program}, {"configuration", test.configuration}},
                static_cast<double>(test.tested) / 1000);
        }
    }
    std::vector<prometheus::MetricFamily> out;
    for (auto* family : {&info, &time}) {
        if (!family->metric.empty()) {
            out.push_back(std::move(*family));
        }
    }
    return out;
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
