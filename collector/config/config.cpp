#include "collector/config/config.h"

#include <Poco/Exception.h>
#include <Poco/Net/DNS.h>
#include <Poco/Net/IPAddress.h>
#include <Poco/URI.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "collector/api/users.h"
#include "common/tls/context.h"

namespace lapwing::collector {
namespace {

using config::Node;

/// The log before it becomes blocks, and the write-ahead log, must fit as well.
constexpr std::int64_t kLeastRetention = 64'000'000;

std::vector<Endpoint> readEndpoints(const Node& node, std::vector<Endpoint> fallback, bool may_be_none) {
    if (!node.present()) {
        return fallback;
    }
    if (may_be_none && node.isScalar() && node.text() == "none") {
        return {};
    }
    std::vector<Endpoint> endpoints;
    bool named = false;
    node.forEach([&](const Node& entry) {
        named = true;
        std::string text;
        entry.read(text);
        if (text.empty()) {
            return;
        }
        auto endpoint = parseEndpoint(text);
        if (!endpoint) {
            entry.problem(entry.path() + ": " + endpoint.error().message);
            return;
        }
        endpoints.push_back(std::move(*endpoint));
    });
    if (!named) {
        node.problem(node.path() + " names no address");
    }
    return endpoints;
}

void readHttp(const Node& node, Config::Http& http) {
    node.allow({"listen", "tls", "users_file", "names"});
    http.listen = readEndpoints(node["listen"], http.listen, false);
    node["users_file"].read(http.users_file);
    node["names"].read(http.names);
    const Node tls = node["tls"];
    if (tls.isScalar()) {
        if (tls.text() == "auto") {
            http.tls_auto = true;
        } else {
            tls.problem("http.tls must be auto, or a map with cert and key");
        }
    } else if (tls.present()) {
        tls.allow({"cert", "key"});
        tls["cert"].read(http.tls_cert);
        tls["key"].read(http.tls_key);
        if (tls.isMap() && (http.tls_cert.empty() || http.tls_key.empty())) {
            tls.problem("http.tls needs both cert and key");
        } else if (tls.isMap()) {
            if (const auto context = tls::serverContext(http.tls_cert, http.tls_key); !context) {
                tls.problem("http.tls: " + context.error().message);
            }
        }
    }
    if (!http.users_file.empty()) {
        if (const auto users = api::Users::load(http.users_file); !users) {
            node["users_file"].problem("http.users_file: " + users.error().message);
        }
    }
    for (const auto& endpoint : http.listen) {
        if (endpoint.loopback) {
            continue;
        }
        const std::string where =
            "http.listen: " + endpoint.toString() + " can be reached from other machines";
        if (!http.tls() && !tls.present()) {
            node["listen"].problem(where + ", so http.tls is needed (auto, or a map with cert and key)");
        }
        if (http.users_file.empty()) {
            node["listen"].problem(
                where + ", so http.users_file is needed (lines of NAME:HASH, HASH from openssl passwd -6)");
        }
    }
}

void readUrl(const Node& node, std::string& out) {
    std::string text;
    node.read(text);
    if (text.empty()) {
        return;
    }
    try {
        const Poco::URI uri(text);
        if ((uri.getScheme() != "http" && uri.getScheme() != "https") || uri.getHost().empty()) {
            node.problem(node.path() + " must be a URL such as https://www.example.org/");
            return;
        }
    } catch (const Poco::Exception&) {
        node.problem(node.path() + " is not a URL");
        return;
    }
    out = text;
}

bool isCidr(const std::string& text) {
    const auto slash = text.find('/');
    Poco::Net::IPAddress address;
    if (!Poco::Net::IPAddress::tryParse(text.substr(0, slash), address)) {
        return false;
    }
    if (slash == std::string::npos) {
        return true;
    }
    int bits = -1;
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data() + slash + 1, end, bits);
    const int most = address.family() == Poco::Net::IPAddress::IPv4 ? 32 : 128;
    return error == std::errc() && stop == end && bits >= 0 && bits <= most;
}

void readSite(const Node& node, analysis::Site& site) {
    node.allow({"entry", "replication", "allow", "groups", "servers_needed", "deployment_time", "witness"});
    node["entry"].forEach([&](const Node& entry) {
        std::string url;
        readUrl(entry, url);
        if (!url.empty()) {
            site.entry.push_back(std::move(url));
        }
    });
    node["replication"].forEach([&](const Node& entry) {
        entry.allow({"primary", "replica"});
        analysis::Site::Pair pair;
        entry["primary"].read(pair.primary);
        entry["replica"].read(pair.replica);
        if (pair.primary.empty() || pair.replica.empty()) {
            entry.problem(entry.path() + " needs both primary and replica");
        } else if (pair.primary == pair.replica) {
            entry.problem(entry.path() + ": primary and replica are the same host");
        } else {
            site.replication.push_back(std::move(pair));
        }
    });
    node["allow"].forEach([&](const Node& entry) {
        entry.allow({"to", "from"});
        analysis::Site::Allow allow;
        entry["to"].read(allow.to);
        if (allow.to.empty()) {
            entry.problem(entry.path() + " needs `to`: a service such as mysql, or tcp/PORT");
        }
        entry["from"].forEach([&](const Node& from) {
            std::string cidr;
            from.read(cidr);
            if (!isCidr(cidr)) {
                from.problem(from.path() + " must be an address or a network such as 10.77.0.12/32");
            } else {
                allow.from.push_back(std::move(cidr));
            }
        });
        if (!allow.to.empty()) {
            site.allow.push_back(std::move(allow));
        }
    });
    node["groups"].forEach([&](const Node& entry) {
        entry.allow({"name", "hosts"});
        analysis::Site::Group group;
        entry["name"].read(group.name);
        entry["hosts"].read(group.hosts);
        if (group.name.empty() || group.hosts.size() < 2) {
            entry.problem(entry.path() + " needs a name and at least two hosts");
        } else {
            site.groups.push_back(std::move(group));
        }
    });
    node["servers_needed"].read(site.servers_needed, 1, 1000);
    node["deployment_time"].readDuration(site.deployment_ms);
    node["witness"].read(site.witness);
}

}  // namespace

std::string Endpoint::toString() const {
    return (address.find(':') != std::string::npos ? "[" + address + "]" : address) + ":" +
           std::to_string(port);
}

Expected<Endpoint> parseEndpoint(const std::string& text) {
    const auto colon = text.rfind(':');
    Endpoint endpoint;
    const char* end = text.data() + text.size();
    if (colon == std::string::npos) {
        return fail(ErrorKind::invalid, "\"" + text + "\" must be ADDRESS:PORT");
    }
    const auto [stop, error] = std::from_chars(text.data() + colon + 1, end, endpoint.port);
    if (error != std::errc() || stop != end || endpoint.port < 0 || endpoint.port > 65535) {
        return fail(ErrorKind::invalid, "\"" + text.substr(colon + 1) + "\" is not a port (0 to 65535)");
    }
    std::string host = text.substr(0, colon);
    if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
        host = host.substr(1, host.size() - 2);
    } else if (host.find(':') != std::string::npos) {
        return fail(ErrorKind::invalid,
                    "an IPv6 address is written in brackets: [" + host + "]:" + text.substr(colon + 1));
    }
    if (host == "localhost") {
        host = "127.0.0.1";
    }
    Poco::Net::IPAddress address;
    if (!Poco::Net::IPAddress::tryParse(host, address)) {
        return fail(ErrorKind::invalid,
                    "\"" + host + "\" is not an address (0.0.0.0 for all of IPv4, [::] for all)");
    }
    endpoint.address = address.toString();
    endpoint.loopback = address.isLoopback();
    return endpoint;
}

bool Config::Http::offLoopback() const {
    return std::any_of(listen.begin(), listen.end(),
                       [](const Endpoint& endpoint) { return !endpoint.loopback; });
}

std::string Config::directory() const {
    const auto parent = std::filesystem::path(data).parent_path();
    return parent.empty() ? "." : parent.string();
}

std::string Config::externalUrl() const {
    const auto& listen = http.listen;
    const auto best =
        std::find_if(listen.begin(), listen.end(), [](const Endpoint& each) { return !each.loopback; });
    if (best == listen.end()) {
        return "http://" + listen.front().toString();
    }
    Endpoint shown = *best;
    if (!http.names.empty()) {
        shown.address = http.names.front();
    } else if (shown.address == "0.0.0.0" || shown.address == "::") {
        shown.address = host;
    }
    return "https://" + shown.toString();
}

Config readConfig(const Node& root) {
    Config config;
    root.allow({"host", "data", "http", "agents", "admin", "ingest", "retention", "promql", "rules",
                "rules_interval", "site", "notify", "forward"});
    root["host"].read(config.host);
    if (config.host.empty()) {
        config.host = Poco::Net::DNS::hostName();
    }
    root["data"].read(config.data);
    if (config.data.empty() || config.data.back() == '/') {
        root["data"].problem("data must be the path of a file");
    }
    readHttp(root["http"], config.http);

    const Node agents = root["agents"];
    agents.allow({"listen", "names"});
    config.agents.listen = readEndpoints(agents["listen"], config.agents.listen, true);
    agents["names"].read(config.agents.names);

    const Node admin = root["admin"];
    admin.allow({"socket"});
    admin["socket"].read(config.admin.socket);
    if (config.admin.socket == "none") {
        config.admin.socket.clear();
    }
    if (!config.admin.socket.empty() &&
        (config.admin.socket.front() != '/' || config.admin.socket.size() > 100)) {
        admin["socket"].problem("admin.socket must be an absolute path of at most 100 characters, or none");
    }

    const Node ingest = root["ingest"];
    ingest.allow({"local", "out_of_order", "max_series"});
    ingest["local"].read(config.ingest.local);
    ingest["out_of_order"].readDuration(config.ingest.out_of_order_ms);
    ingest["max_series"].read(config.ingest.max_series, 1000, 100'000'000);

    const Node retention = root["retention"];
    retention.allow({"time", "size"});
    if (retention["time"].text() == "none") {
        config.retention_ms = 0;
    } else {
        retention["time"].readDuration(config.retention_ms);
        if (config.retention_ms < 3'600'000) {
            retention["time"].problem("retention.time must be at least 1h, or none");
        }
    }
    if (retention["size"].present() && retention["size"].text() != "none") {
        retention["size"].readBytes(config.retention_bytes);
        if (config.retention_bytes < kLeastRetention) {
            retention["size"].problem("retention.size must be at least 64MB, or none");
        }
    }

    const Node promql = root["promql"];
    promql.allow({"compat", "lookback", "max_samples", "max_concurrent", "timeout"});
    promql["compat"].read(config.promql.compat, 2, 3);
    promql["lookback"].readDuration(config.promql.lookback_ms);
    promql["max_samples"].read(config.promql.max_samples, 10'000, 1'000'000'000);
    promql["max_concurrent"].read(config.promql.max_concurrent, 1, 20);
    promql["timeout"].readDuration(config.promql.timeout_ms);
    if (config.promql.timeout_ms < 100 || config.promql.timeout_ms > 3'600'000) {
        promql["timeout"].problem("promql.timeout must be between 100ms and 1h");
    }
    if (config.promql.lookback_ms < 1000) {
        promql["lookback"].problem("promql.lookback must be at least 1s");
    }

    root["rules"].read(config.rules);
    root["rules_interval"].readDuration(config.rules_interval_ms);
    if (config.rules_interval_ms < 1000) {
        root["rules_interval"].problem("rules_interval must be at least 1s");
    }
    readSite(root["site"], config.site);
    notify::readConfig(root["notify"], config.notify);
    forward::readConfig(root["forward"], config.forward);
    return config;
}

Config loadConfig(const std::string& file, config::Reader& reader) {
    return readConfig(reader.file(file));
}

}  // namespace lapwing::collector
