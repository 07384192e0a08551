#include "agent/probes/app/app.h"

#include <Poco/Exception.h>
#include <Poco/URI.h>
#include <re2/re2.h>

#include <algorithm>

#include "agent/probes/http_target.h"
#include "common/http/tls.h"
#include "common/metric_names.h"
#include "common/model/families.h"

namespace lapwing::agent::app {
namespace {

using Clock = std::chrono::steady_clock;
constexpr int kMostRedirects = 5;

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

Question questionOf(const std::string& url, const Check& check) {
    const Poco::URI uri(url);
    Question out;
    out.tls = uri.getScheme() == "https";
    out.host = uri.getHost();
    out.port = uri.getPort();
    out.path = uri.getPathAndQuery();
    if (out.path.empty() || out.path[0] != '/') {
        out.path.insert(0, "/");
    }
    out.method = check.method;
    return out;
}

bool sameServer(const Question& a, const Question& b) {
    return a.tls == b.tls && a.host == b.host && a.port == b.port;
}

}  // namespace

std::string redirectTarget(const std::string& from, const std::string& location) {
    try {
        if (location.empty()) {
            return {};
        }
        const Poco::URI base(from);
        // Poco takes "//host/path" for a path.
        const bool network_path = location.compare(0, 2, "//") == 0;
        const Poco::URI target(base, network_path ? base.getScheme() + ":" + location : location);
        if (target.getScheme() != "http" && target.getScheme() != "https") {
            return {};
        }
        if (target.getHost().empty() || !target.getUserInfo().empty()) {
            return {};
        }
        return target.toString();
    } catch (const Poco::Exception&) {
        return {};
    }
}

struct AppProbe::Context {
    http::SslContextPtr tls;
};

struct AppProbe::Outcome {
    Exchange last;
    Exchange phases;  ///< the phases of all requests, added up
    const char* failure = nullptr;
    int redirects = 0;
    bool tls = false;
    bool body_fits = true;
};

AppProbe::AppProbe(Check check) : check_(std::move(check)), context_(std::make_unique<Context>()) {}
AppProbe::~AppProbe() = default;

Expected<AppProbe::Outcome> AppProbe::run(Clock::time_point until) {
    Outcome out;
    auto question = questionOf(check_.url, check_);
    question.headers = check_.headers;
    if (!check_.user.empty()) {
        const auto password = readSecret(check_.password_file);
        if (!password) {
            return tl::unexpected(password.error());
        }
        question.headers.push_back(basicAuthorization(check_.user, *password));
    }
    for (auto url = check_.url;;) {
        if (question.tls && !context_->tls) {
            auto made = http::makeClientContext({check_.ca_file, {}, {}, {}});
            if (!made) {
                return tl::unexpected(made.error());
            }
            context_->tls = std::move(*made);
        }
        out.last = exchange(question, context_->tls.get(), until);
        out.tls = question.tls;
        for (const auto phase : {&Exchange::resolve, &Exchange::connect, &Exchange::tls,
                                 &Exchange::processing, &Exchange::transfer}) {
            out.phases.*phase += out.last.*phase;
        }
        if (out.last.error) {
            out.failure = reasonOf(out.last.error->kind);
            return out;
        }
        if (!check_.follow_redirects || !isRedirect(out.last.status) || out.last.location.empty()) {
            break;
        }
        url = redirectTarget(url, out.last.location);
        if (url.empty() || out.redirects == kMostRedirects) {
            out.failure = "redirects";
            return out;
        }
        ++out.redirects;
        auto next = questionOf(url, check_);
        // Credentials and headers for one server do not go to another.
        if (sameServer(next, question)) {
            next.headers = std::move(question.headers);
        }
        if (question.method != "HEAD" && out.last.status != 307 && out.last.status != 308) {
            next.method = "GET";
        }
        question = std::move(next);
    }
    const auto& wanted = check_.expect_status;
    const int status = out.last.status;
    const bool status_fits = wanted.empty() ? status >= 200 && status < 300
                                            : std::find(wanted.begin(), wanted.end(), status) != wanted.end();
    out.body_fits = !check_.expect_body || RE2::PartialMatch(out.last.body, *check_.expect_body);
    if (!status_fits) {
        out.failure = "status";
    } else if (!out.body_fits) {
        out.failure = "body";
    }
    return out;
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
    if (outcome.last.status != 0) {
        single("probe_http_status_code", "Of the last answer.", outcome.last.status);
        single("probe_http_version", "Of the last answer.", outcome.last.version);
        single("probe_http_uncompressed_body_length", "Bytes of the last answer's body.",
               static_cast<double>(outcome.last.body.size()));
    }
    if (outcome.last.content_length) {
        single("probe_http_content_length", "Content length that the last answer declares.",
               *outcome.last.content_length);
    }
    if (check_.expect_body && !outcome.last.error) {
        single("probe_failed_due_to_regex", "1 if the body is not as expected.", outcome.body_fits ? 0 : 1);
    }
    if (outcome.last.certificate_expiry) {
        single("probe_ssl_earliest_cert_expiry", "Of the certificates sent, in seconds since 1970.",
               *outcome.last.certificate_expiry);
    }
    if (!outcome.last.tls_version.empty()) {
        result.families.push_back(gauge("probe_tls_version_info", "1."));
        add(result.families.back(), {{"version", outcome.last.tls_version}}, 1);
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
    }
    return result;
}

}  // namespace lapwing::agent::app
