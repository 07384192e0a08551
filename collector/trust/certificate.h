#pragma once

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <ctime>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/error.h"

namespace lapwing::trust {

struct KeyFree {
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
struct X509Free {
    void operator()(X509* cert) const { X509_free(cert); }
};
using Key = std::unique_ptr<EVP_PKEY, KeyFree>;
using Certificate = std::unique_ptr<X509, X509Free>;

/// The purpose of a certificate. A CA may only sign (and sign no other CA); a server may not act as a
/// client, nor a client as a server.
enum class Purpose { authority, server, client };

struct CertificateRequest {
    Purpose purpose = Purpose::client;
    std::string common_name;
    std::vector<std::string> dns_names;     ///< subject alternative names
    std::vector<std::string> ip_addresses;  ///< numeric
    int days = 1;
    std::time_t issued = 0;  ///< 0: now
};

/// Private keys are EC P-256; certificates are X.509 v3, signed with ECDSA and SHA-256, with random serial
/// numbers of 127 bits. Pure functions, safe from any thread. Errors are `invalid` for bad input,
/// `internal` for failures of OpenSSL.
Expected<Key> newKey();
/// Signs `subject` with the issuer's key; without an issuer, the certificate is self-signed.
Expected<Certificate> issue(const CertificateRequest& request, EVP_PKEY* subject, X509* issuer,
                            EVP_PKEY* issuer_key);

/// The public key of a request for a certificate (PKCS #10, PEM), which it signs itself: the sender has the
/// private key. Only EC keys on P-256 are taken. The other content of the request is ignored.
Expected<Key> keyOfRequest(const std::string& pem);

/// The SHA-256 of a public key, in lower-case hexadecimal; "" if OpenSSL cannot write the key.
std::string digestOf(const EVP_PKEY* key);

std::string toPem(const X509* cert);
/// PKCS#8, without a passphrase.
Expected<std::string> toPem(const EVP_PKEY* key);
/// All certificates of the text, in order.
std::vector<Certificate> certificatesFromPem(const std::string& pem);
/// The first certificate of the text.
Expected<Certificate> certificateFromPem(const std::string& pem);
Expected<Key> keyFromPem(const std::string& pem);

std::time_t notAfter(const X509* cert);
/// "DNS:a", "IP:10.0.0.1", sorted.
std::vector<std::string> alternativeNames(const X509* cert);
/// An address in the form that alternativeNames() prints; nothing for a text that is not a numeric address.
std::optional<std::string> canonicalAddress(const std::string& text);
/// Whether `key` signed `cert`.
bool signedBy(X509* cert, EVP_PKEY* key);
/// Whether `key` belongs to `cert`.
bool belongs(const X509* cert, const EVP_PKEY* key);

}  // namespace lapwing::trust
