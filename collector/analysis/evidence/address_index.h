#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "common/reach/address.h"

namespace lapwing::analysis::evidence {

struct Network;

/// Who holds which address, and by which addresses the others know a host. Built once for a network: its cost
/// is near linear in the number of addresses, servers and attempts. Immutable.
class AddressIndex {
  public:
    AddressIndex() = default;
    explicit AddressIndex(const Network& network);

    /// The name of the host that holds the address now, the first by name; null if no host does.
    const std::string* holder(const reach::Address& address) const;

    /// Sorted: addresses of the host among the servers of load balancers, targets of attempts at it, and
    /// sources of its own attempts from its usual addresses.
    const std::vector<reach::Address>& known(const std::string& host) const;

    /// The host made an attempt from this address because nobody would allow-list it.
    bool isSecond(const std::string& host, const reach::Address& address) const;

  private:
    std::map<reach::Address, std::string> holders_;
    std::map<std::string, std::vector<reach::Address>> known_;
    std::map<std::string, std::set<reach::Address>> second_;
};

}  // namespace lapwing::analysis::evidence
