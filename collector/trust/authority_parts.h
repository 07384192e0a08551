#pragma once

#include <string>
#include <vector>

#include "collector/trust/certificate.h"
#include "common/error.h"
#include "common/files.h"

/// What the files authority.cpp and rollover.cpp share.
namespace lapwing::trust {

inline constexpr int kAuthorityDays = 7305;

struct Pair {
    Certificate cert;
    Key key;
};

/// A key, and the certificate of `cert_file` that belongs to it. Errors: the files', `invalid`.
Expected<Pair> readPair(const std::string& cert_file, const std::string& key_file);
/// Without an issuer, self-signed.
Expected<Pair> makePair(const CertificateRequest& request, const Pair* issuer);
/// The request for a CA's certificate.
CertificateRequest authorityRequest();
Expected<void> writeKey(const Key& key, const std::string& file, const files::Owner& owner);
std::string toPem(const std::vector<Certificate>& certificates);

/// The lock, and the owner of the files.
struct Session {
    files::FileLock lock;
    files::Owner owner;
};
Expected<Session> startSession(const std::string& directory);

}  // namespace lapwing::trust
