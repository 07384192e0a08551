#pragma once

#include <openssl/types.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "agent/probes/app/certificate.h"
#include "common/error.h"
#include "common/http/message.h"
#include "common/http/url.h"

namespace lapwing::agent::app {

/// One HTTP request on a connection of its own, timed phase by phase.

struct Question {
    http::Url url;                   ///< its host is the name for TLS and for the header Host
    std::string connect_to;          ///< the host to connect to; "": the URL's
    std::uint16_t connect_port = 0;  ///< 0: the URL's
    std::string server_name;         ///< another name for TLS (SNI and the certificate); "": the URL's host
    std::string method = "GET";
    http::Headers headers;
};

using Seconds = std::chrono::duration<double>;

/// The results of an exchange, as far as it went. `error` is set where there was no complete answer; earlier
/// results are there all the same: the certificate of a server that refused the request, or whose
/// certificate has expired, is known.
struct Exchange {
    std::optional<Error> error;
    Seconds resolve{0};
    Seconds connect{0};
    Seconds tls{0};
    Seconds processing{0};  ///< from the request's end to the end of the answer's head
    Seconds transfer{0};    ///< from there to its end

    std::optional<double>
        certificate_expiry;                  ///< seconds since 1970: the earliest of the chain that was sent
    std::optional<double> chain_expiry;      ///< the earliest of the chain that was verified
    std::optional<Certificate> certificate;  ///< the server's own
    std::string tls_version;                 ///< "TLSv1.3"
    std::string address;                     ///< bytes of the IP address: 4 or 16; "": none is known

    /// The answer; its status is 0 where none came. Its body has at most kMostBody bytes, decoded.
    http::Response answer;
};

/// The most that is read of a body; the rest stays on the wire.
inline constexpr std::size_t kMostBody = 4U << 20;

/// `context` is needed for TLS only (http::makeClientContext()). Everything ends at `until`. Speaks HTTP/2
/// where the server prefers it in the TLS handshake or speaks nothing else, and HTTP/1.1 otherwise. A server
/// whose certificate does not verify is sent no request: `error` is then of kind `tls`.
Exchange exchange(const Question& question, SSL_CTX* context, std::chrono::steady_clock::time_point until);

}  // namespace lapwing::agent::app
