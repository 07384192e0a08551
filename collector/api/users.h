#pragma once

#include <prometheus/metric_family.h>

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"

namespace lapwing::api {

/// The answer to a login.
struct Login {
    enum class Result { accepted, refused, delayed };
    Result result = Result::refused;
    std::chrono::seconds wait{
        0};            ///< delayed: the client guesses, and is not asked for a password until then
    std::string user;  ///< accepted: who

    bool accepted() const { return result == Result::accepted; }
};

/// The people who may use a listener off loopback: a file of lines `user:hash`, with a hash of crypt(5)
/// (`mkpasswd -m yescrypt` or `openssl passwd -6` makes one; the old kinds DES and MD5 are refused). '#'
/// begins a comment line. A change of the file counts within a second; if it cannot be read any more, the log
/// says so and the users stay. Thread-safe.
class Users {
  public:
    /// Errors: `not_found`, `denied`, and `invalid` with the number of a bad line.
    static Expected<Users> load(const std::string& file);
    static Expected<Users> parse(std::string_view text);

    /// Takes equally long for unknown users. A verified credential is remembered (as a keyed digest), so
    /// that a client that asks every few seconds does not cost a deliberately slow hash each time; it is
    /// never delayed. Other clients are delayed by LoginLimit. Failures are counted, and logged with the
    /// client's address.
    Login verify(const std::string& user, const std::string& password, const std::string& address) const;
    /// Verifies an `Authorization` header of the scheme Basic.
    Login verifyHeader(const std::string& authorization, const std::string& address) const;

    void addMetrics(std::vector<prometheus::MetricFamily>& out) const;

  private:
    static Expected<Users> of(std::map<std::string, std::string> hashes);

    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace lapwing::api
