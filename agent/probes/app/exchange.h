#pragma once

#include <openssl/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/error.h"

namespace lapwing::agent::app {

/// One HTTP request on a connection of its own, timed phase by phase.

struct Question {
    bool tls = false;
    std::string host;
    std::uint16_t port = 80;
    std::string path;
    std::string method = "GET";
    std::vector<std::pair<std::string, std::string>> headers;
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
    Seconds processing{0};  ///< from the request's end to the first byte of the answer
    Seconds transfer{0};    ///< from there to its end

    std::optional<double>
        certificate_expiry;   ///< seconds since 1970: the earliest of the chain that was sent
    std::string tls_version;  ///< "TLSv1.3"

    int status = 0;  ///< 0: no answer
    double version = 0;
    std::string location;
    std::optional<double> content_length;  ///< as declared
    std::string body;                      ///< at most kMostBody bytes of it
};

/// The most that is read of a body; the rest stays on the wire.
inline constexpr std::size_t kMostBody = 4U << 20;

/// `context` is needed for TLS only (http::makeClientContext()). Everything ends at `until`. A server whose
/// certificate does not verify is sent no request: `error` is then of kind `tls`.
Exchange exchange(const Question& question, SSL_CTX* context, std::chrono::steady_clock::time_point until);

}  // namespace lapwing::agent::app
