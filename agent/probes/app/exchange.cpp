#include "agent/probes/app/exchange.h"

#include <Poco/Exception.h>
#include <Poco/Net/HTTPClientSession.h>
#include <Poco/Net/HTTPRequest.h>
#include <Poco/Net/HTTPResponse.h>
#include <Poco/Net/StreamSocket.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <istream>
#include <ostream>

#include "common/http/resolver.h"
#include "common/http/timed_socket.h"
#include "common/http/tls.h"

namespace lapwing::agent::app {
namespace {

using Clock = std::chrono::steady_clock;

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

std::optional<double> earliestExpiry(SSL* ssl) {
    std::optional<double> earliest;
    const STACK_OF(X509)* chain = SSL_get_peer_cert_chain(ssl);
    for (int i = 0; chain != nullptr && i < sk_X509_num(chain); ++i) {
        std::tm time = {};
        if (ASN1_TIME_to_tm(X509_get0_notAfter(sk_X509_value(chain, i)), &time) != 1) {
            continue;
        }
        const auto seconds = static_cast<double>(::timegm(&time));
        if (!earliest || seconds < *earliest) {
            earliest = seconds;
        }
    }
    return earliest;
}

/// The handshake. The certificate is verified afterwards: if OpenSSL verified it during the handshake, it
/// would drop the details to report about a bad certificate.
Expected<void> secure(http::TimedSocketImpl& socket, SSL* ssl, Clock::time_point until, Exchange& out) {
    SSL_set_verify(ssl, SSL_VERIFY_NONE, nullptr);
    auto done = socket.handshake(until);
    out.certificate_expiry = earliestExpiry(ssl);
    if (!done) {
        return done;
    }
    out.tls_version = SSL_get_version(ssl);
    const long verdict = SSL_get_verify_result(ssl);
    if (verdict == X509_V_OK && out.certificate_expiry) {
        return {};
    }
    return fail(ErrorKind::tls, std::string("certificate: ") + X509_verify_cert_error_string(verdict));
}

Error failureOf(const http::TimedSocketImpl& socket, const std::string& otherwise) {
    if (socket.failure()) {
        return *socket.failure();
    }
    return {ErrorKind::protocol,
            socket.received() == 0 ? "the connection was closed without an answer" : otherwise};
}

void readBody(std::istream& stream, Exchange& out) {
    std::array<char, 16'384> buffer{};
    while (out.body.size() < kMostBody) {
        stream.read(buffer.data(), buffer.size());
        const auto got = static_cast<std::size_t>(stream.gcount());
        if (got == 0) {
            break;
        }
        out.body.append(buffer.data(), std::min(got, kMostBody - out.body.size()));
    }
}

/// Poco takes the end of the connection for the end of the body, so check that the whole body came.
bool isWhole(const Question& question, const Poco::Net::HTTPResponse& answer,
             const http::TimedSocketImpl& socket, const Exchange& out) {
    if (question.method == "HEAD" || out.status == 204 || out.status == 304 || out.body.size() == kMostBody) {
        return true;
    }
    if (answer.getChunkedTransferEncoding()) {
        return !socket.ended();
    }
    if (answer.hasContentLength()) {
        return static_cast<Poco::Int64>(out.body.size()) == answer.getContentLength64();
    }
    return !socket.truncated();
}

void converse(const Question& question, Poco::Net::HTTPClientSession& session,
              const http::TimedSocketImpl& socket, Exchange& out) {
    Watch watch;
    Poco::Net::HTTPRequest head(question.method, question.path, Poco::Net::HTTPMessage::HTTP_1_1);
    head.setHost(question.host, question.port);
    head.set("User-Agent", "lapwing-agent");
    head.set("Accept", "*/*");
    for (const auto& [key, value] : question.headers) {
        head.set(key, value);
    }
    head.setKeepAlive(false);
    if (question.method == "POST" || question.method == "PUT") {
        head.setContentLength(0);
    }
    session.sendRequest(head);
    Poco::Net::HTTPResponse answer;
    answer.setFieldLimit(100);
    std::istream& stream = session.receiveResponse(answer);
    out.processing = watch.lap();
    out.status = answer.getStatus();
    out.version = answer.getVersion() == Poco::Net::HTTPMessage::HTTP_1_0 ? 1.0 : 1.1;
    out.location = answer.get("Location", "");
    if (answer.hasContentLength()) {
        out.content_length = static_cast<double>(answer.getContentLength64());
    }
    readBody(stream, out);
    out.transfer = watch.lap();
    if (socket.failure()) {
        out.error = socket.failure();
    } else if (!isWhole(question, answer, socket, out)) {
        out.error = Error{ErrorKind::protocol, "the connection ended within the answer"};
    }
}

}  // namespace

Exchange exchange(const Question& question, SSL_CTX* context, Clock::time_point until) {
    Exchange out;
    Watch watch;
    const auto addresses = http::resolve(question.host, question.port, until);
    out.resolve = watch.lap();
    if (!addresses) {
        out.error = addresses.error();
        return out;
    }
    const auto descriptor = http::connectTo(*addresses, until);
    out.connect = watch.lap();
    if (!descriptor) {
        out.error = descriptor.error();
        return out;
    }
    http::SslPtr ssl;
    std::optional<Error> unusable;
    if (question.tls) {
        auto made = http::makeClientSession(context, question.host);
        if (made) {
            ssl = std::move(*made);
        } else {
            unusable = std::move(made.error());
        }
    }
    SSL* const raw = ssl.get();
    auto* socket = new http::TimedSocketImpl(*descriptor, std::move(ssl));
    const Poco::Net::StreamSocket owner(socket);  // and of the descriptor, whatever fails below
    if (unusable) {
        out.error = std::move(unusable);
        return out;
    }
    if (question.tls) {
        auto secured = secure(*socket, raw, until, out);
        out.tls = watch.lap();
        if (!secured) {
            out.error = std::move(secured.error());
            return out;
        }
    }
    socket->begin(until);
    try {
        Poco::Net::HTTPClientSession session(owner);
        converse(question, session, *socket, out);
    } catch (const Poco::Exception&) {
        out.error = failureOf(*socket, "not an HTTP answer");
    } catch (const std::exception& error) {
        out.error = failureOf(*socket, error.what());
    }
    return out;
}

}  // namespace lapwing::agent::app
