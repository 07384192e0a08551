#include "collector/analysis/acceptance.h"

#include <algorithm>
#include <utility>

#include "common/digest.h"
#include "common/reach/address.h"

namespace lapwing::analysis {

namespace {

constexpr std::size_t kMostBytes = 16U << 10U;
constexpr const char* kDigest = "parts with the digest ";

std::string textOf(const Part& part) {
    return part.from.empty() ? part.what : part.what + " from " + part.from;
}

/// The sources of `part` that the parts of before with the same `what` do not cover.
std::vector<reach::AddressRange> uncovered(const Part& part, const std::vector<Part>& before) {
    const auto range = reach::AddressRange::parse(part.from);
    if (!range) {
        return {};
    }
    std::vector<reach::AddressRange> covered;
    for (const auto& one : before) {
        const auto known = one.what == part.what ? reach::AddressRange::parse(one.from) : std::nullopt;
        if (known && known->family == range->family) {
            covered.push_back(*known);
        }
    }
    return reach::subtract({*range}, covered);
}

/// "" if the part is one of before.
std::string newIn(const Part& part, const std::vector<Part>& before) {
    if (std::find(before.begin(), before.end(), part) != before.end()) {
        return {};
    }
    if (part.what.starts_with(kDigest)) {
        return "it is not what it was; it has too many parts to name them";
    }
    if (!reach::AddressRange::parse(part.from)) {
        return textOf(part);
    }
    const auto left = uncovered(part, before);
    return left.empty() ? "" : textOf({part.what, left.front().toString()});
}

}  // namespace

std::vector<Part> bounded(std::vector<Part> parts) {
    std::sort(parts.begin(), parts.end());
    parts.erase(std::unique(parts.begin(), parts.end()), parts.end());
    std::size_t bytes = 0;
    for (const auto& part : parts) {
        bytes += part.what.size() + part.from.size();
    }
    if (bytes <= kMostBytes) {
        return parts;
    }
    Sha256 digest;
    for (const auto& part : parts) {
        digest.add(part.what + "\n" + part.from + "\n");
    }
    return {{kDigest + digest.digest()}};
}

Extent extentOf(const Finding& finding) {
    return {finding.severity,
            bounded(finding.parts.empty() ? std::vector<Part>{{finding.title}} : finding.parts)};
}

std::string worse(const Extent& before, const Finding& finding) {
    const auto now = extentOf(finding);
    if (now.severity < before.severity) {
        return std::string("its severity is ") + severityName(now.severity) + ", and was " +
               severityName(before.severity);
    }
    for (const auto& part : now.parts) {
        if (auto fresh = newIn(part, before.parts); !fresh.empty()) {
            return "new: " + std::move(fresh);
        }
    }
    return {};
}

}  // namespace lapwing::analysis
