#include "collector/trust/invitations.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <sstream>
#include <utility>

#include "collector/trust/authority.h"
#include "collector/trust/certificate.h"
#include "common/digest.h"
#include "common/files.h"
#include "common/join_string.h"

namespace lapwing::trust {
namespace {

constexpr std::time_t kRemembered = 86'400;
/// An invitation is made one second after a revocation of its host at the latest.
constexpr std::time_t kClockSlack = 60;
constexpr const char* kAny = "*";

/// One line: DIGEST HOST MADE ENDS, then HOST=KEY for each host that has joined.
std::string lineOf(const Invitation& invitation) {
    std::string out = invitation.digest + " " + (invitation.host.empty() ? kAny : invitation.host) + " " +
                      std::to_string(invitation.made) + " " + std::to_string(invitation.ends);
    for (const auto& [host, key] : invitation.joined) {
        out.append(" ").append(host).append("=").append(key);
    }
    return out + "\n";
}

bool readLine(const std::string& line, Invitation& out) {
    std::istringstream words(line);
    if (!(words >> out.digest >> out.host >> out.made >> out.ends)) {
        return false;
    }
    if (out.host == kAny) {
        out.host.clear();
    }
    for (std::string word; words >> word;) {
        const auto mark = word.find('=');
        if (mark == std::string::npos) {
            return false;
        }
        out.joined[word.substr(0, mark)] = word.substr(mark + 1);
    }
    return true;
}

bool hasEnded(const Invitation& invitation, std::time_t now) {
    return now >= invitation.ends || now < invitation.made - kClockSlack;
}

/// Looks at every invitation, and compares in a time that tells nothing of the digests.
Invitation* find(std::vector<Invitation>& all, const std::string& digest) {
    Invitation* found = nullptr;
    for (auto& each : all) {
        if (each.digest.size() == digest.size() &&
            CRYPTO_memcmp(each.digest.data(), digest.data(), digest.size()) == 0) {
            found = &each;
        }
    }
    return found;
}

/// The collector's files are no fault of the host that asks.
tl::unexpected<Error> unusable(const Error& error) {
    return fail(ErrorKind::unavailable, error.message);
}

std::string again(const std::string& host) {
    return ": run `lapwing-collector invite " + host + "` on the collector for a new one";
}

}  // namespace

bool Invitation::isOpen(std::time_t now) const {
    return !hasEnded(*this, now) && (host.empty() || joined.empty());
}

std::string Invitations::file() const {
    return authority_.directory() + "/invitations";
}

Expected<std::vector<Invitation>> Invitations::read() const {
    const auto content = files::readFile(file());
    if (!content && content.error().kind != ErrorKind::not_found) {
        return fail(content.error());
    }
    std::vector<Invitation> out;
    std::istringstream lines(content.value_or(""));
    for (std::string line; std::getline(lines, line);) {
        Invitation each;
        if (readLine(line, each)) {
            out.push_back(std::move(each));
        }
    }
    return out;
}

Expected<void> Invitations::write(const std::vector<Invitation>& invitations) const {
    const auto owner = files::ownerOf(authority_.directory());
    if (!owner) {
        return fail(owner.error());
    }
    std::string content;
    for (const auto& each : invitations) {
        content += lineOf(each);
    }
    return files::writeFile(file(), content, 0600, &*owner);
}

Expected<Invitations::Made> Invitations::invite(const std::string& host, std::time_t valid, std::time_t now) {
    if (!host.empty() && !isValidHostName(host)) {
        return fail(ErrorKind::invalid,
                    "\"" + host + "\" cannot be a host's name: at most 63 of a-z, 0-9, '.' and '-'");
    }
    if (valid < 1 || valid > kLongest) {
        return fail(ErrorKind::invalid, "an invitation lasts from 1s to 1d");
    }
    auto secret = newJoinSecret();
    if (!secret) {
        return fail(secret.error());
    }
    const MutexLock lock(mutex_);
    auto all = read();
    if (!all) {
        return fail(all.error());
    }
    std::erase_if(
        *all, [&](const Invitation& each) { return each.host == host || now >= each.ends + kRemembered; });
    if (all->size() >= kMost) {
        std::erase_if(*all, [&](const Invitation& each) { return !each.isOpen(now); });
    }
    if (all->size() >= kMost) {
        return fail(ErrorKind::exhausted,
                    std::to_string(kMost) + " invitations are open: end some with `invite --revoke HOST`");
    }
    Invitation made;
    made.digest = sha256(*secret);
    made.host = host;
    // An earlier revocation, also one in the same second, does not concern it.
    made.made = host.empty() ? now : std::max(now, authority_.revocations().at(host) + 1);
    made.ends = now + valid;
    all->push_back(made);
    if (auto written = write(*all); !written) {
        return fail(written.error());
    }
    return Made{std::move(*secret), made.ends};
}

bool Invitations::hasCertificate(const std::string& host, std::time_t now) const {
    const auto enrolled = authority_.enrolled();
    return std::any_of(enrolled.begin(), enrolled.end(), [&](const Enrolled& each) {
        return each.host == host && !each.revoked && each.not_after > now;
    });
}

Expected<void> Invitations::check(const Invitation* invitation, const std::string& host,
                                  const std::string& key, std::time_t now) const {
    if (invitation == nullptr) {
        return fail(ErrorKind::denied,
                    "the collector knows no such invitation (a newer one for the same name "
                    "replaces it)" +
                        again(host));
    }
    if (!invitation->host.empty() && invitation->host != host) {
        return fail(ErrorKind::denied,
                    "the invitation is for " + invitation->host + ", not for " + host + again(host));
    }
    if (hasEnded(*invitation, now)) {
        return fail(ErrorKind::denied, "the invitation has expired" + again(host));
    }
    if (const auto revoked = authority_.revocations().at(host); revoked >= invitation->made) {
        return fail(ErrorKind::denied, host + " was revoked after the invitation was made" + again(host));
    }
    if (const auto before = invitation->joined.find(host); before != invitation->joined.end()) {
        return before->second == key
                   ? Expected<void>()
                   : fail(ErrorKind::denied, "the invitation was used already" + again(host));
    }
    if (invitation->host.empty() && hasCertificate(host, now)) {
        return fail(ErrorKind::denied, host + " has a certificate already: run `lapwing-collector invite " +
                                           host + "` on the collector to replace it");
    }
    return {};
}

Expected<std::string> Invitations::join(const std::string& host, const std::string& secret,
                                        const std::string& request, std::time_t now) {
    if (!isValidHostName(host)) {
        return fail(ErrorKind::invalid, "this name cannot be a host's: at most 63 of a-z, 0-9, '.' and '-'");
    }
    const auto digest = sha256(secret);
    // Held until the end: what a failure takes back is of this request alone.
    const MutexLock lock(mutex_);
    auto all = read();
    if (!all) {
        return unusable(all.error());
    }
    auto* invitation = find(*all, digest);
    if (invitation == nullptr) {
        return fail(check(nullptr, host, "", now).error());
    }
    const auto key = keyOfRequest(request);
    if (!key) {
        return fail(key.error());
    }
    const auto key_digest = digestOf(key->get());
    if (key_digest.empty()) {
        return fail(ErrorKind::internal, "OpenSSL cannot write the key of the request");
    }
    if (auto allowed = check(invitation, host, key_digest, now); !allowed) {
        return fail(allowed.error());
    }
    std::size_t joined = 0;
    for (const auto& each : *all) {
        joined += each.joined.size();
    }
    if (joined >= kMostJoined) {
        return fail(ErrorKind::exhausted, std::to_string(kMostJoined) + " hosts have joined within a day");
    }
    // Durable before the certificate exists: no second key can come in after a crash.
    const bool first = invitation->joined.emplace(host, key_digest).second;
    if (auto written = write(*all); !written) {
        return unusable(written.error());
    }
    auto made = authority_.admit(host, request, invitation->made);
    if (!made && first) {
        invitation->joined.erase(host);
        static_cast<void>(write(*all));
    }
    return made;
}

Expected<std::vector<Invitation>> Invitations::list() const {
    const MutexLock lock(mutex_);
    auto all = read();
    if (all) {
        std::sort(all->begin(), all->end(),
                  [](const Invitation& a, const Invitation& b) { return a.host < b.host; });
    }
    return all;
}

Expected<void> Invitations::revoke(const std::string& host, std::time_t now) {
    const MutexLock lock(mutex_);
    auto all = read();
    if (!all) {
        return fail(all.error());
    }
    const bool open = std::any_of(all->begin(), all->end(), [&](const Invitation& each) {
        return each.host == host && each.isOpen(now);
    });
    if (!open) {
        return fail(ErrorKind::not_found,
                    "there is no open invitation " + (host.empty() ? "for any host" : "for " + host));
    }
    std::erase_if(*all, [&](const Invitation& each) { return each.host == host; });
    return write(*all);
}

}  // namespace lapwing::trust
