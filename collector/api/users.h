#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "common/error.h"

namespace lapwing::api {

/// The people who may use a listener off loopback: a file of lines `user:hash`, with a hash of crypt(5)
/// (`openssl passwd -6` makes one; the old kinds DES and MD5 are refused). '#' begins a comment line.
/// Thread-safe.
class Users {
  public:
    /// Errors: `not_found`, `denied`, and `invalid` with the number of a bad line.
    static Expected<Users> load(const std::string& file);
    static Expected<Users> parse(std::string_view text);

    /// Takes equally long for unknown users. A verified credential is remembered (as a keyed digest), so
    /// that a client that asks every few seconds does not cost a deliberately slow hash each time.
    bool verify(const std::string& user, const std::string& password) const;
    /// Verifies an `Authorization` header of the scheme Basic.
    bool verifyHeader(const std::string& authorization) const;

  private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace lapwing::api
