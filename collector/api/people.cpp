#include "collector/api/people.h"

#include <algorithm>
#include <utility>

#include "collector/api/answers.h"
#include "collector/api/lapwing.h"
#include "collector/api/prometheus.h"
#include "collector/web/assets.h"
#include "common/endpoint.h"
#include "common/text.h"

namespace lapwing::api {
namespace {

constexpr const char* kPlain = "text/plain; charset=utf-8";
// The page needs nothing from elsewhere: no script in the markup, no other origin, no frame around it.
constexpr const char* kContentPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri "
    "'none'; "
    "form-action 'none'; frame-ancestors 'none'";

void secure(Responder& responder) {
    responder.header("X-Content-Type-Options", "nosniff");
    responder.header("X-Frame-Options", "DENY");
    responder.header("Referrer-Policy", "no-referrer");
    responder.header("Cross-Origin-Resource-Policy", "same-origin");
    responder.header("Content-Security-Policy", kContentPolicy);
}

std::size_t pathOf(const std::string& url) {
    return std::min(url.find('/', url.find("://") + 3), url.size());
}

std::string originOf(const std::string& url) {
    return url.empty() ? url : url.substr(0, pathOf(url));
}

/// Takes the path of the external URL away. False if the answer is a redirect: the page's addresses are
/// relative to its directory.
bool enterPath(Request& request, Responder& responder, const std::string& external_url) {
    const auto path = external_url.empty() ? "" : external_url.substr(pathOf(external_url));
    if (path.empty()) {
        return true;
    }
    if (request.path == path) {
        responder.header("Location", path + "/");
        responder.send(308, kPlain, "The page is at " + path + "/\n");
        return false;
    }
    if (request.path.starts_with(path + "/")) {
        request.path.erase(0, path.size());
    }
    return true;
}

bool admitted(Request& request, Responder& responder, const Admission& admission) {
    if (admission.check_host && !isLocalHost(request.header("Host"), admission.names)) {
        responder.send(
            403, kPlain,
            "This listener answers only by the names of the loopback address (and http.names of the "
            "configuration).\n");
        return false;
    }
    if (isFromForeignPage(request, originOf(admission.external_url))) {
        responder.send(403, kPlain, "A page of another site asks for this. Open it yourself.\n");
        return false;
    }
    if (admission.users == nullptr) {
        return true;
    }
    const auto login = admission.users->verifyHeader(request.header("Authorization"), request.address);
    if (login.result == Login::Result::delayed) {
        responder.header("Retry-After", std::to_string(login.wait.count()));
        failure(responder, 429, "too_many_requests", "too many logins failed; try again later");
    } else if (!login.accepted()) {
        responder.header("WWW-Authenticate", "Basic realm=\"Lapwing\", charset=\"UTF-8\"");
        failure(responder, 401, "unauthorized", "a user name and a password are needed");
    }
    request.user = login.user;
    return login.accepted();
}

bool servedAsset(const Request& request, Responder& responder) {
    const auto* asset = web::find(request.path);
    if (asset == nullptr) {
        return false;
    }
    responder.header("ETag", std::string(asset->etag));
    responder.header("Cache-Control", "no-cache");
    if (request.header("If-None-Match") == asset->etag) {
        responder.send(304, "", "");
    } else {
        responder.send(200, std::string(asset->content_type), asset->bytes);
    }
    return true;
}

}  // namespace

bool isLocalHost(const std::string& header, const std::vector<std::string>& names) {
    if (header.empty()) {
        return true;
    }
    const auto endpoint = Endpoint::parse(header);
    return endpoint &&
           (endpoint->loopback() || std::any_of(names.begin(), names.end(), [&](const std::string& name) {
                return equalsIgnoreCase(endpoint->host, name);
            }));
}

bool isFromForeignPage(const Request& request, const std::string& own) {
    const auto origin = request.header("Origin");
    if (!origin.empty()) {
        const auto host = request.header("Host");
        return !equalsIgnoreCase(origin, "http://" + host) && !equalsIgnoreCase(origin, "https://" + host) &&
               (own.empty() || !equalsIgnoreCase(origin, own));
    }
    const auto site = request.header("Sec-Fetch-Site");
    if (site.empty() || site == "same-origin" || site == "none") {
        return false;
    }
    // Mails and chats link to the page.
    const bool data =
        request.path.starts_with("/api/") || request.path == "/federate" || request.path == "/metrics";
    return data || request.header("Sec-Fetch-Mode") != "navigate" ||
           request.header("Sec-Fetch-Dest") != "document";
}

Gate peopleGate(Admission admission) {
    return [admission = std::move(admission)](Request& request, Responder& responder) {
        secure(responder);
        return enterPath(request, responder, admission.external_url) &&
               admitted(request, responder, admission);
    };
}

bool isSlowForPeople(const Request& request) {
    return request.path.starts_with("/api/v1/") || request.path == "/federate" ||
           request.path == "/api/lapwing/v1/timeline";
}

Handler peopleHandler(const PeopleParts& parts, Handler local_write) {
    return [parts, local_write = std::move(local_write)](Request& request, Responder& responder) {
        if (request.path == "/api/v1/write" && request.method == "POST" && local_write) {
            local_write(request, responder);
            return;
        }
        if (request.path.starts_with("/api/") || request.path == "/metrics") {
            responder.header("Cache-Control", "no-store");
        }
        if (parts.prometheus->handle(request, responder) || parts.lapwing->handle(request, responder)) {
            return;
        }
        const bool reads = request.method == "GET" || request.method == "HEAD";
        if (reads && servedAsset(request, responder)) {
            return;
        }
        if (reads && request.path == "/metrics") {
            responder.send(200, "text/plain; version=0.0.4; charset=utf-8", parts.metrics_text());
        } else if (reads && request.path == "/-/healthy") {
            responder.send(200, kPlain, "Lapwing is healthy.\n");
        } else if (reads && request.path == "/-/ready") {
            const bool ready = parts.ready();
            responder.send(ready ? 200 : 503, kPlain,
                           ready ? "Lapwing is ready.\n" : "Lapwing is starting.\n");
        } else {
            responder.send(404, kPlain, "404 page not found\n");
        }
    };
}

}  // namespace lapwing::api
