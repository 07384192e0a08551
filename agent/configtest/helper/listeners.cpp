#include "agent/configtest/helper/listeners.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <string_view>
#include <system_error>
#include <utility>

#include "agent/configtest/helper/inputs.h"
#include "agent/nginx_conf/files.h"
#include "agent/snapshot/helper/units.h"
#include "common/endpoint.h"
#include "common/text.h"

namespace lapwing::agent::configtest {

namespace {

constexpr std::size_t kMostText = 2U << 20;
constexpr std::size_t kMostName = 253;
constexpr const char* kLoopback = "127.0.0.1";
constexpr const char* kLoopback6 = "::1";

using Words = std::vector<std::string>;
using Directives = std::vector<NginxDirective>;

bool has(const Words& words, std::string_view word) {
    return std::find(words.begin(), words.end(), word) != words.end();
}

/// Where the loopback reaches the sockets on all addresses; another address is its own.
Endpoint reachable(Endpoint at) {
    if (at.host.empty() || at.host == "*" || at.host == "0.0.0.0") {
        at.host = kLoopback;
    } else if (at.host == "::") {
        at.host = kLoopback6;
    }
    return at;
}

/// The sockets of a program.
struct Sockets {
    std::set<std::string> known;
    bool others = false;  ///< there are some whose address is not known

    /// A connection to the loopback reaches the socket on that address, if there is one.
    bool mayHide(const Endpoint& at) const {
        const auto to = reachable(at);
        return to.host != at.host && (others || known.contains(to.toString()));
    }
};

/// What `listen` names: a port, an address, or both.
std::optional<Endpoint> nginxEndpoint(const std::string& text) {
    if (const auto port = parsePort(text)) {
        return Endpoint{"*", *port};
    }
    auto out = Endpoint::parse(text);
    if (!out || (out->host != "*" && !out->address())) {
        return std::nullopt;
    }
    if (out->port == 0) {
        out->port = 80;
    }
    return out;
}

/// The certificates that a block names itself. Nothing if one of them is not a file's path.
std::optional<Words> nginxCertificates(const Directives& block, const std::filesystem::path& base) {
    Words out;
    for (const auto& directive : block) {
        if (directive.name() != "ssl_certificate" || directive.words.size() != 2) {
            continue;
        }
        const auto& path = directive.words[1];
        if (path.find('$') != std::string::npos || path.starts_with("data:") || path.starts_with("engine:") ||
            path.starts_with("store:")) {
            return std::nullopt;
        }
        out.push_back((base / path).string());
    }
    return out;
}

struct Server {
    std::vector<Endpoint> listens;
    Words names;  ///< those without patterns, in lower case
    Words files;
};

class NginxReader {
  public:
    explicit NginxReader(const std::string& main_file)
        : base_(std::filesystem::path(main_file).parent_path()) {}

    std::vector<Listener> read(const Directives& directives) {
        for (const auto& directive : directives) {
            if (directive.name() == "http") {
                const auto around = nginxCertificates(directive.block, base_);
                for (const auto& inner : directive.block) {
                    if (inner.name() == "server") {
                        server(inner.block, around);
                    }
                }
            }
        }
        return listeners();
    }

  private:
    void server(const Directives& block, const std::optional<Words>& around) {
        Server out;
        auto files = nginxCertificates(block, base_);
        if (files && files->empty()) {
            files = around;
        }
        bool rejects = false;
        for (const auto& directive : block) {
            if (directive.name() == "listen" && directive.words.size() > 1) {
                listen(directive.words, out);
            } else if (directive.name() == "server_name") {
                for (auto word = directive.words.begin() + 1; word != directive.words.end(); ++word) {
                    if (isPlainName(*word)) {
                        out.names.push_back(lower(*word));
                    }
                }
            } else if (directive.name() == "ssl_reject_handshake") {
                rejects = directive.words.size() < 2 || directive.words[1] != "off";
            }
        }
        if (files && !rejects) {
            out.files = std::move(*files);
        }
        servers_.push_back(std::move(out));
    }

    void listen(const Words& words, Server& out) {
        const auto at = nginxEndpoint(words[1]);
        if (!at) {
            sockets_.others = sockets_.others || !words[1].starts_with("unix:");
            return;
        }
        const auto socket = at->toString();
        // One word of one server block counts for the socket.
        if (has(words, "quic")) {
            return;
        }
        if (has(words, "ssl")) {
            tls_.insert(socket);
        }
        if (has(words, "proxy_protocol")) {
            proxied_.insert(socket);
        }
        ++servers_of_[socket];
        sockets_.known.insert(socket);
        out.listens.push_back(*at);
    }

    std::vector<Listener> listeners() const {
        std::vector<Listener> out;
        std::set<std::pair<std::string, std::string>> taken;
        for (const auto& server : servers_) {
            for (const auto& at : server.listens) {
                const auto socket = at.toString();
                const auto name = ownName(server, socket, taken);
                const bool known = tls_.contains(socket) && !proxied_.contains(socket) &&
                                   (!name.empty() || servers_of_.at(socket) == 1);
                if (known && !server.files.empty() && !sockets_.mayHide(at)) {
                    out.push_back({reachable(at).toString(), name, server.files});
                }
            }
        }
        return out;
    }

    /// The first of the block's names that no earlier block of the socket has: Nginx ignores the later one.
    static std::string ownName(const Server& server, const std::string& socket,
                               std::set<std::pair<std::string, std::string>>& taken) {
        std::string out;
        for (const auto& name : server.names) {
            if (taken.emplace(socket, name).second && out.empty()) {
                out = name;
            }
        }
        return out;
    }

    const std::filesystem::path base_;
    std::vector<Server> servers_;
    std::set<std::string> tls_;
    std::set<std::string> proxied_;
    Sockets sockets_;
    std::map<std::string, int> servers_of_;
};

bool isReadable(const std::string& line) {
    return line.find_first_of("\"'\\$") == std::string::npos;
}

class HaproxyReader {
  public:
    /// False if the configuration is not known.
    bool add(const std::string& text) {
        std::istringstream in(text);
        for (std::string line; std::getline(in, line);) {
            std::istringstream from(line.substr(0, line.find('#')));
            Words words;
            for (std::string word; from >> word;) {
                words.push_back(std::move(word));
            }
            if (words.empty()) {
                continue;
            }
            if (words[0] == ".if" || (words[0] == "crt-base" && !isReadable(line))) {
                return false;
            }
            if (words[0] == "crt-base" && words.size() > 1) {
                base_ = words[1];
            } else if (words[0] == "bind" && words.size() > 1 && isReadable(line)) {
                bind(words);
            } else if (words[0] == "bind") {
                sockets_.others = true;
            }
        }
        return true;
    }

    std::vector<Listener> listeners() const {
        std::vector<Listener> out;
        for (const auto& [at, names] : binds_) {
            if (sockets_.mayHide(at)) {
                continue;
            }
            for (const auto& name : names) {
                for (auto& file : filesOf(name)) {
                    out.push_back({reachable(at).toString(), "", {std::move(file)}});
                }
            }
        }
        return out;
    }

  private:
    void bind(const Words& words) {
        constexpr std::array unknown_words{"accept-proxy", "crt-list", "generate-certificates", "namespace",
                                           "ca-sign-file"};
        const bool unknown = std::any_of(unknown_words.begin(), unknown_words.end(),
                                         [&](const char* word) { return has(words, word); });
        Words names;
        for (std::size_t i = 2; i + 1 < words.size(); ++i) {
            if (words[i] == "crt") {
                names.push_back(words[i + 1]);
            }
        }
        std::istringstream addresses(words[1]);
        for (std::string text; std::getline(addresses, text, ',');) {
            const auto at = Endpoint::beforeLastColon(text);
            if (!at) {
                sockets_.others = sockets_.others || !text.starts_with('/');
                continue;
            }
            if (!at->host.empty() && at->host != "*" && !at->address()) {
                sockets_.others = true;
                continue;
            }
            sockets_.known.insert(at->toString());
            if (has(words, "ssl") && !unknown) {
                binds_.emplace_back(*at, names);
            }
        }
    }

    Words filesOf(const std::string& name) const {
        if (name.starts_with('@') || (!name.starts_with('/') && !base_.starts_with('/'))) {
            return {};
        }
        const auto path = std::filesystem::path(base_) / name;
        std::error_code error;
        if (std::filesystem::is_directory(path, error)) {
            constexpr std::array other_endings{".key", ".ocsp", ".issuer", ".sctl"};
            Words out;
            for (const auto& entry : entriesOf(path.string())) {
                const bool other = entry.starts_with('.') ||
                                   std::any_of(other_endings.begin(), other_endings.end(),
                                               [&](auto* suffix) { return entry.ends_with(suffix); });
                if (!other) {
                    out.push_back((path / entry).string());
                }
            }
            return out;
        }
        if (std::filesystem::exists(path, error)) {
            return {path.string()};
        }
        return {path.string() + ".rsa", path.string() + ".ecdsa", path.string() + ".dsa"};
    }

    std::string base_;
    std::vector<std::pair<Endpoint, Words>> binds_;
    Sockets sockets_;
};

}  // namespace

bool isPlainName(const std::string& name) {
    return !name.empty() && name.size() <= kMostName && name.front() != '.' &&
           name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-") ==
               std::string::npos;
}

std::vector<Listener> nginxListeners(const std::string& main_file) {
    const auto loaded = loadNginx(main_file, hostFiles());
    return loaded.fault.empty() ? NginxReader(main_file).read(loaded.directives) : std::vector<Listener>{};
}

std::vector<Listener> haproxyListeners(const std::vector<std::string>& main_files) {
    HaproxyReader reader;
    for (const auto& main_file : main_files) {
        for (const auto& file : filesOfHaproxy(main_file)) {
            if (!reader.add(textOfFile(file, kMostText))) {
                return {};
            }
        }
    }
    return reader.listeners();
}

}  // namespace lapwing::agent::configtest
