#include "common/digest.h"

#include <openssl/evp.h>
#include <openssl/sha.h>

#include <array>

namespace lapwing {
namespace {

using Bytes = std::array<unsigned char, SHA256_DIGEST_LENGTH>;

std::string toHex(const Bytes& digest) {
    return lapwing::toHex({reinterpret_cast<const char*>(digest.data()), digest.size()});
}

}  // namespace

std::string toHex(std::string_view bytes) {
    constexpr const char* digits = "0123456789abcdef";
    std::string text;
    text.reserve(bytes.size() * 2);
    for (const unsigned char byte : bytes) {
        text += digits[byte >> 4U];
        text += digits[byte & 15U];
    }
    return text;
}

std::string sha256(std::string_view bytes) {
    Bytes digest{};
    SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), digest.data());
    return toHex(digest);
}

struct Sha256::State {
    std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context{EVP_MD_CTX_new(), EVP_MD_CTX_free};
    bool good = false;
};

Sha256::Sha256() : state_(std::make_unique<State>()) {
    state_->good = EVP_DigestInit_ex(state_->context.get(), EVP_sha256(), nullptr) == 1;
}

Sha256::~Sha256() = default;

void Sha256::add(std::string_view piece) {
    state_->good = state_->good && EVP_DigestUpdate(state_->context.get(), piece.data(), piece.size()) == 1;
}

std::string Sha256::digest() {
    Bytes digest{};
    const bool done = state_->good && EVP_DigestFinal_ex(state_->context.get(), digest.data(), nullptr) == 1;
    return done ? toHex(digest) : "";
}

}  // namespace lapwing
