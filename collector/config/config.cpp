#include "collector/config/config.h"

#include <Poco/Net/DNS.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <string>
#include <string_view>

#include "collector/analysis/acceptances.h"
#include "collector/api/users.h"
#include "common/time_text.h"
#include "common/tls/context.h"

namespace lapwing::collector {
namespace {

using config::Node;

/// Room for the log that has not become blocks yet and for the write-ahead log.
constexpr std::int64_t kLeastRetention = 64'000'000;
constexpr std::int64_t kLeastQueryMemory = 16'000'000;

std::vector<Endpoint> readListeners(const Node& node, std::vector<Endpoint> fallback, bool may_be_none) {
    if (!node.present()) {
        return fallback;
    }
    if (may_be_none && node.isScalar() && node.text() == "none") {
        return {};
    }
    std::vector<Endpoint> listeners;
    bool named = false;
    node.forEach([&](const Node& entry) {
        named = true;
        std::string text;
        entry.read(text);
        if (text.empty()) {
            return;
        }
        auto listener = parseListener(text);
        if (!listener) {
            entry.problem(entry.path() + ": " + listener.error().message);
            return;
        }
        listeners.push_back(std::move(*listener));
    });
    if (!named) {
        node.problem(node.path() + " has no address");
    }
    return listeners;
}

/// The first parts of the paths that the page's listener answers (peopleHandler(), and the pages).
constexpr std::array<std::string_view, 8> kOwnPaths{"-",       "alert", "api",     "federate",
                                                    "finding", "graph", "metrics", "timeline"};

void readExternalUrl(const Node& node, std::string& out) {
    std::string text;
    node.read(text);
    if (text.empty()) {
        return;
    }
    while (text.ends_with('/')) {
        text.pop_back();
    }
    const auto server = Endpoint::ofUrl(text);
    const bool has_scheme = text.starts_with("http://") || text.starts_with("https://");
    const bool plain = std::all_of(text.begin(), text.end(), [](unsigned char c) {
        return std::isalnum(c) != 0 ||
               std::string_view("-._~/:[]").find(static_cast<char>(c)) != std::string_view::npos;
    });
    if (!has_scheme || !server || !plain || text.find("//", text.find("://") + 3) != std::string::npos ||
        text.find("/.") != std::string::npos) {
        node.problem(
            node.path() +
            " must be a URL such as https://ops.example.org/lapwing/, without user, query and escapes");
        return;
    }
    // Requests lose the path of the URL: those of the collector's own addresses would lose their beginning.
    const auto begin = text.find('/', text.find("://") + 3);
    const auto first =
        begin == std::string::npos ? "" : text.substr(begin + 1, text.find('/', begin + 1) - begin - 1);
    if (std::find(kOwnPaths.begin(), kOwnPaths.end(), first) != kOwnPaths.end()) {
        node.problem(node.path() + " must not begin with /" + first +
                     ", where the collector has addresses of its own: take another path, such as /lapwing/");
        return;
    }
    out = text;
}

void readHttp(const Node& node, Config::Http& http) {
    node.allow({"listen", "tls", "users_file", "names", "external_url"});
    http.listen = readListeners(node["listen"], http.listen, false);
    node["users_file"].read(http.users_file);
    node["names"].read(http.names);
    readExternalUrl(node["external_url"], http.external_url);
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
        if (endpoint.loopback()) {
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
    const bool has_scheme = text.starts_with("http://") || text.starts_with("https://");
    if (!has_scheme || !Endpoint::ofUrl(text)) {
        node.problem(node.path() + " must be a URL such as https://www.example.org/");
        return;
    }
    out = text;
}

void readAccept(const Node& node, std::vector<analysis::Site::Accept>& out) {
    node.forEach([&](const Node& entry) {
        entry.allow({"finding", "subject", "until", "reason"});
        analysis::Site::Accept accept;
        entry["finding"].read(accept.finding);
        entry["subject"].read(accept.subject);
        entry["reason"].read(accept.reason);
        const auto until = parseDay(entry["until"].text());
        if (accept.finding.empty() || accept.subject.empty() || accept.reason.empty() || !until) {
            entry.problem(
                entry.path() +
                " needs finding (R1), subject (haproxy@lb-01), until (a day: 2027-06-01) and reason");
        } else if (accept.reason.size() > analysis::Acceptances::kMostReason) {
            entry["reason"].problem(entry.path() + ".reason must have at most " +
                                    std::to_string(analysis::Acceptances::kMostReason) + " bytes");
        } else if (std::any_of(out.begin(), out.end(), [&](const auto& other) {
                       return other.finding == accept.finding && other.subject == accept.subject;
                   })) {
            entry.problem(entry.path() + ": " + accept.finding + " " + accept.subject + " is accepted above");
        } else {
            accept.until_ms = *until;
            out.push_back(std::move(accept));
        }
    });
    if (out.size() > analysis::Acceptances::kMost) {
        node.problem("site.accept may have at most " + std::to_string(analysis::Acceptances::kMost) +
                     " entries");
    }
}

void readSite(const Node& node, analysis::Site& site) {
    node.allow({"entry", "replication", "allow", "accept", "groups", "servers_needed", "deployment_time",
                "objective", "witness"});
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
            if (!reach::AddressRange::parse(cidr)) {
                from.problem(from.path() + " must be an address or a network such as 10.77.0.12/32");
            } else {
                allow.from.push_back(std::move(cidr));
            }
        });
        if (!allow.to.empty()) {
            site.allow.push_back(std::move(allow));
        }
    });
    readAccept(node["accept"], site.accept);
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
    node["objective"].read(site.objective);
    if (site.objective < 90 || site.objective > 99.999) {
        node["objective"].problem("site.objective must be a percentage from 90 to 99.999");
    }
    node["witness"].read(site.witness);
}

/// Reads a number of bytes within limits.
void readBytes(const Node& node, std::int64_t& out, std::int64_t least, std::int64_t most) {
    if (!node.present()) {
        return;
    }
    node.readBytes(out);
    if (out < least || out > most) {
        node.problem(node.path() + " must be between " + std::to_string(least) + " and " +
                     std::to_string(most) + " bytes");
    }
}

void readIngest(const Node& node, Config::Ingest& ingest) {
    constexpr std::int64_t most_bytes = 1'000'000'000'000;
    node.allow({"local", "out_of_order", "max_series", "max_label_bytes", "max_own_series", "max_kept_series",
                "agent", "max_labels_per_series", "max_label_length"});
    node["local"].read(ingest.local);
    node["out_of_order"].readDuration(ingest.out_of_order_ms);
    node["max_series"].read(ingest.max_series, 1000, 100'000'000);
    readBytes(node["max_label_bytes"], ingest.max_label_bytes, 1'000'000, most_bytes);
    node["max_own_series"].read(ingest.max_own_series, 1000, 100'000'000);
    node["max_kept_series"].read(ingest.max_kept_series, 1000, 1'000'000'000);
    const Node agent = node["agent"];
    agent.allow(
        {"max_series", "max_label_bytes", "max_samples_per_second", "max_document_bytes", "max_observed"});
    agent["max_series"].read(ingest.agent.max_series, 1000, 100'000'000);
    readBytes(agent["max_label_bytes"], ingest.agent.max_label_bytes, 1'000'000, most_bytes);
    agent["max_samples_per_second"].read(ingest.agent.max_samples_per_second, 100, 100'000'000);
    readBytes(agent["max_document_bytes"], ingest.agent.max_document_bytes, 1'000'000, most_bytes);
    agent["max_observed"].read(ingest.agent.max_observed, 0, 10'000);
    node["max_labels_per_series"].read(ingest.max_labels_per_series, 16, 1000);
    readBytes(node["max_label_length"], ingest.max_label_length, 256, 1'000'000);
}

}  // namespace

Expected<Endpoint> parseListener(const std::string& text) {
    constexpr std::string_view any_port = ":0";
    const bool has_any_port = text.ends_with(any_port);
    auto listener = Endpoint::parse(has_any_port ? text.substr(0, text.size() - any_port.size()) : text);
    if (!listener || (listener->port == 0 && !has_any_port)) {
        const bool bare_ipv6 = listener && listener->address() && !text.starts_with('[') &&
                               listener->address()->family == reach::Family::ipv6;
        return fail(ErrorKind::invalid, bare_ipv6 ? "an IPv6 address is written in brackets: [ADDRESS]:PORT"
                                                  : "\"" + text + "\" must be ADDRESS:PORT");
    }
    if (listener->host == "localhost") {
        listener->host = "127.0.0.1";
    }
    const auto address = listener->address();
    if (!address) {
        return fail(ErrorKind::invalid,
                    "\"" + listener->host + "\" is not an address (0.0.0.0 for all of IPv4, [::] for all)");
    }
    listener->host = address->toString();
    return *listener;
}

bool Config::Http::offLoopback() const {
    return std::any_of(listen.begin(), listen.end(),
                       [](const Endpoint& endpoint) { return !endpoint.loopback(); });
}

std::string Config::directory() const {
    const auto parent = std::filesystem::path(data).parent_path();
    return parent.empty() ? "." : parent.string();
}

std::string Config::externalUrl() const {
    if (!http.external_url.empty()) {
        return http.external_url;
    }
    const auto& listen = http.listen;
    const auto best =
        std::find_if(listen.begin(), listen.end(), [](const Endpoint& each) { return !each.loopback(); });
    if (best == listen.end()) {
        return "http://" + listen.front().toString();
    }
    Endpoint shown = *best;
    if (!http.names.empty()) {
        shown.host = http.names.front();
    } else if (shown.host == "0.0.0.0" || shown.host == "::") {
        shown.host = host;
    }
    return "https://" + shown.toString();
}

Config readConfig(const Node& root) {
    Config config;
    root.allow({"host", "data", "http", "agents", "admin", "ingest", "retention", "promql", "rules",
                "rules_interval", "hold_alerts", "site", "notify", "forward"});
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
    config.agents.listen = readListeners(agents["listen"], config.agents.listen, true);
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

    readIngest(root["ingest"], config.ingest);

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
    promql.allow({"compat", "lookback", "max_samples", "max_memory", "max_concurrent", "timeout"});
    promql["compat"].read(config.promql.compat, 2, 3);
    promql["lookback"].readDuration(config.promql.lookback_ms);
    promql["max_samples"].read(config.promql.max_samples, 10'000, 1'000'000'000);
    promql["max_memory"].readBytes(config.promql.max_memory);
    if (config.promql.max_memory < kLeastQueryMemory) {
        promql["max_memory"].problem("promql.max_memory must be at least 16MB");
    }
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
    const Node hold = root["hold_alerts"];
    hold.allow({"silent", "partial"});
    hold["silent"].readDuration(config.hold_alerts.silent_ms);
    hold["partial"].readDuration(config.hold_alerts.partial_ms);
    readSite(root["site"], config.site);
    notify::readConfig(root["notify"], config.notify);
    forward::readConfig(root["forward"], config.forward);
    return config;
}

Config loadConfig(const std::string& file, config::Reader& reader) {
    return readConfig(reader.fileAndDirectory(file));
}

}  // namespace lapwing::collector
