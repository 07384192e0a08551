#include "collector/analysis/evidence/services.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <sstream>

#include "collector/analysis/evidence/reader.h"
#include "common/metric_names.h"

namespace lapwing::analysis::evidence {

namespace {

constexpr std::int64_t kKnownMs = 3'600'000;
/// Between two looks at the files of a host.
constexpr std::int64_t kInventoryMs = 90'000;
/// Between two samples of one series; more is a gap in which anything may have happened.
constexpr std::int64_t kGapMs = 60'000;

/// What a counter rose by; nothing if it was not observed for (nearly) the whole window. A counter that began
/// anew counts from 0.
std::optional<double> increase(const std::vector<Sample>& samples, TimestampMs now) {
    if (samples.size() < 2 || samples.front().timestamp > now - kCountingMs + kGapMs ||
        samples.back().timestamp < now - kGapMs) {
        return std::nullopt;
    }
    double sum = 0;
    for (std::size_t i = 1; i < samples.size(); ++i) {
        const double before = samples[i - 1].value;
        const double after = samples[i].value;
        if (isStaleNaN(before) || isStaleNaN(after) ||
            samples[i].timestamp - samples[i - 1].timestamp > kGapMs) {
            return std::nullopt;
        }
        sum += after >= before ? after - before : after;
    }
    return sum;
}

bool isConstant(const std::vector<Sample>& samples) {
    return std::all_of(samples.begin(), samples.end(),
                       [&](const auto& one) { return one.value == samples.front().value; });
}

class Observer {
  public:
    Observer(const storage::Store& store, TimestampMs now, std::int64_t lookback_ms,
             std::int64_t deployment_ms)
        : samples_(store, now, lookback_ms), deployment_ms_(deployment_ms) {}

    Expected<Services> run() {
        identity();
        balancers();
        servers();
        programs();
        connections();
        routes();
        vrrp();
        holders();
        inventories();
        if (!samples_.failure().message.empty()) {
            return tl::unexpected(samples_.failure());
        }
        return std::move(out_);
    }

  private:
    void identity() {
        std::map<std::string, TimestampMs> newest;
        for (const auto& one : samples_.of(metric::kAgentInfo, {}, kKnownMs)) {
            const auto instance = one.get("instance");
            if (one.sample.timestamp >= newest[instance]) {
                newest[instance] = one.sample.timestamp;
                out_.machine_ids[instance] = one.get("machine_id");
            }
        }
        for (const auto& one : samples_.of(exporter::kNodeBootTimeSeconds, {}, kKnownMs)) {
            out_.boot_times[one.get("instance")] = one.sample.value;
        }
    }

    void balancers() {
        for (const auto& one : samples_.of(exporter::kUp, {{"job", "haproxy"}}, kKnownMs)) {
            out_.balancers.try_emplace(one.get("instance"), Truth::unknown);
        }
        for (const auto& one : samples_.of(exporter::kUp, {{"job", "haproxy"}})) {
            auto& known = out_.balancers[one.get("instance")];
            known = known == Truth::yes || one.sample.value == 1 ? Truth::yes : Truth::no;
            if (one.get("via") == "socket") {
                out_.socket_hosts[one.get("instance")].insert(one.get("agent"));
            }
        }
        for (const auto& one : samples_.of(metric::kHaproxyBackendInfo)) {
            if (const auto algorithm = one.get("algorithm"); !algorithm.empty()) {
                out_.algorithms[{one.get("instance"), one.get("proxy")}] = algorithm;
            }
        }
    }

    static Services::ServerKey keyOf(const Labels& labels) {
        return {std::string(labels.get("instance")), std::string(labels.get("proxy")),
                std::string(labels.get("server"))};
    }

    void servers() {
        for (const auto& one : samples_.of(metric::kHaproxyServerInfo)) {
            auto& server = out_.servers[keyOf(*one.labels)];
            for (const auto& [label, into] :
                 {std::pair("role", &server.role), std::pair("check", &server.check)}) {
                if (const auto value = one.get(label); !value.empty()) {
                    *into = value;
                }
            }
        }
        for (const auto& series : samples_.history(exporter::kHaproxyServerWeight, kCountingMs)) {
            const auto& last = series.samples.back();
            auto& server = out_.servers[keyOf(*series.labels)];
            if (!isStaleNaN(last.value)) {
                server.weight = last.value;
            }
            server.steady = server.steady && isConstant(series.samples);
        }
        for (const auto& series : samples_.history(exporter::kHaproxyServerStatus, kCountingMs)) {
            auto& server = out_.servers[keyOf(*series.labels)];
            server.steady = server.steady && isConstant(series.samples);
        }
        for (const auto& series : samples_.history(exporter::kHaproxyServerLoadbalancedTotal, kCountingMs)) {
            auto& server = out_.servers[keyOf(*series.labels)];
            // Two agents that read one HAProxy count the same requests.
            if (const auto given = increase(series.samples, samples_.now())) {
                server.given = std::max(server.given.value_or(0), *given);
            }
        }
        for (const auto& series : samples_.history(exporter::kNginxHttpRequestsTotal, kCountingMs)) {
            if (const auto counted = increase(series.samples, samples_.now())) {
                out_.web_requests[std::string(series.labels->get("instance"))] = *counted;
            }
        }
    }

    void programs() {
        for (const auto& [metric, into] :
             {std::pair(exporter::kNginxUp, &out_.webs), std::pair(exporter::kMysqlUp, &out_.databases)}) {
            // One of which nothing is heard is still there.
            for (const auto& one : samples_.of(metric, {}, kKnownMs)) {
                into->try_emplace(one.get("instance"), Truth::unknown);
            }
            for (const auto& one : samples_.of(metric)) {
                (*into)[one.get("instance")] = one.sample.value == 1 ? Truth::yes : Truth::no;
            }
        }
        std::map<std::string, Truth> apps;
        for (const auto& one : samples_.of(exporter::kProbeSuccess, {{"job", "app"}})) {
            // Of an application with several URLs, each must answer.
            const auto said = one.sample.value == 1 ? Truth::yes : Truth::no;
            const auto [known, fresh] = apps.try_emplace(one.get("instance"), said);
            if (!fresh) {
                known->second = conjunction(known->second, said);
            }
        }
        for (const auto& one : samples_.of(exporter::kProbeSuccess, {{"job", "app"}}, kKnownMs)) {
            out_.apps.try_emplace(one.get("instance"), Truth::unknown);
        }
        for (const auto& [instance, works] : apps) {
            out_.apps[instance] = works;
        }
    }

    void connections() {
        for (const auto& one : samples_.of(metric::kOutgoingConnections)) {
            if (const auto address = reach::Address::parse(one.get("address"))) {
                out_.outgoing[one.get("instance")][{*address, one.number("port")}] =
                    static_cast<int>(one.sample.value);
            }
        }
    }

    void routes() {
        // What is configured stays so while nothing is heard.
        for (const auto& one : samples_.of(metric::kNginxRouteInfo, {}, kKnownMs)) {
            std::istringstream names(one.get("server_names"));
            out_.routes[one.get("instance")].push_back({one.number("port"),
                                                        {std::istream_iterator<std::string>(names), {}},
                                                        one.get("default_server") == "yes",
                                                        one.get("upstream"),
                                                        one.get("address"),
                                                        one.get("role")});
        }
    }

    void vrrp() {
        for (const auto& one : samples_.of(exporter::kKeepalivedUp)) {
            out_.vrrp[one.get("instance")].runs = one.sample.value == 1;
        }
        std::map<std::pair<std::string, std::string>, std::set<reach::Address>> addresses;
        for (const auto& one : samples_.of(metric::kVrrpAddressInfo)) {
            if (const auto address = reach::Address::parse(one.get("address"))) {
                addresses[{one.get("instance"), one.get("vrrp_instance")}].insert(*address);
            }
        }
        for (const auto& one : samples_.of(metric::kVrrpInstanceInfo)) {
            const auto host = out_.vrrp.find(one.get("instance"));
            if (host == out_.vrrp.end()) {
                continue;
            }
            host->second.instances.push_back({one.get("interface"), one.get("virtual_router_id"),
                                              !one.get("peers").empty(), one.get("tracks"),
                                              addresses[{host->first, one.get("vrrp_instance")}]});
        }
    }

    void holders() {
        for (const auto& series : samples_.history(metric::kAgentAddressInfo, kHoldingMs)) {
            const auto text = series.labels->get("address");
            const auto address = reach::Address::parse(text.substr(0, text.find('%')));
            if (!address) {
                continue;
            }
            std::optional<TimestampMs> since;
            TimestampMs before = 0;
            for (const auto& sample : series.samples) {
                if (isStaleNaN(sample.value)) {
                    since.reset();
                    continue;
                }
                since = since && sample.timestamp - before <= kGapMs ? *since : sample.timestamp;
                before = sample.timestamp;
                auto& last = out_.last_held[*address];
                last = std::max(last, sample.timestamp);
            }
            if (since) {
                out_.held_since[{std::string(series.labels->get("instance")), *address}] = *since;
            }
        }
    }

    void inventories() {
        // The newest of a set is what it is now; what is gone has a staleness marker.
        std::map<std::pair<std::string, std::string>, TimestampMs> oldest;
        for (const auto& series : samples_.history(metric::kInventoryInfo, deployment_ms_)) {
            const std::string host(series.labels->get("instance"));
            const std::string set(series.labels->get("set"));
            const std::string digest(series.labels->get("digest"));
            auto& inventory = out_.inventories[host][set];
            inventory.recent.insert(digest);
            if (!isStaleNaN(series.samples.back().value)) {
                inventory.digest = digest;
            }
            auto& first = oldest.try_emplace({host, set}, series.samples.front().timestamp).first->second;
            first = std::min(first, series.samples.front().timestamp);
            inventory.covered = first <= samples_.now() - deployment_ms_ + kInventoryMs;
        }
    }

    Reader samples_;
    std::int64_t deployment_ms_;
    Services out_;
};

}  // namespace

const VrrpInstance* Vrrp::moving(const reach::Address& address) const {
    const auto found = std::find_if(instances.begin(), instances.end(),
                                    [&](const auto& one) { return one.addresses.contains(address); });
    return found == instances.end() ? nullptr : &*found;
}

std::set<reach::Address> Services::moving() const {
    std::set<reach::Address> out;
    for (const auto& [host, one] : vrrp) {
        for (const auto& instance : one.instances) {
            out.insert(instance.addresses.begin(), instance.addresses.end());
        }
    }
    return out;
}

std::set<std::string> Services::moversOf(const reach::Address& address) const {
    std::set<std::string> out;
    for (const auto& [host, one] : vrrp) {
        if (one.moving(address) != nullptr) {
            out.insert(host);
        }
    }
    return out;
}

Expected<Services> readServices(const storage::Store& store, TimestampMs now, std::int64_t lookback_ms,
                                std::int64_t deployment_ms) {
    return Observer(store, now, lookback_ms, deployment_ms).run();
}

}  // namespace lapwing::analysis::evidence
