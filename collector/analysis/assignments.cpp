#include "collector/analysis/assignments.h"

#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "common/digest.h"

namespace lapwing::analysis {

namespace {

using Writer = rapidjson::Writer<rapidjson::StringBuffer>;

constexpr std::int64_t kCanaryOpenMs = 2'000;
constexpr std::int64_t kCanarySpacingMs = 3'000;  ///< an agent tries one at a time
constexpr std::int64_t kCanaryKeptMs =
    120'000;  ///< how long a listener's sample may still show the canary's port
constexpr std::int64_t kCanaryAnswerMs = 30'000;  ///< by then its result has come
constexpr int kMostUnanswered = 3;
constexpr std::size_t kMostEntries = 256;
constexpr std::int64_t kUsPerMs = 1'000;
constexpr int kLowestCanaryPort = 20'000;
constexpr int kHighestCanaryPort = 32'000;  ///< below Linux' range for outgoing connections
constexpr std::size_t kNonceBytes = 16;

struct Target {
    std::string host;
    std::string address;
    int port = 0;
    std::string service;
    TimestampMs since = 0;
};

void put(Writer& writer, const char* key, const std::string& text) {
    writer.Key(key);
    writer.String(text.data(), static_cast<rapidjson::SizeType>(text.size()));
}

void put(Writer& writer, const char* key, std::int64_t number) {
    writer.Key(key);
    writer.Int64(number);
}

std::string toJson(const Target& target) {
    rapidjson::StringBuffer buffer;
    Writer writer(buffer);
    writer.StartObject();
    put(writer, "host", target.host);
    put(writer, "address", target.address);
    put(writer, "protocol", "tcp");
    put(writer, "port", target.port);
    put(writer, "service", target.service);
    put(writer, "since", target.since * kUsPerMs);
    writer.EndObject();
    return {buffer.GetString(), buffer.GetSize()};
}

/// One target for each port. If sockets of one port name different services, the known service wins.
using Targets = std::map<std::tuple<std::string, std::string, int>, Target>;

void addTarget(Target target, Targets& out) {
    const auto [known, fresh] = out.try_emplace({target.host, target.address, target.port}, target);
    if (!fresh && known->second.service.starts_with("tcp/")) {
        known->second = std::move(target);
    }
}

void addListener(const evidence::Host& host, const evidence::Listener& listener, TimestampMs since,
                 Targets& out) {
    const auto bound = reach::Address::parse(listener.address);
    for (const auto& own : host.addresses) {
        const bool serves =
            own.address.family == listener.family && (listener.isWildcard() || bound == own.address);
        if (serves && !own.address.isLinkLocal()) {
            addTarget({host.name, own.address.toString(), listener.port, listener.service(), since}, out);
        }
    }
}

/// Ports to try on a host without an agent: its usual services, and ports that should be closed.
std::vector<std::pair<int, const char*>> usualPorts() {
    return {{22, "ssh"}, {80, "http"}, {443, "https"}, {3306, "mysql"}, {8404, "haproxy-stats"}};
}

/// The addresses of a load balancer without an agent: the entries that are addresses, and those to which the
/// names of its entries resolve.
std::set<reach::Address> entryAddresses(const Context& context, const std::string& balancer) {
    const auto declared = evidence::entryAddresses(context.site);
    std::set<reach::Address> out(declared.begin(), declared.end());
    if (context.moment != nullptr) {
        for (const auto& entry : context.moment->model.entries) {
            if (entry.address && entry.active == balancer) {
                out.insert(*entry.address);
            }
        }
    }
    return out;
}

std::string fnv(const std::string& text) {
    const auto hash = fnv1a(text);
    static constexpr char digits[] = "0123456789abcdef";
    std::string out;
    for (int shift = 60; shift >= 0; shift -= 4) {
        out += digits[(hash >> static_cast<unsigned>(shift)) & 15U];
    }
    return out;
}

Assignment assignmentOf(const std::string& hosts, const std::string& attempts, const std::string& canaries) {
    const auto content = "\"hosts\":" + hosts + ",\"attempts\":" + attempts + ",\"canary\":" + canaries;
    const auto version = fnv(content);
    return {version, R"({"version":")" + version + "\"," + content + "}"};
}

}  // namespace

Assignments::Assignments(AnalystOptions options)
    : options_(std::move(options)), nothing_(assignmentOf("[]", "[]", "[]")) {}

std::string Assignments::randomHex(std::size_t bytes) {
    std::string out;
    for (std::size_t i = 0; i < bytes; ++i) {
        out += static_cast<char>(random_() & 0xffU);
    }
    return toHex(out);
}

bool Assignments::isCanaryPort(const std::string& host, int port) const {
    return std::any_of(canaries_.begin(), canaries_.end(),
                       [&](const auto& canary) { return canary.listener == host && canary.port == port; });
}

void Assignments::planCanaries(const Context& context) {
    std::erase_if(canaries_,
                  [&](const auto& canary) { return context.network.now > canary.at + kCanaryKeptMs; });
    for (const auto& [name, host] : context.network.hosts) {
        if (!host.agent_present) {
            continue;
        }
        std::set<std::string> connectors;
        for (const auto& attempt : host.attempts) {
            connectors.insert(attempt.from);
        }
        for (const auto& connector : connectors) {
            planCanary(context, host, connector);
        }
    }
}

bool Assignments::isDue(const Context& context, const evidence::Host& host, const std::string& connector) {
    const auto known = asked_.find({host.name, connector});
    if (known == asked_.end()) {
        return true;
    }
    const auto at = known->second.at;
    auto& unanswered = known->second.unanswered;
    const auto now = context.network.now;
    if (now - at >= options_.canary_interval_ms || at < context.rules_since(host.name)) {
        unanswered = 0;
        return true;
    }
    const bool answered = std::any_of(host.canaries.begin(), host.canaries.end(), [&](const auto& canary) {
        return canary.from == connector && canary.at >= at;
    });
    // Ask a busy or absent agent again, but do not ask forever an agent that takes no part.
    if (answered || unanswered >= kMostUnanswered || now - at < kCanaryAnswerMs) {
        return false;
    }
    ++unanswered;
    return true;
}

void Assignments::planCanary(const Context& context, const evidence::Host& host,
                             const std::string& connector) {
    const auto other = context.network.hosts.find(connector);
    if (other == context.network.hosts.end() || !other->second.agent_present) {
        return;
    }
    // An agent listens only for peers of its own configuration: those at which it makes attempts itself.
    const auto& tried = other->second.attempts;
    const bool mutual =
        std::any_of(tried.begin(), tried.end(), [&](const auto& each) { return each.from == host.name; });
    if (!mutual || !isDue(context, host, connector)) {
        return;
    }
    Canary canary;
    canary.id = randomHex(8);
    canary.listener = host.name;
    canary.connector = connector;
    canary.nonce = randomHex(kNonceBytes);
    auto& free = free_[connector];
    canary.at = std::max(context.network.now + options_.canary_lead_ms, free);
    free = canary.at + kCanarySpacingMs;
    const auto used = [&](int port) {
        return isCanaryPort(host.name, port) ||
               std::any_of(host.listeners.begin(), host.listeners.end(),
                           [&](const auto& listener) { return listener.port == port; });
    };
    std::uniform_int_distribution<int> ports(kLowestCanaryPort, kHighestCanaryPort);
    do {
        canary.port = ports(random_);
    } while (used(canary.port));
    asked_[{host.name, connector}].at = canary.at;
    canaries_.push_back(std::move(canary));
}

std::vector<Assignments::Entry> Assignments::attempts(const Context& context) const {
    Targets targets;
    for (const auto& [name, host] : context.network.hosts) {
        if (!host.agent_present) {
            continue;
        }
        const auto since = context.rules_since(name);
        for (const auto& listener : host.listeners) {
            if (listener.isTcp() && listener.process != "lapwing-agent" &&
                !isCanaryPort(name, listener.port)) {
                addListener(host, listener, since, targets);
            }
        }
    }
    const auto add_usual = [&](const std::string& name, const auto& addresses) {
        const auto host = context.network.hosts.find(name);
        if (host != context.network.hosts.end() && host->second.agent_present) {
            return;
        }
        for (const auto& address : addresses) {
            for (const auto& [port, service] : usualPorts()) {
                addTarget({name, address.toString(), port, service, 0}, targets);
            }
        }
    };
    for (const auto& [instance, balancer] : context.network.balancers) {
        add_usual(instance, entryAddresses(context, instance));
    }
    if (context.moment != nullptr) {
        for (const auto& [host, balancer] : context.moment->model.balancers) {
            if (!context.network.balancers.contains(host)) {
                add_usual(host, entryAddresses(context, host));
            }
        }
    }
    for (const auto& instance : context.network.databases) {
        add_usual(instance, evidence::knownAddresses(context.network, instance));
    }
    std::vector<Entry> out;
    out.reserve(targets.size());
    for (const auto& [place, target] : targets) {
        out.push_back({target.host, toJson(target)});
    }
    return out;
}

/// In a large site each agent gets what follows its own name, nearest first, so that the agents together get
/// all. The hosts and the attempts of an agent meet, for both follow the same name.
std::string Assignments::shareOf(const std::string& agent, const std::vector<Entry>& all) {
    const auto own =
        std::find_if(all.begin(), all.end(), [&](const auto& each) { return each.host > agent; });
    const auto start = static_cast<std::size_t>(own - all.begin());
    std::size_t chosen = 0;
    std::string out = "[";
    for (std::size_t i = 0; i < all.size() && chosen < kMostEntries; ++i) {
        const auto& each = all[(start + i) % all.size()];
        if (each.host != agent) {
            out.append(chosen == 0 ? "" : ",").append(each.json);
            ++chosen;
        }
    }
    return out + "]";
}

/// The hosts that have joined, for agents that discover their peers. An address of several hosts (of a bridge
/// on each, or one that moves between them) is no host's own.
std::vector<Assignments::Entry> Assignments::hosts(const Context& context) {
    std::map<reach::Address, int> holders;
    for (const auto& [name, host] : context.network.hosts) {
        for (const auto& each : host.addresses) {
            ++holders[each.address];
        }
    }
    std::vector<Entry> out;
    for (const auto& [name, host] : context.network.hosts) {
        if (!host.agent_present) {
            continue;
        }
        rapidjson::StringBuffer buffer;
        Writer writer(buffer);
        writer.StartObject();
        put(writer, "host", name);
        writer.Key("addresses");
        writer.StartArray();
        for (const auto& each : host.addresses) {
            if (!each.address.isLinkLocal() && holders[each.address] == 1) {
                const auto text = each.address.toString();
                writer.String(text.data(), static_cast<rapidjson::SizeType>(text.size()));
            }
        }
        writer.EndArray();
        writer.EndObject();
        out.push_back({name, {buffer.GetString(), buffer.GetSize()}});
    }
    return out;
}

std::string Assignments::canariesFor(const std::string& agent) const {
    rapidjson::StringBuffer buffer;
    Writer writer(buffer);
    writer.StartArray();
    for (const auto& canary : canaries_) {
        const bool listens = canary.listener == agent;
        if ((!listens && canary.connector != agent) || now_ > canary.at + kCanaryOpenMs) {
            continue;
        }
        writer.StartObject();
        put(writer, "role", listens ? "listen" : "connect");
        put(writer, "id", canary.id);
        put(writer, "host", listens ? canary.connector : canary.listener);
        put(writer, "port", canary.port);
        put(writer, "nonce", canary.nonce);
        put(writer, "at", canary.at * kUsPerMs);
        writer.EndObject();
    }
    writer.EndArray();
    return {buffer.GetString(), buffer.GetSize()};
}

void Assignments::update(const Context& context) {
    now_ = context.network.now;
    planCanaries(context);
    current_.clear();
    const auto all_hosts = hosts(context);
    const auto all_attempts = attempts(context);
    for (const auto& [name, host] : context.network.hosts) {
        if (host.agent_present) {
            current_[name] =
                assignmentOf(shareOf(name, all_hosts), shareOf(name, all_attempts), canariesFor(name));
        }
    }
}

Assignment Assignments::of(const std::string& agent) const {
    const auto found = current_.find(agent);
    return found == current_.end() ? nothing_ : found->second;
}

}  // namespace lapwing::analysis
