#include "collector/analysis/evidence/load_balancers.h"

#include <algorithm>
#include <tuple>

#include "collector/analysis/evidence/counter.h"
#include "common/metric_names.h"

namespace lapwing::analysis::evidence {

namespace {

class BalancerReader {
  public:
    explicit BalancerReader(Reader& reader) : reader_(reader) {}

    std::map<std::string, LoadBalancer> run() {
        presence();
        states();
        details();
        lastKnown();
        weights();
        counts();
        for (auto& [key, server] : servers_) {
            out_[std::get<0>(key)].servers.push_back(std::move(server));
        }
        for (auto& [key, algorithm] : algorithms_) {
            if (const auto found = out_.find(key.first); found != out_.end()) {
                found->second.algorithms.emplace(key.second, std::move(algorithm));
            }
        }
        return std::move(out_);
    }

  private:
    /// Two agents that read one HAProxy do so within this time.
    static constexpr std::int64_t kOneReadingMs = 15'000;
    using ServerKey = std::tuple<std::string, std::string, std::string>;  ///< instance, proxy, server

    static ServerKey keyOf(const Labels& labels) {
        return {std::string(labels.get("instance")), std::string(labels.get("proxy")),
                std::string(labels.get("server"))};
    }

    LoadBalancer& balancer(const std::string& instance) {
        auto& found = out_[instance];
        found.instance = instance;
        return found;
    }

    Server& server(const Observation& observation) {
        balancer(observation.instance());
        auto& found = servers_[keyOf(*observation.labels)];
        found.proxy = observation.get("proxy");
        found.server = observation.get("server");
        return found;
    }

    void presence() {
        for (const auto& up : reader_.known(exporter::kUp, {{"job", "haproxy"}})) {
            balancer(up.instance());
        }
        for (const auto& up : reader_.fresh(exporter::kUp, {{"job", "haproxy"}})) {
            auto& seen = balancer(up.instance());
            // One agent that reads its statistics is enough.
            seen.works = seen.works == Truth::yes ? Truth::yes : truthOf(up.isOn());
            if (up.labels->get("via") == "socket") {
                seen.socket_hosts.insert(up.observer);
            }
        }
        // It answers an agent, and refuses its statistics.
        for (const auto& up : reader_.fresh(exporter::kHaproxyUp)) {
            auto& seen = balancer(up.instance());
            seen.works = up.isOn() ? Truth::yes : seen.works;
        }
        for (const auto& backend : reader_.fresh(metric::kHaproxyBackendInfo)) {
            if (auto algorithm = backend.get("algorithm"); !algorithm.empty()) {
                algorithms_.try_emplace({backend.instance(), backend.get("proxy")}, std::move(algorithm));
            }
            if (auto mode = backend.get("mode"); !mode.empty()) {
                balancer(backend.instance()).modes.try_emplace(backend.get("proxy"), std::move(mode));
            }
        }
    }

    void states() {
        for (const auto& status : reader_.freshOfAll(exporter::kHaproxyServerStatus)) {
            if (!status.observer.empty()) {
                balancer(status.instance()).seen_by.insert(status.observer);
            }
        }
        for (const auto& status : reader_.fresh(exporter::kHaproxyServerStatus)) {
            auto& found = server(status);
            if (status.isOn() && found.state == ServerState::unknown) {
                found.state_text = status.get("state");
                found.state = parseServerState(found.state_text);
            }
        }
    }

    /// Over HTTP, HAProxy shows addresses only if its configuration allows that; another agent may know more.
    void details() {
        for (const auto& info : reader_.fresh(metric::kHaproxyServerInfo)) {
            server(info);
        }
        for (const auto& info : reader_.freshOfAll(metric::kHaproxyServerInfo)) {
            const auto known = servers_.find(keyOf(*info.labels));
            if (known == servers_.end()) {
                continue;
            }
            auto& found = known->second;
            if (found.address.empty()) {
                found.address = info.get("address");
            }
            if (found.role == ServerRole::unknown) {
                found.role = parseServerRole(info.get("role"));
            }
            if (found.check == HealthCheck::unknown) {
                found.check = parseHealthCheck(info.get("check"));
            }
        }
    }

    /// A load balancer that does not answer keeps the servers that it last had, each in an unknown state.
    void lastKnown() {
        const auto is_down = [&](const std::string& instance) {
            const auto found = out_.find(instance);
            return found != out_.end() && found->second.works == Truth::no;
        };
        if (std::none_of(out_.begin(), out_.end(), [&](const auto& each) { return is_down(each.first); })) {
            return;
        }
        struct Last {
            TimestampMs at;
            const Labels* labels;
        };
        std::map<std::string, std::vector<Last>> by_instance;
        std::map<std::string, TimestampMs> newest;
        const auto history = reader_.history(metric::kHaproxyServerInfo, Reader::kKnownMs);
        for (const auto& series : history) {
            const std::string instance(series.labels->get("instance"));
            const auto last = std::find_if(series.samples.rbegin(), series.samples.rend(),
                                           [](const auto& sample) { return !isStaleNaN(sample.value); });
            if (last == series.samples.rend() || !is_down(instance)) {
                continue;
            }
            by_instance[instance].push_back({last->timestamp, &*series.labels});
            newest[instance] = std::max(newest[instance], last->timestamp);
        }
        for (const auto& [instance, seen] : by_instance) {
            for (const auto& [at, labels] : seen) {
                auto [found, added] = servers_.try_emplace(keyOf(*labels));
                if (added && at >= newest[instance] - kOneReadingMs) {
                    found->second.proxy = labels->get("proxy");
                    found->second.server = labels->get("server");
                    found->second.address = labels->get("address");
                    found->second.role = parseServerRole(labels->get("role"));
                    found->second.check = parseHealthCheck(labels->get("check"));
                } else if (added) {
                    servers_.erase(found);
                }
            }
        }
    }

    void weights() {
        for (const auto& series : reader_.history(exporter::kHaproxyServerWeight, kCountingMs)) {
            if (const auto found = servers_.find(keyOf(*series.labels)); found != servers_.end()) {
                const double last = series.samples.back().value;
                if (!isStaleNaN(last) && !found->second.weight) {
                    found->second.weight = last;
                }
                found->second.steady = found->second.steady && isConstant(series.samples);
            }
        }
        for (const auto& series : reader_.history(exporter::kHaproxyServerStatus, kCountingMs)) {
            if (const auto found = servers_.find(keyOf(*series.labels)); found != servers_.end()) {
                found->second.steady = found->second.steady && isConstant(series.samples);
            }
        }
    }

    void counts() {
        for (const auto& series : reader_.history(exporter::kHaproxyServerLoadbalancedTotal, kCountingMs)) {
            const auto found = servers_.find(keyOf(*series.labels));
            const auto given = increase(series.samples, reader_.now());
            // Two agents that read one HAProxy count the same requests.
            if (found != servers_.end() && given) {
                found->second.given = std::max(found->second.given.value_or(0), *given);
            }
        }
    }

    Reader& reader_;
    std::map<std::string, LoadBalancer> out_;
    std::map<ServerKey, Server> servers_;
    std::map<std::pair<std::string, std::string>, std::string> algorithms_;
};

}  // namespace

/// "unix" and "abns@NAME" in HAProxy's statistics, a path in `show servers state`.
bool Server::isAtSocket() const {
    return address.starts_with("unix") || address.starts_with("abns") || address.starts_with('/');
}

std::map<std::string, LoadBalancer> readLoadBalancers(Reader& reader) {
    return BalancerReader(reader).run();
}

}  // namespace lapwing::analysis::evidence
