#include "collector/analysis/alert_texts.h"

#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <cstdint>

#include "common/text.h"

namespace lapwing::analysis {
namespace {

// An alert must be readable on a phone; chat services cut long texts.
constexpr std::size_t kMostTitle = 200;
constexpr std::size_t kMostLine = 300;
constexpr std::size_t kMostEvidence = 3;  // lines

struct Redaction {
    RE2 pattern;
    const char* replacement;
};

std::string withoutSecrets(std::string text) {
    static const std::array<Redaction, 7> redactions{{
        {RE2(R"((?is)\b(on query|query):?\s*'.*)"), R"(\1 left out)"},
        {RE2(R"re((?i)(identified\s+(?:with\s+\S+\s+)?(?:by|as|using)\s+(?:password\s*\(?\s*)?)('[^']*'?|"[^"]*"?))re"),
         R"(\1***)"},
        {RE2(R"re((?i)(password\s*\(\s*)('[^']*'?|"[^"]*"?))re"), R"(\1***)"},
        {RE2(R"re((?i)([\w.-]*(?:password|passwd|pwd|secret|token|api_?key)[\w.-]*\s*(?:=|:=)\s*)('[^']*'?|"[^"]*"?|[^\s,;)'"]+))re"),
         R"(\1***)"},
        {RE2(R"re((?i)([\w.-]*(?:password|passwd|pwd|secret|token|api_?key)[\w.-]*["']?\s*:\s*)('[^']*'?|"[^"]*"?))re"),
         R"(\1***)"},
        {RE2(R"re((?i)([a-z][a-z0-9+.-]*://)[^\s/@]*:[^\s/@]*@)re"), R"(\1***@)"},
        {RE2(R"re((?i)(\b(?:bearer|basic)\s+)[a-z0-9._~+/-]{16,}=*)re"), R"(\1***)"},
    }};
    for (const auto& redaction : redactions) {
        RE2::GlobalReplace(&text, redaction.pattern, redaction.replacement);
    }
    return text;
}

struct CodePoint {
    std::uint32_t value = 0;
    std::size_t bytes = 1;
    bool valid = false;
};

/// The code point at the begin of a text that is not empty.
CodePoint codePointAt(std::string_view text) {
    const auto lead = static_cast<unsigned char>(text.front());
    const std::size_t bytes = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if (text.size() < bytes || !isValidUtf8(text.substr(0, bytes))) {
        return {};
    }
    std::uint32_t value = bytes == 1 ? lead : lead & (0x7fU >> bytes);
    for (std::size_t i = 1; i < bytes; ++i) {
        value = value << 6U | (static_cast<unsigned char>(text[i]) & 0x3fU);
    }
    return {value, bytes, true};
}

bool isSpace(std::uint32_t c) {
    return c <= 0x20 || (c >= 0x7f && c <= 0xa0) || c == 0x2028 || c == 0x2029;
}

/// Characters that change the direction of text, or that nobody sees.
bool isInvisible(std::uint32_t c) {
    return c == 0xad || c == 0x61c || (c >= 0x200b && c <= 0x200f) || (c >= 0x202a && c <= 0x202e) ||
           (c >= 0x2060 && c <= 0x206f) || c == 0xfeff || (c >= 0xfff9 && c <= 0xfffb) ||
           (c >= 0xe0000 && c <= 0xe007f);
}

std::string oneLine(std::string_view text) {
    std::string out;
    while (!text.empty()) {
        const auto next = codePointAt(text);
        if (!next.valid) {
            appendUtf8(out, 0xfffd);
        } else if (isSpace(next.value)) {
            if (!out.empty() && out.back() != ' ') {
                out += ' ';
            }
        } else if (!isInvisible(next.value)) {
            out.append(text.substr(0, next.bytes));
        }
        text.remove_prefix(next.bytes);
    }
    while (!out.empty() && out.back() == ' ') {
        out.pop_back();
    }
    return out;
}

/// The first line that has text. A colon at its end, before lines that are left out, becomes "...".
std::string firstLine(std::string_view text) {
    const auto begin = text.find_first_not_of(" \t\r\n");
    if (begin == std::string_view::npos) {
        return {};
    }
    text.remove_prefix(begin);
    std::string out(text.substr(0, text.find('\n')));
    if (out.back() == ':') {
        out.pop_back();
        out += "...";
    }
    return out;
}

std::string evidenceText(const std::vector<Evidence>& evidence) {
    std::string out;
    const auto count = std::min(evidence.size(), kMostEvidence);
    for (std::size_t i = 0; i < count; ++i) {
        out += (out.empty() ? "" : "; ") + alertText(evidence[i].source + ": " + evidence[i].text, kMostLine);
    }
    if (count < evidence.size()) {
        out += "; and " + std::to_string(evidence.size() - count) + " more";
    }
    return out;
}

/// The first text, and the second behind it unless it is a part of the first.
std::string together(const std::string& first, const char* between, std::string_view second) {
    if (first.empty() || second.empty()) {
        return first + std::string(second);
    }
    return first.find(second) != std::string::npos   ? first
           : second.find(first) != std::string::npos ? std::string(second)
                                                     : first + between + std::string(second);
}

}  // namespace

std::string alertText(std::string_view text, std::size_t most) {
    constexpr std::size_t most_read = 16U << 10U;  // more would be cut anyway
    auto out = withoutSecrets(oneLine(text.substr(0, most_read)));
    if (out.size() <= most) {
        return out;
    }
    return std::string(utf8Prefix(out, most < 3 ? 0 : most - 3)) + "...";
}

Labels annotationsOf(const Finding& finding, const Labels& annotations) {
    const auto title = alertText(finding.title, kMostTitle);
    const auto evidence = evidenceText(finding.evidence);
    const auto remedy = alertText(firstLine(finding.remedy), kMostLine);
    return Labels{{"title", title},
                  {"evidence", evidence},
                  {"remedy", remedy},
                  {"summary", together(std::string(annotations.get("summary")), ": ", title)},
                  {"description", together(evidence, ". ", annotations.get("description"))},
                  {"next_step", together(remedy, "; ", annotations.get("next_step"))}};
}

Labels annotationsOf(const replication::Verdict& verdict, const Labels& annotations) {
    const auto evidence = evidenceText(verdict.evidence);
    const auto step = alertText(firstLine(verdict.next_step), kMostLine);
    return Labels{{"cause", alertText(verdict.summary, kMostLine)},
                  {"evidence", evidence},
                  {"description", together(std::string(annotations.get("description")), " ", evidence)},
                  {"next_step", together(std::string(annotations.get("next_step")), "; ", step)}};
}

const Finding* findingOf(const Labels& alert, const std::vector<Finding>& findings) {
    const auto id = alert.get("id");
    const auto subject = alert.get("subject");
    const auto found = std::find_if(findings.begin(), findings.end(), [&](const Finding& finding) {
        return finding.id == id && finding.subject == subject;
    });
    return found == findings.end() ? nullptr : &*found;
}

const replication::Verdict* verdictOf(const Labels& alert,
                                      const std::vector<replication::Verdict>& verdicts) {
    if (alert.get("alertname").rfind("MysqlReplica", 0) != 0) {
        return nullptr;
    }
    const auto cause = alert.get("cause");
    const auto found = std::find_if(verdicts.begin(), verdicts.end(), [&](const auto& verdict) {
        return verdict.replica == alert.get("instance") && verdict.channel == alert.get("channel") &&
               (cause.empty() || cause == replication::causeName(verdict.cause));
    });
    return found == verdicts.end() ? nullptr : &*found;
}

}  // namespace lapwing::analysis
