#include "agent/probes/keepalived/keepalived.h"

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <sstream>
#include <utility>

#include "agent/host/interfaces.h"
#include "agent/probes/kind.h"
#include "agent/probes/switch.h"
#include "common/metric_names.h"
#include "common/model/clock.h"
#include "common/model/families.h"
#include "common/model/sample.h"

namespace lapwing::agent {

namespace keepalived {

namespace {

constexpr std::int64_t kMostAgeMs = 120'000;
// As keepalived_exporter numbers the states.
constexpr double kBackup = 1;
constexpr double kMaster = 2;

std::string contentsOf(const std::string& path) {
    std::ifstream file(path);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

std::string joined(const std::vector<std::string>& words) {
    std::string out;
    for (const auto& word : words) {
        out += (out.empty() ? "" : " ") + word;
    }
    return out;
}

std::set<std::string> addressesHere() {
    std::set<std::string> out;
    if (const auto addresses = listInterfaceAddresses(InterfaceState::up)) {
        for (const auto& each : *addresses) {
            out.insert(each.address.toString());
        }
    }
    return out;
}

/// The address without its prefix length, in the form of the interfaces' addresses.
std::string canonical(const std::string& text) {
    const auto address = text.substr(0, text.find('/'));
    const auto parsed = reach::Address::parse(address);
    return parsed ? parsed->toString() : address;
}

std::vector<prometheus::ClientMetric::Label> labelsOf(const VrrpInstance& instance) {
    std::vector<std::string> tracks;
    for (const auto& track : instance.tracks) {
        tracks.push_back(track.name);
    }
    return {{"vrrp_instance", instance.name},
            {"interface", instance.interface},
            {"virtual_router_id", std::to_string(instance.virtual_router_id)},
            {"priority", std::to_string(instance.priority)},
            {"initial_state", instance.initial_state},
            {"peers", joined(instance.peers)},
            {"tracks", joined(tracks)},
            {"source", instance.source},
            {"version", std::to_string(instance.version)},
            {"interval", instance.interval},
            {"authentication", instance.authentication},
            {"nopreempt", instance.nopreempt ? "yes" : ""},
            {"preempt_delay", instance.preempt_delay},
            {"group", instance.group},
            {"unread", joined(instance.unread)}};
}

std::vector<prometheus::ClientMetric::Label> labelsOf(const VrrpInstance& instance,
                                                      const vrrp::Check& track) {
    return {{"vrrp_instance", instance.name},
            {"kind", track.kind},
            {"check", track.name},
            {"weight", std::to_string(track.weight)},
            {"reverse", track.reverse ? "yes" : ""},
            {"watches", nameOf(vrrp::kWatchedNames, track.watched)},
            {"target", track.target},
            {"ignored", track.ignored}};
}

}  // namespace

KeepalivedProbe::KeepalivedProbe(std::string proc, std::shared_ptr<SnapshotFile> snapshot)
    : proc_(std::move(proc)), snapshot_(std::move(snapshot)) {}

Expected<ProbeResult> KeepalivedProbe::collect(const Deadline& /*deadline*/) {
    // The wall clock, as lapwing-snapshot, which no collector corrects.
    const auto read = snapshot_->read(readClocks().wall, kMostAgeMs);
    if (!read) {
        return tl::unexpected(read.error());
    }
    const Snapshot& snapshot = **read;
    const auto status = snapshot.keepalived_status;
    if (status == ReadStatus::denied || status == ReadStatus::failed) {
        return fail(status == ReadStatus::denied ? ErrorKind::denied : ErrorKind::unavailable,
                    "reading keepalived's configuration: " + snapshot.keepalived_error);
    }
    const bool runs =
        hasVrrpSocket(contentsOf(proc_ + "/net/raw")) || hasVrrpSocket(contentsOf(proc_ + "/net/raw6"));
    ProbeResult result;
    auto config = snapshot.keepalived;
    if (runs && status == ReadStatus::absent) {
        config.unread.emplace_back(
            "a program speaks VRRP or CARP, and its configuration is not /etc/keepalived/keepalived.conf");
    }
    result.families = keepalivedFamilies(runs, config, addressesHere());
    if (!config.unread.empty()) {
        result.note = "not evaluated: " + joined(config.unread);
    }
    return result;
}

bool hasVrrpSocket(std::string_view proc_net_raw) {
    // A raw socket's "port" is its protocol: 112 is 0x70.
    std::istringstream in{std::string(proc_net_raw)};
    std::string line;
    std::getline(in, line);
    while (std::getline(in, line)) {
        std::istringstream words(line);
        std::string slot;
        std::string local;
        words >> slot >> local;
        if (local.ends_with(":0070")) {
            return true;
        }
    }
    return false;
}

std::vector<prometheus::MetricFamily> keepalivedFamilies(bool runs, const KeepalivedConfig& config,
                                                         const std::set<std::string>& here) {
    auto up = gauge(exporter::kKeepalivedUp, "Whether a program on this host speaks VRRP");
    add(up, {}, runs ? 1 : 0);
    auto state = gauge("keepalived_vrrp_state", "1 backup, 2 master, from the place of the address");
    auto unread =
        gauge(metric::kVrrpUnreadInfo, "A part of keepalived's configuration that is not evaluated");
    for (const auto& part : config.unread) {
        add(unread, {{"part", part}}, 1);
    }
    auto instances = gauge(metric::kVrrpInstanceInfo, "A VRRP instance of keepalived's configuration");
    auto addresses = gauge(metric::kVrrpAddressInfo, "An address that the instance moves");
    auto checks =
        gauge(metric::kVrrpCheckInfo, "A check whose failure changes the instance's priority or state");
    for (const auto& instance : config.instances) {
        const auto id = std::to_string(instance.virtual_router_id);
        add(instances, labelsOf(instance), 1);
        for (const auto& track : instance.tracks) {
            add(checks, labelsOf(instance, track), 1);
        }
        for (const bool advertised : {true, false}) {
            for (const auto& each : advertised ? instance.addresses : instance.excluded) {
                const auto address = canonical(each);
                add(addresses,
                    {{"vrrp_instance", instance.name},
                     {"address", address},
                     {"advertised", advertised ? "yes" : "no"}},
                    1);
                if (runs) {
                    add(state,
                        {{"iname", instance.name},
                         {"intf", instance.interface},
                         {"vrid", id},
                         {"ip_address", address}},
                        here.contains(address) ? kMaster : kBackup);
                }
            }
        }
    }
    std::vector<prometheus::MetricFamily> out;
    for (auto* family : {&up, &state, &unread, &instances, &addresses, &checks}) {
        if (!family->metric.empty()) {
            out.push_back(std::move(*family));
        }
    }
    return out;
}

}  // namespace keepalived

namespace {

std::string configureKeepalived(const config::Node& node, const ProbeContext& context,
                                std::vector<ProbeSpec>& out) {
    return onEveryHost(node, context, "keepalived",
                       std::make_unique<keepalived::KeepalivedProbe>(context.proc, context.snapshot), out);
}

}  // namespace

ProbeKind keepalivedProbe() {
    return {"keepalived", "VRRP: the addresses that move between hosts, and whether they are here",
            &configureKeepalived};
}

}  // namespace lapwing::agent
