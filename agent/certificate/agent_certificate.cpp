#include "agent/certificate/agent_certificate.h"

#include <set>
#include <sstream>
#include <utility>

#include "common/files.h"
#include "common/tls/identity.h"

namespace lapwing::agent {
namespace {

bool haveCommonKey(const std::string& left, const std::string& right) {
    std::istringstream words(tls::authorityKeys(left));
    std::set<std::string> keys;
    for (std::string key; words >> key;) {
        keys.insert(key);
    }
    std::istringstream others(tls::authorityKeys(right));
    for (std::string key; others >> key;) {
        if (keys.contains(key)) {
            return true;
        }
    }
    return false;
}

std::string textOf(const std::string& file) {
    return file.empty() ? "" : files::readFile(file).value_or("");
}

}  // namespace

AgentCertificate::AgentCertificate(std::string host, http::ClientTls configured, std::string file)
    : host_(std::move(host)), configured_(std::move(configured)), file_(std::move(file)) {
    const MutexLock lock(mutex_);
    choose();
}

std::string AgentCertificate::usable(std::time_t configured_issued) const {
    auto text = textOf(file_);
    const auto validity = tls::validityOf(text);
    if (!validity || validity->issued < configured_issued || !tls::keyBelongs(text, text) ||
        tls::authorityKeys(text).empty() || tls::commonNameOf(text) != host_) {
        return {};
    }
    return text;
}

http::ClientTls AgentCertificate::choose() {
    const auto configured = textOf(configured_.cert_file);
    const auto validity = tls::validityOf(configured);
    const auto renewed = usable(validity ? validity->issued : 0);
    const auto& chosen = renewed.empty() ? configured : renewed;
    const auto dates = tls::validityOf(chosen).value_or(tls::Validity{});
    known_ = {dates.issued, dates.ends, tls::trustOf(chosen)};
    auto out = configured_;
    if (!renewed.empty()) {
        out.ca_file = out.cert_file = out.key_file = file_;
    }
    return out;
}

http::ClientTls AgentCertificate::tls() {
    const MutexLock lock(mutex_);
    return choose();
}

unsigned AgentCertificate::generation() const {
    const MutexLock lock(mutex_);
    return generation_;
}

std::time_t AgentCertificate::ends() const {
    const MutexLock lock(mutex_);
    return known_.ends;
}

bool AgentCertificate::isDue(std::time_t now, const std::string& trust) const {
    const MutexLock lock(mutex_);
    if (file_.empty() || known_.ends == 0) {
        return false;
    }
    const bool half = now >= known_.issued + (known_.ends - known_.issued) / 2;
    return half || (!trust.empty() && trust != known_.trust);
}

Expected<std::string> AgentCertificate::request() {
    auto made = tls::newSigningRequest(host_);
    if (!made) {
        return fail(made.error());
    }
    const MutexLock lock(mutex_);
    key_ = std::move(made->key);
    return std::move(made->request);
}

Expected<void> AgentCertificate::accept(const std::string& answer) {
    const MutexLock lock(mutex_);
    if (!tls::keyBelongs(answer, key_)) {
        return fail(ErrorKind::invalid, "the collector's certificate is not for the key of the request");
    }
    const auto present = choose();
    if (!haveCommonKey(answer, textOf(present.ca_file))) {
        return fail(ErrorKind::invalid, "the collector names other CAs, and none that is trusted now");
    }
    if (const auto name = tls::commonNameOf(answer); name != host_) {
        return fail(ErrorKind::invalid, "the collector's certificate is for \"" + name + "\"");
    }
    if (auto written = files::writeFile(file_, answer + key_, 0600); !written) {
        return written;
    }
    key_.clear();
    choose();
    ++generation_;
    return {};
}

}  // namespace lapwing::agent
