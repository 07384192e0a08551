#include "collector/api/connection_table.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>

namespace lapwing::api {

ConnectionTable::Added ConnectionTable::add(const std::string& address) {
    Added out;
    const auto same = strangers_.find(address);
    if (same != strangers_.end() && same->second.size() >= limits_.strangers_per_address) {
        out.ended = *same->second.begin();
    } else if (stranger_count_ >= limits_.strangers) {
        out.ended = oldestStranger();
    }
    if (out.ended) {
        remove(*out.ended);
    }
    out.id = next_++;
    entries_[out.id].address = address;
    strangers_[address].insert(out.id);
    ++stranger_count_;
    return out;
}

ConnectionTable::Admitted ConnectionTable::admit(Id id, const std::string& name) {
    const auto entry = entries_.find(id);
    if (entry == entries_.end() || (entry->second.admitted && entry->second.member == name)) {
        return {};
    }
    Admitted out;
    const auto member = members_.find(name);
    if (member != members_.end() && member->second.count >= limits_.per_member) {
        if (member->second.idle.empty()) {
            return {Admission::member_full, std::nullopt};
        }
        out.ended = member->second.idle.begin()->second;
    } else if (member_count_ >= limits_.members) {
        out.ended = longestIdle();
        if (!out.ended) {
            return {Admission::full, std::nullopt};
        }
    }
    if (out.ended) {
        remove(*out.ended);
    }
    // The address stays for a connection that changes its member.
    const std::string address = entry->second.address;
    remove(id);
    auto& again = entries_[id];
    again.address = address;
    again.member = name;
    again.admitted = true;
    ++members_[name].count;
    ++member_count_;
    return out;
}

void ConnectionTable::setIdle(Id id, bool idle) {
    const auto found = entries_.find(id);
    if (found == entries_.end() || !found->second.admitted) {
        return;
    }
    auto& entry = found->second;
    auto& waiting = members_[entry.member].idle;
    if (entry.idle_since != 0) {
        waiting.erase(entry.idle_since);
        entry.idle_since = 0;
    }
    if (idle) {
        entry.idle_since = ++idle_clock_;
        waiting[entry.idle_since] = id;
    }
}

void ConnectionTable::remove(Id id) {
    const auto found = entries_.find(id);
    if (found == entries_.end()) {
        return;
    }
    setIdle(id, false);
    if (found->second.admitted) {
        const auto member = members_.find(found->second.member);
        if (--member->second.count == 0) {
            members_.erase(member);
        }
        --member_count_;
    } else {
        removeStranger(id, found->second.address);
    }
    entries_.erase(found);
}

std::optional<ConnectionTable::Id> ConnectionTable::mostExpendable() const {
    const auto stranger = oldestStranger();
    return stranger ? stranger : longestIdle();
}

std::optional<ConnectionTable::Id> ConnectionTable::oldestStranger() const {
    const auto most =
        std::max_element(strangers_.begin(), strangers_.end(), [](const auto& left, const auto& right) {
            if (left.second.size() != right.second.size()) {
                return left.second.size() < right.second.size();
            }
            return *left.second.begin() > *right.second.begin();
        });
    return most == strangers_.end() ? std::nullopt : std::optional(*most->second.begin());
}

std::optional<ConnectionTable::Id> ConnectionTable::longestIdle() const {
    const auto most =
        std::max_element(members_.begin(), members_.end(), [](const auto& left, const auto& right) {
            return left.second.idle.size() < right.second.idle.size();
        });
    if (most == members_.end() || most->second.idle.empty()) {
        return std::nullopt;
    }
    return most->second.idle.begin()->second;
}

void ConnectionTable::removeStranger(Id id, const std::string& address) {
    const auto same = strangers_.find(address);
    same->second.erase(id);
    if (same->second.empty()) {
        strangers_.erase(same);
    }
    --stranger_count_;
}

std::string strangerAddress(const std::string& address) {
    in6_addr bytes{};
    if (::inet_pton(AF_INET6, address.c_str(), &bytes) != 1) {
        return address;
    }
    std::array<char, INET6_ADDRSTRLEN> text{};
    if (IN6_IS_ADDR_V4MAPPED(&bytes)) {
        ::inet_ntop(AF_INET, &bytes.s6_addr[12], text.data(), text.size());
        return text.data();
    }
    std::fill(std::begin(bytes.s6_addr) + 8, std::end(bytes.s6_addr), std::uint8_t{0});
    ::inet_ntop(AF_INET6, &bytes, text.data(), text.size());
    return std::string(text.data()) + "/64";
}

}  // namespace lapwing::api
