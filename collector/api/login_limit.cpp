#include "collector/api/login_limit.h"

#include <algorithm>

#include "common/reach/address.h"

namespace lapwing::api {

namespace {

using std::chrono::seconds;

constexpr std::size_t kFreeOfAddress = 10;
constexpr std::size_t kFreeOfUser = 20;
constexpr seconds kLongest{60};
constexpr std::size_t kMostDoublings = 6;  // 64 s
constexpr std::chrono::minutes kForgotten{10};
constexpr std::size_t kMostEntries = 4096;

/// A client of IPv6 has as many addresses of its network as it likes.
std::string placeOf(const std::string& address) {
    constexpr unsigned network_bits = 64;
    const auto parsed = reach::Address::parse(address.substr(0, address.find('%')));
    return parsed && parsed->family == reach::Family::ipv6
               ? reach::AddressRange::prefix(*parsed, network_bits).toString()
               : address;
}

}  // namespace

seconds LoginLimit::pause(const Failures& failures, std::size_t free, Clock::time_point now) {
    if (failures.count < free) {
        return seconds(0);
    }
    const auto doublings = std::min(failures.count - free, kMostDoublings);
    const auto until = failures.last + std::min(seconds(1LL << doublings), kLongest);
    return until <= now ? seconds(0) : std::chrono::ceil<seconds>(until - now);
}

void LoginLimit::forget(Table& table, Clock::time_point now) {
    std::erase_if(table, [&](const auto& entry) { return now - entry.second.last > kForgotten; });
    while (table.size() >= kMostEntries) {
        table.erase(std::min_element(table.begin(), table.end(), [](const auto& a, const auto& b) {
            return a.second.last < b.second.last;
        }));
    }
}

seconds LoginLimit::wait(const std::string& user, const std::string& address, Clock::time_point now) {
    const auto own = addresses_.find(placeOf(address));
    if (own == addresses_.end() || now - own->second.last > kForgotten) {
        return seconds(0);
    }
    const auto of_user = users_.find(user);
    return std::max(pause(own->second, kFreeOfAddress, now),
                    of_user == users_.end() ? seconds(0) : pause(of_user->second, kFreeOfUser, now));
}

std::size_t LoginLimit::failed(const std::string& user, const std::string& address, Clock::time_point now) {
    const auto note = [&](Table& table, const std::string& key) {
        if (!table.contains(key)) {
            forget(table, now);
        }
        auto& entry = table[key];
        entry.count = now - entry.last > kForgotten ? 1 : entry.count + 1;
        entry.last = now;
        return entry.count;
    };
    note(users_, user);
    return note(addresses_, placeOf(address));
}

}  // namespace lapwing::api
