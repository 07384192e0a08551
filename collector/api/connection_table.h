#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

namespace lapwing::api {

struct ConnectionLimits {
    std::size_t strangers = 64;
    std::size_t strangers_per_address = 16;  ///< over IPv6, of a /64
    std::size_t members = 1024;
    std::size_t per_member = 16;
};

/// The connections of one server, and which of them has to end when a limit is reached. A connection belongs
/// to a stranger until the server knows its member: an agent by its certificate, a user by a login, on
/// loopback any client that has sent a request. Strangers and members have limits of their own, so no number
/// of strangers ends a member's connection. Not synchronised.
class ConnectionTable {
  public:
    using Id = std::uint64_t;

    explicit ConnectionTable(ConnectionLimits limits) : limits_(limits) {}

    /// A new connection of a stranger. `ended` is the connection that must end for it: the oldest stranger of
    /// the same address if this address has too many, or else the oldest of the address with the most.
    struct Added {
        Id id = 0;
        std::optional<Id> ended;
    };
    Added add(const std::string& address);

    /// The stranger becomes a member. If the member has too many connections, its longest idle connection
    /// must end; if all members together have too many, the longest idle one of the member with the most idle
    /// ones.
    enum class Admission { admitted, member_full, full };
    struct Admitted {
        Admission result = Admission::admitted;
        std::optional<Id> ended;
    };
    Admitted admit(Id id, const std::string& member);

    /// Whether the connection of a member waits for its next request.
    void setIdle(Id id, bool idle);
    void remove(Id id);
    /// The connection that should end first if the process runs out of descriptors.
    std::optional<Id> mostExpendable() const;

    std::size_t strangers() const { return stranger_count_; }
    std::size_t members() const { return member_count_; }

  private:
    struct Entry {
        std::string address;
        std::string member;
        bool admitted = false;
        std::uint64_t idle_since = 0;  ///< 0: not idle
    };
    struct Member {
        std::size_t count = 0;
        std::map<std::uint64_t, Id> idle;  ///< by the time since when
    };

    std::optional<Id> oldestStranger() const;
    std::optional<Id> longestIdle() const;
    void removeStranger(Id id, const std::string& address);

    const ConnectionLimits limits_;
    Id next_ = 1;
    std::uint64_t idle_clock_ = 0;
    std::size_t stranger_count_ = 0;
    std::size_t member_count_ = 0;
    std::unordered_map<Id, Entry> entries_;
    std::map<std::string, std::set<Id>> strangers_;  ///< by address
    std::map<std::string, Member> members_;
};

/// The part of an address that strangers share: an IPv4 address, or the /64 of an IPv6 address. An IPv4
/// address that is mapped into IPv6 counts as IPv4.
std::string strangerAddress(const std::string& address);

}  // namespace lapwing::api
