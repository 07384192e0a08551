#include "common/enum_names.h"
#include "common/reach/traversal.h"

namespace lapwing::reach {

namespace {

constexpr std::array kVerdicts{
    EnumName<Verdict>{Verdict::must_reach, "must_reach"},
    EnumName<Verdict>{Verdict::must_block, "must_block"},
    EnumName<Verdict>{Verdict::may, "may"},
};

}  // namespace

Address vrrpGroup(Family family) {
    return *Address::parse(family == Family::ipv4 ? "224.0.0.18" : "ff02::12");
}

const char* verdictName(Verdict verdict) {
    return nameOf(kVerdicts, verdict);
}

std::optional<Verdict> parseVerdict(std::string_view word) {
    return valueOf(kVerdicts, word);
}

Result Ruleset::evaluate(const Packet& packet) const {
    return Traversal(*model_, packet).run();
}

bool Ruleset::filtersInput(Family family) const {
    const auto own = family == Family::ipv4 ? TableFamily::ip : TableFamily::ip6;
    for (const auto& table : model_->tables) {
        if (table.dormant || (table.family != TableFamily::inet && table.family != own)) {
            continue;
        }
        for (const auto& [name, chain] : table.chains) {
            if (chain.base && chain.hook == Hook::input && chain.type == ChainType::filter) {
                return true;
            }
        }
    }
    return false;
}

}  // namespace lapwing::reach
