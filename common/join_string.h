#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"

namespace lapwing {

/// What a server needs to join a collector, in one printable text: `lapwing1.` and base64url (RFC 4648,
/// section 5, without padding) of the secret, the pin, the host and the addresses, one a line, and the first
/// four bytes of the SHA-256 of all of it, which show a text that was copied in part. A value type.
struct JoinString {
    static constexpr std::size_t kSecretBytes = 16;
    static constexpr std::size_t kMostAddresses = 8;
    /// Of the whole text.
    static constexpr std::size_t kMostBytes = 4096;

    std::string secret;  ///< kSecretBytes random bytes, in lower-case hexadecimal
    std::string pin;     ///< the SHA-256 of the CA's public key, as tls::authorityKeys() writes it
    std::string host;    ///< the name that may join; "" for any
    std::vector<std::string> addresses;  ///< "HOST:PORT" of the collector's listener for agents

    std::string toString() const;
    /// Error `invalid`, in words for a person who has copied it, for every other text.
    static Expected<JoinString> parse(std::string_view text);
};

/// "HOST:PORT" with both parts, as a JoinString may name it.
bool isJoinAddress(std::string_view text);

/// A new JoinString::secret. Error `internal`: OpenSSL has no random bytes.
Expected<std::string> newJoinSecret();

}  // namespace lapwing
