#include "common/http/tls.h"

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstring>

#include "common/model/sample.h"
#include "common/tls/validity.h"

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

namespace {

/// Words for the failures whose OpenSSL text does not tell their meaning.
std::string wordsFor(unsigned long code) {
    const char* known = ERR_reason_error_string(code);
    std::string reason = known != nullptr ? known : "error " + std::to_string(code);
    const int number = ERR_GET_REASON(code);
    if (ERR_GET_LIB(code) != ERR_LIB_SSL) {
        return reason;
    }
    if (number == SSL_R_WRONG_VERSION_NUMBER || number == SSL_R_HTTP_REQUEST ||
        number == SSL_R_PACKET_LENGTH_TOO_LONG) {
        return "the port speaks no TLS (" + reason + ")";
    }
    if (number == SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED) {
        return "the server requires a client certificate (" + reason + ")";
    }
    // Alerts of the peer: SSL_AD_REASON_OFFSET and its number.
    if (number >= SSL_AD_REASON_OFFSET) {
        return "the server refused (" + reason + ")";
    }
    return reason;
}

}  // namespace

std::string drainTlsErrors() {
    std::string text;
    while (const auto code = ERR_get_error()) {
        if (text.empty()) {
            text = wordsFor(code);  // the first is the cause
        }
    }
    return text;
}

std::string certificateNames(const SSL* ssl) {
    constexpr int most_names = 5;
    X509* certificate = SSL_get0_peer_certificate(ssl);
    if (certificate == nullptr) {
        return {};
    }
    std::string out;
    auto* names =
        static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
    const int count = sk_GENERAL_NAME_num(names);
    for (int i = 0; i < count; ++i) {
        const GENERAL_NAME* name = sk_GENERAL_NAME_value(names, i);
        std::string text;
        if (name->type == GEN_DNS) {
            text.assign(reinterpret_cast<const char*>(ASN1_STRING_get0_data(name->d.dNSName)),
                        static_cast<std::size_t>(ASN1_STRING_length(name->d.dNSName)));
        } else if (name->type == GEN_IPADD) {
            char address[INET6_ADDRSTRLEN] = "";
            const int family = ASN1_STRING_length(name->d.iPAddress) == 4 ? AF_INET : AF_INET6;
            inet_ntop(family, ASN1_STRING_get0_data(name->d.iPAddress), address, sizeof address);
            text = address;
        }
        if (i < most_names && !text.empty()) {
            out += (out.empty() ? "" : ", ") + text;
        }
    }
    if (count > most_names) {
        out += ", ...";
    }
    GENERAL_NAMES_free(names);
    // The peer chooses the bytes of its names.
    std::replace_if(
        out.begin(), out.end(), [](char c) { return c < 0x20 || c == 0x7f; }, '?');
    return out;
}

std::string certificateFailure(const SSL* ssl, const std::string& server_name) {
    const long verified = SSL_get_verify_result(ssl);
    if (verified == X509_V_ERR_HOSTNAME_MISMATCH || verified == X509_V_ERR_IP_ADDRESS_MISMATCH) {
        const auto names = certificateNames(ssl);
        return "the certificate is for " + (names.empty() ? "another name" : names) + ", not for " +
               server_name;
    }
    return std::string("certificate: ") + X509_verify_cert_error_string(verified);
}

std::string tlsFailure(const SSL* ssl) {
    const std::string queued = drainTlsErrors();
    const long verified = SSL_get_verify_result(ssl);
    // Sessions that judge the certificate later fail for other reasons here.
    if (verified != X509_V_OK && SSL_get_verify_mode(ssl) != SSL_VERIFY_NONE) {
        return std::string("the server's certificate is not accepted: ") +
               X509_verify_cert_error_string(verified);
    }
    return queued.empty() ? "the connection was closed" : queued;
}

Expected<SslContextPtr> makeClientContext(const ClientTls& files) {
    for (const auto* path : {&files.ca_file, &files.cert_file, &files.key_file}) {
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
    SSL_CTX_set_verify(raw, SSL_VERIFY_PEER, files.site_ca ? &tls::acceptByProgramTime : nullptr);
    // Buffers of an idle connection go back to the allocator: 34 KiB each.
    SSL_CTX_set_mode(
        raw, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_OFF);
    const int trusted = files.ca_file.empty() ? SSL_CTX_set_default_verify_paths(raw)
                                              : SSL_CTX_load_verify_file(raw, files.ca_file.c_str());
    if (trusted != 1) {
        return fail(ErrorKind::invalid, files.ca_file + ": no CA certificate: " + drainTlsErrors());
    }
    if (files.cert_file.empty()) {
        return context;
    }
    if (SSL_CTX_use_certificate_chain_file(raw, files.cert_file.c_str()) != 1) {
        return fail(ErrorKind::invalid, files.cert_file + ": no certificate: " + drainTlsErrors());
    }
    const std::string& key = files.key_file.empty() ? files.cert_file : files.key_file;
    if (SSL_CTX_use_PrivateKey_file(raw, key.c_str(), SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(raw) != 1) {
        return fail(ErrorKind::invalid,
                    key + ": no private key of " + files.cert_file + ": " + drainTlsErrors());
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
    X509_VERIFY_PARAM_set_time(SSL_get0_param(ssl.get()), nowMs() / 1000);
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
