#include "collector/analysis/evidence/services.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <sstream>

#include "collector/analysis/evidence/counter.h"
#include "collector/analysis/evidence/database_metrics.h"
#include "common/metric_names.h"

namespace lapwing::analysis::evidence {

namespace {

/// The interval at which an agent lists the files of its host, with a margin.
constexpr std::int64_t kInventoryMs = 90'000;

/// https://nginx.org/en/docs/http/ngx_http_proxy_module.html#proxy_next_upstream: errors and timeouts always
/// count as failures, http_403 and http_404 never. The labels are absent in samples of older agents.
Pauses pausesOf(const Observation& route) {
    if (route.get("max_fails") == "0") {
        return Pauses::never;
    }
    std::istringstream words(route.get("next_upstream"));
    const std::set<std::string> named{std::istream_iterator<std::string>(words), {}};
    const bool on_answers = std::any_of(named.begin(), named.end(), [](const auto& word) {
        return word.starts_with("http_") && word != "http_403" && word != "http_404";
    });
    return on_answers || named.empty() ? Pauses::on_answers : Pauses::on_timeouts;
}

class ServicesReader {
  public:
    ServicesReader(Reader& reader, std::int64_t deployment_ms)
        : reader_(reader), deployment_ms_(deployment_ms) {}

    Expected<Services> run() {
        identity();
        programs();
        databaseLoads();
        failures();
        requests();
        connections();
        clients();
        routes();
        vrrp();
        holders();
        inventories();
        if (!reader_.failure().message.empty()) {
            return tl::unexpected(reader_.failure());
        }
        return std::move(out_);
    }

  private:
    void identity() {
        std::map<std::string, TimestampMs> newest;
        for (const auto& info : reader_.known(metric::kAgentInfo)) {
            const auto instance = info.instance();
            if (info.at >= newest[instance]) {
                newest[instance] = info.at;
                out_.machine_ids[instance] = info.get("machine_id");
            }
        }
        for (const auto& boot : reader_.known(exporter::kNodeBootTimeSeconds)) {
            out_.boot_times[boot.instance()] = boot.value;
        }
    }

    void programs() {
        for (const auto& [metric, into] :
             {std::pair(exporter::kNginxUp, &out_.webs), std::pair(exporter::kMysqlUp, &out_.databases)}) {
            for (const auto& up : reader_.fresh(metric)) {
                into->try_emplace(up.instance(), truthOf(up.isOn()));
            }
            // Keep silent programs: they still exist.
            for (const auto& up : reader_.known(metric)) {
                into->try_emplace(up.instance(), Truth::unknown);
            }
        }
        for (const auto& probe : reader_.fresh(exporter::kProbeSuccess, {{"job", "app"}})) {
            // Each URL of an application must answer.
            const auto answers = truthOf(probe.isOn());
            const auto [known, added] = out_.apps.try_emplace(probe.instance(), answers);
            known->second = conjunction(known->second, answers);
        }
        for (const auto& probe : reader_.known(exporter::kProbeSuccess, {{"job", "app"}})) {
            out_.apps.try_emplace(probe.instance(), Truth::unknown);
        }
    }

    /// The databases' refusals, connections and waits. A server that refuses the agent is up; whether it
    /// serves others is then unknown, unless it is full.
    void databaseLoads() {
        const auto load = [this](const Observation& seen) -> DatabaseLoad& {
            return out_.database_loads[seen.instance()];
        };
        for (const auto& up : reader_.fresh(exporter::kMysqlUp)) {
            load(up);
        }
        for (const auto& seen : reader_.fresh(metric::kMysqlRefusedInfo)) {
            load(seen).refusal_reason = seen.get("reason");
            load(seen).refusal = seen.get("reason") + " (error " + seen.get("errno") + ")";
            const bool full = seen.get("reason") == "too_many_connections";
            auto& works = out_.databases[seen.instance()];
            works = works == Truth::no && !full ? Truth::unknown : works;
        }
        for (const auto& seen : reader_.fresh(exporter::kMysqlGlobalStatusThreadsConnected)) {
            load(seen).connections = seen.value;
        }
        for (const auto& seen : reader_.fresh(exporter::kMysqlGlobalVariablesMaxConnections)) {
            load(seen).max_connections = seen.value;
        }
        for (const auto& seen : reader_.fresh(metric::kMysqlWaitingSeconds)) {
            load(seen).waits.push_back(commitWaitOf(seen));
        }
    }

    void failures() {
        for (const auto& series : reader_.history(exporter::kProbeSuccess, kFailingMs)) {
            if (series.labels->get("job") != "app" || series.samples.back().value != 0) {
                continue;
            }
            auto since = series.samples.end();
            while (since != series.samples.begin() && std::prev(since)->value == 0) {
                --since;
            }
            // Of several URLs, the one that has failed longest.
            const auto [known, added] = out_.apps_failing_since.try_emplace(
                std::string(series.labels->get("instance")), since->timestamp);
            known->second = std::min(known->second, since->timestamp);
        }
    }

    void requests() {
        for (const auto& series : reader_.history(exporter::kNginxHttpRequestsTotal, kCountingMs)) {
            if (const auto counted = increase(series.samples, reader_.now())) {
                out_.web_requests.try_emplace(std::string(series.labels->get("instance")), *counted);
            }
        }
    }

    void connections() {
        for (const auto& open : reader_.fresh(metric::kOutgoingConnections)) {
            if (const auto address = reach::Address::parse(open.get("address"))) {
                out_.outgoing[open.instance()][{*address, open.number("port")}] =
                    static_cast<int>(open.value);
            }
        }
    }

    void clients() {
        // Clients that are idle now come back: those of the last hour count.
        for (const auto& open : reader_.known(metric::kIncomingConnections)) {
            auto& clients = out_.incoming[open.instance()][open.number("port")];
            const auto address = reach::Address::parse(open.get("address"));
            if (address) {
                clients.named[*address] = static_cast<int>(open.value);
            } else if (reader_.isFresh(open)) {
                clients.unnamed = static_cast<int>(open.value);
            }
        }
    }

    void routes() {
        // A configuration outlasts the silence of its agent.
        for (const auto& info : reader_.known(metric::kNginxRouteInfo)) {
            std::istringstream names(info.get("server_names"));
            out_.routes[info.instance()].push_back({info.number("port"),
                                                    {std::istream_iterator<std::string>(names), {}},
                                                    info.labels->get("default_server") == "yes",
                                                    info.get("upstream"),
                                                    info.get("address"),
                                                    parseServerRole(info.get("role")),
                                                    pausesOf(info)});
        }
    }

    void vrrp() {
        for (const auto& up : reader_.fresh(exporter::kKeepalivedUp)) {
            out_.vrrp[up.instance()].runs = up.isOn();
        }
        for (const auto& info : reader_.fresh(metric::kVrrpInstanceInfo)) {
            if (const auto host = out_.vrrp.find(info.instance()); host != out_.vrrp.end()) {
                host->second.instances.push_back(vrrpInstance(info));
            }
        }
        for (const auto& info : reader_.fresh(metric::kVrrpAddressInfo)) {
            auto* instance = vrrpInstanceOf(info);
            const auto address = reach::Address::parse(info.get("address"));
            if (instance != nullptr && address) {
                instance->addresses.insert(*address);
                if (info.get("advertised") != "no") {
                    instance->advertised.insert(*address);
                }
            }
        }
        for (const auto& info : reader_.fresh(metric::kVrrpCheckInfo)) {
            if (auto* instance = vrrpInstanceOf(info)) {
                const auto watched = valueOf(vrrp::kWatchedNames, info.get("watches"));
                instance->checks.push_back(
                    {info.get("kind"), info.get("check"), info.number("weight"), info.get("reverse") == "yes",
                     watched.value_or(vrrp::Watched::unknown), info.get("target"), info.get("ignored")});
            }
        }
        for (const auto& info : reader_.fresh(metric::kVrrpUnreadInfo)) {
            if (const auto host = out_.vrrp.find(info.instance()); host != out_.vrrp.end()) {
                host->second.unread.push_back(info.get("part"));
            }
        }
    }

    static VrrpInstance vrrpInstance(const Observation& info) {
        VrrpInstance out;
        out.name = info.get("vrrp_instance");
        out.interface = info.get("interface");
        out.virtual_router_id = info.get("virtual_router_id");
        out.priority = info.number("priority");
        std::istringstream peers(info.get("peers"));
        for (std::string peer; peers >> peer;) {
            if (const auto address = reach::Address::parse(peer)) {
                out.peers.push_back(*address);
            }
        }
        out.source = reach::Address::parse(info.get("source"));
        out.version = info.get("version");
        out.interval = info.get("interval");
        out.authentication = info.get("authentication");
        out.nopreempt = info.get("nopreempt") == "yes";
        out.preempt_delay = info.get("preempt_delay");
        out.group = info.get("group");
        out.unread = info.get("unread");
        return out;
    }

    VrrpInstance* vrrpInstanceOf(const Observation& info) {
        const auto host = out_.vrrp.find(info.instance());
        if (host == out_.vrrp.end()) {
            return nullptr;
        }
        auto& instances = host->second.instances;
        const auto found = std::find_if(instances.begin(), instances.end(), [&](const auto& each) {
            return each.name == info.get("vrrp_instance");
        });
        return found == instances.end() ? nullptr : &*found;
    }

    void holders() {
        for (const auto& series : reader_.history(metric::kAgentAddressInfo, kHoldingMs)) {
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
        // A digest that no longer holds ends with a staleness marker.
        std::map<std::pair<std::string, std::string>, TimestampMs> oldest;
        for (const auto& series : reader_.history(metric::kInventoryInfo, deployment_ms_)) {
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
            inventory.covered = first <= reader_.now() - deployment_ms_ + kInventoryMs;
        }
    }

    Reader& reader_;
    std::int64_t deployment_ms_;
    Services out_;
};

}  // namespace

const VrrpInstance* Vrrp::moving(const reach::Address& address) const {
    const auto found = std::find_if(instances.begin(), instances.end(),
                                    [&](const auto& each) { return each.addresses.contains(address); });
    return found == instances.end() ? nullptr : &*found;
}

std::vector<const VrrpInstance*> Vrrp::groupOf(const VrrpInstance& instance) const {
    std::vector<const VrrpInstance*> out;
    for (const auto& each : instances) {
        if (&each == &instance || (!instance.group.empty() && each.group == instance.group)) {
            out.push_back(&each);
        }
    }
    return out;
}

std::set<reach::Address> Services::moving() const {
    std::set<reach::Address> out;
    for (const auto& [host, each] : vrrp) {
        for (const auto& instance : each.instances) {
            out.insert(instance.addresses.begin(), instance.addresses.end());
        }
    }
    return out;
}

std::set<std::string> Services::moversOf(const reach::Address& address) const {
    std::set<std::string> out;
    for (const auto& [host, each] : vrrp) {
        if (each.moving(address) != nullptr) {
            out.insert(host);
        }
    }
    return out;
}

Expected<Services> readServices(Reader& reader, std::int64_t deployment_ms) {
    return ServicesReader(reader, deployment_ms).run();
}

}  // namespace lapwing::analysis::evidence
