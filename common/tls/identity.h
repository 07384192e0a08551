#pragma once

#include <openssl/types.h>

#include <ctime>
#include <string>

#include "common/error.h"

namespace lapwing::tls {

/// The name that every collector's own certificate carries (SAN DNS), whatever the host is called. Agents
/// ask for it, so that a collector may be reached by any address and still proves its identity.
inline constexpr const char* kCollectorName = "lapwing-collector";

/// Certificates begin an hour before they are issued, because the clocks of a site differ.
inline constexpr std::time_t kBeginsBeforeIssue = 3600;

/// Whether a text may be a host's name: [a-z0-9] with [a-z0-9.-] between, at most 63 characters, no "..".
/// Such a name can be a common name, a label and a file name.
bool isValidHostName(const std::string& name);

struct Validity {
    std::time_t issued = 0;
    std::time_t ends = 0;
};
Validity validityOf(const X509* certificate);
/// Of the first certificate of a PEM text. Error `invalid` without a certificate.
Expected<Validity> validityOf(const std::string& pem);

/// The common name, with every byte of it; "" without one.
std::string commonNameOf(const X509* certificate);
/// Of the first certificate of a PEM text.
std::string commonNameOf(const std::string& pem);

/// A new private key (EC P-256) and the request for its certificate (PKCS #10), both PEM.
struct SigningRequest {
    std::string key;
    std::string request;
};
/// Error `internal`: OpenSSL fails.
Expected<SigningRequest> newSigningRequest(const std::string& common_name);

/// Whether the key, the second PEM text, belongs to the first certificate of the first one.
bool keyBelongs(const std::string& certificate_pem, const std::string& key_pem);

/// The keys of the CAs in a PEM text, each as the SHA-256 of its public key, sorted and with a space between.
/// Other certificates of the text are left out, and a CA certificate that was made again for the same key
/// counts as the same.
std::string authorityKeys(const std::string& pem);
/// The CA's certificate of a PEM text whose key authorityKeys() names so, as PEM; "" if none is.
std::string authorityWithKey(const std::string& pem, const std::string& key);

/// A bundle names the CAs with which it was made, on a line before its PEM blocks: an agent whose bundle
/// names others than the collector (kTrustHeader) renews its certificate.
std::string trustLine(const std::string& trust);
/// "" for a bundle without such a line.
std::string trustOf(const std::string& bundle);

}  // namespace lapwing::tls
