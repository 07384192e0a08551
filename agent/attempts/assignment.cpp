#include "agent/attempts/assignment.h"

#include <rapidjson/document.h>

#include <algorithm>

namespace lapwing::agent {

namespace {

using Json = rapidjson::Value;

constexpr std::size_t kMostTargets = 256;
constexpr std::size_t kMostCanaries = 32;
// Above where services listen: never a port that one waits for.
constexpr std::int64_t kLowestCanaryPort = 20'000;
constexpr std::int64_t kHighestPort = 65535;
constexpr std::size_t kShortestNonce = 16;
constexpr std::size_t kLongestText = 128;
constexpr std::int64_t kLatestUs = 1LL << 53;  // in 2255: sums of it stay within every clock

std::string text(const Json& json, const char* key) {
    const auto found = json.FindMember(key);
    const bool usable = found != json.MemberEnd() && found->value.IsString() &&
                        found->value.GetStringLength() <= kLongestText;
    return usable ? std::string(found->value.GetString(), found->value.GetStringLength()) : "";
}

std::int64_t number(const Json& json, const char* key) {
    const auto found = json.FindMember(key);
    return found != json.MemberEnd() && found->value.IsInt64() ? found->value.GetInt64() : 0;
}

const Json* list(const Json& json, const char* key) {
    const auto found = json.FindMember(key);
    return found != json.MemberEnd() && found->value.IsArray() ? &found->value : nullptr;
}

void readTarget(const Json& json, const std::vector<Peer>& peers, std::vector<Target>& out) {
    const auto address = reach::Address::parse(text(json, "address"));
    const auto port = number(json, "port");
    if (!address || text(json, "protocol") != "tcp" || port < 1 || port > kHighestPort) {
        return;
    }
    for (const auto& peer : peers) {
        if (reach::Address::parse(peer.address) == *address) {
            out.push_back({peer.host, *address, static_cast<std::uint16_t>(port), text(json, "service"),
                           number(json, "since")});
            return;
        }
    }
}

void readCanary(const Json& json, const std::vector<Peer>& peers, std::vector<CanaryOrder>& out) {
    const auto role = text(json, "role");
    const auto port = number(json, "port");
    CanaryOrder order;
    order.listens = role == "listen";
    order.id = text(json, "id");
    order.peer = text(json, "host");
    order.nonce = text(json, "nonce");
    order.at_us = number(json, "at");
    if ((role != "listen" && role != "connect") || port < kLowestCanaryPort || port > kHighestPort ||
        order.nonce.size() < kShortestNonce || order.id.empty() || order.at_us < 0 ||
        order.at_us > kLatestUs) {
        return;
    }
    order.port = static_cast<std::uint16_t>(port);
    for (const auto& peer : peers) {
        const auto address = reach::Address::parse(peer.address);
        if (peer.host != order.peer || !address) {
            continue;
        }
        order.address = *address;
        out.push_back(order);
        if (order.listens) {
            return;
        }
    }
}

}  // namespace

Expected<Orders> parseAssignment(std::string_view json, const std::vector<Peer>& peers, bool canary) {
    rapidjson::Document document;
    document.Parse<rapidjson::kParseIterativeFlag>(json.data(), json.size());
    if (document.HasParseError() || !document.IsObject() || text(document, "version").empty()) {
        return fail(ErrorKind::protocol, "reading the assignments: not in the form that a collector sends");
    }
    Orders orders;
    orders.version = text(document, "version");
    if (const auto* attempts = list(document, "attempts")) {
        for (const auto& item : attempts->GetArray()) {
            if (item.IsObject() && orders.targets.size() < kMostTargets) {
                readTarget(item, peers, orders.targets);
            }
        }
    }
    if (const auto* canaries = list(document, "canary"); canaries != nullptr && canary) {
        for (const auto& item : canaries->GetArray()) {
            if (item.IsObject() && orders.canaries.size() < kMostCanaries) {
                readCanary(item, peers, orders.canaries);
            }
        }
    }
    return orders;
}

}  // namespace lapwing::agent
