#pragma once

#include <openssl/types.h>

#include <memory>
#include <string>

#include "common/error.h"
#include "common/http/client.h"

namespace lapwing::http {

struct SslContextFree {
    void operator()(SSL_CTX* context) const;
};
struct SslFree {
    void operator()(SSL* ssl) const;
};
using SslContextPtr = std::unique_ptr<SSL_CTX, SslContextFree>;
using SslPtr = std::unique_ptr<SSL, SslFree>;

/// TLS 1.2 upwards, the peer always verified, by the program's time. Makes the process ignore SIGPIPE, unless
/// it has a handler for it. Errors: `invalid` (a file that is no certificate or key, or a key that does not
/// belong to the certificate), `not_found` and `denied` (a file that cannot be read).
Expected<SslContextPtr> makeClientContext(const ClientTls& tls);

/// The common name of the first certificate in a PEM file. Errors: `not_found` and `denied` (a file that
/// cannot be read), `invalid`.
Expected<std::string> certificateName(const std::string& file);

/// A session that accepts a certificate only for `server_name`: a DNS name (sent as SNI too) or an IP
/// address.
Expected<SslPtr> makeClientSession(SSL_CTX* context, const std::string& server_name);

/// The error queue of this thread's OpenSSL, as one line; empties the queue.
std::string drainTlsErrors();
/// The names that the peer's certificate is for, the first five: "web-01, 10.0.0.1"; "" where it has none.
std::string certificateNames(const SSL* ssl);
/// Why the peer's certificate is not accepted for this name. Call after a handshake with SSL_VERIFY_NONE.
std::string certificateFailure(const SSL* ssl, const std::string& server_name);
/// The reason why the handshake or a later exchange failed, with the reason of a failed verification if
/// there is one.
std::string tlsFailure(const SSL* ssl);

}  // namespace lapwing::http
