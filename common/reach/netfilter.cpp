#include "common/reach/netfilter.h"

#include "common/enum_names.h"

namespace lapwing::reach {

namespace {

constexpr std::array kTableFamilies{
    EnumName<TableFamily>{TableFamily::ip, "ip"},
    EnumName<TableFamily>{TableFamily::ip6, "ip6"},
    EnumName<TableFamily>{TableFamily::inet, "inet"},
    EnumName<TableFamily>{TableFamily::netdev, "netdev"},
    EnumName<TableFamily>{TableFamily::bridge, "bridge"},
    EnumName<TableFamily>{TableFamily::arp, "arp"},
};

constexpr std::array kChainTypes{
    EnumName<ChainType>{ChainType::filter, "filter"},
    EnumName<ChainType>{ChainType::nat, "nat"},
    EnumName<ChainType>{ChainType::route, "route"},
};

constexpr std::array kHooks{
    EnumName<Hook>{Hook::ingress, "ingress"}, EnumName<Hook>{Hook::prerouting, "prerouting"},
    EnumName<Hook>{Hook::input, "input"},     EnumName<Hook>{Hook::forward, "forward"},
    EnumName<Hook>{Hook::output, "output"},   EnumName<Hook>{Hook::postrouting, "postrouting"},
    EnumName<Hook>{Hook::egress, "egress"},
};

constexpr std::array kPolicies{
    EnumName<Policy>{Policy::accept, "accept"},
    EnumName<Policy>{Policy::drop, "drop"},
};

}  // namespace

const char* tableFamilyName(TableFamily family) {
    return nameOf(kTableFamilies, family);
}

const char* chainTypeName(ChainType type) {
    return nameOf(kChainTypes, type);
}

const char* hookName(Hook hook) {
    return nameOf(kHooks, hook);
}

const char* policyName(Policy policy) {
    return nameOf(kPolicies, policy);
}

std::optional<TableFamily> parseTableFamily(std::string_view word) {
    return valueOf(kTableFamilies, word);
}

std::optional<ChainType> parseChainType(std::string_view word) {
    return valueOf(kChainTypes, word);
}

std::optional<Hook> parseHook(std::string_view word) {
    return valueOf(kHooks, word);
}

std::optional<Policy> parsePolicy(std::string_view word) {
    return valueOf(kPolicies, word);
}

}  // namespace lapwing::reach
