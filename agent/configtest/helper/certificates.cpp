#include "agent/configtest/helper/certificates.h"

#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/configtest/helper/listeners.h"
#include "common/digest.h"
#include "common/files.h"

namespace lapwing::agent::configtest {

namespace {

constexpr std::size_t kMostFiles = 256;
constexpr std::size_t kMostBytes = 1U << 20;
constexpr std::size_t kMostChanged = 64;
constexpr std::size_t kMostLabel = 300;
/// The time of the boot is known by the second.
constexpr std::int64_t kStartErrorMs = 2000;

std::string firstName(const X509* certificate) {
    const std::unique_ptr<GENERAL_NAMES, decltype(&GENERAL_NAMES_free)> names(
        static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)),
        &GENERAL_NAMES_free);
    for (int i = 0; names && i < sk_GENERAL_NAME_num(names.get()); ++i) {
        const auto* name = sk_GENERAL_NAME_value(names.get(), i);
        if (name->type != GEN_DNS) {
            continue;
        }
        std::string text(reinterpret_cast<const char*>(ASN1_STRING_get0_data(name->d.dNSName)),
                         static_cast<std::size_t>(ASN1_STRING_length(name->d.dNSName)));
        if (isPlainName(text)) {
            return text;
        }
    }
    return {};
}

std::int64_t milliseconds(const timespec& time) {
    return static_cast<std::int64_t>(time.tv_sec) * 1000 + time.tv_nsec / 1'000'000;
}

/// When the file, or the link to it, last changed. The time of its content may be older: `rsync -a` keeps it.
std::int64_t changedAt(const std::string& path) {
    struct stat file {};
    struct stat link {};
    if (stat(path.c_str(), &file) != 0 || lstat(path.c_str(), &link) != 0 || !S_ISREG(file.st_mode)) {
        return 0;
    }
    return std::max(milliseconds(file.st_ctim), milliseconds(link.st_ctim));
}

}  // namespace

Leaf leafOf(const std::string& pem) {
    constexpr std::string_view begin_line = "-----BEGIN CERTIFICATE-----";
    constexpr std::string_view end_line = "-----END CERTIFICATE-----";
    const auto from = pem.find(begin_line);
    const auto to = from == std::string::npos ? from : pem.find(end_line, from);
    if (to == std::string::npos) {
        return {};
    }
    const auto block = pem.substr(from, to + end_line.size() - from) + "\n";
    const std::unique_ptr<BIO, decltype(&BIO_free)> in(
        BIO_new_mem_buf(block.data(), static_cast<int>(block.size())), &BIO_free);
    const std::unique_ptr<X509, decltype(&X509_free)> certificate(
        PEM_read_bio_X509(in.get(), nullptr, nullptr, nullptr), &X509_free);
    unsigned char* der = nullptr;
    const int length = certificate ? i2d_X509(certificate.get(), &der) : -1;
    if (length < 0) {
        return {};
    }
    Leaf out{sha256({reinterpret_cast<const char*>(der), static_cast<std::size_t>(length)}),
             firstName(certificate.get())};
    OPENSSL_free(der);
    return out;
}

void addCertificates(const Service& service, Certificates& out) {
    if (service.loaded == 0 || service.test.files.empty()) {
        return;
    }
    const bool nginx = service.program == "nginx";
    const auto listeners =
        nginx ? nginxListeners(service.test.files.front()) : haproxyListeners(service.test.files);
    std::map<std::string, Leaf> leaves;
    for (const auto& listener : listeners) {
        for (const auto& file : listener.files) {
            if (!leaves.contains(file)) {
                if (leaves.size() == kMostFiles) {
                    return;
                }
                leaves.emplace(file, changedAt(file) == 0
                                         ? Leaf()
                                         : leafOf(files::readFile(file, kMostBytes).value_or("")));
            }
        }
    }
    for (const auto& [file, leaf] : leaves) {
        if (!leaf.digest.empty()) {
            out.leaves.insert(leaf.digest);
        }
    }
    for (const auto& listener : listeners) {
        const auto changed =
            std::find_if(listener.files.begin(), listener.files.end(), [&](const auto& file) {
                return !leaves.at(file).digest.empty() && changedAt(file) > service.loaded + kStartErrorMs;
            });
        if (changed != listener.files.end() && changed->size() <= kMostLabel &&
            out.changed.size() < kMostChanged) {
            out.changed.push_back({service.program, *changed, listener.address,
                                   nginx ? listener.name : leaves.at(*changed).name});
        }
    }
}

}  // namespace lapwing::agent::configtest
