#include "common/http/tls.h"

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

namespace lapwing::http {
namespace {

Expected<void> readable(const std::string& path) {
    if (access(path.c_str(), R_OK) == 0) {
        return {};
    }
    const int code = errno;
    const auto kind = code == ENOENT ? ErrorKind::not_found : ErrorKind::denied;
    return fail(kind, path + ": " + std::strerror(code));
}

bool isAddress(const std::string& name) {
    unsigned char buffer[sizeof(in6_addr)];
    return inet_pton(AF_INET, name.c_str(), buffer) == 1 || inet_pton(AF_INET6, name.c_str(), buffer) == 1;
}

/// OpenSSL writes without MSG_NOSIGNAL: a peer that has gone must show as EPIPE and not end the program.
/// Another handler stays in place.
void ignoreSigpipe() {
    struct sigaction present {};
    if (sigaction(SIGPIPE, nullptr, &present) == 0 && present.sa_handler == SIG_DFL) {
        std::signal(SIGPIPE, SIG_IGN);
    }
}

}  // namespace

void SslContextFree::operator()(SSL_CTX* context) const {
    SSL_CTX_free(context);
}

void SslFree::operator()(SSL* ssl) const {
    SSL_free(ssl);
}

std::string drainTlsErrors() {
    std::string text;
    while (const auto code = ERR_get_error()) {
        if (!text.empty()) {
            continue;  // the first is the cause
        }
        const char* reason = ERR_reason_error_string(code);
        text = reason != nullptr ? reason : "error " + std::to_string(code);
    }
    return text;
}

std::string tlsFailure(const SSL* ssl) {
    const std::string queued = drainTlsErrors();
    const long verified = SSL_get_verify_result(ssl);
    if (verified != X509_V_OK) {
        return std::string("the server's certificate is not accepted: ") +
               X509_verify_cert_error_string(verified);
    }
    return queued.empty() ? "the connection was closed" : queued;
}

Expected<SslContextPtr> makeClientContext(const ClientTls& tls) {
    for (const auto* path : {&tls.ca_file, &tls.cert_file, &tls.key_file}) {
        if (path->empty()) {
            continue;
        }
        if (auto ok = readable(*path); !ok) {
            return tl::unexpected(ok.error());
        }
    }
    ignoreSigpipe();
    ERR_clear_error();
    SslContextPtr context(SSL_CTX_new(TLS_client_method()));
    if (!context) {
        return fail(ErrorKind::internal, "TLS: " + drainTlsErrors());
    }
    SSL_CTX* raw = context.get();
    SSL_CTX_set_min_proto_version(raw, TLS1_2_VERSION);
    SSL_CTX_set_verify(raw, SSL_VERIFY_PEER, nullptr);
    // Buffers of an idle connection go back to the allocator: 34 KiB each.
    SSL_CTX_set_mode(
        raw, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_OFF);
    const int trusted = tls.ca_file.empty() ? SSL_CTX_set_default_verify_paths(raw)
                                            : SSL_CTX_load_verify_file(raw, tls.ca_file.c_str());
    if (trusted != 1) {
        return fail(ErrorKind::invalid, tls.ca_file + ": no CA certificate: " + drainTlsErrors());
    }
    if (tls.cert_file.empty()) {
        return context;
    }
    if (SSL_CTX_use_certificate_chain_file(raw, tls.cert_file.c_str()) != 1) {
        return fail(ErrorKind::invalid, tls.cert_file + ": no certificate: " + drainTlsErrors());
    }
    const std::string& key = tls.key_file.empty() ? tls.cert_file : tls.key_file;
    if (SSL_CTX_use_PrivateKey_file(raw, key.c_str(), SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(raw) != 1) {
        return fail(ErrorKind::invalid,
                    key + ": no private key of " + tls.cert_file + ": " + drainTlsErrors());
    }
    return context;
}

Expected<std::string> certificateName(const std::string& file) {
    if (auto ok = readable(file); !ok) {
        return tl::unexpected(ok.error());
    }
    const std::unique_ptr<BIO, decltype(&BIO_free)> in(BIO_new_file(file.c_str(), "r"), &BIO_free);
    const std::unique_ptr<X509, decltype(&X509_free)> certificate(
        in ? PEM_read_bio_X509(in.get(), nullptr, nullptr, nullptr) : nullptr, &X509_free);
    std::array<char, 256> name{};
    if (!certificate || X509_NAME_get_text_by_NID(X509_get_subject_name(certificate.get()), NID_commonName,
                                                  name.data(), static_cast<int>(name.size())) < 0) {
        return fail(ErrorKind::invalid, file + ": no certificate with a common name: " + drainTlsErrors());
    }
    return std::string(name.data());
}

Expected<SslPtr> makeClientSession(SSL_CTX* context, const std::string& server_name) {
    ERR_clear_error();
    SslPtr ssl(SSL_new(context));
    if (!ssl) {
        return fail(ErrorKind::internal, "TLS: " + drainTlsErrors());
    }
    int ok = 0;
    if (isAddress(server_name)) {
        ok = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl.get()), server_name.c_str());
    } else {
        SSL_set_hostflags(ssl.get(), X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
        ok = SSL_set1_host(ssl.get(), server_name.c_str());
        if (ok == 1) {
            ok = static_cast<int>(SSL_set_tlsext_host_name(ssl.get(), server_name.c_str()));
        }
    }
    if (ok != 1) {
        return fail(ErrorKind::invalid, "TLS: not a server name: " + server_name);
    }
    SSL_set_connect_state(ssl.get());
    return ssl;
}

}  // namespace lapwing::http
