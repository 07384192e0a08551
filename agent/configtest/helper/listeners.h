#pragma once

#include <string>
#include <vector>

namespace lapwing::agent::configtest {

/// Certificates of which a program presents one, by its configuration, to who connects to `address` and asks
/// for `name`.
struct Listener {
    std::string address;  ///< "127.0.0.1:443", "[::1]:443": of the loopback where it listens on all addresses
    std::string name;     ///< "" : of Nginx, whatever the name is; of HAProxy, a name of the certificate
    std::vector<std::string> files;  ///< absolute paths
};

/// A DNS name without a pattern.
bool isPlainName(const std::string& name);

/// The server blocks of Nginx's http block that listen with TLS. Left out, because what they present is not
/// known: certificates in variables, sockets of the PROXY protocol, QUIC and Unix sockets, a block without a
/// plain name beside others on its socket, `ssl_reject_handshake`, and a socket on all addresses beside one
/// on the loopback's.
std::vector<Listener> nginxListeners(const std::string& main_file);

/// One for each file that a `bind` line of a frontend names; a directory's entries count as files. Left out:
/// lines with quotes or variables, `accept-proxy`, `crt-list`, generated certificates and other network
/// namespaces; everything if the configuration has conditions (`.if`).
std::vector<Listener> haproxyListeners(const std::vector<std::string>& main_files);

}  // namespace lapwing::agent::configtest
