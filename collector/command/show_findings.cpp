#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "collector/command/client.h"
#include "collector/command/command.h"
#include "collector/command/terminal.h"
#include "common/json.h"
#include "common/model/clock.h"
#include "common/text.h"

namespace lapwing::collector {
namespace {

using json::Value;

constexpr std::array kSeverities{"critical", "high", "medium", "low", "info"};

/// 0 is the gravest; a severity that this version does not know counts as such.
std::size_t rankOf(const std::string& severity) {
    const auto found = std::find(kSeverities.begin(), kSeverities.end(), severity);
    return found == kSeverities.end() ? 0 : static_cast<std::size_t>(found - kSeverities.begin());
}

/// The word is the subject, or a name in it: web-01 in nginx@web-01, lb-01 in lb-01/web.
bool isAbout(const std::string& subject, const std::string& word) {
    if (subject == word) {
        return true;
    }
    constexpr const char* separators = "@/ ,";
    std::size_t begin = 0;
    while (begin < subject.size()) {
        const auto end = std::min(subject.find_first_of(separators, begin), subject.size());
        if (subject.compare(begin, end - begin, word) == 0) {
            return true;
        }
        begin = end + 1;
    }
    return false;
}

bool isWanted(const FindingsRequest& request, const Value& finding) {
    return (request.id.empty() || equalsIgnoreCase(request.id, member(finding, "id"))) &&
           (request.subject.empty() || isAbout(member(finding, "subject"), request.subject)) &&
           (request.severity.empty() || rankOf(member(finding, "severity")) <= rankOf(request.severity));
}

void printAcceptance(const Value& acceptance, TimestampMs now) {
    if (!acceptance.IsObject()) {
        return;
    }
    fmt::print("  Accepted until {} by {}: {}\n", whenText(member(acceptance, "until"), now),
               shown(acceptance, "by"), shown(acceptance, "reason"));
    if (const auto worse = shown(acceptance, "worse"); !worse.empty()) {
        fmt::print("  It is worse than what was accepted: {}\n", worse);
    }
}

void print(const Value& finding, TimestampMs now) {
    const bool accepted = isAccepted(finding);
    const auto severity = shown(finding, "severity");
    fmt::print("{} {}  {} ({}){}  since {}\n  {}\n", shown(finding, "id"), shown(finding, "subject"),
               accepted ? severity : coloured(severity, severity), shown(finding, "confidence"),
               accepted ? ", accepted" : "", whenText(member(finding, "since"), now),
               shown(finding, "title"));
    printAcceptance(json::member(finding, "acceptance"), now);
    for (const auto& line : json::items(json::member(finding, "evidence"))) {
        fmt::print("    {}: {}\n", shown(line, "source"), shown(line, "text"));
    }
    for (const auto& each : json::texts(finding, "not_assessed")) {
        fmt::print("  Not assessed: {}\n", printable(each));
    }
    // Last, and from the first column, as it is pasted: a here-document ends there only.
    if (const auto remedy = plainLines(member(finding, "remedy")); !remedy.empty()) {
        fmt::print("  Remedy:\n\n{}", remedy);
    }
    fmt::print("\n");
}

/// The API's JSON with the wanted findings alone.
void printJson(const std::vector<const Value*>& wanted) {
    json::Writer out;
    out.StartObject();
    json::put(out, "status", "success");
    json::key(out, "data");
    out.StartArray();
    for (const auto* finding : wanted) {
        finding->Accept(out);
    }
    out.EndArray();
    out.EndObject();
    fmt::print("{}\n", out.text());
}

}  // namespace

int showFindings(const std::string& config_file, const FindingsRequest& request) {
    return show(config_file, false, "/api/lapwing/v1/findings", [&](const Value& data, bool) -> int {
        std::vector<const Value*> wanted;
        for (const auto& finding : json::items(data)) {
            if (isWanted(request, finding)) {
                wanted.push_back(&finding);
            }
        }
        if (request.json) {
            printJson(wanted);
        } else {
            const auto now = nowMs();
            for (const auto* finding : wanted) {
                print(*finding, now);
            }
            if (wanted.empty()) {
                fmt::print("{}\n", json::items(data).Empty() ? "no findings" : "no such findings");
            }
        }
        return std::all_of(wanted.begin(), wanted.end(), [](const auto* one) { return isAccepted(*one); })
                   ? kFine
                   : kDegraded;
    });
}

}  // namespace lapwing::collector
