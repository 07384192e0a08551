#include "common/http/client.h"

#include <Poco/Exception.h>
#include <Poco/Net/HTTPClientSession.h>
#include <Poco/Net/HTTPRequest.h>
#include <Poco/Net/HTTPResponse.h>
#include <Poco/Net/StreamSocket.h>
#include <Poco/String.h>
#include <Poco/URI.h>

#include <array>
#include <cstdint>
#include <istream>
#include <ostream>

#include "common/http/timed_socket.h"

namespace lapwing::http {
namespace {

using Clock = std::chrono::steady_clock;
constexpr int kMostHeaders = 100;

struct Target {
    std::string name;         ///< for messages: the URL without credentials and path
    std::string socket_path;  ///< of a unix socket
    std::string host;
    std::uint16_t port = 0;
    bool tls = false;
    std::string path_and_query;
};

Expected<Target> parseTarget(const std::string& url) {
    Target target;
    constexpr std::string_view unix_scheme = "unix:";
    if (url.compare(0, unix_scheme.size(), unix_scheme) == 0) {
        target.socket_path = url.substr(unix_scheme.size());
        target.name = url;
        if (target.socket_path.empty() || target.socket_path[0] != '/') {
            return fail(ErrorKind::invalid, "not a usable URL: unix: needs an absolute path");
        }
        return target;
    }
    try {
        const Poco::URI uri(url);
        target.tls = uri.getScheme() == "https";
        target.host = uri.getHost();
        target.port = uri.getPort();
        target.path_and_query = uri.getPathAndQuery();
        if (!uri.getUserInfo().empty()) {
            return fail(ErrorKind::invalid, "not a usable URL: credentials do not belong into a URL");
        }
        if ((!target.tls && uri.getScheme() != "http") || target.host.empty()) {
            return fail(ErrorKind::invalid,
                        "not a usable URL (http://HOST:PORT, https://HOST:PORT or unix:PATH): " + url);
        }
    } catch (const Poco::Exception&) {
        return fail(ErrorKind::invalid,
                    "not a usable URL (http://HOST:PORT, https://HOST:PORT or unix:PATH)");
    }
    target.name = (target.tls ? "https://" : "http://") + target.host + ":" + std::to_string(target.port);
    return target;
}

}  // namespace

std::string_view Response::header(std::string_view name) const {
    for (const auto& [key, value] : headers) {
        if (Poco::icompare(key, std::string(name)) == 0) {
            return value;
        }
    }
    return {};
}

struct Client::State {
    Target target;
    std::string server_name;
    SslContextPtr context;
    TimedSocketImpl* socket = nullptr;  ///< owned by the session
    std::unique_ptr<Poco::Net::HTTPClientSession> session;

    Expected<void> connect(Clock::time_point until);
    Expected<Response> exchange(const Request& request, Clock::time_point until);
    Expected<Response> converse(const Request& request);
    Error failureOr(ErrorKind kind, std::string message) const;
    void disconnect() {
        session.reset();
        socket = nullptr;
    }
};

Expected<void> Client::State::connect(Clock::time_point until) {
    Expected<int> descriptor = fail(ErrorKind::internal, "");
    if (!target.socket_path.empty()) {
        descriptor = connectTo(target.socket_path, until);
    } else {
        const auto addresses = resolve(target.host, target.port, until);
        if (!addresses) {
            return tl::unexpected(addresses.error());
        }
        descriptor = connectTo(*addresses, until);
    }
    if (!descriptor) {
        return tl::unexpected(descriptor.error());
    }
    // From here on the socket owns the descriptor, even on failure.
    SslPtr ssl;
    Error tls_error;
    if (target.tls) {
        auto made = makeClientSession(context.get(), server_name);
        if (made) {
            ssl = std::move(*made);
        } else {
            tls_error = made.error();
        }
    }
    const bool usable = !target.tls || ssl;
    socket = new TimedSocketImpl(*descriptor, std::move(ssl));
    const Poco::Net::StreamSocket owner(socket);
    if (!usable) {
        return tl::unexpected(tls_error);
    }
    if (auto done = socket->handshake(until); !done) {
        return done;
    }
    session = std::make_unique<Poco::Net::HTTPClientSession>(owner);
    session->setKeepAlive(true);
    return {};
}

Error Client::State::failureOr(ErrorKind kind, std::string message) const {
    if (socket != nullptr && socket->failure()) {
        return *socket->failure();
    }
    return {kind, std::move(message)};
}

Expected<Response> Client::State::converse(const Request& request) {
    Poco::Net::HTTPRequest head(request.method, request.path.empty() ? "/" : request.path,
                                Poco::Net::HTTPMessage::HTTP_1_1);
    if (target.socket_path.empty()) {
        head.setHost(target.host, target.port);
    } else {
        head.setHost("localhost");
    }
    for (const auto& [key, value] : request.headers) {
        head.set(key, value);
    }
    if (!request.body.empty() || request.method == "POST" || request.method == "PUT") {
        head.setContentLength64(static_cast<Poco::Int64>(request.body.size()));
    }
    session->sendRequest(head).write(request.body.data(), static_cast<std::streamsize>(request.body.size()));

    Poco::Net::HTTPResponse answer;
    answer.setFieldLimit(kMostHeaders);
    std::istream& stream = session->receiveResponse(answer);
    Response response;
    response.status = answer.getStatus();
    response.headers.assign(answer.begin(), answer.end());
    std::array<char, 16384> buffer{};
    for (;;) {
        stream.read(buffer.data(), buffer.size());
        const auto got = static_cast<std::size_t>(stream.gcount());
        if (got == 0) {
            break;
        }
        if (response.body.size() + got > request.max_response_bytes) {
            return fail(ErrorKind::exhausted,
                        "the answer is larger than " + std::to_string(request.max_response_bytes) + " bytes");
        }
        response.body.append(buffer.data(), got);
    }
    if (socket->failure()) {
        return tl::unexpected(*socket->failure());
    }
    const bool bodiless = request.method == "HEAD" || response.status == 204 || response.status == 304;
    // Poco takes the end of the connection for the end of the body, so check that the whole body came.
    bool whole = bodiless;
    if (!bodiless && answer.getChunkedTransferEncoding()) {
        whole = !socket->ended();
    } else if (!bodiless && answer.hasContentLength()) {
        whole = static_cast<Poco::Int64>(response.body.size()) == answer.getContentLength64();
    } else if (!bodiless) {
        whole = !socket->truncated();
    }
    if (!whole) {
        return fail(ErrorKind::protocol, "the connection ended within the answer");
    }
    if (!answer.getKeepAlive() || socket->ended()) {
        disconnect();
    }
    return response;
}

Expected<Response> Client::State::exchange(const Request& request, Clock::time_point until) {
    for (;;) {
        const bool reused = session != nullptr;
        if (!reused) {
            if (auto done = connect(until); !done) {
                disconnect();
                return tl::unexpected(done.error());
            }
        }
        socket->begin(until);
        Expected<Response> result = fail(ErrorKind::internal, "");
        try {
            result = converse(request);
            if (result) {
                return result;
            }
        } catch (const Poco::Exception& error) {
            result = tl::unexpected(failureOr(
                ErrorKind::protocol, socket->received() == 0 ? "the connection was closed without an answer"
                                                             : "not an HTTP answer: " + error.displayText()));
        } catch (const std::exception& error) {
            result = tl::unexpected(failureOr(ErrorKind::internal, error.what()));
        }
        const bool stale = reused && socket->received() == 0 && result.error().kind != ErrorKind::timeout;
        disconnect();
        if (!stale) {
            return result;
        }
    }
}

Client::Client(std::unique_ptr<State> state) : state_(std::move(state)) {}
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;
Client::~Client() = default;

Expected<Client> Client::create(const std::string& base_url, const ClientTls& tls) {
    auto target = parseTarget(base_url);
    if (!target) {
        return tl::unexpected(target.error());
    }
    auto state = std::make_unique<State>();
    state->target = std::move(*target);
    if (state->target.tls) {
        auto context = makeClientContext(tls);
        if (!context) {
            return tl::unexpected(context.error());
        }
        state->context = std::move(*context);
        state->server_name = tls.server_name.empty() ? state->target.host : tls.server_name;
    }
    return Client(std::move(state));
}

Expected<Response> Client::request(const Request& request, std::chrono::milliseconds deadline) {
    auto result = state_->exchange(request, Clock::now() + deadline);
    if (!result) {
        return fail(result.error().kind, state_->target.name + ": " + result.error().message);
    }
    return result;
}

Expected<Response> fetch(const std::string& url, Request request, std::chrono::milliseconds deadline,
                         const ClientTls& tls) {
    auto target = parseTarget(url);
    if (!target) {
        return tl::unexpected(target.error());
    }
    if (!target->socket_path.empty()) {
        return fail(ErrorKind::invalid, "not a usable URL: a path cannot follow unix:");
    }
    request.path = target->path_and_query;
    auto client = Client::create(url, tls);
    if (!client) {
        return tl::unexpected(client.error());
    }
    request.headers.emplace_back("Connection", "close");
    return client->request(request, deadline);
}

}  // namespace lapwing::http
