// The listing of everything that filters on a host: nft's, with members of our own.
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/reach/nft_json.h"

namespace lapwing::reach {

namespace {

/// A set to which a rule adds packets, or from which it takes them, holds what no listing tells.
void readIpsets(const Json& document, Ruleset::Model& model) {
    model.ipsets = parseIpsets(text(document, "ipsets"));
    const auto* saves = member(document, "iptables");
    if (model.ipsets.empty() || saves == nullptr || !saves->IsArray()) {
        return;
    }
    for (const auto& save : saves->GetArray()) {
        const auto rules = text(save, "save");
        std::erase_if(model.ipsets, [&](const auto& each) {
            const auto names = [&](const char* option) {
                return rules.find(option + each.first + " ") != std::string::npos;
            };
            return names("--add-set ") || names("--del-set ") || names("--map-set ");
        });
    }
}

/// The members that listingOf() adds to nft's.
void addFurtherMembers(const Json& document, Ruleset::Model& model) {
    if (const auto* host = member(document, "host"); host != nullptr) {
        model.host = parseHost(*host);
    }
    readIpsets(document, model);
    if (const auto* saves = member(document, "iptables"); saves != nullptr && saves->IsArray()) {
        for (const auto& save : saves->GetArray()) {
            const auto* legacy = member(save, "legacy");
            const auto family =
                text(save, "family") == tableFamilyName(TableFamily::ip6) ? Family::ipv6 : Family::ipv4;
            addIptablesSave(text(save, "save"), family,
                            legacy != nullptr && legacy->IsBool() && legacy->GetBool(), model);
        }
    }
    if (const auto* unread = member(document, "unread"); unread != nullptr && unread->IsArray()) {
        for (const auto& reason : unread->GetArray()) {
            model.unknowns.push_back(text(&reason));
            model.translates = true;
        }
    }
}

Json textValue(const std::string& text, json::Allocator& allocator) {
    return {text.data(), static_cast<rapidjson::SizeType>(text.size()), allocator};
}

Json savesValue(const std::vector<IptablesSave>& saves, json::Allocator& allocator) {
    Json out(rapidjson::kArrayType);
    for (const auto& save : saves) {
        const auto family = save.family == Family::ipv4 ? TableFamily::ip : TableFamily::ip6;
        Json entry(rapidjson::kObjectType);
        entry.AddMember("family", textValue(tableFamilyName(family), allocator), allocator);
        entry.AddMember("legacy", save.legacy, allocator);
        entry.AddMember("save", textValue(withoutCounters(save.text), allocator), allocator);
        out.PushBack(entry, allocator);
    }
    return out;
}

}  // namespace

std::string listingOf(const std::string& nft_json, const std::vector<IptablesSave>& saves,
                      const std::vector<std::string>& unread, const Host& host, const std::string& ipsets) {
    auto document = json::parseOwn(nft_json);
    if (document.HasParseError() || !document.IsObject()) {
        return nft_json;
    }
    auto reasons_unread = unread;
    if (const auto further = unknownMember(document, {"nftables"}); !further.empty()) {
        reasons_unread.push_back("nft lists \"" + further + "\", which this version does not know");
    }
    auto& allocator = document.GetAllocator();
    json::Document host_document(&allocator);
    host_document.Parse(toJson(host).c_str());
    document.AddMember("host", static_cast<Json&>(host_document), allocator);
    document.AddMember("iptables", savesValue(saves, allocator), allocator);
    Json reasons(rapidjson::kArrayType);
    for (const auto& reason : reasons_unread) {
        reasons.PushBack(textValue(reason, allocator), allocator);
    }
    document.AddMember("unread", reasons, allocator);
    if (!ipsets.empty()) {
        document.AddMember("ipsets", textValue(ipsets, allocator), allocator);
    }
    rapidjson::StringBuffer buffer;
    rapidjson::Writer<rapidjson::StringBuffer> writer(buffer);
    document.Accept(writer);
    return {buffer.GetString(), buffer.GetSize()};
}

Expected<Ruleset> Ruleset::parse(std::string_view nft_json) {
    auto document = json::parseOwn(nft_json);
    if (document.HasParseError()) {
        return fail(ErrorKind::invalid,
                    "reading the ruleset: not JSON at byte " + std::to_string(document.GetErrorOffset()));
    }
    const auto* objects = member(document, "nftables");
    if (objects == nullptr || !objects->IsArray()) {
        return fail(ErrorKind::invalid, "reading the ruleset: no list named nftables");
    }
    auto model = std::make_unique<Model>();
    parseObjects(*objects, *model);
    collectBrokenStrings(document, model->broken_strings);
    addFurtherMembers(document, *model);
    prepare(*model);
    return Ruleset(std::move(model));
}

Ruleset::Ruleset(std::unique_ptr<Model> model) : model_(std::move(model)) {}
Ruleset::Ruleset(Ruleset&&) noexcept = default;
Ruleset& Ruleset::operator=(Ruleset&&) noexcept = default;
Ruleset::~Ruleset() = default;

void Ruleset::addUnknown(std::string reason, bool translates) {
    {
        const MutexLock lock(model_->found_mutex);
        model_->found.clear();
        model_->found_ranges = 0;
    }
    model_->unknowns.push_back(std::move(reason));
    model_->translates = model_->translates || translates;
}

}  // namespace lapwing::reach
