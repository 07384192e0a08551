#include "collector/analysis/evidence/rulesets.h"

#include <malloc.h>

#include <cstddef>

namespace lapwing::analysis::evidence {

void Rulesets::beginRound() {
    std::erase_if(known_, [](const auto& each) { return !each.second.asked; });
    for (auto& [key, known] : known_) {
        known.asked = false;
    }
}

Rulesets::Known* Rulesets::find(const std::string& host, const std::string& digest) {
    if (digest.empty()) {
        return nullptr;
    }
    auto& known = known_[{host, digest}];
    known.asked = true;
    if (!known.read) {
        const auto document = store_.document(digest);
        if (document && *document) {
            known.read = true;
            if (auto parsed = reach::Ruleset::parse((*document)->body)) {
                known.ruleset.emplace(std::move(*parsed));
                known.of_no_host = known.ruleset->host().interfaces.empty();
            }
            constexpr std::size_t large = 1U << 20;
            if ((*document)->body.size() > large) {
                malloc_trim(0);  // reading it took several times the memory that the rules need
            }
        }
    }
    return known.ruleset ? &known : nullptr;
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
