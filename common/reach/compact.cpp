#include "common/reach/compact.h"

#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "common/reach/nft_json.h"

namespace lapwing::reach {

namespace {

constexpr rapidjson::SizeType kFew = 64;

/// "10.0.0.1", {"prefix": ...}, {"range": ...}; nothing for anything else.
std::optional<AddressRange> addressesOf(const Json& value) {
    if (value.IsString()) {
        const auto address = Address::parse(text(&value));
        return address ? std::optional(AddressRange::of(*address)) : std::nullopt;
    }
    const auto [form, inner] = singleMember(value);
    if (form == "prefix") {
        const auto address = Address::parse(text(*inner, "addr"));
        const auto* length = member(*inner, "len");
        return address && length != nullptr && length->IsUint()
                   ? std::optional(AddressRange::prefix(*address, length->GetUint()))
                   : std::nullopt;
    }
    if (form == "range" && inner->IsArray() && inner->Size() == 2) {
        const auto low = Address::parse(text(&(*inner)[0]));
        const auto high = Address::parse(text(&(*inner)[1]));
        return low && high && low->family == high->family && low->key <= high->key
                   ? std::optional(AddressRange{low->family, low->key, high->key})
                   : std::nullopt;
    }
    return std::nullopt;
}

struct Split {
    std::vector<AddressRange> lasting;
    std::vector<AddressRange> timed;
};

/// False where an element is more than addresses with a timeout, a counter or a comment.
bool addElement(const Json& element, Split& out) {
    const auto* wrapped = member(element, "elem");
    if (wrapped == nullptr) {
        const auto addresses = addressesOf(element);
        if (addresses) {
            out.lasting.push_back(*addresses);
        }
        return addresses.has_value();
    }
    const auto* value = member(*wrapped, "val");
    const auto addresses = value == nullptr ? std::nullopt : addressesOf(*value);
    if (!addresses) {
        return false;
    }
    bool timed = false;
    for (const auto& each : wrapped->GetObject()) {
        const std::string_view name(each.name.GetString(), each.name.GetStringLength());
        timed = timed || name == "timeout" || name == "expires";
        if (name != "val" && name != "timeout" && name != "expires" && name != "comment" &&
            name != "counter" && name != "last") {
            return false;
        }
    }
    (timed ? out.timed : out.lasting).push_back(*addresses);
    return true;
}

std::string listOf(std::vector<AddressRange> ranges) {
    std::string out;
    for (const auto& range : subtract(std::move(ranges), {})) {
        out += out.empty() ? "" : " ";
        const auto low = Address{range.family, range.low}.toString();
        out += range.low == range.high ? low : low + "-" + Address{range.family, range.high}.toString();
    }
    return out;
}

/// False where the set stays as it is.
bool compactSet(Json& set, json::Allocator& allocator) {
    auto* found = mutableMember(set, "elem");
    if (found == nullptr || !found->IsArray()) {
        return false;
    }
    auto& elements = *found;
    bool timed = false;
    for (auto& element : elements.GetArray()) {
        const auto* wrapped = mutableMember(element, "elem");
        if (wrapped != nullptr && wrapped->IsObject()) {
            // A set's own timeout is listed with the set.
            timed = timed || wrapped->HasMember("timeout") || wrapped->HasMember("expires");
        }
    }
    Split split;
    const bool compacts = (timed || elements.Size() > kFew) &&
                          std::all_of(elements.Begin(), elements.End(),
                                      [&](const Json& element) { return addElement(element, split); });
    if (compacts) {
        set.RemoveMember("elem");
        const auto put = [&](const char* name, std::vector<AddressRange> ranges) {
            if (!ranges.empty()) {
                const auto list = listOf(std::move(ranges));
                Json value(list.data(), static_cast<rapidjson::SizeType>(list.size()), allocator);
                set.AddMember(rapidjson::StringRef(name), value, allocator);
            }
        };
        put(kLastingMember, std::move(split.lasting));
        put(kTimedMember, std::move(split.timed));
        return true;
    }
    for (auto& element : elements.GetArray()) {
        auto* wrapped = mutableMember(element, "elem");
        auto* expires = wrapped == nullptr ? nullptr : mutableMember(*wrapped, "expires");
        if (expires != nullptr) {
            // Its presence still tells that the element may go.
            expires->SetInt(0);
        }
    }
    return timed;
}

}  // namespace

std::string compactSets(std::string nft_json) {
    rapidjson::StringBuffer buffer;
    {
        auto document = json::parseOwn(nft_json);
        if (document.HasParseError() || !document.IsObject()) {
            return nft_json;
        }
        auto* objects = mutableMember(document, "nftables");
        if (objects == nullptr || !objects->IsArray()) {
            return nft_json;
        }
        bool changed = false;
        for (auto& object : objects->GetArray()) {
            if (object.IsObject() && object.HasMember("set") && object["set"].IsObject()) {
                changed = compactSet(object["set"], document.GetAllocator()) || changed;
            }
        }
        if (!changed) {
            return nft_json;
        }
        std::string().swap(nft_json);
        rapidjson::Writer<rapidjson::StringBuffer> writer(buffer);
        document.Accept(writer);
    }
    return {buffer.GetString(), buffer.GetSize()};
}

}  // namespace lapwing::reach
