#pragma once

#include <openssl/x509.h>

#include <cstddef>
#include <optional>
#include <string>

namespace lapwing::agent::app {

/// The most bytes of a subject, an issuer or the DNS names; docs/limits.md.
inline constexpr std::size_t kMostCertificateText = 1024;

/// The server's certificate as blackbox_exporter writes it.
struct Certificate {
    std::string fingerprint;   ///< SHA-256 of its DER form, in lower-case hexadecimal
    std::string subject;       ///< "CN=example.org,O=Example" (RFC 2253, as Go prints a name)
    std::string issuer;        ///< likewise
    std::string alternatives;  ///< the DNS names, with commas between them
};

Certificate certificateOf(const X509* certificate);
/// The certificate that the server sent first; nothing where it sent none.
std::optional<Certificate> peerCertificate(const SSL* ssl);

/// When the first of these certificates ends, in seconds since 1970.
std::optional<double> earliestEnd(const STACK_OF(X509) * chain);

}  // namespace lapwing::agent::app
