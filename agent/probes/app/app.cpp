#include "agent/probes/app/app.h"

#include <re2/re2.h>

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <utility>

#include "agent/probes/app/cookies.h"
#include "agent/probes/http_target.h"
#include "agent/probes/text.h"
#include "common/http/retry.h"
#include "common/http/tls.h"
#include "common/metric_names.h"
#include "common/model/families.h"
#include "common/text.h"

namespace lapwing::agent::app {
namespace {

using Clock = std::chrono::steady_clock;
constexpr int kMostRedirects = 10;  // as blackbox_exporter

const char* reasonOf(ErrorKind kind) {
    switch (kind) {
        case ErrorKind::timeout:
            return "timeout";
        case ErrorKind::refused:
            return "refused";
        case ErrorKind::tls:
            return "tls";
        case ErrorKind::protocol:
        case ErrorKind::exhausted:
            return "protocol";
        default:
            return "unreachable";
    }
}

bool isRedirect(int status) {
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/// The URL by the name of the virtual host that the configuration gives it, if any: redirects to this name
/// lead back to the same server.
http::Url namedUrl(http::Url url, const Check& check) {
    for (const auto& [name, value] : check.headers) {
        if (equalsIgnoreCase(name, "Host")) {
            if (const auto named = http::Url::parse((url.tls ? "https://" : "http://") + value)) {
                url.host = named->host;
                url.port = named->port;
            }
            return url;
        }
    }
    if (!check.server_name.empty()) {
        url.host = lower(check.server_name);
    }
    return url;
}

/// Appends the cookies to a header Cookie of the configuration, or adds the header.
void addCookies(const std::string& cookies, http::Headers& headers) {
    if (cookies.empty()) {
        return;
    }
    for (auto& [name, value] : headers) {
        if (equalsIgnoreCase(name, "Cookie")) {
            value += "; " + cookies;
            return;
        }
    }
    headers.emplace_back("Cookie", cookies);
}

void addPhases(const Exchange& from, Exchange& to) {
    for (const auto phase : {&Exchange::resolve, &Exchange::connect, &Exchange::tls, &Exchange::processing,
                             &Exchange::transfer}) {
        to.*phase += from.*phase;
    }
}

/// FNV-1a of 32 bits, as blackbox_exporter hashes addresses.
std::uint32_t fnv1a32(std::string_view bytes) {
    std::uint32_t hash = 0x811c9dc5U;
    for (const char c : bytes) {
        hash = (hash ^ static_cast<unsigned char>(c)) * 0x01000193U;
    }
    return hash;
}

/// "TLS 1.3", as Go and blackbox_exporter spell OpenSSL's "TLSv1.3".
std::string spelled(const std::string& version) {
    return version.starts_with("TLSv") ? "TLS " + version.substr(4) : version;
}

}  // namespace

struct AppProbe::Context {
    http::SslContextPtr tls;
};

struct AppProbe::Outcome {
    Exchange last;
    Exchange phases;      ///< the phases of all requests, added up
    Seconds lookup{0};    ///< of the URL's own host
    std::string address;  ///< of the URL's own host
    const char* failure = nullptr;
    std::string why;       ///< of the failure, in words
    bool refused = false;  ///< the server answers, and refuses us or its certificate is refused
    int redirects = 0;
    bool tls = false;
    bool body_fits = true;

    void fail(const char* reason, const std::string& url, const std::string& words) {
        failure = reason;
        why = url + ": " + words;
    }
};

AppProbe::AppProbe(Check check) : check_(std::move(check)), context_(std::make_unique<Context>()) {}
AppProbe::~AppProbe() = default;

Expected<AppProbe::Outcome> AppProbe::run(Clock::time_point until) {
    auto url = http::Url::parse(check_.url);
    if (!url) {
        return tl::unexpected(url.error());
    }
    Question question;
    question.method = check_.method;
    question.headers = check_.headers;
    if (!check_.user.empty()) {
        const auto password = readSecret(check_.password_file);
        if (!password) {
            return tl::unexpected(password.error());
        }
        question.headers.push_back(basicAuthorization(check_.user, *password));
    }
    question.connect_to = url->host;
    question.connect_port = url->port;
    question.server_name = check_.server_name;
    question.url = namedUrl(std::move(*url), check_);
    Outcome out;
    if (auto followed = follow(std::move(question), until, out); !followed) {
        return tl::unexpected(followed.error());
    }
    if (out.failure == nullptr) {
        judge(out);
    }
    return out;
}

/// Makes the request and those of the redirects. Fails only where there can be no verdict.
Expected<void> AppProbe::follow(Question question, Clock::time_point until, Outcome& out) {
    const Question first = question;
    CookieJar cookies;
    while (true) {
        if (question.url.tls && !context_->tls) {
            auto made = http::makeClientContext({check_.ca_file, {}, {}, {}});
            if (!made) {
                return tl::unexpected(made.error());
            }
            context_->tls = std::move(*made);
        }
        auto asked = question;
        addCookies(cookies.headerFor(asked.url), asked.headers);
        out.last = exchange(asked, context_->tls.get(), until);
        out.tls = question.url.tls;
        if (out.redirects == 0) {
            out.lookup = out.last.resolve;
            out.address = out.last.address;
        }
        addPhases(out.last, out.phases);
        const auto at = out.redirects == 0 ? check_.url : question.url.toString();
        if (out.last.error) {
            out.fail(reasonOf(out.last.error->kind), at, out.last.error->message);
            out.refused = provesServer(*out.last.error);
            return {};
        }
        for (const auto& [name, value] : out.last.answer.headers) {
            if (equalsIgnoreCase(name, "Set-Cookie")) {
                cookies.take(question.url, value);
            }
        }
        const auto location = out.last.answer.header("Location");
        if (!check_.follow_redirects || !isRedirect(out.last.answer.status) || location.empty()) {
            return {};
        }
        const auto target = question.url.resolve(location);
        if (!target) {
            out.fail("redirects", at, "a redirect to a forbidden place: " + http::firstLine(location));
            return {};
        }
        if (out.redirects == kMostRedirects) {
            out.fail("redirects", at, "more than " + std::to_string(kMostRedirects) + " redirects");
            return {};
        }
        ++out.redirects;
        Question next;
        next.url = *target;
        // The virtual host is looked for where the configuration says, not in the DNS.
        if (next.url.host == first.url.host) {
            next.connect_to = first.connect_to;
        }
        // Headers and the password are for the URL's own server alone.
        if (next.url.sameServer(first.url)) {
            next.connect_port = first.connect_port;
            next.server_name = first.server_name;
            next.headers = first.headers;
        }
        const int status = out.last.answer.status;
        const bool keeps_method = question.method == "HEAD" || status == 307 || status == 308;
        next.method = keeps_method ? question.method : "GET";
        question = std::move(next);
    }
}

void AppProbe::judge(Outcome& out) const {
    const auto& wanted = check_.expect_status;
    const auto& answer = out.last.answer;
    const bool status_fits = wanted.empty()
                                 ? answer.status >= 200 && answer.status < 300
                                 : std::find(wanted.begin(), wanted.end(), answer.status) != wanted.end();
    out.body_fits = !check_.expect_body || RE2::PartialMatch(answer.body, *check_.expect_body);
    if (!status_fits) {
        const auto words = unexpectedStatus(answer);
        out.fail("status", check_.url, words);
        out.refused =
            kindOfStatus(answer.status) == ErrorKind::denied || words.find(':') != std::string::npos;
    } else if (!out.body_fits) {
        const auto coding = answer.header("Content-Encoding");
        out.fail("body", check_.url,
                 "the body has no match for expect_body" +
                     (coding.empty() ? "" : " (Content-Encoding: " + http::firstLine(coding) + ")"));
    }
}

Expected<ProbeResult> AppProbe::collect(const Deadline& deadline) {
    const auto start = Clock::now();
    auto budget = deadline.budget();
    if (check_.timeout.count() > 0) {
        budget = std::min(budget, check_.timeout);
    }
    auto run_result = run(start + budget);
    if (!run_result) {
        return tl::unexpected(run_result.error());
    }
    const auto& outcome = *run_result;

    ProbeResult result;
    const auto single = [&](const char* name, const char* help, double value) {
        result.families.push_back(gauge(name, help));
        add(result.families.back(), {}, value);
    };
    single(exporter::kProbeSuccess, "1 if the answer is as expected.", outcome.failure == nullptr ? 1 : 0);
    single("probe_duration_seconds", "Duration of the whole check in seconds.",
           Seconds(Clock::now() - start).count());
    single("probe_http_redirects", "Redirects followed.", outcome.redirects);
    single("probe_http_ssl", "1 if the last request was over TLS.", outcome.tls ? 1 : 0);
    const auto& answer = outcome.last.answer;
    if (answer.status != 0) {
        single("probe_http_status_code", "Of the last answer.", answer.status);
        single("probe_http_version", "Of the last answer.", answer.version);
        single("probe_http_uncompressed_body_length", "Bytes of the last answer's body.",
               static_cast<double>(answer.body.size()));
    }
    if (const auto length = toNumber(answer.header("Content-Length")); length && *length >= 0) {
        single("probe_http_content_length", "Content length that the last answer declares.", *length);
    }
    if (!outcome.last.error) {
        single("probe_failed_due_to_regex", "1 if the body is not as expected.", outcome.body_fits ? 0 : 1);
    }
    single("probe_dns_lookup_time_seconds", "Duration of the look-up of the URL's host.",
           outcome.lookup.count());
    if (!outcome.address.empty()) {
        single("probe_ip_protocol", "4 or 6.", outcome.address.size() == 4 ? 4 : 6);
        single("probe_ip_addr_hash", "A number that changes when the address does.",
               fnv1a32(outcome.address));
    }
    if (outcome.last.certificate_expiry) {
        single("probe_ssl_earliest_cert_expiry", "Of the certificates sent, in seconds since 1970.",
               *outcome.last.certificate_expiry);
    }
    if (outcome.last.chain_expiry) {
        single("probe_ssl_last_chain_expiry_timestamp_seconds",
               "The earliest end of the verified chain, in seconds since 1970.", *outcome.last.chain_expiry);
    }
    if (const auto& certificate = outcome.last.certificate) {
        result.families.push_back(gauge("probe_ssl_last_chain_info", "The server's certificate."));
        add(result.families.back(),
            {{"fingerprint_sha256", certificate->fingerprint},
             {"subject", certificate->subject},
             {"issuer", certificate->issuer},
             {"subjectalternative", certificate->alternatives}},
            1);
    }
    if (!outcome.last.tls_version.empty()) {
        result.families.push_back(gauge("probe_tls_version_info", "1."));
        add(result.families.back(), {{"version", spelled(outcome.last.tls_version)}}, 1);
    }
    auto phases = gauge("probe_http_duration_seconds", "By phase, over all redirects.");
    add(phases, {{"phase", "resolve"}}, outcome.phases.resolve.count());
    add(phases, {{"phase", "connect"}}, outcome.phases.connect.count());
    add(phases, {{"phase", "tls"}}, outcome.phases.tls.count());
    add(phases, {{"phase", "processing"}}, outcome.phases.processing.count());
    add(phases, {{"phase", "transfer"}}, outcome.phases.transfer.count());
    result.families.push_back(std::move(phases));
    if (outcome.failure != nullptr) {
        result.families.push_back(gauge("probe_failure_info", "1 for the kind of failure."));
        add(result.families.back(), {{"reason", outcome.failure}}, 1);
        result.check_failed = true;
        result.note = outcome.why;
        if (outcome.refused) {
            result.families.push_back(refusalFamily(outcome.why));
        }
    }
    return result;
}

}  // namespace lapwing::agent::app
