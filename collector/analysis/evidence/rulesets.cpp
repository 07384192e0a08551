#include "collector/analysis/evidence/rulesets.h"

#include <malloc.h>

#include <cstddef>
#include <string>
#include <utility>

#include "common/memory_budget.h"

namespace lapwing::analysis::evidence {
namespace {

/// More text is not judged: F14 tells that the ruleset is unknown.
constexpr std::size_t kMostText = 16U << 20;
/// Rules take some times the memory of their text.
constexpr std::size_t kGrowth = 5;

}  // namespace

void Rulesets::beginRound() {
    std::erase_if(known_, [](const auto& each) { return !each.second.asked; });
    for (auto& [key, known] : known_) {
        known.asked = false;
    }
}

void Rulesets::read(const std::string& digest, Known& known) const {
    const auto document = store_.document(digest, kMostText);
    if (!document) {
        known.read = document.error().kind == ErrorKind::exhausted;
        known.fault =
            known.read ? "its text has more than " + std::to_string(kMostText >> 20) + " MiB" : std::string();
        return;
    }
    if (!*document) {
        return;
    }
    known.read = true;
    const auto& text = (*document)->body;
    auto parsed = readWithinBudget(
        text.size(), "reading a ruleset", [&] { return reach::Ruleset::parse(text); },
        MemoryBudget::kAllowance + kGrowth * text.size());
    if (parsed) {
        known.ruleset.emplace(std::move(*parsed));
        known.of_no_host = known.ruleset->host().interfaces.empty();
    } else {
        known.fault = parsed.error().message;
    }
    constexpr std::size_t large = 1U << 20;
    if (text.size() > large) {
        malloc_trim(0);  // reading it took several times the memory that the rules need
    }
}

Rulesets::Known* Rulesets::known(const std::string& host, const std::string& digest) {
    if (digest.empty()) {
        return nullptr;
    }
    auto& known = known_[{host, digest}];
    known.asked = true;
    if (!known.read) {
        read(digest, known);
    }
    return &known;
}

Rulesets::Known* Rulesets::find(const std::string& host, const std::string& digest) {
    auto* found = known(host, digest);
    return found != nullptr && found->ruleset ? found : nullptr;
}

std::string Rulesets::faultOf(const Host& host) {
    const auto* found = known(host.name, host.digest);
    return found == nullptr ? "" : found->fault;
}

const reach::Ruleset* Rulesets::of(const Host& host) {
    const auto* known = find(host.name, host.digest);
    return known == nullptr ? nullptr : &*known->ruleset;
}

const reach::Ruleset* Rulesets::of(const Host& host, const std::string& digest) {
    auto* other = find(host.name, digest);
    if (other == nullptr) {
        return nullptr;
    }
    const auto* present = of(host);
    if (other->of_no_host && present != nullptr && digest != host.digest &&
        other->ruleset->host() != present->host()) {
        other->ruleset->describeHost(present->host());
    }
    return &*other->ruleset;
}

}  // namespace lapwing::analysis::evidence
