#include "agent/probes/firewall/firewall.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <utility>

#include "agent/probes/kind.h"
#include "agent/probes/switch.h"
#include "common/digest.h"
#include "common/metric_names.h"
#include "common/model/documents.h"
#include "common/model/families.h"
#include "common/model/sample.h"

namespace lapwing::agent {

namespace firewall {

namespace {

constexpr std::int64_t kMostAgeMs = 60'000;
constexpr std::size_t kMostReasons = 8;
constexpr std::size_t kMostReasonLength = 120;
constexpr std::size_t kMostBootReasonLength = 250;  ///< with a unit, a file and nft's error

}  // namespace

FirewallProbe::FirewallProbe(std::string proc, std::shared_ptr<SnapshotFile> snapshot,
                             const std::vector<std::string>& peers)
    : proc_(std::move(proc)), snapshot_(std::move(snapshot)) {
    for (const auto& peer : peers) {
        if (const auto address = reach::Address::parse(peer)) {
            peers_.push_back(*address);
        }
    }
}

std::vector<PeerSource> FirewallProbe::peerSources(const std::vector<InterfaceAddress>& addresses) const {
    std::vector<PeerSource> out;
    for (const auto& peer : peers_) {
        PeerSource source{peer, ""};
        if (const auto local = sourceTowards(peer)) {
            const auto found = std::find_if(addresses.begin(), addresses.end(),
                                            [&](const auto& each) { return each.address == *local; });
            source.interface = found == addresses.end() ? "" : found->name;
        }
        out.push_back(std::move(source));
    }
    return out;
}

Expected<ProbeResult> FirewallProbe::collect(const Deadline& /*deadline*/) {
    const auto now = nowMs();
    const auto read = snapshot_->read(now, kMostAgeMs);
    if (!read) {
        return tl::unexpected(read.error());
    }
    const Snapshot& snapshot = **read;
    const auto addresses = listInterfaceAddresses(InterfaceState::up);
    if (!addresses) {
        return tl::unexpected(addresses.error());
    }
    const auto listeners = listListeners(proc_);
    if (!listeners) {
        return tl::unexpected(listeners.error());
    }
    auto peers = peerSources(*addresses);
    auto listing = listingOf(snapshot);
    if (!listing) {
        digest_.clear();
        return tl::unexpected(listing.error());
    }
    const bool same = !digest_.empty() && *listing == judged_text_ && *listeners == judged_listeners_ &&
                      *addresses == judged_addresses_ && peers == judged_peers_;
    if (!same) {
        const auto ruleset = reach::Ruleset::parse(*listing);
        if (!ruleset) {
            digest_.clear();
            return tl::unexpected(ruleset.error());
        }
        verdicts_ = judge(*ruleset, *listeners, *addresses, peers);
        if (listing->size() > kMostDocumentBytes) {
            verdicts_.unknowns.insert(verdicts_.unknowns.begin(), "the ruleset has " +
                                                                      std::to_string(listing->size()) +
                                                                      " bytes, and the collector takes " +
                                                                      std::to_string(kMostDocumentBytes));
        }
        digest_ = sha256(*listing);
        judged_text_ = *listing;
        judged_listeners_ = *listeners;
        judged_addresses_ = *addresses;
        judged_peers_ = std::move(peers);
    }
    ProbeResult result;
    constexpr double ms_per_second = 1000;
    result.families = firewallFamilies(
        digest_, static_cast<double>(std::max<TimestampMs>(0, now - snapshot.time)) / ms_per_second,
        verdicts_);
    if (snapshot.ssh_takes_passwords) {
        auto passwords =
            gauge(metric::kSshPasswordAuthentication, "Whether sshd takes a password, as sshd -T says");
        add(passwords, {}, *snapshot.ssh_takes_passwords ? 1 : 0);
        result.families.push_back(std::move(passwords));
    }
    result.documents.push_back({"ruleset", std::move(*listing)});
    const auto& boot = snapshot.boot;
    auto families = bootFamilies(boot, boot.listing.empty() ? "" : sha256(boot.listing));
    std::move(families.begin(), families.end(), std::back_inserter(result.families));
    if (!boot.listing.empty()) {
        result.documents.push_back({"boot_ruleset", boot.listing});
    }
    return result;
}

std::vector<prometheus::MetricFamily> bootFamilies(const Boot& boot, const std::string& digest) {
    auto info = gauge(metric::kBootRulesetInfo, "The digest of the document with the rules after a reboot");
    if (!digest.empty()) {
        std::string source;
        for (const auto& loader : boot.sources) {
            source += (source.empty() ? "" : ", ") + loader;
        }
        add(info, {{"digest", digest}, {"source", source}}, 1);
    }
    auto unknown = gauge(metric::kBootRulesetUnknownInfo, "Why the rules after a reboot are unknown");
    if (!boot.unknown.empty()) {
        add(unknown, {{"reason", boot.unknown.substr(0, kMostBootReasonLength)}}, 1);
    }
    auto faults = gauge(metric::kBootRulesetFaultInfo, "Why an enabled unit would load no rules at boot");
    for (std::size_t i = 0; i < std::min(boot.faults.size(), kMostReasons); ++i) {
        add(faults, {{"reason", boot.faults[i].substr(0, kMostBootReasonLength)}}, 1);
    }
    auto makers =
        gauge(metric::kBootRulesetMakerInfo, "An enabled unit that makes rules by itself: ufw, firewalld");
    for (const auto& unit : boot.makers) {
        add(makers, {{"unit", unit}}, 1);
    }
    std::vector<prometheus::MetricFamily> out;
    for (auto* family : {&info, &unknown, &faults, &makers}) {
        if (!family->metric.empty()) {
            out.push_back(std::move(*family));
        }
    }
    return out;
}

std::vector<prometheus::MetricFamily> firewallFamilies(const std::string& digest, double age_seconds,
                                                       const Verdicts& verdicts) {
    auto info = gauge(metric::kRulesetInfo, "The digest of the document with the present ruleset");
    add(info, {{"digest", digest}}, 1);
    auto age = gauge(metric::kRulesetAgeSeconds, "Age of the snapshot of the ruleset");
    add(age, {}, age_seconds);
    auto denies = gauge(metric::kFirewallDefaultDeny,
                        "Whether an unsolicited packet to a port that no rule names is dropped or rejected");
    for (const auto& each : verdicts.defaults) {
        if (each.denies) {
            add(denies, {{"family", reach::familyName(each.family)}}, *each.denies ? 1 : 0);
        }
    }
    auto ports =
        gauge(metric::kFirewallPortVerdict, "The ruleset's verdict about a connection to a listener");
    for (const auto& each : verdicts.ports) {
        add(ports,
            {{"family", reach::familyName(each.family)},
             {"protocol", each.protocol},
             {"port", std::to_string(each.port)},
             {"source", each.source},
             {"verdict", reach::verdictName(each.verdict)}},
            1);
    }
    auto unknown = gauge(metric::kFirewallUnknownInfo, "A part of the ruleset that could not be evaluated");
    for (std::size_t i = 0; i < std::min(verdicts.unknowns.size(), kMostReasons); ++i) {
        add(unknown, {{"reason", verdicts.unknowns[i].substr(0, kMostReasonLength)}}, 1);
    }
    std::vector<prometheus::MetricFamily> out;
    for (auto* family : {&info, &age, &denies, &ports, &unknown}) {
        if (!family->metric.empty()) {
            out.push_back(std::move(*family));
        }
    }
    return out;
}

}  // namespace firewall

namespace {

std::string configureFirewall(const config::Node& node, const ProbeContext& context,
                              std::vector<ProbeSpec>& out) {
    return onEveryHost(
        node, context, "firewall",
        std::make_unique<firewall::FirewallProbe>(context.proc, context.snapshot, context.peers), out);
}

}  // namespace

ProbeKind firewallProbe() {
    return {"firewall", "the packet filter: which sources reach which port", &configureFirewall};
}

}  // namespace lapwing::agent
