#include "common/reach/unlisted.h"

#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include "common/reach/nft_json.h"

namespace lapwing::reach {

namespace {

using Allocator = json::Allocator;

Json textsValue(const std::vector<std::string>& texts, Allocator& allocator) {
    Json out(rapidjson::kArrayType);
    for (const auto& text : texts) {
        out.PushBack(Json(text.data(), static_cast<rapidjson::SizeType>(text.size()), allocator), allocator);
    }
    return out;
}

Unlisted::ChainName chainName(const Json& json, const char* member_name) {
    return {text(json, "family"), text(json, "table"), text(json, member_name)};
}

void addDevices(Json& chain, const Unlisted& facts, Allocator& allocator) {
    const auto found = facts.devices.find(chainName(chain, "name"));
    if (found != facts.devices.end() && !chain.HasMember("dev")) {
        chain.AddMember("dev", textsValue(found->second, allocator), allocator);
    }
}

void addFamilies(Json& rule, const Unlisted& facts, Allocator& allocator) {
    const auto* handle = member(rule, "handle");
    if (handle == nullptr || !handle->IsUint64()) {
        return;
    }
    const auto found = facts.families.find({chainName(rule, "chain"), handle->GetUint64()});
    if (found != facts.families.end() && !rule.HasMember(kFamiliesMember)) {
        rule.AddMember(rapidjson::StringRef(kFamiliesMember), textsValue(found->second, allocator),
                       allocator);
    }
}

}  // namespace

bool mayLackFacts(std::string_view nft_json) {
    const auto holds = [&](const char* text) { return nft_json.find(text) != std::string_view::npos; };
    return holds("\"tcp reset\"") || holds("\"ingress\"") || holds("\"egress\"");
}

std::string addUnlisted(std::string nft_json, const Unlisted& facts) {
    if (facts.devices.empty() && facts.families.empty()) {
        return nft_json;
    }
    auto document = json::parseOwn(nft_json);
    if (document.HasParseError() || !document.IsObject()) {
        return nft_json;
    }
    auto* objects = mutableMember(document, "nftables");
    if (objects == nullptr || !objects->IsArray()) {
        return nft_json;
    }
    for (auto& object : objects->GetArray()) {
        if (!object.IsObject()) {
            continue;
        }
        if (object.HasMember("chain") && object["chain"].IsObject()) {
            addDevices(object["chain"], facts, document.GetAllocator());
        } else if (object.HasMember("rule") && object["rule"].IsObject()) {
            addFamilies(object["rule"], facts, document.GetAllocator());
        }
    }
    rapidjson::StringBuffer buffer;
    rapidjson::Writer<rapidjson::StringBuffer> writer(buffer);
    document.Accept(writer);
    return {buffer.GetString(), buffer.GetSize()};
}

}  // namespace lapwing::reach
