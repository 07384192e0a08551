#include "agent/probes/firewall/firewall.h"

#include <malloc.h>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <optional>
#include <utility>

#include "agent/probes/kind.h"
#include "agent/probes/switch.h"
#include "common/digest.h"
#include "common/metric_names.h"
#include "common/model/clock.h"
#include "common/model/documents.h"
#include "common/model/families.h"
#include "common/model/sample.h"

namespace lapwing::agent {

namespace firewall {

namespace {

constexpr std::int64_t kMostAgeMs = 60'000;
constexpr std::size_t kMostReasons = 8;
constexpr std::size_t kMostReasonLength = 120;
constexpr std::size_t kLarge = 1U << 20;
/// The document of large rules is offered again in every so many runs: the spool may have lost it.
constexpr int kOfferEvery = 60;
constexpr std::size_t kMostBootReasonLength = 250;  ///< with a unit, a file and nft's error

}  // namespace

namespace {

std::string mebibytes(std::size_t bytes) {
    return std::to_string((bytes + (1U << 20U) - 1) >> 20U) + " MiB";
}

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

Expected<void> FirewallProbe::judgeAnew(const std::string& listing, const std::vector<Listener>& listeners,
                                        const std::vector<InterfaceAddress>& addresses,
                                        const std::vector<PeerSource>& peers) {
    {
        const auto ruleset = reach::Ruleset::parse(listing);
        if (!ruleset) {
            return tl::unexpected(ruleset.error());
        }
        verdicts_ = judge(*ruleset, listeners, addresses, peers);
    }
    if (listing.size() > kMostUnpackedBytes) {
        verdicts_.unknowns.insert(verdicts_.unknowns.begin(),
                                  "the ruleset is too large to be judged: " + mebibytes(listing.size()) +
                                      ", and the collector takes " + mebibytes(kMostUnpackedBytes));
    }
    digest_ = sha256(listing);
    if (listing.size() > kLarge) {
        malloc_trim(0);
    }
    return {};
}

Expected<ProbeResult> FirewallProbe::collect(const Deadline& /*deadline*/) {
    const auto now = readClocks().wall;  // as lapwing-snapshot, which no collector corrects
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
    // Large rules have a file of their own, and are read again only when that is another one.
    const auto& file = snapshot.rules.file;
    const bool known = !digest_.empty() && !file.empty() && file == judged_rules_ &&
                       snapshot.host == judged_host_ && snapshot.legacy_tables == judged_tables_;
    std::optional<std::string> listing;
    if (!known || runs_ % kOfferEvery == 0) {
        auto found = listingOf(snapshot);
        if (!found) {
            digest_.clear();
            return tl::unexpected(found.error());
        }
        listing = std::move(*found);
    }
    const bool same = !digest_.empty() && (known || *listing == judged_rules_) &&
                      *listeners == judged_listeners_ && *addresses == judged_addresses_ &&
                      peers == judged_peers_;
    if (!same) {
        if (!listing) {
            auto found = listingOf(snapshot);
            if (!found) {
                digest_.clear();
                return tl::unexpected(found.error());
            }
            listing = std::move(*found);
        }
        if (const auto judged = judgeAnew(*listing, *listeners, *addresses, peers); !judged) {
            digest_.clear();
            return tl::unexpected(judged.error());
        }
        judged_rules_ = file.empty() ? *listing : file;
        judged_host_ = snapshot.host;
        judged_tables_ = snapshot.legacy_tables;
        judged_listeners_ = *listeners;
        judged_addresses_ = *addresses;
        judged_peers_ = std::move(peers);
        runs_ = 0;
    }
    const bool offers = runs_++ % kOfferEvery == 0;
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
    if (listing && listing->size() <= kMostUnpackedBytes) {
        result.documents.push_back({"ruleset", std::move(*listing)});
    }
    const auto& boot = snapshot.boot;
    const auto& boot_rules = boot.file.empty() ? boot.listing : boot.file;
    const bool boot_same = boot_rules == boot_rules_;
    if (!boot_same) {
        boot_rules_ = boot_rules;
        boot_digest_ = boot.listing.empty() ? "" : sha256(boot.listing);
    }
    auto families = bootFamilies(boot, boot_digest_);
    std::move(families.begin(), families.end(), std::back_inserter(result.families));
    if (!boot.listing.empty() && (offers || !boot_same)) {
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
