#include "common/http/presented.h"

#include <Poco/Net/StreamSocket.h>
#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include <memory>
#include <utility>

#include "common/http/resolver.h"
#include "common/http/timed_socket.h"
#include "common/http/tls.h"
#include "common/http/url.h"

namespace lapwing::http {
namespace {

std::string chainOf(const SSL* ssl) {
    const std::unique_ptr<BIO, decltype(&BIO_free_all)> out(BIO_new(BIO_s_mem()), &BIO_free_all);
    const auto* chain = SSL_get_peer_cert_chain(ssl);
    for (int i = 0; out && i < sk_X509_num(chain); ++i) {
        PEM_write_bio_X509(out.get(), sk_X509_value(chain, i));
    }
    char* data = nullptr;
    const long size = out ? BIO_get_mem_data(out.get(), &data) : 0;
    return size > 0 ? std::string(data, static_cast<std::size_t>(size)) : std::string();
}

Expected<std::string> present(const Url& url, const std::string& server_name,
                              TimedSocketImpl::Clock::time_point until) {
    const SslContextPtr context(SSL_CTX_new(TLS_client_method()));
    if (!context) {
        return fail(ErrorKind::internal, "TLS: " + drainTlsErrors());
    }
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_NONE, nullptr);
    auto ssl = makeClientSession(context.get(), server_name);
    if (!ssl) {
        return fail(ssl.error());
    }
    const auto addresses = resolve(url.host, url.port, until);
    if (!addresses) {
        return fail(addresses.error());
    }
    const auto descriptor = connectTo(*addresses, until);
    if (!descriptor) {
        return fail(descriptor.error());
    }
    const SSL* session = ssl->get();
    auto* socket = new TimedSocketImpl(*descriptor, std::move(*ssl));
    const Poco::Net::StreamSocket owner(socket);
    if (auto shaken = socket->handshake(until); !shaken) {
        return fail(shaken.error());
    }
    return chainOf(session);
}

}  // namespace

Expected<std::string> presentedCertificates(const std::string& url, const std::string& server_name,
                                            std::chrono::milliseconds deadline) {
    const auto until = TimedSocketImpl::Clock::now() + deadline;
    const auto target = Url::parse(url);
    if (!target) {
        return fail(target.error());
    }
    if (!target->tls) {
        return fail(ErrorKind::invalid, "not a usable URL: it must begin with https://");
    }
    auto chain = present(*target, server_name, until);
    if (!chain) {
        return fail(chain.error().kind, target->server() + ": " + chain.error().message);
    }
    return chain;
}

}  // namespace lapwing::http
