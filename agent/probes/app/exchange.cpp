#include "agent/probes/app/exchange.h"

#include <Poco/Net/StreamSocket.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/socket.h>

#include <array>
#include <string_view>
#include <utility>

#include "agent/probes/app/certificate.h"
#include "common/http/http2.h"
#include "common/http/resolver.h"
#include "common/http/timed_socket.h"
#include "common/http/tls.h"

namespace lapwing::agent::app {
namespace {

using Clock = std::chrono::steady_clock;

enum class Protocol {
    offered,  ///< over TLS the server chooses; else HTTP/1.1
    http1,
    http2,
};

/// Time since the last call.
class Watch {
  public:
    Seconds lap() {
        const auto now = Clock::now();
        const Seconds passed = now - last_;
        last_ = now;
        return passed;
    }

  private:
    Clock::time_point last_ = Clock::now();
};

/// The handshake. The certificate is verified afterwards: if OpenSSL verified it during the handshake, it
/// would drop the details to report about a bad certificate.
Expected<void> secure(http::TimedSocketImpl& socket, SSL* ssl, const std::string& server_name,
                      Clock::time_point until, Exchange& out) {
    SSL_set_verify(ssl, SSL_VERIFY_NONE, nullptr);
    auto done = socket.handshake(until);
    out.certificate_expiry = earliestEnd(SSL_get_peer_cert_chain(ssl));
    out.certificate = peerCertificate(ssl);
    if (!done) {
        return done;
    }
    out.tls_version = SSL_get_version(ssl);
    if (SSL_get_verify_result(ssl) == X509_V_OK && out.certificate_expiry) {
        out.chain_expiry = earliestEnd(SSL_get0_verified_chain(ssl));
        return {};
    }
    return fail(ErrorKind::tls, http::certificateFailure(ssl, server_name));
}

/// The bytes of an IP address: 4 or 16. "" for another family.
std::string addressOf(const sockaddr_storage& address) {
    const auto bytes = [](const auto& part) {
        return std::string(reinterpret_cast<const char*>(&part), sizeof part);
    };
    if (address.ss_family == AF_INET) {
        return bytes(reinterpret_cast<const sockaddr_in&>(address).sin_addr);
    }
    return address.ss_family == AF_INET6 ? bytes(reinterpret_cast<const sockaddr_in6&>(address).sin6_addr)
                                         : std::string();
}

void offerProtocols(SSL* ssl, Protocol protocol) {
    static constexpr std::array<unsigned char, 12> both = {2,   'h', '2', 8,   'h', 't',
                                                           't', 'p', '/', '1', '.', '1'};
    constexpr unsigned first = 3;  // "h2" with its length
    if (protocol == Protocol::offered) {
        SSL_set_alpn_protos(ssl, both.data(), both.size());
    } else {
        SSL_set_alpn_protos(ssl, both.data() + first, both.size() - first);
    }
}

bool choseHttp2(const SSL* ssl) {
    const unsigned char* name = nullptr;
    unsigned length = 0;
    SSL_get0_alpn_selected(ssl, &name, &length);
    return length == 2 && name[0] == 'h' && name[1] == '2';
}

http::Headers headersOf(const Question& question) {
    http::Headers headers = {{"User-Agent", "lapwing-agent"}, {"Accept", "*/*"}};
    for (const auto& given : question.headers) {
        std::erase_if(headers, [&](const auto& mine) { return mine.first == given.first; });
    }
    headers.insert(headers.end(), question.headers.begin(), question.headers.end());
    return headers;
}

bool sendsLength(const Question& question) {
    return question.method == "POST" || question.method == "PUT";
}

Expected<bool> askHttp1(const Question& question, http::TimedSocketImpl& socket, Watch& watch, Exchange& out,
                        bool& wants_http2) {
    auto headers = headersOf(question);
    headers.emplace_back("Connection", "close");
    const auto length = sendsLength(question) ? std::optional<std::size_t>(0) : std::nullopt;
    const auto head =
        http::requestHead(question.method, question.url.target, question.url.authority(), headers, length);
    if (auto sent = http::sendAll(socket, head); !sent) {
        return tl::unexpected(sent.error());
    }
    http::ResponseReader reader(http::sourceOf(socket));
    auto answer = reader.readHead();
    out.processing += watch.lap();
    if (!answer) {
        // A server that speaks nothing else answers in frames (Nginx), or closes (HAProxy).
        wants_http2 =
            reader.sawHttp2() || (socket.received() == 0 && answer.error().kind == ErrorKind::protocol);
        return tl::unexpected(answer.error());
    }
    out.answer = std::move(*answer);
    return reader.readBody(out.answer, question.method == "HEAD", kMostBody);
}

Expected<bool> askHttp2(const Question& question, http::TimedSocketImpl& socket, Watch& watch,
                        Exchange& out) {
    http::Http2Request request{question.method, question.url.tls, question.url.authority(),
                               question.url.target, headersOf(question)};
    if (sendsLength(question)) {
        request.headers.emplace_back("Content-Length", "0");
    }
    auto answer = http::exchangeHttp2(socket, request, kMostBody, [&] { out.processing += watch.lap(); });
    if (!answer) {
        return tl::unexpected(answer.error());
    }
    out.answer = std::move(answer->response);
    return answer->whole;
}

/// One attempt. Returns the protocol to repeat it with, where the server speaks another one.
std::optional<Protocol> attempt(const Question& question, SSL_CTX* context, Protocol protocol,
                                Clock::time_point until, Exchange& out) {
    Watch watch;
    const auto& host = question.connect_to.empty() ? question.url.host : question.connect_to;
    const auto port = question.connect_port == 0 ? question.url.port : question.connect_port;
    const auto addresses = http::resolve(host, port, until);
    out.resolve += watch.lap();
    if (!addresses) {
        out.error = addresses.error();
        return std::nullopt;
    }
    if (!addresses->empty()) {
        out.address = addressOf(addresses->front().storage);
    }
    const auto descriptor = http::connectTo(*addresses, until);
    out.connect += watch.lap();
    if (!descriptor) {
        out.error = descriptor.error();
        return std::nullopt;
    }
    http::Address peer;
    peer.length = sizeof peer.storage;
    if (::getpeername(*descriptor, reinterpret_cast<sockaddr*>(&peer.storage), &peer.length) == 0) {
        out.address = addressOf(peer.storage);
    }
    const auto& server_name = question.server_name.empty() ? question.url.host : question.server_name;
    http::SslPtr ssl;
    if (question.url.tls) {
        auto made = http::makeClientSession(context, server_name);
        if (made) {
            ssl = std::move(*made);
            offerProtocols(ssl.get(), protocol);
        } else {
            out.error = std::move(made.error());
        }
    }
    SSL* const raw = ssl.get();
    auto* socket = new http::TimedSocketImpl(*descriptor, std::move(ssl));
    const Poco::Net::StreamSocket owner(socket);  // and of the descriptor, whatever fails below
    if (out.error) {
        return std::nullopt;
    }
    if (question.url.tls) {
        auto secured = secure(*socket, raw, server_name, until, out);
        out.tls += watch.lap();
        if (!secured) {
            out.error = std::move(secured.error());
            return std::nullopt;
        }
    }
    socket->begin(until);
    const bool http2 = question.url.tls ? choseHttp2(raw) : protocol == Protocol::http2;
    bool wants_http2 = false;
    const auto whole = http2 ? askHttp2(question, *socket, watch, out)
                             : askHttp1(question, *socket, watch, out, wants_http2);
    out.transfer += watch.lap();
    if (whole) {
        if (auto decoded = http::decodeContent(out.answer, *whole, kMostBody, http::TooLong::cut); !decoded) {
            out.error = decoded.error();
        }
        return std::nullopt;
    }
    out.error = whole.error();
    if (protocol != Protocol::offered) {
        return std::nullopt;
    }
    if (http2 && whole.error().kind == ErrorKind::unavailable) {
        return Protocol::http1;
    }
    return wants_http2 && !question.url.tls ? std::optional(Protocol::http2) : std::nullopt;
}

}  // namespace

Exchange exchange(const Question& question, SSL_CTX* context, Clock::time_point until) {
    Exchange out;
    if (const auto other = attempt(question, context, Protocol::offered, until, out)) {
        const auto first = std::exchange(out.error, std::nullopt);
        out.answer = {};
        (void)attempt(question, context, *other, until, out);
        if (out.error && out.error->kind == ErrorKind::protocol) {
            out.error = first;  // the other protocol was no better
        }
    }
    return out;
}

}  // namespace lapwing::agent::app
