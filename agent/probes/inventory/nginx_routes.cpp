#include "agent/probes/inventory/nginx_routes.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <sstream>
#include <utility>

#include "agent/nginx_conf/text.h"
#include "common/endpoint.h"
#include "common/text.h"

namespace lapwing::agent::inventory {

namespace {

constexpr std::size_t kMostRoutes = 256;
constexpr std::size_t kMostNameBytes = 1024;
constexpr std::size_t kMostDigits = 9;
// Nginx' defaults.
constexpr const char* kNextUpstream = "error timeout";
constexpr const char* kMaxFails = "1";
constexpr std::uint16_t kHttp = 80;
constexpr std::uint16_t kHttps = 443;

using Directives = std::vector<NginxDirective>;

struct Target {
    std::string address;
    std::string role;
    std::string max_fails;
};

/// A directive that passes requests on: proxy_pass http://app.
struct Pass {
    std::string to;
    std::string next_upstream;
    auto operator<=>(const Pass&) const = default;
};

/// The directives that pass requests on, by the one that says when Nginx tries the next server.
const std::map<std::string, std::string>& nextUpstreamOfPass() {
    static const std::map<std::string, std::string> known{
        {"proxy_pass", "proxy_next_upstream"}, {"fastcgi_pass", "fastcgi_next_upstream"},
        {"uwsgi_pass", "uwsgi_next_upstream"}, {"scgi_pass", "scgi_next_upstream"},
        {"grpc_pass", "grpc_next_upstream"},
    };
    return known;
}

/// The words of each `*_next_upstream`: those of the block, else those around it.
using NextUpstream = std::map<std::string, std::string>;

NextUpstream nextUpstreamIn(const Directives& block, NextUpstream around) {
    for (const auto& directive : block) {
        if (directive.name().ends_with("_next_upstream")) {
            std::string words;
            for (auto word = directive.words.begin() + 1; word != directive.words.end(); ++word) {
                words += (words.empty() ? "" : " ") + *word;
            }
            around[directive.name()] = words.substr(0, kMostNameBytes);
        }
    }
    return around;
}

/// The endpoint that a directive names, with the usual port where it names none.
Endpoint endpointOf(const std::string& text, std::uint16_t usual_port) {
    auto out = Endpoint::parse(text).value_or(Endpoint{text, 0});
    out.port = out.port == 0 ? usual_port : out.port;
    return out;
}

/// A `server` of the http block.
struct Server {
    struct Listen {
        int port = kHttp;
        bool is_default = false;
    };
    std::vector<Listen> listens;
    std::string names;
    std::set<Pass> passes;
};

class Reader {
  public:
    Reader(const HostsFile& hosts, NginxConfiguration& out) : hosts_(hosts), out_(out) {}

    void read(const Directives& directives) {
        certificates(directives);
        for (const auto& directive : directives) {
            if (directive.name() == "http") {
                http(directive.block);
            }
        }
    }

  private:
    void certificates(const Directives& directives) {
        for (const auto& directive : directives) {
            if (directive.name() == "ssl_certificate" && directive.words.size() == 2 &&
                directive.words[1].find('$') == std::string::npos &&
                !directive.words[1].starts_with("data:")) {
                out_.certificates.insert(directive.words[1]);
            }
            certificates(directive.block);
        }
    }

    void http(const Directives& directives) {
        for (const auto& directive : directives) {
            if (directive.name() == "upstream" && directive.words.size() == 2) {
                upstream(lower(directive.words[1]), directive.block);
            }
        }
        const auto next_upstream = nextUpstreamIn(directives, {});
        std::vector<Server> servers;
        for (const auto& directive : directives) {
            if (directive.name() == "server") {
                servers.push_back(serverOf(directive.block, next_upstream));
            }
        }
        // The default server of a port is the one with `default_server`, otherwise the first.
        std::map<int, const Server*> defaults;
        for (const bool explicit_only : {true, false}) {
            for (const auto& server : servers) {
                for (const auto& listen : server.listens) {
                    if (listen.is_default || !explicit_only) {
                        defaults.try_emplace(listen.port, &server);
                    }
                }
            }
        }
        for (const auto& server : servers) {
            for (const auto& listen : server.listens) {
                routes(server, listen.port, defaults.at(listen.port) == &server);
            }
        }
    }

    void upstream(const std::string& name, const Directives& block) {
        auto& targets = upstreams_[name];
        for (const auto& directive : block) {
            if (directive.name() != "server" || directive.words.size() < 2) {
                continue;
            }
            const auto has = [&](const char* word) {
                return std::find(directive.words.begin() + 2, directive.words.end(), word) !=
                       directive.words.end();
            };
            const std::string role = has("down") ? "down" : has("backup") ? "backup" : "active";
            std::string max_fails = kMaxFails;
            for (const auto& word : directive.words) {
                if (word.starts_with("max_fails=")) {
                    max_fails = word.substr(word.find('=') + 1, kMostDigits);
                }
            }
            for (auto& address : addressesOf(directive.words[1], kHttp)) {
                targets.push_back({std::move(address), role, max_fails});
            }
        }
    }

    static Server serverOf(const Directives& block, const NextUpstream& around) {
        Server out;
        bool listens = false;
        for (const auto& directive : block) {
            if (directive.name() == "listen" && directive.words.size() > 1) {
                listens = true;
                listen(directive.words, out);
            } else if (directive.name() == "server_name") {
                for (auto name = directive.words.begin() + 1; name != directive.words.end(); ++name) {
                    const bool fits = out.names.size() + name->size() < kMostNameBytes;
                    out.names += fits && !name->empty() ? (out.names.empty() ? "" : " ") + lower(*name) : "";
                }
            }
        }
        if (!listens) {
            out.listens.push_back({});
        }
        passes(block, around, out.passes);
        return out;
    }

    static void listen(const std::vector<std::string>& words, Server& out) {
        if (words[1].starts_with("unix:")) {
            return;
        }
        Server::Listen listen;
        const auto port_alone = parsePort(words[1]);
        listen.port = port_alone ? *port_alone : endpointOf(words[1], kHttp).port;
        listen.is_default = std::any_of(words.begin() + 2, words.end(), [](const auto& word) {
            return word == "default_server" || word == "default";
        });
        out.listens.push_back(listen);
    }

    static void passes(const Directives& block, const NextUpstream& around, std::set<Pass>& out) {
        const auto next_upstream = nextUpstreamIn(block, around);
        for (const auto& directive : block) {
            const auto known = nextUpstreamOfPass().find(directive.name());
            if (known != nextUpstreamOfPass().end() && directive.words.size() == 2) {
                const auto set = next_upstream.find(known->second);
                out.insert({directive.words[1], set == next_upstream.end() ? kNextUpstream : set->second});
            }
            passes(directive.block, next_upstream, out);
        }
    }

    void routes(const Server& server, int port, bool is_default) {
        const auto add = [&](const std::string& upstream, const Target& target,
                             const std::string& next_upstream) {
            if (out_.routes.size() < kMostRoutes) {
                out_.routes.insert({port, server.names, is_default, upstream.substr(0, kMostNameBytes),
                                    target.address.substr(0, kMostNameBytes), target.role,
                                    target.address.empty() ? "" : next_upstream, target.max_fails});
            } else if (out_.fault.empty()) {
                out_.fault = "more than " + std::to_string(kMostRoutes) + " ways that requests go";
            }
        };
        for (const auto& pass : server.passes) {
            const auto [upstream, targets] = targetsOf(pass.to);
            for (const auto& target : targets) {
                add(upstream, target, pass.next_upstream);
            }
        }
        if (server.passes.empty()) {
            add("", {}, "");
        }
    }

    /// Of "http://app/path", "unix:/run/app.sock" and so on: the upstream's name, and what is in it.
    std::pair<std::string, std::vector<Target>> targetsOf(std::string text) const {
        auto usual_port = kHttp;
        if (const auto scheme = text.find("://"); scheme != std::string::npos) {
            usual_port = text.compare(0, scheme, "https") == 0 || text.compare(0, scheme, "grpcs") == 0
                             ? kHttps
                             : kHttp;
            text.erase(0, scheme + 3);
        }
        if (text.starts_with("unix:")) {
            text = text.substr(0, text.find(":/", 5));
            return {text, {{text, "active", kMaxFails}}};
        }
        text = text.substr(0, text.find('/'));
        if (text.find('$') != std::string::npos) {
            return {text, {{}}};
        }
        if (const auto known = upstreams_.find(lower(text)); known != upstreams_.end()) {
            return *known;
        }
        std::vector<Target> out;
        for (auto& address : addressesOf(text, usual_port)) {
            out.push_back({std::move(address), "active", kMaxFails});
        }
        return {text, out};
    }

    std::vector<std::string> addressesOf(const std::string& text, std::uint16_t usual_port) const {
        if (text.starts_with("unix:")) {
            return {text};
        }
        const auto named = endpointOf(text, usual_port);
        std::vector<std::string> out;
        const auto [begin, end] = hosts_.equal_range(lower(named.host));
        for (auto known = begin; known != end; ++known) {
            out.push_back(Endpoint{known->second, named.port}.toString());
        }
        if (out.empty()) {
            out.push_back(named.toString());
        }
        return out;
    }

    const HostsFile& hosts_;
    NginxConfiguration& out_;
    std::map<std::string, std::vector<Target>> upstreams_;
};

}  // namespace

HostsFile parseHosts(std::string_view text) {
    HostsFile out;
    std::istringstream in{std::string(text)};
    for (std::string line; std::getline(in, line);) {
        std::istringstream words(line.substr(0, line.find('#')));
        std::string address;
        words >> address;
        for (std::string name; words >> name;) {
            out.emplace(lower(name), address);
        }
    }
    return out;
}

NginxConfiguration readNginx(const std::string& main_file, const NginxFiles& files, const HostsFile& hosts) {
    NginxConfiguration out;
    auto loaded = loadNginx(main_file, files);
    out.fault = std::move(loaded.fault);
    Reader(hosts, out).read(loaded.directives);
    return out;
}

}  // namespace lapwing::agent::inventory
