#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "common/error.h"

namespace lapwing::api {

/// The people who may use a listener off loopback: a file of lines `user:hash`, the hash as crypt(5) knows it
/// (`openssl passwd -6` makes one; old kinds, DES and MD5, are refused). '#' begins a comment line.
/// Thread-safe.
class Users {
  public:
    /// Errors: `not_found`, `denied`, and `invalid` for a bad line, named by its number.
    static Expected<Users> load(const std::string& file);
    static Expected<Users> parse(std::string_view text);

    /// Takes as long for a user who does not exist. What was verified once is remembered (as a keyed digest),
    /// so that a client that asks every few seconds does not cost a deliberately slow hash each time.
    bool verify(const std::string& user, const std::string& password) const;
    /// An `Authorization` header of the scheme Basic.
    bool verifyHeader(const std::string& authorization) const;

  private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace lapwing::api
