#include "common/http/client.h"

#include <Poco/Net/StreamSocket.h>

#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

#include "common/http/timed_socket.h"
#include "common/http/url.h"

namespace lapwing::http {
namespace {

using Clock = std::chrono::steady_clock;

struct Target {
    std::string name;         ///< for messages: the URL without credentials and path
    std::string socket_path;  ///< of a unix socket
    Url url;                  ///< of any other server
};

Expected<Target> parseTarget(const std::string& text) {
    Target target;
    constexpr std::string_view unix_scheme = "unix:";
    if (text.starts_with(unix_scheme)) {
        target.socket_path = text.substr(unix_scheme.size());
        target.name = text;
        if (target.socket_path.empty() || target.socket_path[0] != '/') {
            return fail(ErrorKind::invalid, "not a usable URL: unix: needs an absolute path");
        }
        return target;
    }
    auto url = Url::parse(text);
    if (!url) {
        return tl::unexpected(url.error());
    }
    target.url = std::move(*url);
    target.name = target.url.server();
    return target;
}

}  // namespace

struct Client::State {
    Target target;
    std::string server_name;
    SslContextPtr context;
    TimedSocketImpl* socket = nullptr;  ///< owned by `owner`
    std::optional<Poco::Net::StreamSocket> owner;

    Expected<void> connect(Clock::time_point until);
    Expected<Response> exchange(const Request& request, Clock::time_point until);
    Expected<Response> converse(const Request& request);
    void disconnect() {
        owner.reset();
        socket = nullptr;
    }
};

Expected<void> Client::State::connect(Clock::time_point until) {
    Expected<int> descriptor = fail(ErrorKind::internal, "");
    if (!target.socket_path.empty()) {
        descriptor = connectTo(target.socket_path, until);
    } else {
        const auto addresses = resolve(target.url.host, target.url.port, until);
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
    if (target.url.tls) {
        auto made = makeClientSession(context.get(), server_name);
        if (made) {
            ssl = std::move(*made);
        } else {
            tls_error = made.error();
        }
    }
    const bool usable = !target.url.tls || ssl;
    socket = new TimedSocketImpl(*descriptor, std::move(ssl));
    owner.emplace(socket);
    if (!usable) {
        return tl::unexpected(tls_error);
    }
    return socket->handshake(until);
}

Expected<Response> Client::State::converse(const Request& request) {
    std::optional<std::size_t> length;
    if (!request.body.empty() || request.method == "POST" || request.method == "PUT") {
        length = request.body.size();
    }
    const std::string head = requestHead(request.method, request.path.empty() ? "/" : request.path,
                                         target.socket_path.empty() ? target.url.authority() : "localhost",
                                         request.headers, length);
    for (const std::string_view part : {std::string_view(head), std::string_view(request.body)}) {
        if (auto sent = sendAll(*socket, part); !sent) {
            return tl::unexpected(sent.error());
        }
    }
    ResponseReader reader(sourceOf(*socket));
    auto response = reader.readHead();
    if (!response) {
        return response;
    }
    const auto whole = reader.readBody(*response, request.method == "HEAD", request.max_response_bytes);
    if (!whole) {
        return tl::unexpected(whole.error());
    }
    if (!*whole) {
        return fail(ErrorKind::exhausted,
                    "the answer is larger than " + std::to_string(request.max_response_bytes) + " bytes");
    }
    if (!reader.keepsAlive() || socket->ended() || socket->failure()) {
        disconnect();
    }
    if (auto decoded = decodeContent(*response, true, request.max_response_bytes, TooLong::fail); !decoded) {
        return tl::unexpected(decoded.error());
    }
    return response;
}

Expected<Response> Client::State::exchange(const Request& request, Clock::time_point until) {
    for (;;) {
        const bool reused = socket != nullptr;
        if (!reused) {
            if (auto done = connect(until); !done) {
                disconnect();
                return tl::unexpected(done.error());
            }
        }
        socket->begin(until);
        auto result = [&] {
            try {
                return converse(request);
            } catch (...) {
                // The rest of an answer for which memory runs out must not be the beginning of the next one.
                disconnect();
                throw;
            }
        }();
        if (result) {
            return result;
        }
        const bool stale = reused && socket != nullptr && socket->received() == 0 &&
                           result.error().kind != ErrorKind::timeout;
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
    if (state->target.url.tls) {
        auto context = makeClientContext(tls);
        if (!context) {
            return tl::unexpected(context.error());
        }
        state->context = std::move(*context);
        state->server_name = tls.server_name.empty() ? state->target.url.host : tls.server_name;
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
    request.path = target->url.target;
    auto client = Client::create(url, tls);
    if (!client) {
        return tl::unexpected(client.error());
    }
    request.headers.emplace_back("Connection", "close");
    return client->request(request, deadline);
}

}  // namespace lapwing::http
