#include "agent/probes/app/certificate.h"

#include <openssl/bio.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <ctime>
#include <memory>
#include <string_view>

#include "common/digest.h"
#include "common/text.h"

namespace lapwing::agent::app {

namespace {

std::string textOf(const ASN1_STRING* value) {
    unsigned char* utf8 = nullptr;
    const int length = ASN1_STRING_to_UTF8(&utf8, value);
    if (length < 0) {
        return {};
    }
    std::string out(reinterpret_cast<const char*>(utf8), static_cast<std::size_t>(length));
    OPENSSL_free(utf8);
    return out;
}

std::string nameOf(const X509_NAME* name) {
    const std::unique_ptr<BIO, decltype(&BIO_free)> buffer(BIO_new(BIO_s_mem()), &BIO_free);
    // Characters beyond ASCII stay as they are.
    constexpr unsigned long form = XN_FLAG_RFC2253 & ~static_cast<unsigned long>(ASN1_STRFLGS_ESC_MSB);
    if (!buffer || X509_NAME_print_ex(buffer.get(), name, 0, form) < 0) {
        return {};
    }
    char* text = nullptr;
    const auto length = BIO_get_mem_data(buffer.get(), &text);
    const std::string_view whole(text, static_cast<std::size_t>(length));
    return std::string(utf8Prefix(whole, kMostCertificateText));
}

std::string alternativesOf(const X509* certificate) {
    const std::unique_ptr<GENERAL_NAMES, decltype(&GENERAL_NAMES_free)> names(
        static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)),
        &GENERAL_NAMES_free);
    std::string out;
    for (int i = 0; names && i < sk_GENERAL_NAME_num(names.get()); ++i) {
        const auto* name = sk_GENERAL_NAME_value(names.get(), i);
        if (name->type == GEN_DNS) {
            out += (out.empty() ? "" : ",") + textOf(name->d.dNSName);
        }
    }
    return std::string(utf8Prefix(out, kMostCertificateText));
}

std::string fingerprintOf(const X509* certificate) {
    unsigned char* der = nullptr;
    const int length = i2d_X509(certificate, &der);
    if (length < 0) {
        return {};
    }
    auto out = sha256({reinterpret_cast<const char*>(der), static_cast<std::size_t>(length)});
    OPENSSL_free(der);
    return out;
}

}  // namespace

Certificate certificateOf(const X509* certificate) {
    return {fingerprintOf(certificate), nameOf(X509_get_subject_name(certificate)),
            nameOf(X509_get_issuer_name(certificate)), alternativesOf(certificate)};
}

std::optional<Certificate> peerCertificate(const SSL* ssl) {
    const STACK_OF(X509)* chain = SSL_get_peer_cert_chain(ssl);
    if (chain == nullptr || sk_X509_num(chain) == 0) {
        return std::nullopt;
    }
    return certificateOf(sk_X509_value(chain, 0));
}

std::optional<double> earliestEnd(const STACK_OF(X509) * chain) {
    std::optional<double> earliest;
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

}  // namespace lapwing::agent::app
