#include "collector/command/listeners.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <filesystem>

#include "collector/api/agents.h"
#include "collector/api/people.h"
#include "common/tls/context.h"

namespace lapwing::collector {
namespace {

// The package creates this group.
constexpr const char* kAdminGroup = "lapwing-admin";
constexpr const char* kAgentsName = "agents";

bool isDnsName(const std::string& name) {
    return !name.empty() && name.size() <= 253 && std::all_of(name.begin(), name.end(), [](unsigned char c) {
        return std::isalnum(c) != 0 || c == '-' || c == '.';
    });
}

api::ServerOptions at(const Endpoint& endpoint, const char* name,
                      const std::function<void(const std::string&, int)>& answered) {
    api::ServerOptions options;
    options.name = name;
    options.address = endpoint.host;
    options.port = endpoint.port;
    options.answered = [answered, listener = std::string(name)](int status) { answered(listener, status); };
    return options;
}

/// The address with the port that was bound.
std::string boundTo(const Endpoint& endpoint, const api::Server& server) {
    return Endpoint{endpoint.host, static_cast<std::uint16_t>(server.port())}.toString();
}

}  // namespace

std::vector<std::string> machineAddresses() {
    std::vector<std::string> out;
    ifaddrs* list = nullptr;
    if (::getifaddrs(&list) != 0) {
        return out;
    }
    for (const ifaddrs* each = list; each != nullptr; each = each->ifa_next) {
        if (each->ifa_addr == nullptr || (each->ifa_flags & IFF_UP) == 0) {
            continue;
        }
        std::array<char, INET6_ADDRSTRLEN> text{};
        const void* bytes = nullptr;
        if (each->ifa_addr->sa_family == AF_INET) {
            bytes = &reinterpret_cast<const sockaddr_in*>(each->ifa_addr)->sin_addr;
        } else if (each->ifa_addr->sa_family == AF_INET6) {
            const auto& address = reinterpret_cast<const sockaddr_in6*>(each->ifa_addr)->sin6_addr;
            if (IN6_IS_ADDR_LINKLOCAL(&address)) {
                continue;
            }
            bytes = &address;
        }
        if (bytes != nullptr &&
            ::inet_ntop(each->ifa_addr->sa_family, bytes, text.data(), text.size()) != nullptr) {
            out.emplace_back(text.data());
        }
    }
    ::freeifaddrs(list);
    return out;
}

std::vector<std::string> certificateNames(const Config& config, const std::string& host) {
    std::vector<std::string> names = config.agents.names;
    if (isDnsName(host)) {
        names.push_back(host);
    }
    if (config.http.tls_auto) {
        names.insert(names.end(), config.http.names.begin(), config.http.names.end());
    }
    bool wildcard = false;
    auto endpoints = config.agents.listen;
    if (config.http.tls_auto) {
        endpoints.insert(endpoints.end(), config.http.listen.begin(), config.http.listen.end());
    }
    for (const auto& endpoint : endpoints) {
        if (endpoint.host == "0.0.0.0" || endpoint.host == "::") {
            wildcard = true;
        } else {
            names.push_back(endpoint.host);
        }
    }
    if (wildcard) {
        const auto all = machineAddresses();
        names.insert(names.end(), all.begin(), all.end());
    }
    return names;
}

AgentsAddresses agentsAddresses(const Config& config,
                                const std::vector<std::unique_ptr<api::Server>>& servers) {
    AgentsAddresses out;
    std::vector<Endpoint> reachable;
    std::vector<Endpoint> loopback;
    auto endpoint = config.agents.listen.begin();
    for (const auto& server : servers) {
        if (server->name() != kAgentsName || endpoint == config.agents.listen.end()) {
            continue;
        }
        const auto port = static_cast<std::uint16_t>(server->port());
        out.port = out.port == 0 ? port : out.port;
        const auto family = endpoint->address()->family;
        const bool wildcard = endpoint->host == "0.0.0.0" || endpoint->host == "::";
        const auto hosts = wildcard ? machineAddresses() : std::vector<std::string>{endpoint->host};
        for (const auto& host : hosts) {
            const Endpoint each{host, port};
            const auto address = each.address();
            if (address && address->family == family) {
                (each.loopback() ? loopback : reachable).push_back(each);
            }
        }
        ++endpoint;
    }
    std::stable_sort(reachable.begin(), reachable.end(), [](const Endpoint& a, const Endpoint& b) {
        return a.address()->family == reach::Family::ipv4 && b.address()->family != reach::Family::ipv4;
    });
    for (const auto& name : config.agents.names) {
        out.addresses.push_back(Endpoint{name, out.port}.toString());
    }
    for (const auto& each : reachable.empty() ? loopback : reachable) {
        out.addresses.push_back(each.toString());
    }
    // A short name is seldom known elsewhere.
    if (!reachable.empty() && isDnsName(config.host) && config.host.find('.') != std::string::npos) {
        out.addresses.push_back(Endpoint{config.host, out.port}.toString());
    }
    return out;
}

Expected<std::vector<std::unique_ptr<api::Server>>> listenAll(
    const Config& config, const trust::Authority* authority, const Handlers& handlers, api::Loop& loop,
    const std::function<void(const std::string&, int)>& answered) {
    std::vector<std::unique_ptr<api::Server>> servers;
    Expected<Poco::AutoPtr<Poco::Net::Context>> people_tls;
    if (config.http.offLoopback()) {
        people_tls = config.http.tls_auto
                         ? tls::serverContext(authority->serverCertFile(), authority->serverKeyFile())
                         : tls::serverContext(config.http.tls_cert, config.http.tls_key);
    }
    if (!people_tls) {
        return fail(people_tls.error());
    }
    for (const auto& endpoint : config.http.listen) {
        auto options = at(endpoint, "people", answered);
        const auto& listener = endpoint.loopback() ? handlers.loopback : handlers.off_loopback;
        options.gate = listener.gate;
        options.is_slow = api::isSlowForPeople;
        // Queries wait for their turn in their threads.
        options.slow_threads = 24;
        options.threads_per_client = endpoint.loopback() ? 20 : 8;
        options.uri_bytes = 1U << 20;
        options.connections.per_member = 32;
        if (endpoint.loopback()) {
            // All users of a tunnel or of a dashboard share the loopback address, and may come at once.
            options.connections.strangers = options.connections.strangers_per_address = 256;
            options.connections.per_member = 256;
        }
        options.keep_alive = std::chrono::seconds(60);
        options.exchange_time =
            std::chrono::milliseconds(config.promql.timeout_ms) + std::chrono::seconds(30);
        if (!endpoint.loopback()) {
            options.tls = *people_tls;
        }
        auto server = api::Server::listen(std::move(options), listener.handler, loop);
        if (!server) {
            return fail(server.error());
        }
        spdlog::info("for people: {}://{}", endpoint.loopback() ? "http" : "https",
                     boundTo(endpoint, **server));
        servers.push_back(std::move(*server));
    }
    for (const auto& endpoint : config.agents.listen) {
        auto context = tls::serverContext(authority->serverCertFile(), authority->serverKeyFile(),
                                          authority->caFile(), tls::ClientCertificate::optional);
        if (!context) {
            return fail(context.error());
        }
        auto options = at(endpoint, kAgentsName, answered);
        options.tls = *context;
        options.want_agent = true;
        options.gate = handlers.agents.gate;
        options.is_slow = api::isSlowForAgents;
        options.keep_alive = std::chrono::seconds(75);
        auto server = api::Server::listen(std::move(options), handlers.agents.handler, loop);
        if (!server) {
            return fail(server.error());
        }
        spdlog::info("for agents: https://{}", boundTo(endpoint, **server));
        servers.push_back(std::move(*server));
    }
    if (const auto& socket = config.admin.socket; !socket.empty()) {
        api::ServerOptions options;
        options.name = "admin";
        options.unix_socket = socket;
        options.unix_group = kAdminGroup;
        options.gate = handlers.admin.gate;
        options.slow_threads = 4;
        options.is_slow = api::isSlowForPeople;
        options.uri_bytes = 1U << 20;
        options.answered = [answered](int status) { answered("admin", status); };
        auto server = api::Server::listen(std::move(options), handlers.admin.handler, loop);
        if (server) {
            servers.push_back(std::move(*server));
        } else {
            spdlog::warn("{}", server.error().message);
        }
    }
    return servers;
}

}  // namespace lapwing::collector
