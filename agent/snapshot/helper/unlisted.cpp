#include "agent/snapshot/helper/unlisted.h"

#include <arpa/inet.h>
#include <endian.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/host/netlink.h"

namespace lapwing::agent {

namespace {

using reach::Unlisted;

std::string familyName(std::uint8_t family) {
    switch (family) {
        case NFPROTO_INET:
            return "inet";
        case NFPROTO_NETDEV:
            return "netdev";
        default:
            return "";
    }
}

std::string_view valueOf(const Attributes& attributes, unsigned type) {
    const auto found = attributes.find(type);
    return found == attributes.end() ? std::string_view{} : found->second;
}

/// A number in network byte order, as nf_tables has them.
std::optional<std::uint32_t> netNumber(const Attributes& attributes, unsigned type) {
    const auto number = numberOf(attributes, type);
    return number ? std::optional(ntohl(*number)) : std::nullopt;
}

/// Lists chains or rules of tables that are of both families.
bool dump(std::uint16_t message,
          const std::function<void(const std::string& family, const Attributes& attributes)>& each) {
    nfgenmsg request{};
    request.nfgen_family = AF_UNSPEC;
    request.version = NFNETLINK_V0;
    const std::string_view body(reinterpret_cast<const char*>(&request), sizeof request);
    const auto type = static_cast<std::uint16_t>((NFNL_SUBSYS_NFTABLES << 8U) | message);
    return dumpNetlink(NETLINK_NETFILTER, type, body, [&](std::string_view entry) {
        nfgenmsg head{};
        if (entry.size() < sizeof head) {
            return;
        }
        std::memcpy(&head, entry.data(), sizeof head);
        const auto family = familyName(head.nfgen_family);
        if (!family.empty()) {
            each(family, attributesOf(entry.substr(NLMSG_ALIGN(sizeof head))));
        }
    });
}

void readDevices(Unlisted& out) {
    const bool read = dump(NFT_MSG_GETCHAIN, [&](const std::string& family, const Attributes& chain) {
        const auto hook = attributesOf(valueOf(chain, NFTA_CHAIN_HOOK));
        std::vector<std::string> devices;
        eachAttribute(valueOf(hook, NFTA_HOOK_DEVS), [&](unsigned type, std::string_view name) {
            if (type == NFTA_DEVICE_NAME) {
                devices.emplace_back(name.substr(0, name.find('\0')));
            }
        });
        if (devices.empty() && hook.contains(NFTA_HOOK_DEV)) {
            devices.push_back(textOf(hook, NFTA_HOOK_DEV));
        }
        if (!devices.empty()) {
            out.devices[{family, textOf(chain, NFTA_CHAIN_TABLE), textOf(chain, NFTA_CHAIN_NAME)}] =
                std::move(devices);
        }
    });
    if (!read) {
        out.devices.clear();
    }
}

/// The register into which the expression loads the packet's family.
std::optional<std::uint32_t> loadsFamily(const Attributes& expression) {
    const auto data = attributesOf(valueOf(expression, NFTA_EXPR_DATA));
    const bool loads =
        textOf(expression, NFTA_EXPR_NAME) == "meta" && netNumber(data, NFTA_META_KEY) == NFT_META_NFPROTO;
    return loads ? netNumber(data, NFTA_META_DREG) : std::nullopt;
}

/// "ipv4" or "ipv6" where the expression compares the register with it.
std::string comparedFamily(const Attributes& expression, std::uint32_t from) {
    const auto data = attributesOf(valueOf(expression, NFTA_EXPR_DATA));
    if (textOf(expression, NFTA_EXPR_NAME) != "cmp" || netNumber(data, NFTA_CMP_SREG) != from ||
        netNumber(data, NFTA_CMP_OP) != NFT_CMP_EQ) {
        return "";
    }
    const auto value = valueOf(attributesOf(valueOf(data, NFTA_CMP_DATA)), NFTA_DATA_VALUE);
    const auto number = value.empty() ? 0 : static_cast<std::uint8_t>(value[0]);
    return number == NFPROTO_IPV4 ? "ipv4" : number == NFPROTO_IPV6 ? "ipv6" : "";
}

void readFamilies(Unlisted& out) {
    const bool read = dump(NFT_MSG_GETRULE, [&](const std::string& family, const Attributes& rule) {
        const auto handle = valueOf(rule, NFTA_RULE_HANDLE);
        std::uint64_t number = 0;
        if (family != "inet" || handle.size() != sizeof number) {
            return;
        }
        std::memcpy(&number, handle.data(), sizeof number);
        std::vector<std::string> families;
        bool rejects = false;
        std::optional<std::uint32_t> loaded;
        eachAttribute(valueOf(rule, NFTA_RULE_EXPRESSIONS), [&](unsigned, std::string_view data) {
            const auto expression = attributesOf(data);
            rejects = rejects || textOf(expression, NFTA_EXPR_NAME) == "reject";
            if (const auto compared = loaded ? comparedFamily(expression, *loaded) : ""; !compared.empty()) {
                families.push_back(compared);
            }
            loaded = loadsFamily(expression);
        });
        if (rejects) {
            const Unlisted::ChainName chain{family, textOf(rule, NFTA_RULE_TABLE),
                                            textOf(rule, NFTA_RULE_CHAIN)};
            out.families[{chain, be64toh(number)}] = std::move(families);
        }
    });
    if (!read) {
        out.families.clear();
    }
}

}  // namespace

reach::Unlisted readUnlisted() {
    Unlisted out;
    readDevices(out);
    readFamilies(out);
    return out;
}

}  // namespace lapwing::agent
