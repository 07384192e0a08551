#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <string>

namespace lapwing::api {

/// How long a client that guesses passwords must wait. After ten failures an address (over IPv6 its /64)
/// waits a second after each further one, then two, four, at most a minute. After twenty failures of a user
/// from anywhere, the same holds for each address that has failed itself: an address without a failure never
/// waits, so nobody can lock a user out from elsewhere. Ten minutes without a failure are forgotten. Bounded
/// in memory. Not synchronised.
class LoginLimit {
  public:
    using Clock = std::chrono::steady_clock;

    /// Until the address may try again; zero if it may now.
    std::chrono::seconds wait(const std::string& user, const std::string& address, Clock::time_point now);
    /// Returns the number of failures of the address.
    std::size_t failed(const std::string& user, const std::string& address, Clock::time_point now);

  private:
    struct Failures {
        std::size_t count = 0;
        Clock::time_point last;
    };
    using Table = std::map<std::string, Failures>;

    static std::chrono::seconds pause(const Failures& failures, std::size_t free, Clock::time_point now);
    static void forget(Table& table, Clock::time_point now);

    Table addresses_;
    Table users_;
};

}  // namespace lapwing::api
