#include "collector/analysis/book.h"

#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <algorithm>

#include "collector/analysis/acceptance.h"
#include "common/json.h"

namespace lapwing::analysis {

namespace {

using Writer = rapidjson::Writer<rapidjson::StringBuffer>;

/// Findings that could not be judged for this long are dropped: their host has been removed.
constexpr std::int64_t kForgetMs = 24LL * 3'600'000;

constexpr const char* kUnknownSource = "lapwing";
constexpr const char* kUnknownText = "no current data: this is what was last known";

void put(Writer& writer, const char* key, const std::string& text) {
    writer.Key(key);
    writer.String(text.data(), static_cast<rapidjson::SizeType>(text.size()));
}

std::string text(const json::Value& json, const char* key) {
    const auto found = json.FindMember(key);
    return found != json.MemberEnd() && found->value.IsString()
               ? std::string(found->value.GetString(), found->value.GetStringLength())
               : "";
}

TimestampMs number(const json::Value& json, const char* key) {
    const auto found = json.FindMember(key);
    return found != json.MemberEnd() && found->value.IsInt64() ? found->value.GetInt64() : 0;
}

const json::Value* list(const json::Value& json, const char* key) {
    const auto found = json.FindMember(key);
    return found != json.MemberEnd() && found->value.IsArray() ? &found->value : nullptr;
}

Finding readFinding(const json::Value& json) {
    Finding finding;
    finding.id = text(json, "id");
    finding.subject = text(json, "subject");
    for (const auto severity :
         {Severity::critical, Severity::high, Severity::medium, Severity::low, Severity::info}) {
        if (text(json, "severity") == severityName(severity)) {
            finding.severity = severity;
        }
    }
    for (const auto confidence : {Confidence::confirmed, Confidence::suspected, Confidence::unknown}) {
        if (text(json, "confidence") == confidenceName(confidence)) {
            finding.confidence = confidence;
        }
    }
    finding.since = number(json, "since");
    finding.title = text(json, "title");
    finding.remedy = text(json, "remedy");
    if (const auto* lines = list(json, "evidence")) {
        for (const auto& line : lines->GetArray()) {
            if (line.IsObject()) {
                finding.evidence.push_back({text(line, "source"), text(line, "text")});
            }
        }
    }
    if (const auto* lines = list(json, "not_assessed")) {
        for (const auto& line : lines->GetArray()) {
            if (line.IsString()) {
                finding.not_assessed.emplace_back(line.GetString(), line.GetStringLength());
            }
        }
    }
    if (const auto* parts = list(json, "parts")) {
        for (const auto& part : parts->GetArray()) {
            if (part.IsObject()) {
                finding.parts.push_back({text(part, "what"), text(part, "from")});
            }
        }
    }
    return finding;
}

}  // namespace

void Book::update(Judgement judgement, TimestampMs now) {
    std::set<FindingKey> standing;
    for (auto& finding : judgement.findings) {
        const FindingKey key{finding.id, finding.subject};
        standing.insert(key);
        const auto known = entries_.find(key);
        finding.parts = bounded(std::move(finding.parts));
        finding.since = known == entries_.end() ? now : known->second.finding.since;
        entries_[key] = {std::move(finding), now};
    }
    for (auto entry = entries_.begin(); entry != entries_.end();) {
        auto& [finding, judged] = entry->second;
        if (standing.contains(entry->first)) {
            ++entry;
            continue;
        }
        if (judgement.ends(entry->first) || now - judged > kForgetMs) {
            entry = entries_.erase(entry);
            continue;
        }
        if (finding.confidence != Confidence::unknown) {
            finding.confidence = Confidence::unknown;
            finding.evidence.insert(finding.evidence.begin(), {kUnknownSource, kUnknownText});
        }
        ++entry;
    }
}

std::vector<Finding> Book::findings() const {
    std::vector<Finding> out;
    out.reserve(entries_.size());
    for (const auto& [key, entry] : entries_) {
        out.push_back(entry.finding);
    }
    std::stable_sort(out.begin(), out.end(),
                     [](const Finding& a, const Finding& b) { return a.severity < b.severity; });
    return out;
}

std::string Book::toJson() const {
    rapidjson::StringBuffer buffer;
    Writer writer(buffer);
    writer.StartArray();
    for (const auto& [key, entry] : entries_) {
        const auto& finding = entry.finding;
        writer.StartObject();
        put(writer, "id", finding.id);
        put(writer, "subject", finding.subject);
        put(writer, "severity", severityName(finding.severity));
        put(writer, "confidence", confidenceName(finding.confidence));
        writer.Key("since");
        writer.Int64(finding.since);
        put(writer, "title", finding.title);
        writer.Key("evidence");
        writer.StartArray();
        for (const auto& line : finding.evidence) {
            writer.StartObject();
            put(writer, "source", line.source);
            put(writer, "text", line.text);
            writer.EndObject();
        }
        writer.EndArray();
        put(writer, "remedy", finding.remedy);
        writer.Key("not_assessed");
        writer.StartArray();
        for (const auto& line : finding.not_assessed) {
            writer.String(line.data(), static_cast<rapidjson::SizeType>(line.size()));
        }
        writer.EndArray();
        writer.Key("parts");
        writer.StartArray();
        for (const auto& part : finding.parts) {
            writer.StartObject();
            put(writer, "what", part.what);
            put(writer, "from", part.from);
            writer.EndObject();
        }
        writer.EndArray();
        writer.EndObject();
    }
    writer.EndArray();
    return {buffer.GetString(), buffer.GetSize()};
}

Expected<void> Book::load(const std::string& json) {
    entries_.clear();
    const auto document = json::parseOwn(json);
    if (!document.IsArray()) {
        return fail(ErrorKind::invalid,
                    "reading the book of findings: not in the form that this version writes");
    }
    for (const auto& item : document.GetArray()) {
        if (!item.IsObject()) {
            continue;
        }
        auto finding = readFinding(item);
        const FindingKey key{finding.id, finding.subject};
        const auto since = finding.since;
        entries_[key] = {std::move(finding), since};
    }
    return {};
}

}  // namespace lapwing::analysis
