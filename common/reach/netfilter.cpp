#include "common/reach/netfilter.h"

#include "common/enum_names.h"

namespace lapwing::reach {

namespace {

constexpr EnumNames<TableFamily, 6> kTableFamilies{{{{TableFamily::ip, "ip"},
                                                     {TableFamily::ip6, "ip6"},
                                                     {TableFamily::inet, "inet"},
                                                     {TableFamily::netdev, "netdev"},
                                                     {TableFamily::bridge, "bridge"},
                                                     {TableFamily::arp, "arp"}}}};

constexpr EnumNames<ChainType, 3> kChainTypes{
    {{{ChainType::filter, "filter"}, {ChainType::nat, "nat"}, {ChainType::route, "route"}}}};

constexpr EnumNames<Hook, 7> kHooks{{{{Hook::ingress, "ingress"},
                                      {Hook::prerouting, "prerouting"},
                                      {Hook::input, "input"},
                                      {Hook::forward, "forward"},
                                      {Hook::output, "output"},
                                      {Hook::postrouting, "postrouting"},
                                      {Hook::egress, "egress"}}}};

constexpr EnumNames<Policy, 2> kPolicies{{{{Policy::accept, "accept"}, {Policy::drop, "drop"}}}};

}  // namespace

const char* tableFamilyName(TableFamily family) {
    return kTableFamilies.name(family);
}

const char* chainTypeName(ChainType type) {
    return kChainTypes.name(type);
}

const char* hookName(Hook hook) {
    return kHooks.name(hook);
}

const char* policyName(Policy policy) {
    return kPolicies.name(policy);
}

std::optional<TableFamily> parseTableFamily(std::string_view word) {
    return kTableFamilies.parse(word);
}

std::optional<ChainType> parseChainType(std::string_view word) {
    return kChainTypes.parse(word);
}

std::optional<Hook> parseHook(std::string_view word) {
    return kHooks.parse(word);
}

std::optional<Policy> parsePolicy(std::string_view word) {
    return kPolicies.parse(word);
}

}  // namespace lapwing::reach
