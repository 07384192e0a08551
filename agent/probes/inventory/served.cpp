#include "agent/probes/inventory/served.h"

#include <Poco/Net/StreamSocket.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <set>
#include <utility>

#include "common/endpoint.h"
#include "common/http/resolver.h"
#include "common/http/timed_socket.h"
#include "common/http/tls.h"
#include "common/metric_names.h"
#include "common/model/families.h"
#include "common/tls/context.h"
#include "common/tls/identity.h"

namespace lapwing::agent::inventory {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kEach{1};

std::string bytesOf(const sockaddr_storage& address) {
    if (address.ss_family == AF_INET6) {
        const auto& inet = reinterpret_cast<const sockaddr_in6&>(address).sin6_addr;
        return {reinterpret_cast<const char*>(&inet), sizeof inet};
    }
    const auto& inet = reinterpret_cast<const sockaddr_in&>(address).sin_addr;
    return {reinterpret_cast<const char*>(&inet), sizeof inet};
}

/// The kernel connects a host's own address from that address. A floating address may be another host's.
bool endsHere(int descriptor) {
    sockaddr_storage own{};
    sockaddr_storage peer{};
    socklen_t own_size = sizeof own;
    socklen_t peer_size = sizeof peer;
    return getsockname(descriptor, reinterpret_cast<sockaddr*>(&own), &own_size) == 0 &&
           getpeername(descriptor, reinterpret_cast<sockaddr*>(&peer), &peer_size) == 0 &&
           own.ss_family == peer.ss_family && bytesOf(own) == bytesOf(peer);
}

/// Whose certificate it is does not matter here.
Expected<http::SslPtr> newSession(const std::string& name) {
    const auto context = http::makeClientContext({});
    if (!context) {
        return fail(context.error());
    }
    http::SslPtr ssl(SSL_new(context->get()));
    if (!ssl || (!name.empty() && SSL_set_tlsext_host_name(ssl.get(), name.c_str()) != 1)) {
        return fail(ErrorKind::tls, "TLS: " + http::drainTlsErrors());
    }
    SSL_set_verify(ssl.get(), SSL_VERIFY_NONE, nullptr);
    SSL_set_connect_state(ssl.get());
    return ssl;
}

}  // namespace

Expected<Served> askServed(const std::string& address, const std::string& name, Clock::time_point until) {
    const auto at = Endpoint::parse(address);
    if (!at || !at->address() || at->port == 0) {
        return fail(ErrorKind::invalid, "not an address and a port: " + address);
    }
    auto ssl = newSession(name);
    if (!ssl) {
        return fail(ssl.error());
    }
    const auto addresses = http::resolve(at->host, at->port, until);
    if (!addresses) {
        return fail(addresses.error());
    }
    const auto descriptor = http::connectTo(*addresses, until);
    if (!descriptor) {
        return fail(descriptor.error());
    }
    SSL* const raw = ssl->get();
    auto* socket = new http::TimedSocketImpl(*descriptor, std::move(*ssl));
    const Poco::Net::StreamSocket owner(socket);  // and of the descriptor
    if (!endsHere(*descriptor)) {
        return fail(ErrorKind::unreachable, "the address is not this host's now");
    }
    if (auto done = socket->handshake(until); !done) {
        return fail(done.error());
    }
    const auto* certificate = SSL_get0_peer_certificate(raw);
    if (certificate == nullptr) {
        return fail(ErrorKind::tls, "the server presents no certificate");
    }
    return Served{tls::fingerprint(certificate), tls::validityOf(certificate).ends};
}

prometheus::MetricFamily staleFamily(const configtest::Certificates& certificates, Clock::time_point until,
                                     std::string& note) {
    auto out = gauge(metric::kStaleCertificateEnd,
                     "When a certificate ends that a server still presents, though its file has changed");
    std::set<std::pair<std::string, std::string>> asked;
    for (const auto& changed : certificates.changed) {
        if (!asked.emplace(changed.address, changed.name).second) {
            continue;
        }
        const auto served = askServed(changed.address, changed.name, std::min(until, Clock::now() + kEach));
        if (!served) {
            // One reason is enough; the others are of the same kind mostly.
            if (note.empty()) {
                note = "which certificate " + changed.program + " presents at " + changed.address +
                       " is not known: " + served.error().message;
            }
        } else if (!certificates.leaves.contains(served->digest)) {
            add(out,
                {{"program", changed.program},
                 {"address", changed.address},
                 {"name", changed.name},
                 {"file", changed.file}},
                static_cast<double>(served->ends));
        }
    }
    return out;
}

}  // namespace lapwing::agent::inventory
