#include "collector/trust/certificate.h"

#include <arpa/inet.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <string_view>
#include <utility>

#include "common/digest.h"
#include "common/tls/identity.h"

namespace lapwing::trust {
namespace {

struct BioFree {
    void operator()(BIO* bio) const { BIO_free_all(bio); }
};
using Bio = std::unique_ptr<BIO, BioFree>;

struct RequestFree {
    void operator()(X509_REQ* request) const { X509_REQ_free(request); }
};
using Request = std::unique_ptr<X509_REQ, RequestFree>;

struct NamesFree {
    void operator()(GENERAL_NAMES* names) const { GENERAL_NAMES_free(names); }
};

tl::unexpected<Error> opensslFailure(const std::string& what) {
    const char* reason = ERR_reason_error_string(ERR_peek_last_error());
    std::string text = what + ": " + (reason != nullptr ? reason : "OpenSSL gives no reason");
    ERR_clear_error();
    return fail(ErrorKind::internal, std::move(text));
}

std::string content(BIO* bio) {
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio, &data);
    return size > 0 ? std::string(data, static_cast<std::size_t>(size)) : std::string();
}

bool addExtension(X509* cert, X509* issuer, int nid, const std::string& value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, cert, nullptr, nullptr, 0);
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
    if (extension == nullptr) {
        return false;
    }
    const bool added = X509_add_ext(cert, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return added;
}

bool addExtensions(X509* cert, X509* issuer, const CertificateRequest& request) {
    bool ok = true;
    switch (request.purpose) {
        case Purpose::authority:
            ok = addExtension(cert, issuer, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
                 addExtension(cert, issuer, NID_key_usage, "critical,keyCertSign,cRLSign");
            break;
        case Purpose::server:
        case Purpose::client:
            ok = addExtension(cert, issuer, NID_basic_constraints, "critical,CA:FALSE") &&
                 addExtension(cert, issuer, NID_key_usage, "critical,digitalSignature") &&
                 addExtension(cert, issuer, NID_ext_key_usage,
                              request.purpose == Purpose::server ? "serverAuth" : "clientAuth");
            break;
    }
    ok = ok && addExtension(cert, issuer, NID_subject_key_identifier, "hash");
    if (issuer != cert) {
        ok = ok && addExtension(cert, issuer, NID_authority_key_identifier, "keyid:always");
    }
    std::string names;
    for (const auto& dns : request.dns_names) {
        names += (names.empty() ? "DNS:" : ",DNS:") + dns;
    }
    for (const auto& ip : request.ip_addresses) {
        names += (names.empty() ? "IP:" : ",IP:") + ip;
    }
    return ok && (names.empty() || addExtension(cert, issuer, NID_subject_alt_name, names));
}

bool setSerial(X509* cert) {
    BIGNUM* number = BN_new();
    const bool ok = number != nullptr && BN_rand(number, 127, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1 &&
                    BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert)) != nullptr;
    BN_free(number);
    return ok;
}

}  // namespace

Expected<Key> newKey() {
    Key key(EVP_EC_gen("P-256"));
    if (!key) {
        return opensslFailure("make a private key");
    }
    return key;
}

Expected<Certificate> issue(const CertificateRequest& request, EVP_PKEY* subject, X509* issuer,
                            EVP_PKEY* issuer_key) {
    // OpenSSL's text form of names would take a comma for the beginning of another name.
    for (const auto& name : request.dns_names) {
        if (name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._*") !=
                std::string::npos ||
            name.empty()) {
            return fail(ErrorKind::invalid, "\"" + name + "\" is not a DNS name");
        }
    }
    Certificate cert(X509_new());
    if (!cert) {
        return opensslFailure("make a certificate");
    }
    X509* issuing = issuer != nullptr ? issuer : cert.get();
    X509_NAME* name = X509_get_subject_name(cert.get());
    const auto* text = reinterpret_cast<const unsigned char*>(request.common_name.data());
    std::time_t issued = request.issued != 0 ? request.issued : std::time(nullptr);
    if (X509_set_version(cert.get(), 2) != 1 || !setSerial(cert.get()) ||
        X509_time_adj_ex(X509_getm_notBefore(cert.get()), 0, -tls::kBeginsBeforeIssue, &issued) == nullptr ||
        X509_time_adj_ex(X509_getm_notAfter(cert.get()), request.days, 0, &issued) == nullptr ||
        X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8, text,
                                   static_cast<int>(request.common_name.size()), -1, 0) != 1 ||
        X509_set_issuer_name(cert.get(), X509_get_subject_name(issuing)) != 1 ||
        X509_set_pubkey(cert.get(), subject) != 1 || !addExtensions(cert.get(), issuing, request) ||
        X509_sign(cert.get(), issuer_key, EVP_sha256()) == 0) {
        return opensslFailure("make a certificate for " + request.common_name);
    }
    return cert;
}

Expected<Key> keyOfRequest(const std::string& pem) {
    const Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
    const Request request(bio ? PEM_read_bio_X509_REQ(bio.get(), nullptr, nullptr, nullptr) : nullptr);
    Key key(request ? X509_REQ_get_pubkey(request.get()) : nullptr);
    const bool proven = key && X509_REQ_verify(request.get(), key.get()) == 1;
    ERR_clear_error();
    if (!proven) {
        return fail(ErrorKind::invalid, "the request for a certificate is not valid");
    }
    std::array<char, 32> curve{};
    if (EVP_PKEY_get_base_id(key.get()) != EVP_PKEY_EC ||
        EVP_PKEY_get_group_name(key.get(), curve.data(), curve.size(), nullptr) != 1 ||
        std::string_view(curve.data()) != "prime256v1") {
        ERR_clear_error();
        return fail(ErrorKind::invalid, "the key of the request must be an EC key on P-256");
    }
    return key;
}

std::string digestOf(const EVP_PKEY* key) {
    unsigned char* der = nullptr;
    const int size = i2d_PUBKEY(key, &der);
    if (size <= 0) {
        ERR_clear_error();
        return {};
    }
    auto out = sha256({reinterpret_cast<const char*>(der), static_cast<std::size_t>(size)});
    OPENSSL_free(der);
    return out;
}

std::string toPem(const X509* cert) {
    const Bio bio(BIO_new(BIO_s_mem()));
    // OpenSSL 3.0 does not declare the argument const; it is not written to.
    return bio && PEM_write_bio_X509(bio.get(), const_cast<X509*>(cert)) == 1 ? content(bio.get())
                                                                              : std::string();
}

Expected<std::string> toPem(const EVP_PKEY* key) {
    const Bio bio(BIO_new(BIO_s_secmem()));
    if (!bio || PEM_write_bio_PKCS8PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr) != 1) {
        return opensslFailure("write a private key");
    }
    return content(bio.get());
}

std::vector<Certificate> certificatesFromPem(const std::string& pem) {
    const Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
    std::vector<Certificate> out;
    while (bio) {
        Certificate cert(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
        if (!cert) {
            break;
        }
        out.push_back(std::move(cert));
    }
    ERR_clear_error();
    return out;
}

Expected<Certificate> certificateFromPem(const std::string& pem) {
    const Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
    Certificate cert(bio ? PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr) : nullptr);
    if (!cert) {
        ERR_clear_error();
        return fail(ErrorKind::invalid, "holds no certificate");
    }
    return cert;
}

Expected<Key> keyFromPem(const std::string& pem) {
    const Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
    const auto no_passphrase = [](char*, int, int, void*) { return 0; };
    Key key(bio ? PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, nullptr) : nullptr);
    if (!key) {
        ERR_clear_error();
        return fail(ErrorKind::invalid, "holds no private key");
    }
    return key;
}

std::time_t notAfter(const X509* cert) {
    std::tm time{};
    return ASN1_TIME_to_tm(X509_get0_notAfter(cert), &time) == 1 ? timegm(&time) : 0;
}

std::vector<std::string> alternativeNames(const X509* cert) {
    std::vector<std::string> out;
    const std::unique_ptr<GENERAL_NAMES, NamesFree> names(
        static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(cert, NID_subject_alt_name, nullptr, nullptr)));
    for (int i = 0; names && i < sk_GENERAL_NAME_num(names.get()); ++i) {
        const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
        if (name->type == GEN_DNS) {
            out.push_back("DNS:" +
                          std::string(reinterpret_cast<const char*>(ASN1_STRING_get0_data(name->d.dNSName)),
                                      static_cast<std::size_t>(ASN1_STRING_length(name->d.dNSName))));
        } else if (name->type == GEN_IPADD) {
            std::array<char, INET6_ADDRSTRLEN> text{};
            const int family = ASN1_STRING_length(name->d.iPAddress) == 4 ? AF_INET : AF_INET6;
            inet_ntop(family, ASN1_STRING_get0_data(name->d.iPAddress), text.data(), text.size());
            out.push_back("IP:" + std::string(text.data()));
        }
    }
    std::sort(out.begin(), out.end());
    return out;
}

std::optional<std::string> canonicalAddress(const std::string& text) {
    std::array<unsigned char, 16> bytes{};
    std::array<char, INET6_ADDRSTRLEN> out{};
    for (const int family : {AF_INET, AF_INET6}) {
        if (inet_pton(family, text.c_str(), bytes.data()) == 1) {
            return inet_ntop(family, bytes.data(), out.data(), out.size());
        }
    }
    return std::nullopt;
}

bool signedBy(X509* cert, EVP_PKEY* key) {
    const bool ok = X509_verify(cert, key) == 1;
    ERR_clear_error();
    return ok;
}

bool belongs(const X509* cert, const EVP_PKEY* key) {
    const bool ok = X509_check_private_key(cert, key) == 1;
    ERR_clear_error();
    return ok;
}

}  // namespace lapwing::trust
