#include "common/tls/context.h"

#include <Poco/Exception.h>
#include <Poco/Net/NetSSL.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <initializer_list>
#include <memory>
#include <utility>

#include "common/tls/validity.h"

namespace lapwing::tls {
namespace {

using Poco::Net::Context;

struct FileCloser {
    void operator()(std::FILE* file) const { std::fclose(file); }
};

/// OpenSSL's last error, in one line; clears its queue.
std::string opensslReason() {
    const unsigned long code = ERR_peek_last_error();
    const char* reason = code != 0 ? ERR_reason_error_string(code) : nullptr;
    std::string text = reason != nullptr ? reason : "unknown reason";
    ERR_clear_error();
    return text;
}

/// Poco reports a missing and an unreadable file alike, so check before it tries.
Expected<void> checkReadable(std::initializer_list<std::pair<const char*, const std::string*>> files) {
    for (const auto& [what, path] : files) {
        if (path->empty()) {
            continue;
        }
        const std::unique_ptr<std::FILE, FileCloser> file(std::fopen(path->c_str(), "re"));
        if (!file) {
            const int reason = errno;
            const auto kind = reason == ENOENT                      ? ErrorKind::not_found
                              : reason == EACCES || reason == EPERM ? ErrorKind::denied
                                                                    : ErrorKind::invalid;
            return fail(kind, std::string("read the ") + what + " " + *path + ": " + std::strerror(reason));
        }
    }
    return {};
}

int noPassphrase(char*, int, int, void*) {
    return 0;
}

Expected<Context::Ptr> make(Context::VerificationMode mode, const std::string& ca_file,
                            const std::string& cert_file, const std::string& key_file) {
    if (auto readable = checkReadable({{"CA", &ca_file}, {"certificate", &cert_file}, {"key", &key_file}});
        !readable) {
        return tl::unexpected(readable.error());
    }
    if (key_file.empty()) {
        return fail(ErrorKind::invalid, "TLS: the certificate has no key: they go together");
    }
    try {
        Poco::Net::initializeSSL();
        Context::Ptr context(
            new Context(Context::TLS_SERVER_USE, "", "", "", mode, 4, false, "HIGH:!aNULL:!MD5:!SHA1"));
        context->requireMinimumProtocol(Context::PROTO_TLSV1_2);
        SSL_CTX* ctx = context->sslContext();
        SSL_CTX_set_default_passwd_cb(ctx, &noPassphrase);
        // A client could make the server compute handshakes on one connection; and a resumed session would
        // skip the verification of the client's certificate.
        SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET);
        SSL_CTX_set_num_tickets(ctx, 0);
        SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
        ERR_clear_error();
        if (SSL_CTX_use_certificate_chain_file(ctx, cert_file.c_str()) != 1) {
            return fail(ErrorKind::invalid, "read the certificate " + cert_file + ": " + opensslReason());
        }
        if (SSL_CTX_use_PrivateKey_file(ctx, key_file.c_str(), SSL_FILETYPE_PEM) != 1) {
            return fail(ErrorKind::invalid, "read the key " + key_file + ": " + opensslReason());
        }
        if (SSL_CTX_check_private_key(ctx) != 1) {
            return fail(ErrorKind::invalid,
                        "the key " + key_file + " does not belong to the certificate " + cert_file);
        }
        if (!ca_file.empty() && SSL_CTX_load_verify_locations(ctx, ca_file.c_str(), nullptr) != 1) {
            return fail(ErrorKind::invalid, "read the CA " + ca_file + ": " + opensslReason());
        }
        return context;
    } catch (const Poco::Exception& e) {
        return fail(ErrorKind::internal, "prepare TLS: " + e.displayText());
    }
}

}  // namespace

Expected<Context::Ptr> serverContext(const std::string& cert_file, const std::string& key_file,
                                     const std::string& client_ca_file, ClientCertificate client) {
    if (cert_file.empty()) {
        return fail(ErrorKind::invalid, "TLS: a server needs a certificate and its key");
    }
    const auto mode = client_ca_file.empty()                  ? Context::VERIFY_NONE
                      : client == ClientCertificate::required ? Context::VERIFY_STRICT
                                                              : Context::VERIFY_RELAXED;
    auto context = make(mode, client_ca_file, cert_file, key_file);
    if (context && !client_ca_file.empty()) {
        // Poco would compare the client's host name with its certificate, which names a host and no address.
        (*context)->enableExtendedCertificateVerification(false);
        SSL_CTX* ctx = (*context)->sslContext();
        SSL_CTX_set_verify(ctx, SSL_CTX_get_verify_mode(ctx), &acceptAtAnyTime);
    }
    return context;
}

std::string fingerprint(const X509* certificate) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned size = 0;
    if (X509_digest(certificate, EVP_sha256(), digest.data(), &size) != 1) {
        return {};
    }
    constexpr const char* digits = "0123456789abcdef";
    std::string out;
    for (unsigned i = 0; i < size; ++i) {
        out += digits[digest[i] >> 4U];
        out += digits[digest[i] & 15U];
    }
    return out;
}

}  // namespace lapwing::tls
