#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace lapwing {

/// The bytes in lower-case hexadecimal, two digits each.
std::string toHex(std::string_view bytes);

/// SHA-256 in lower-case hexadecimal; the digest of documents.
std::string sha256(std::string_view bytes);

/// The same of a text that comes in pieces.
class Sha256 {
  public:
    Sha256();
    ~Sha256();
    Sha256(const Sha256&) = delete;
    Sha256& operator=(const Sha256&) = delete;
    void add(std::string_view piece);
    /// Once, at the end. "" if OpenSSL has no SHA-256.
    std::string digest();

  private:
    struct State;
    std::unique_ptr<State> state_;
};

/// FNV-1a of 64 bits (http://www.isthe.com/chongo/tech/comp/fnv/): quick, and the same in every build, but no
/// protection against somebody who looks for collisions. `hash` continues that of an earlier text.
constexpr std::uint64_t fnv1a(std::string_view text, std::uint64_t hash = 0xcbf29ce484222325U) {
    for (const char c : text) {
        hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
    }
    return hash;
}

}  // namespace lapwing
