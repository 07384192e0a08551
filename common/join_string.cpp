#include "common/join_string.h"

#include <openssl/evp.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <sstream>

#include "common/digest.h"
#include "common/endpoint.h"
#include "common/tls/identity.h"

namespace lapwing {
namespace {

constexpr std::string_view kPrefix = "lapwing1.";
constexpr std::size_t kPinBytes = 32;
constexpr std::size_t kCheckBytes = 4;

int digitOf(char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/// The bytes of a hexadecimal text of even length.
std::string fromHex(std::string_view hex) {
    std::string out;
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
        out += static_cast<char>(digitOf(hex[i]) * 16 + digitOf(hex[i + 1]));
    }
    return out;
}

std::string checkOf(std::string_view bytes) {
    return fromHex(sha256(bytes).substr(0, 2 * kCheckBytes));
}

std::string encode(const std::string& bytes) {
    std::string out(4 * ((bytes.size() + 2) / 3) + 1, '\0');
    const int size =
        EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                        reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
    out.resize(static_cast<std::size_t>(size));
    out.erase(std::find(out.begin(), out.end(), '='), out.end());
    std::replace(out.begin(), out.end(), '+', '-');
    std::replace(out.begin(), out.end(), '/', '_');
    return out;
}

std::optional<std::string> decode(std::string_view text) {
    std::string padded(text);
    const bool plain = std::all_of(padded.begin(), padded.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
               c == '_';
    });
    if (!plain || padded.size() % 4 == 1) {
        return std::nullopt;
    }
    std::replace(padded.begin(), padded.end(), '-', '+');
    std::replace(padded.begin(), padded.end(), '_', '/');
    const std::size_t missing = (4 - padded.size() % 4) % 4;
    padded.append(missing, '=');
    std::string out(padded.size() / 4 * 3, '\0');
    const int size = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                     reinterpret_cast<const unsigned char*>(padded.data()),
                                     static_cast<int>(padded.size()));
    if (size < 0) {
        return std::nullopt;
    }
    out.resize(static_cast<std::size_t>(size) - missing);
    return out;
}

tl::unexpected<Error> refused(const std::string& why) {
    return fail(ErrorKind::invalid, "this is no string of `lapwing-collector invite`: " + why);
}

}  // namespace

bool isJoinAddress(std::string_view text) {
    const auto endpoint = Endpoint::parse(text);
    return endpoint && endpoint->port != 0 && !endpoint->host.empty() && endpoint->host != "*" &&
           text.size() <= 300 &&
           std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

std::string JoinString::toString() const {
    std::string bytes = fromHex(secret) + fromHex(pin) + host;
    for (const auto& address : addresses) {
        bytes += "\n" + address;
    }
    return std::string(kPrefix) + encode(bytes + checkOf(bytes));
}

Expected<JoinString> JoinString::parse(std::string_view text) {
    if (text.size() > kMostBytes) {
        return refused("it is longer than " + std::to_string(kMostBytes) + " bytes");
    }
    if (!text.starts_with(kPrefix)) {
        return refused("it does not begin with " + std::string(kPrefix));
    }
    const auto bytes = decode(text.substr(kPrefix.size()));
    if (!bytes || bytes->size() < kSecretBytes + kPinBytes + kCheckBytes) {
        return refused("it is incomplete, or something was added to it; copy it again");
    }
    const std::string_view content = std::string_view(*bytes).substr(0, bytes->size() - kCheckBytes);
    if (checkOf(content) != bytes->substr(content.size())) {
        return refused("it is incomplete or was changed; copy it again");
    }
    JoinString out;
    out.secret = toHex(content.substr(0, kSecretBytes));
    out.pin = toHex(content.substr(kSecretBytes, kPinBytes));
    std::istringstream lines{std::string(content.substr(kSecretBytes + kPinBytes))};
    std::getline(lines, out.host);
    for (std::string line; std::getline(lines, line);) {
        out.addresses.push_back(line);
    }
    if (!out.host.empty() && !tls::isValidHostName(out.host)) {
        return refused("it names no host that could be an agent");
    }
    if (out.addresses.empty() || out.addresses.size() > kMostAddresses ||
        !std::all_of(out.addresses.begin(), out.addresses.end(), isJoinAddress)) {
        return refused("its addresses cannot be used");
    }
    return out;
}

Expected<std::string> newJoinSecret() {
    std::array<unsigned char, JoinString::kSecretBytes> bytes{};
    if (RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1) {
        return fail(ErrorKind::internal, "OpenSSL has no random bytes");
    }
    return toHex({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

}  // namespace lapwing
