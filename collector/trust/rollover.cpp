#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <utility>

#include "collector/trust/authority.h"
#include "collector/trust/authority_parts.h"
#include "common/tls/identity.h"

namespace lapwing::trust {
namespace {

tl::unexpected<Error> wrongStage(const std::string& reason) {
    return fail(ErrorKind::invalid, reason);
}

}  // namespace

Expected<Authority::Rollover> Authority::rollover() const {
    const auto signer = readPair(caFile(), keyFile());
    if (!signer) {
        return fail(signer.error());
    }
    const auto authorities = certificatesFromPem(files::readFile(caFile()).value_or(""));
    Rollover out;
    if (authorities.size() < 2) {
        return out;
    }
    const bool begun = std::filesystem::exists(nextKeyFile());
    out.stage = begun ? Rollover::Stage::begun : Rollover::Stage::switched;
    std::time_t newest = 0;
    for (const auto& each : authorities) {
        newest = std::max(newest, tls::validityOf(each.get()).issued);
    }
    for (const auto& host : enrolled()) {
        const auto pem = files::readFile(certificateFile(host.host));
        const auto cert = pem ? certificateFromPem(*pem) : Expected<Certificate>(fail(pem.error()));
        if (host.revoked || !cert) {
            continue;
        }
        const bool follows =
            begun ? tls::validityOf(cert->get()).issued >= newest : signedBy(cert->get(), signer->key.get());
        if (!follows) {
            out.waiting.push_back(host.host);
        }
    }
    return out;
}

Expected<void> Authority::beginRollover() {
    const auto session = startSession(directory_);
    if (!session) {
        return fail(session.error());
    }
    const auto present = rollover();
    if (!present) {
        return fail(present.error());
    }
    if (present->stage != Rollover::Stage::none) {
        return wrongStage("a roll-over of the CA has begun already");
    }
    const auto next = makePair(authorityRequest(), nullptr);
    if (!next) {
        return fail(next.error());
    }
    if (auto written = writeKey(next->key, nextKeyFile(), session->owner); !written) {
        return written;
    }
    return files::writeFile(caFile(), files::readFile(caFile()).value_or("") + toPem(next->cert.get()), 0644,
                            &session->owner);
}

Expected<void> Authority::switchRollover() {
    const auto session = startSession(directory_);
    if (!session) {
        return fail(session.error());
    }
    if (auto next = readPair(caFile(), nextKeyFile()); !next) {
        return wrongStage("no roll-over of the CA has begun: " + next.error().message);
    }
    // One step: the certificate of ca.crt that belongs to ca.key signs.
    if (std::rename(nextKeyFile().c_str(), keyFile().c_str()) != 0) {
        return fail(ErrorKind::unavailable, "replace " + keyFile());
    }
    return {};
}

Expected<void> Authority::finishRollover() {
    const auto session = startSession(directory_);
    if (!session) {
        return fail(session.error());
    }
    const auto present = rollover();
    if (!present) {
        return fail(present.error());
    }
    if (present->stage != Rollover::Stage::switched) {
        return wrongStage("the new CA does not sign yet");
    }
    const auto signer = readPair(caFile(), keyFile());
    if (!signer) {
        return fail(signer.error());
    }
    return files::writeFile(caFile(), toPem(signer->cert.get()), 0644, &session->owner);
}

}  // namespace lapwing::trust
