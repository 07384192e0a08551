#include "collector/trust/authority.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <sstream>

#include "collector/trust/authority_parts.h"
#include "collector/trust/certificate.h"
#include "common/digest.h"
#include "common/files.h"
#include "common/tls/context.h"
#include "common/tls/identity.h"

namespace lapwing::trust {
namespace {

constexpr std::time_t kRenewBefore = 400LL * 86'400;

/// Whether certificates show that there was an authority.
bool hasSigned(const Authority& authority) {
    return std::filesystem::exists(authority.serverCertFile()) || !authority.enrolled().empty();
}

Expected<Key> readKey(const std::string& file) {
    const auto pem = files::readFile(file);
    if (!pem) {
        return fail(pem.error());
    }
    auto key = keyFromPem(*pem);
    if (!key) {
        return fail(ErrorKind::invalid, file + " " + key.error().message);
    }
    return key;
}

std::time_t endOf(const std::string& file) {
    const auto pem = files::readFile(file);
    const auto validity = pem ? tls::validityOf(*pem) : Expected<tls::Validity>(fail(pem.error()));
    return validity ? validity->ends : 0;
}

tl::unexpected<Error> badName(const std::string& host) {
    return fail(ErrorKind::invalid,
                "\"" + host +
                    "\" cannot be a host's name: at most 63 of a-z, 0-9, '.' and '-', beginning "
                    "and ending with a letter or digit");
}

}  // namespace

Expected<Pair> readPair(const std::string& cert_file, const std::string& key_file) {
    const auto cert_pem = files::readFile(cert_file);
    if (!cert_pem) {
        return fail(cert_pem.error());
    }
    auto key = readKey(key_file);
    if (!key) {
        return fail(key.error());
    }
    auto certificates = certificatesFromPem(*cert_pem);
    if (certificates.empty()) {
        return fail(ErrorKind::invalid, cert_file + " holds no certificate");
    }
    for (auto& cert : certificates) {
        if (belongs(cert.get(), key->get())) {
            return Pair{std::move(cert), std::move(*key)};
        }
    }
    return fail(ErrorKind::invalid, key_file + " does not belong to " + cert_file);
}

Expected<Pair> makePair(const CertificateRequest& request, const Pair* issuer) {
    auto key = newKey();
    if (!key) {
        return fail(key.error());
    }
    auto cert = issue(request, key->get(), issuer != nullptr ? issuer->cert.get() : nullptr,
                      issuer != nullptr ? issuer->key.get() : key->get());
    if (!cert) {
        return fail(cert.error());
    }
    return Pair{std::move(*cert), std::move(*key)};
}

CertificateRequest authorityRequest() {
    CertificateRequest request;
    request.purpose = Purpose::authority;
    request.common_name = "Lapwing collector CA";
    request.days = kAuthorityDays;
    return request;
}

Expected<void> writeKey(const Key& key, const std::string& file, const files::Owner& owner) {
    const auto pem = toPem(key.get());
    return pem ? files::writeFile(file, *pem, 0600, &owner) : Expected<void>(fail(pem.error()));
}

std::string toPem(const std::vector<Certificate>& certificates) {
    std::string out;
    for (const auto& cert : certificates) {
        out += toPem(cert.get());
    }
    return out;
}

Expected<Session> startSession(const std::string& directory) {
    auto owner = files::ownerOf(directory);
    if (!owner) {
        return fail(owner.error());
    }
    auto lock = files::FileLock::take(directory + "/lock", &*owner);
    if (!lock) {
        return fail(lock.error());
    }
    return Session{std::move(*lock), *owner};
}

Expected<Authority> Authority::open(const std::string& directory) {
    const auto parent = std::filesystem::path(directory).parent_path().string();
    const auto owner = files::ownerOf(parent.empty() ? "." : parent);
    if (!owner) {
        return fail(owner.error());
    }
    if (auto made = files::makePrivateDirectory(directory, &*owner); !made) {
        return fail(made.error());
    }
    if (auto made = files::makePrivateDirectory(directory + "/agents", &*owner); !made) {
        return fail(made.error());
    }
    Authority authority(directory);
    const auto session = startSession(directory);
    if (!session) {
        return fail(session.error());
    }
    const auto existing = readPair(authority.caFile(), authority.keyFile());
    if (existing) {
        return authority;
    }
    // Damage is left alone: a new authority would lock out every agent.
    if (existing.error().kind != ErrorKind::not_found || std::filesystem::exists(authority.caFile())) {
        return fail(existing.error().kind, "open the CA in " + directory + ": " + existing.error().message);
    }
    authority.remade_ = std::filesystem::exists(authority.keyFile());
    auto made =
        authority.remade_ ? authority.remakeCertificate(session->owner) : authority.create(session->owner);
    if (!made) {
        return fail(made.error());
    }
    return authority;
}

Expected<void> Authority::create(const files::Owner& owner) {
    if (hasSigned(*this)) {
        return fail(
            ErrorKind::invalid,
            "the CA in " + directory_ +
                " is lost: ca.key and ca.crt are missing, and its certificates are "
                "there. Restore both from a backup; a new CA would lock out every agent. To begin anew with "
                "one, remove server.crt and the folder agents there, and enrol every host again");
    }
    const auto pair = makePair(authorityRequest(), nullptr);
    if (!pair) {
        return fail(pair.error());
    }
    if (auto written = writeKey(pair->key, keyFile(), owner); !written) {
        return written;
    }
    return files::writeFile(caFile(), toPem(pair->cert.get()), 0644, &owner);
}

/// What the key has signed stays valid: certificates name their CA by its name and key.
Expected<void> Authority::remakeCertificate(const files::Owner& owner) const {
    const auto key = readKey(keyFile());
    if (!key) {
        return fail(key.error());
    }
    const auto server = files::readFile(serverCertFile());
    const auto signed_before =
        server ? certificateFromPem(*server) : Expected<Certificate>(fail(server.error()));
    if (signed_before && !signedBy(signed_before->get(), key->get())) {
        return fail(ErrorKind::invalid, "the CA in " + directory_ +
                                            ": ca.crt is missing, and ca.key did not sign "
                                            "server.crt: restore both from a backup");
    }
    const auto cert = issue(authorityRequest(), key->get(), nullptr, key->get());
    return cert ? files::writeFile(caFile(), toPem(cert->get()), 0644, &owner)
                : Expected<void>(fail(cert.error()));
}

/// Signs a certificate of an agent and records it. Returns it as PEM.
Expected<std::string> Authority::issueFor(const std::string& host, EVP_PKEY* key,
                                          const files::Owner& owner) const {
    const auto ca = readPair(caFile(), keyFile());
    if (!ca) {
        return fail(ca.error());
    }
    CertificateRequest request;
    request.common_name = host;
    request.days = kAgentDays;
    // It counts though the host was revoked, whatever the clock says now.
    request.issued = std::max(std::time(nullptr), revocations().at(host) + 1);
    const auto cert = issue(request, key, ca->cert.get(), ca->key.get());
    if (!cert) {
        return fail(cert.error());
    }
    auto pem = toPem(cert->get());
    if (auto written = files::writeFile(certificateFile(host), pem, 0644, &owner); !written) {
        return fail(written.error());
    }
    return pem;
}

Expected<std::string> Authority::enrol(const std::string& host) {
    if (!isValidHostName(host)) {
        return badName(host);
    }
    const auto session = startSession(directory_);
    if (!session) {
        return fail(session.error());
    }
    const auto key = newKey();
    const auto key_pem = key ? toPem(key->get()) : Expected<std::string>(fail(key.error()));
    const auto authorities = files::readFile(caFile());
    if (!key_pem || !authorities) {
        return fail(key_pem ? authorities.error() : key_pem.error());
    }
    auto cert = issueFor(host, key->get(), session->owner);
    if (!cert) {
        return cert;
    }
    return tls::trustLine(trust()) + *cert + *key_pem + *authorities;
}

Expected<std::string> Authority::sign(const std::string& host, const std::string& request) {
    return signRequest(host, request, std::nullopt);
}

Expected<std::string> Authority::admit(const std::string& host, const std::string& request,
                                       std::time_t invited) {
    return signRequest(host, request, invited);
}

Expected<std::string> Authority::signRequest(const std::string& host, const std::string& request,
                                             std::optional<std::time_t> invited) {
    if (!isValidHostName(host)) {
        return badName(host);
    }
    const auto key = keyOfRequest(request);
    if (!key) {
        return fail(key.error());
    }
    const auto session = startSession(directory_);
    if (!session) {
        return fail(session.error());
    }
    if (invited && revocations().at(host) >= *invited) {
        return fail(ErrorKind::denied, host + " was revoked after it was invited");
    }
    const auto authorities = files::readFile(caFile());
    if (!authorities) {
        return fail(authorities.error());
    }
    const auto machine = invited ? "" : pinnedMachine(host);
    auto cert = issueFor(host, key->get(), session->owner);
    if (!cert) {
        return cert;
    }
    if (!machine.empty()) {
        if (auto pinned = pinMachine(host, newestCertificate(host), machine); !pinned) {
            return fail(pinned.error());
        }
    }
    return tls::trustLine(trust()) + *cert + *authorities;
}

Revocations Authority::revocations() const {
    return Revocations::parse(files::readFile(revocationsFile()).value_or(""));
}

Expected<void> Authority::revokeLocked(const std::string& host, const files::Owner& owner) const {
    auto revoked = revocations();
    revoked.add(host, std::time(nullptr));
    // It may have been issued while the clock was ahead.
    revoked.add(host, issuedAt(host).value_or(0));
    return files::writeFile(revocationsFile(), revoked.toText(), 0644, &owner);
}

Expected<void> Authority::revoke(const std::string& host) {
    if (!isValidHostName(host)) {
        return badName(host);
    }
    const auto session = startSession(directory_);
    return session ? revokeLocked(host, session->owner) : Expected<void>(fail(session.error()));
}

Expected<void> Authority::forget(const std::string& host) {
    if (!isValidHostName(host)) {
        return badName(host);
    }
    const auto session = startSession(directory_);
    if (!session) {
        return fail(session.error());
    }
    if (auto revoked = revokeLocked(host, session->owner); !revoked) {
        return revoked;
    }
    for (const auto* kind : {".crt", ".machine"}) {
        std::error_code error;
        std::filesystem::remove(directory_ + "/agents/" + host + kind, error);
        if (error) {
            return fail(ErrorKind::unavailable, "remove the record of " + host + ": " + error.message());
        }
    }
    return {};
}

Expected<void> Authority::addRevocations(const Revocations& more) {
    const auto session = startSession(directory_);
    if (!session) {
        return fail(session.error());
    }
    const auto known = revocations();
    auto all = known;
    all.add(more);
    return all == known ? Expected<void>()
                        : files::writeFile(revocationsFile(), all.toText(), 0644, &session->owner);
}

std::time_t Authority::caEnds() const {
    const auto ca = readPair(caFile(), keyFile());
    return ca ? notAfter(ca->cert.get()) : 0;
}

std::time_t Authority::serverEnds() const {
    return endOf(serverCertFile());
}

Expected<std::string> Authority::serverPin() const {
    const auto authorities = files::readFile(caFile());
    const auto server = files::readFile(serverCertFile());
    if (!authorities || !server) {
        return fail(authorities ? server.error() : authorities.error());
    }
    const auto cert = certificateFromPem(*server);
    for (const auto& each : certificatesFromPem(*authorities)) {
        if (cert && signedBy(cert->get(), X509_get0_pubkey(each.get()))) {
            return tls::authorityKeys(toPem(each.get()));
        }
    }
    return fail(ErrorKind::invalid, serverCertFile() + " is of none of the CAs in " + caFile());
}

std::string Authority::trust() const {
    const auto ca = readPair(caFile(), keyFile());
    const auto signer = ca ? tls::authorityKeys(toPem(ca->cert.get())) : "";
    return sha256(tls::authorityKeys(files::readFile(caFile()).value_or("")) + " " + signer).substr(0, 16);
}

Expected<bool> Authority::ensureServer(const std::vector<std::string>& names) {
    CertificateRequest request;
    request.purpose = Purpose::server;
    request.common_name = tls::kCollectorName;
    request.days = kServerDays;
    request.dns_names.emplace_back(tls::kCollectorName);
    std::vector<std::string> wanted = {std::string("DNS:") + tls::kCollectorName};
    for (const auto& name : names) {
        const auto address = canonicalAddress(name);
        const std::string entry = address ? "IP:" + *address : "DNS:" + name;
        if (std::find(wanted.begin(), wanted.end(), entry) != wanted.end()) {
            continue;
        }
        wanted.push_back(entry);
        (address ? request.ip_addresses : request.dns_names).push_back(address.value_or(name));
    }
    std::sort(wanted.begin(), wanted.end());

    const auto session = startSession(directory_);
    if (!session) {
        return fail(session.error());
    }
    const auto ca = readPair(caFile(), keyFile());
    if (!ca) {
        return fail(ca.error());
    }
    if (const auto present = readPair(serverCertFile(), serverKeyFile());
        present && signedBy(present->cert.get(), ca->key.get()) &&
        notAfter(present->cert.get()) > std::time(nullptr) + kRenewBefore &&
        alternativeNames(present->cert.get()) == wanted) {
        return false;
    }
    const auto pair = makePair(request, &*ca);
    if (!pair) {
        return fail(pair.error());
    }
    if (auto written = writeKey(pair->key, serverKeyFile(), session->owner); !written) {
        return fail(written.error());
    }
    if (auto written = files::writeFile(serverCertFile(), toPem(pair->cert.get()), 0644, &session->owner);
        !written) {
        return fail(written.error());
    }
    return true;
}

std::vector<Enrolled> Authority::enrolled() const {
    std::vector<Enrolled> out;
    const auto revoked = revocations();
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(directory_ + "/agents", error)) {
        const auto& path = entry.path();
        if (path.extension() != ".crt" || !isValidHostName(path.stem().string())) {
            continue;
        }
        struct stat info {};
        const auto pem = files::readFile(path.string());
        if (!pem || ::stat(path.c_str(), &info) != 0) {
            continue;
        }
        const auto cert = certificateFromPem(*pem);
        if (!cert) {
            continue;
        }
        const auto host = path.stem().string();
        const auto validity = tls::validityOf(cert->get());
        out.push_back({host, validity.ends, info.st_mtime, validity.issued <= revoked.at(host)});
    }
    std::sort(out.begin(), out.end(), [](const Enrolled& a, const Enrolled& b) { return a.host < b.host; });
    return out;
}

std::string Authority::newestCertificate(const std::string& host) const {
    const auto pem = files::readFile(certificateFile(host));
    const auto cert = pem ? certificateFromPem(*pem) : Expected<Certificate>(fail(pem.error()));
    return cert ? tls::fingerprint(cert->get()) : "";
}

std::optional<std::time_t> Authority::issuedAt(const std::string& host) const {
    const auto pem = files::readFile(certificateFile(host));
    const auto validity = pem ? tls::validityOf(*pem) : Expected<tls::Validity>(fail(pem.error()));
    return validity ? std::optional(validity->issued) : std::nullopt;
}

std::string Authority::pinnedMachine(const std::string& host) const {
    std::istringstream pin(files::readFile(directory_ + "/agents/" + host + ".machine").value_or(""));
    std::string certificate;
    std::string machine;
    pin >> certificate >> machine;
    return !certificate.empty() && certificate == newestCertificate(host) ? machine : "";
}

Expected<void> Authority::pinMachine(const std::string& host, const std::string& certificate,
                                     const std::string& machine) const {
    const auto owner = files::ownerOf(directory_);
    if (!owner) {
        return fail(owner.error());
    }
    return files::writeFile(directory_ + "/agents/" + host + ".machine", certificate + " " + machine + "\n",
                            0600, &*owner);
}

}  // namespace lapwing::trust
