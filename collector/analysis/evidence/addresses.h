#pragma once

#include <string>
#include <vector>

#include "collector/analysis/evidence/network.h"
#include "collector/analysis/site.h"
#include "common/reach/address.h"

namespace lapwing::analysis::evidence {

/// Addresses by which other hosts know this one: those of the load balancer's servers, the targets of
/// attempts at it, and the sources of its own attempts. Second addresses are left out.
const std::vector<reach::Address>& knownAddresses(const Network& network, const std::string& host);

/// The known addresses of a host. In a family in which none is known, each of its addresses that is routed:
/// an allow-list that misses one locks the host out.
std::vector<reach::Address> likelyAddresses(const Network& network, const std::string& host);

/// The addresses among the declared entries: those of load balancers.
std::vector<reach::Address> entryAddresses(const Site& site);

/// Addresses from which requests of load balancers come: those of the entries, and every routed address of
/// each load balancer. Behind a virtual address the others do not see from which one it connects.
std::vector<reach::Address> balancerAddresses(const Network& network, const Site& site);

/// Every host of the site, by the addresses under which the others know it.
std::vector<reach::AddressRange> siteHosts(const Network& network);

/// Each address as a range of one.
std::vector<reach::AddressRange> asRanges(const std::vector<reach::Address>& addresses);

/// Sorts by family and address, and removes duplicates.
void sortUnique(std::vector<reach::AddressRange>& ranges);

}  // namespace lapwing::analysis::evidence
