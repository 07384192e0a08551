#include "common/tls/identity.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <memory>
#include <set>
#include <string_view>

#include "common/digest.h"

namespace lapwing::tls {
namespace {

constexpr std::string_view kTrustLine = "lapwing-trust: ";

template <auto Free>
struct With {
    template <typename T>
    void operator()(T* object) const {
        Free(object);
    }
};
using Bio = std::unique_ptr<BIO, With<BIO_free_all>>;
using Key = std::unique_ptr<EVP_PKEY, With<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, With<X509_free>>;
using Request = std::unique_ptr<X509_REQ, With<X509_REQ_free>>;

Bio reading(const std::string& pem) {
    return Bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

Certificate nextCertificate(BIO* in) {
    Certificate out(in != nullptr ? PEM_read_bio_X509(in, nullptr, nullptr, nullptr) : nullptr);
    ERR_clear_error();
    return out;
}

std::string content(BIO* bio) {
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio, &data);
    return size > 0 ? std::string(data, static_cast<std::size_t>(size)) : std::string();
}

std::time_t timeOf(const ASN1_TIME* time) {
    std::tm parts{};
    return ASN1_TIME_to_tm(time, &parts) == 1 ? timegm(&parts) : 0;
}

/// The SHA-256 of the public key; "" for a certificate of no CA.
std::string authorityKey(X509* certificate) {
    unsigned char* der = nullptr;
    const int size =
        X509_check_ca(certificate) == 0 ? 0 : i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
    if (size <= 0) {
        return {};
    }
    auto out = sha256({reinterpret_cast<const char*>(der), static_cast<std::size_t>(size)});
    OPENSSL_free(der);
    return out;
}

tl::unexpected<Error> failure() {
    ERR_clear_error();
    return fail(ErrorKind::internal, "OpenSSL cannot make a key and its request");
}

}  // namespace

bool isValidHostName(const std::string& name) {
    const auto plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
    return !name.empty() && name.size() <= 63 && plain(name.front()) && plain(name.back()) &&
           name.find("..") == std::string::npos &&
           std::all_of(name.begin(), name.end(), [&](char c) { return plain(c) || c == '.' || c == '-'; });
}

Validity validityOf(const X509* certificate) {
    return {timeOf(X509_get0_notBefore(certificate)) + kBeginsBeforeIssue,
            timeOf(X509_get0_notAfter(certificate))};
}

Expected<Validity> validityOf(const std::string& pem) {
    const auto certificate = nextCertificate(reading(pem).get());
    if (!certificate) {
        return fail(ErrorKind::invalid, "holds no certificate");
    }
    return validityOf(certificate.get());
}

std::string commonNameOf(const X509* certificate) {
    const X509_NAME* subject = X509_get_subject_name(certificate);
    const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    const ASN1_STRING* text = at < 0 ? nullptr : X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at));
    return text == nullptr ? std::string()
                           : std::string(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                                         static_cast<std::size_t>(ASN1_STRING_length(text)));
}

std::string commonNameOf(const std::string& pem) {
    const auto certificate = nextCertificate(reading(pem).get());
    return certificate ? commonNameOf(certificate.get()) : std::string();
}

Expected<SigningRequest> newSigningRequest(const std::string& common_name) {
    const Key key(EVP_EC_gen("P-256"));
    const Request request(X509_REQ_new());
    if (!key || !request) {
        return failure();
    }
    X509_NAME* name = X509_REQ_get_subject_name(request.get());
    const auto* text = reinterpret_cast<const unsigned char*>(common_name.data());
    const Bio request_pem(BIO_new(BIO_s_mem()));
    const Bio key_pem(BIO_new(BIO_s_secmem()));
    if (X509_REQ_set_version(request.get(), 0) != 1 ||
        X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8, text,
                                   static_cast<int>(common_name.size()), -1, 0) != 1 ||
        X509_REQ_set_pubkey(request.get(), key.get()) != 1 ||
        X509_REQ_sign(request.get(), key.get(), EVP_sha256()) == 0 || !request_pem || !key_pem ||
        PEM_write_bio_X509_REQ(request_pem.get(), request.get()) != 1 ||
        PEM_write_bio_PKCS8PrivateKey(key_pem.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1) {
        return failure();
    }
    return SigningRequest{content(key_pem.get()), content(request_pem.get())};
}

bool keyBelongs(const std::string& certificate_pem, const std::string& key_pem) {
    const auto certificate = nextCertificate(reading(certificate_pem).get());
    const auto no_passphrase = [](char*, int, int, void*) { return 0; };
    const Key key(PEM_read_bio_PrivateKey(reading(key_pem).get(), nullptr, no_passphrase, nullptr));
    const bool belongs = certificate && key && X509_check_private_key(certificate.get(), key.get()) == 1;
    ERR_clear_error();
    return belongs;
}

std::string authorityKeys(const std::string& pem) {
    std::set<std::string> keys;
    const auto in = reading(pem);
    while (const auto certificate = nextCertificate(in.get())) {
        if (const auto key = authorityKey(certificate.get()); !key.empty()) {
            keys.insert(key);
        }
    }
    std::string out;
    for (const auto& key : keys) {
        out += (out.empty() ? "" : " ") + key;
    }
    return out;
}

std::string authorityWithKey(const std::string& pem, const std::string& key) {
    const auto in = reading(pem);
    while (const auto certificate = nextCertificate(in.get())) {
        const Bio out(BIO_new(BIO_s_mem()));
        if (!key.empty() && authorityKey(certificate.get()) == key && out &&
            PEM_write_bio_X509(out.get(), certificate.get()) == 1) {
            return content(out.get());
        }
    }
    return {};
}

std::string trustLine(const std::string& trust) {
    return std::string(kTrustLine) + trust + "\n";
}

std::string trustOf(const std::string& bundle) {
    const auto begin = bundle.find(kTrustLine);
    if (begin == std::string::npos) {
        return {};
    }
    const auto value = begin + kTrustLine.size();
    return bundle.substr(value, bundle.find_first_of("\r\n", value) - value);
}

}  // namespace lapwing::tls
