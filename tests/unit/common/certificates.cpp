#include "tests/unit/common/certificates.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <atomic>
#include <memory>
#include <stdexcept>

#include "tests/unit/temporary_folder.h"

namespace lapwing::test {
namespace {

constexpr long kDay = 24L * 3600;

void add(X509* certificate, X509* issuer, int nid, const char* value) {
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value);
    if (extension == nullptr) {
        throw std::runtime_error(std::string("extension: ") + value);
    }
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
}

X509* make(EVP_PKEY* key, const std::string& name, int from_days, int to_days) {
    static std::atomic<long> serial{1};
    X509* certificate = X509_new();
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial++);
    X509_gmtime_adj(X509_getm_notBefore(certificate), from_days * kDay);
    X509_gmtime_adj(X509_getm_notAfter(certificate), to_days * kDay);
    X509_set_pubkey(certificate, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
    return certificate;
}

std::FILE* open(const std::string& path) {
    std::FILE* file = std::fopen(path.c_str(), "w");
    if (file == nullptr) {
        throw std::runtime_error("cannot write " + path);
    }
    return file;
}

}  // namespace

struct TestCa::State {
    EVP_PKEY* key;
    X509* certificate;
};

TestCa::TestCa(const TemporaryFolder& dir, const std::string& name)
    : dir_(dir), file_(dir.path(name + ".pem")), state_(new State{EVP_EC_gen("P-256"), nullptr}) {
    state_->certificate = make(state_->key, name, -2, 100);
    X509_set_issuer_name(state_->certificate, X509_get_subject_name(state_->certificate));
    add(state_->certificate, state_->certificate, NID_basic_constraints, "critical,CA:TRUE");
    add(state_->certificate, state_->certificate, NID_key_usage, "critical,keyCertSign,cRLSign");
    add(state_->certificate, state_->certificate, NID_subject_key_identifier, "hash");
    X509_sign(state_->certificate, state_->key, EVP_sha256());
    std::FILE* file = open(file_);
    PEM_write_X509(file, state_->certificate);
    std::fclose(file);
}

TestCa::~TestCa() {
    X509_free(state_->certificate);
    EVP_PKEY_free(state_->key);
    delete state_;
}

std::string TestCa::issue(const Leaf& leaf, const std::string& file_name) const {
    const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(EVP_EC_gen("P-256"), EVP_PKEY_free);
    const std::unique_ptr<X509, decltype(&X509_free)> certificate(
        make(key.get(), leaf.common_name, leaf.from_days, leaf.to_days), X509_free);
    X509_set_issuer_name(certificate.get(), X509_get_subject_name(state_->certificate));
    add(certificate.get(), state_->certificate, NID_basic_constraints, "critical,CA:FALSE");
    add(certificate.get(), state_->certificate, NID_ext_key_usage, leaf.server ? "serverAuth" : "clientAuth");
    if (!leaf.subject_alt_name.empty()) {
        add(certificate.get(), state_->certificate, NID_subject_alt_name, leaf.subject_alt_name.c_str());
    }
    X509_sign(certificate.get(), state_->key, EVP_sha256());
    std::string path = dir_.path(file_name);
    std::FILE* file = open(path);
    PEM_write_X509(file, certificate.get());
    PEM_write_PrivateKey(file, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
    std::fclose(file);
    std::filesystem::permissions(path,
                                 std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
    return path;
}

}  // namespace lapwing::test
