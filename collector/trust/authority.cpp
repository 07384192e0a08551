#include "collector/trust/authority.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <sstream>

#include "collector/trust/certificate.h"
#include "collector/trust/files.h"
#include "common/tls/context.h"

namespace lapwing::trust {
namespace {

constexpr int kAuthorityDays = 7305;
constexpr std::time_t kRenewBefore = 400LL * 86'400;

struct Pair {
    Certificate cert;
    Key key;
};

Expected<Pair> readPair(const std::string& cert_file, const std::string& key_file) {
    const auto cert_pem = readFile(cert_file);
    if (!cert_pem) {
        return fail(cert_pem.error());
    }
    const auto key_pem = readFile(key_file);
    if (!key_pem) {
        return fail(key_pem.error());
    }
    auto cert = certificateFromPem(*cert_pem);
    if (!cert) {
        return fail(ErrorKind::invalid, cert_file + " " + cert.error().message);
    }
    auto key = keyFromPem(*key_pem);
    if (!key) {
        return fail(ErrorKind::invalid, key_file + " " + key.error().message);
    }
    if (!belongs(cert->get(), key->get())) {
        return fail(ErrorKind::invalid, key_file + " does not belong to " + cert_file);
    }
    return Pair{std::move(*cert), std::move(*key)};
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

Expected<void> writePair(const Pair& pair, const std::string& cert_file, const std::string& key_file,
                         const Owner& owner) {
    const auto key_pem = toPem(pair.key.get());
    if (!key_pem) {
        return fail(key_pem.error());
    }
    if (auto written = writeFile(key_file, *key_pem, 0600, &owner); !written) {
        return written;
    }
    return writeFile(cert_file, toPem(pair.cert.get()), 0644, &owner);
}

/// The lock, and the owner of the files.
struct Session {
    FileLock lock;
    Owner owner;
};

Expected<Session> startSession(const std::string& directory) {
    auto owner = ownerOf(directory);
    if (!owner) {
        return fail(owner.error());
    }
    auto lock = FileLock::take(directory + "/lock", &*owner);
    if (!lock) {
        return fail(lock.error());
    }
    return Session{std::move(*lock), *owner};
}

}  // namespace

bool isValidHostName(const std::string& name) {
    const auto plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
    return !name.empty() && name.size() <= 63 && plain(name.front()) && plain(name.back()) &&
           name.find("..") == std::string::npos &&
           std::all_of(name.begin(), name.end(), [&](char c) { return plain(c) || c == '.' || c == '-'; });
}

Expected<Authority> Authority::open(const std::string& directory) {
    const auto parent = std::filesystem::path(directory).parent_path().string();
    const auto owner = ownerOf(parent.empty() ? "." : parent);
    if (!owner) {
        return fail(owner.error());
    }
    if (auto made = makePrivateDirectory(directory, &*owner); !made) {
        return fail(made.error());
    }
    if (auto made = makePrivateDirectory(directory + "/agents", &*owner); !made) {
        return fail(made.error());
    }
    Authority authority(directory);
    const auto session = startSession(directory);
    if (!session) {
        return fail(session.error());
    }
    const std::string key_file = directory + "/ca.key";
    auto existing = readPair(authority.caFile(), key_file);
    if (existing) {
        return authority;
    }
    // A key without its certificate means an interrupted creation: the key has signed nothing yet. Any
    // other damage is left alone, because a new authority would lock out every agent.
    if (existing.error().kind != ErrorKind::not_found || std::filesystem::exists(authority.caFile())) {
        return fail(existing.error().kind, "open the CA in " + directory + ": " + existing.error().message);
    }
    CertificateRequest request;
    request.purpose = Purpose::authority;
    request.common_name = "Lapwing collector CA";
    request.days = kAuthorityDays;
    const auto pair = makePair(request, nullptr);
    if (!pair) {
        return fail(pair.error());
    }
    if (auto written = writePair(*pair, authority.caFile(), key_file, session->owner); !written) {
        return fail(written.error());
    }
    return authority;
}

Expected<std::string> Authority::enrol(const std::string& host) {
    if (!isValidHostName(host)) {
        return fail(ErrorKind::invalid,
                    "\"" + host +
                        "\" cannot be a host's name: at most 63 of a-z, 0-9, '.' and '-', beginning "
                        "and ending with a letter or digit");
    }
    const auto session = startSession(directory_);
    if (!session) {
        return fail(session.error());
    }
    const auto ca = readPair(caFile(), directory_ + "/ca.key");
    if (!ca) {
        return fail(ca.error());
    }
    CertificateRequest request;
    request.common_name = host;
    request.days = kAgentDays;
    const auto pair = makePair(request, &*ca);
    if (!pair) {
        return fail(pair.error());
    }
    const auto key_pem = toPem(pair->key.get());
    if (!key_pem) {
        return fail(key_pem.error());
    }
    const std::string cert_pem = toPem(pair->cert.get());
    if (auto written = writeFile(certificateFile(host), cert_pem, 0644, &session->owner); !written) {
        return fail(written.error());
    }
    return cert_pem + *key_pem + toPem(ca->cert.get());
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
    const auto ca = readPair(caFile(), directory_ + "/ca.key");
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
    if (auto written = writePair(*pair, serverCertFile(), serverKeyFile(), session->owner); !written) {
        return fail(written.error());
    }
    return true;
}

std::vector<Enrolled> Authority::enrolled() const {
    std::vector<Enrolled> out;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(directory_ + "/agents", error)) {
        const auto& path = entry.path();
        if (path.extension() != ".crt" || !isValidHostName(path.stem().string())) {
            continue;
        }
        struct stat info {};
        const auto pem = readFile(path.string());
        if (!pem || ::stat(path.c_str(), &info) != 0) {
            continue;
        }
        const auto cert = certificateFromPem(*pem);
        if (!cert) {
            continue;
        }
        out.push_back({path.stem().string(), notAfter(cert->get()), info.st_mtime});
    }
    std::sort(out.begin(), out.end(), [](const Enrolled& a, const Enrolled& b) { return a.host < b.host; });
    return out;
}

std::string Authority::newestCertificate(const std::string& host) const {
    const auto pem = readFile(certificateFile(host));
    const auto cert = pem ? certificateFromPem(*pem) : Expected<Certificate>(fail(pem.error()));
    return cert ? tls::fingerprint(cert->get()) : "";
}

std::string Authority::pinnedMachine(const std::string& host) const {
    std::istringstream pin(readFile(directory_ + "/agents/" + host + ".machine").value_or(""));
    std::string certificate;
    std::string machine;
    pin >> certificate >> machine;
    return !certificate.empty() && certificate == newestCertificate(host) ? machine : "";
}

Expected<void> Authority::pinMachine(const std::string& host, const std::string& certificate,
                                     const std::string& machine) const {
    const auto owner = ownerOf(directory_);
    if (!owner) {
        return fail(owner.error());
    }
    return writeFile(directory_ + "/agents/" + host + ".machine", certificate + " " + machine + "\n", 0600,
                     &*owner);
}

}  // namespace lapwing::trust
