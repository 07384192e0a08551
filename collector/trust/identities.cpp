#include "collector/trust/identities.h"

#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "collector/trust/authority.h"
#include "common/time_text.h"

namespace lapwing::trust {
namespace {

constexpr std::chrono::minutes kRecent{10};
constexpr std::chrono::minutes kRenewPause{1};
/// An earlier session never comes back when an agent restarts. A restored snapshot of a virtual machine
/// brings one back once; two agents at a time do so with every few requests.
constexpr std::size_t kReturns = 3;
constexpr std::size_t kEarlier = 16;
constexpr std::size_t kLongestId = 128;

std::string stampOf(const std::string& file) {
    struct stat info {};
    if (::stat(file.c_str(), &info) != 0) {
        return {};
    }
    return std::to_string(info.st_ino) + " " + std::to_string(info.st_size) + " " +
           std::to_string(info.st_mtim.tv_sec) + " " + std::to_string(info.st_mtim.tv_nsec);
}

/// The sender chooses its headers: they go into a file, the log and messages.
bool isId(const std::string& text) {
    return text.size() <= kLongestId && std::all_of(text.begin(), text.end(), [](unsigned char c) {
               return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
           });
}

}  // namespace

Identities::Identities(const Authority& authority) : authority_(authority) {
    for (const auto& each : authority.enrolled()) {
        auto& host = hosts_[each.host];
        refresh(each.host, host.record);
        host.machine = host.record.machine;
    }
}

void Identities::refresh(const std::string& host, Record& record) const {
    auto stamp = stampOf(authority_.certificateFile(host));
    if (stamp == record.stamp) {
        return;
    }
    record.stamp = std::move(stamp);
    record.certificate = authority_.newestCertificate(host);
    record.machine = authority_.pinnedMachine(host);
}

Expected<void> Identities::check(const Claim& claim, Clock::time_point now) {
    if (!isId(claim.machine) || !isId(claim.session)) {
        return fail(ErrorKind::denied, "the machine-id and the session are letters, digits and '-'");
    }
    const MutexLock lock(mutex_);
    if (const auto revoked = revocations().at(claim.host); revoked != 0 && claim.issued <= revoked) {
        return fail(ErrorKind::denied, "the certificate of " + claim.host + " was revoked on " +
                                           rfc3339Milliseconds(revoked * 1000) +
                                           ": run `lapwing-collector invite " + claim.host +
                                           "` on the collector, and here what it prints");
    }
    auto& host = hosts_[claim.host];
    refresh(claim.host, host.record);
    auto& record = host.record;
    if (!record.machine.empty() && !claim.machine.empty() && record.machine != claim.machine) {
        host.refused = Host::Refused{now, claim.machine, claim.address};
        return fail(ErrorKind::denied, "the name " + claim.host +
                                           " belongs to the machine with the machine-id " + record.machine +
                                           ", and this one has " + claim.machine +
                                           ": join under this host's own name; if " + claim.host +
                                           " was installed anew, run `lapwing-collector invite " +
                                           claim.host + "` on the collector, and here what it prints");
    }
    // An older certificate pins nothing: its machine may be the one that is being replaced.
    if (record.machine.empty() && !claim.machine.empty() && !record.certificate.empty() &&
        record.certificate == claim.certificate &&
        authority_.pinMachine(claim.host, claim.certificate, claim.machine)) {
        record.machine = claim.machine;
    }
    if (!claim.machine.empty()) {
        host.machine = claim.machine;
    }
    host.ends = claim.ends;
    noteSession(host, claim, now);
    return {};
}

const Revocations& Identities::revocations() const {
    if (auto stamp = stampOf(authority_.revocationsFile()); stamp != revocations_stamp_) {
        revocations_ = authority_.revocations();
        revocations_stamp_ = std::move(stamp);
    }
    return revocations_;
}

bool Identities::mayRenew(const std::string& name, Clock::time_point now) {
    const MutexLock lock(mutex_);
    auto& host = hosts_[name];
    if (host.renewed && now - *host.renewed < kRenewPause) {
        return false;
    }
    host.renewed = now;
    return true;
}

std::map<std::string, std::time_t> Identities::certificateEnds() const {
    const MutexLock lock(mutex_);
    std::map<std::string, std::time_t> out;
    for (const auto& [name, host] : hosts_) {
        if (host.ends != 0) {
            out[name] = host.ends;
        }
    }
    return out;
}

void Identities::forget(const std::string& host) {
    const MutexLock lock(mutex_);
    hosts_.erase(host);
}

void Identities::noteSession(Host& host, const Claim& claim, Clock::time_point now) {
    if (claim.session.empty()) {
        return;
    }
    if (host.sender.session == claim.session) {
        host.sender.address = claim.address;
        return;
    }
    const auto same = [&](const Sender& sender) { return sender.session == claim.session; };
    if (std::erase_if(host.earlier, same) != 0) {
        host.returns.push_back(now);
        host.returned = host.sender;
    }
    if (!host.sender.session.empty()) {
        host.earlier.push_back(std::move(host.sender));
    }
    while (host.earlier.size() > kEarlier) {
        host.earlier.pop_front();
    }
    while (host.returns.size() > kReturns) {
        host.returns.pop_front();
    }
    host.sender = {claim.session, claim.address};
}

std::vector<IdentityWarning> Identities::warnings(const std::string& name, Clock::time_point now) const {
    const MutexLock lock(mutex_);
    std::vector<IdentityWarning> out;
    const auto revoked = revocations().at(name);
    const auto newest = revoked == 0 ? std::nullopt : authority_.issuedAt(name);
    if (revoked != 0 && (!newest || *newest <= revoked)) {
        out.push_back(
            {IdentityWarning::Kind::revoked, "its certificates are revoked: run `lapwing-collector invite " +
                                                 name + "`, or `lapwing-collector forget " + name + "`"});
    }
    const auto found = hosts_.find(name);
    if (found == hosts_.end()) {
        return out;
    }
    const auto& host = found->second;
    if (host.refused && now - host.refused->at < kRecent) {
        out.push_back({IdentityWarning::Kind::second_machine,
                       "another machine, at " + host.refused->address + " with the machine-id " +
                           host.refused->machine + ", uses the certificate of " + name +
                           " and is refused: let it join under its own name; if it is " + name +
                           " installed anew, run `lapwing-collector invite " + name + "`"});
    }
    if (host.returns.size() >= kReturns && now - host.returns.front() < kRecent) {
        const auto& first = host.returned.address;
        const auto& second = host.sender.address;
        out.push_back(
            {IdentityWarning::Kind::second_agent,
             "two agents report as " + name + " at the same time (" +
                 (first == second ? "both from " + first : "from " + first + " and " + second) +
                 "), and their samples are mixed: a copied host has its original's certificate; let the copy "
                 "join under a name of its own"});
    }
    for (const auto& [other, its] : hosts_) {
        if (other != name && !host.machine.empty() && its.machine == host.machine) {
            out.push_back(
                {IdentityWarning::Kind::shared_machine_id,
                 "has the machine-id of " + other +
                     " (copies of an image: `rm /etc/machine-id && systemd-machine-id-setup` on one "
                     "of them)"});
        }
    }
    return out;
}

}  // namespace lapwing::trust
