#include "collector/api/join_desk.h"

#include <spdlog/spdlog.h>

#include <charconv>
#include <chrono>
#include <cstddef>
#include <ctime>
#include <string>
#include <system_error>

#include "collector/trust/invitations.h"
#include "common/json.h"
#include "common/text.h"

namespace lapwing::api {
namespace {

constexpr const char* kPlain = "text/plain; charset=utf-8";
constexpr std::size_t kMostBytes = 16U << 10;
/// Secrets have no user: all failures from anywhere count together.
constexpr const char* kEverybody = "join";

void plain(Responder& responder, int status, const std::string& text) {
    responder.send(status, kPlain, text + "\n");
}

bool isPowerOfTwo(std::size_t number) {
    return number != 0 && (number & (number - 1)) == 0;
}

int statusOf(ErrorKind kind) {
    switch (kind) {
        case ErrorKind::denied:
            return 403;
        case ErrorKind::invalid:
            return 400;
        case ErrorKind::exhausted:
            return 429;
        default:
            return 503;
    }
}

}  // namespace

bool JoinDesk::admits(Request& request, Responder& responder) {
    if (request.method != "POST") {
        responder.header("Allow", "POST");
        plain(responder, 405, "only POST is answered here");
        return false;
    }
    std::chrono::seconds wait{0};
    {
        const MutexLock lock(mutex_);
        wait = limit_.wait(kEverybody, request.address, LoginLimit::Clock::now());
    }
    if (wait > std::chrono::seconds(0)) {
        responder.header("Retry-After", std::to_string(wait.count()));
        plain(responder, 429, "too many attempts to join have failed; try again later");
        return false;
    }
    const std::string length = request.header("Content-Length");
    std::size_t bytes = 0;
    const auto [stop, error] = std::from_chars(length.data(), length.data() + length.size(), bytes);
    if (length.empty() || error != std::errc() || stop != length.data() + length.size()) {
        plain(responder, 411, "a request to join has a Content-Length");
        return false;
    }
    if (bytes > kMostBytes) {
        plain(responder, 413, "a request to join has at most " + std::to_string(kMostBytes) + " bytes");
        return false;
    }
    return true;
}

void JoinDesk::refuse(const Request& request, Responder& responder, int status, const std::string& reason) {
    std::size_t failures = 0;
    {
        const MutexLock lock(mutex_);
        failures = limit_.failed(kEverybody, request.address, LoginLimit::Clock::now());
    }
    if (isPowerOfTwo(failures)) {
        spdlog::warn("{} may not join: {}{}", request.address, printable(reason),
                     failures == 1 ? "" : " (" + std::to_string(failures) + " failures)");
    }
    plain(responder, status, reason);
}

void JoinDesk::handle(Request& request, Responder& responder) {
    const auto body = request.body(kMostBytes);
    if (!body) {
        return refuse(request, responder, body.error().kind == ErrorKind::exhausted ? 413 : 400,
                      body.error().message);
    }
    const auto asked = json::parse(*body);
    if (!asked.IsObject()) {
        return refuse(request, responder, 400,
                      "a request to join is a JSON object with the members host, secret and request");
    }
    const auto host = json::text(asked, "host");
    const auto made = invitations_.join(host, json::text(asked, "secret"), json::text(asked, "request"),
                                        std::time(nullptr));
    if (made) {
        spdlog::info("{} has joined, from {}", host, request.address);
        return responder.send(200, "application/x-pem-file", *made);
    }
    const int status = statusOf(made.error().kind);
    if (status == 400 || status == 403) {
        return refuse(request, responder, status, made.error().message);
    }
    spdlog::error("{} cannot join: {}", printable(host), made.error().message);
    plain(responder, status,
          status == 503 ? "the collector cannot do it now: its log says why" : made.error().message);
}

}  // namespace lapwing::api
