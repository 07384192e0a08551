#include "agent/snapshot/boot.h"

#include <rapidjson/document.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <optional>
#include <set>
#include <sstream>

#include "agent/snapshot/boot_plan.h"
#include "agent/snapshot/collect.h"
#include "agent/snapshot/rehearse.h"

namespace lapwing::agent {

namespace {

/// What failed once, by a deadline perhaps, is tried again.
constexpr std::int64_t kRetryMs = 600'000;

/// Of the snapshot that was written last: nobody else's file is believed.
std::optional<Boot> lastBoot(const std::string& file) {
    struct stat about {};
    if (file.empty() || lstat(file.c_str(), &about) != 0 || !S_ISREG(about.st_mode) ||
        about.st_uid != geteuid()) {
        return std::nullopt;
    }
    std::ifstream in(file, std::ios::binary);
    std::stringstream text;
    text << in.rdbuf();
    auto snapshot = parseSnapshot(text.view());
    return snapshot ? std::optional(std::move(snapshot->boot)) : std::nullopt;
}

}  // namespace

Boot readBoot(const CollectOptions& options, const reach::Host& host) {
    std::set<std::string> names;
    for (const auto& interface : host.interfaces) {
        names.insert(interface.name);
    }
    auto plan = planBoot(options.root, {names.begin(), names.end()});
    Boot boot;
    boot.makers = plan.makers;
    boot.faults = plan.faults;
    boot.unknown = plan.unknown;
    boot.fingerprint = plan.fingerprint;
    for (const auto& source : plan.sources) {
        boot.sources.push_back(source.unit + " " + source.file);
    }
    if (!boot.unknown.empty() || !boot.makers.empty()) {
        return boot;
    }
    if (plan.sources.empty()) {
        boot.listing = reach::listingOf(R"({"nftables":[]})", {}, {}, {});
        return boot;
    }
    const auto now = nowMs();
    if (auto last = lastBoot(options.previous);
        last && last->fingerprint == boot.fingerprint && last->rehearsed != 0 &&
        (last->unknown.empty() || std::abs(now - last->rehearsed) < kRetryMs)) {
        return std::move(*last);
    }
    auto rehearsal = rehearse(plan, options);
    boot.rehearsed = now;
    boot.listing = std::move(rehearsal.listing);
    boot.unknown = std::move(rehearsal.unknown);
    boot.faults.insert(boot.faults.end(), rehearsal.faults.begin(), rehearsal.faults.end());
    return boot;
}

std::string toJson(const Boot& boot) {
    rapidjson::StringBuffer buffer;
    rapidjson::Writer<rapidjson::StringBuffer> writer(buffer);
    const auto put = [&](const std::string& text) {
        writer.String(text.data(), static_cast<rapidjson::SizeType>(text.size()));
    };
    writer.StartObject();
    for (const auto& [key, list] : {std::pair("sources", &boot.sources), std::pair("makers", &boot.makers),
                                    std::pair("faults", &boot.faults)}) {
        writer.Key(key);
        writer.StartArray();
        for (const auto& one : *list) {
            put(one);
        }
        writer.EndArray();
    }
    for (const auto& [key, text] : {std::pair("listing", &boot.listing), std::pair("unknown", &boot.unknown),
                                    std::pair("fingerprint", &boot.fingerprint)}) {
        writer.Key(key);
        put(*text);
    }
    writer.Key("rehearsed_ms");
    writer.Int64(boot.rehearsed);
    writer.EndObject();
    return {buffer.GetString(), buffer.GetSize()};
}

Boot bootFromJson(std::string_view json) {
    rapidjson::Document document;
    document.Parse<rapidjson::kParseIterativeFlag>(json.data(), json.size());
    const rapidjson::Value& root = document;
    Boot boot;
    if (document.HasParseError() || !root.IsObject()) {
        return boot;
    }
    for (const auto& [key, list] : {std::pair("sources", &boot.sources), std::pair("makers", &boot.makers),
                                    std::pair("faults", &boot.faults)}) {
        const auto found = root.FindMember(key);
        if (found == root.MemberEnd() || !found->value.IsArray()) {
            continue;
        }
        for (const auto& one : found->value.GetArray()) {
            if (one.IsString()) {
                list->emplace_back(one.GetString(), one.GetStringLength());
            }
        }
    }
    for (const auto& [key, text] : {std::pair("listing", &boot.listing), std::pair("unknown", &boot.unknown),
                                    std::pair("fingerprint", &boot.fingerprint)}) {
        const auto found = root.FindMember(key);
        if (found != root.MemberEnd() && found->value.IsString()) {
            text->assign(found->value.GetString(), found->value.GetStringLength());
        }
    }
    const auto found = root.FindMember("rehearsed_ms");
    boot.rehearsed = found != root.MemberEnd() && found->value.IsInt64() ? found->value.GetInt64() : 0;
    return boot;
}

}  // namespace lapwing::agent
