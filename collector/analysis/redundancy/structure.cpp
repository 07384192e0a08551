#include "collector/analysis/redundancy/structure.h"

#include <algorithm>

namespace lapwing::analysis::redundancy {

namespace {

void collect(const Gate& gate, std::set<std::string>& out) {
    if (gate.kind == Gate::Kind::component) {
        out.insert(gate.component);
    }
    for (const auto& part : gate.parts) {
        collect(part, out);
    }
}

/// Tries failures on top of what is so already.
class Trial {
  public:
    Trial(const Gate& gate, const States& states) : gate_(gate), states_(states) {
        out_.works = evaluate(gate, states);
        if (out_.works == Truth::no) {
            return;
        }
        for (const auto& component : componentsOf(gate)) {
            const auto known = states.find(component);
            if (known == states.end() || known->second != Truth::no) {
                components_.push_back(component);
            }
        }
    }

    CutSets run() {
        for (const auto& component : components_) {
            fail({component});
        }
        for (std::size_t i = 0; i < components_.size(); ++i) {
            for (std::size_t j = i + 1; j < components_.size(); ++j) {
                fail({components_[i], components_[j]});
            }
        }
        return std::move(out_);
    }

  private:
    void fail(const std::set<std::string>& components) {
        auto states = states_;
        for (const auto& component : components) {
            states[component] = Truth::no;
        }
        const auto works = evaluate(gate_, states);
        // Where it is unknown before, "unknown" afterwards is no effect of the failure.
        if (works == Truth::no || (works == Truth::unknown && out_.works == Truth::yes)) {
            const CutSet found{components, works == Truth::no};
            const bool superset = std::any_of(out_.sets.begin(), out_.sets.end(), [&](const auto& known) {
                return (known.certain || !found.certain) &&
                       std::includes(components.begin(), components.end(), known.components.begin(),
                                     known.components.end());
            });
            if (!superset) {
                out_.sets.push_back(found);
            }
        }
    }

    const Gate& gate_;
    const States& states_;
    std::vector<std::string> components_;
    CutSets out_;
};

}  // namespace

const char* truthName(Truth truth) {
    switch (truth) {
        case Truth::no:
            return "no";
        case Truth::unknown:
            return "unknown";
        case Truth::yes:
            return "yes";
    }
    return "unknown";
}

Truth evaluate(const Gate& gate, const States& states) {
    if (gate.kind == Gate::Kind::component) {
        const auto known = states.find(gate.component);
        return known == states.end() ? Truth::yes : known->second;
    }
    if (gate.kind == Gate::Kind::fact) {
        return gate.truth;
    }
    std::size_t work = 0;
    std::size_t may_work = 0;
    for (const auto& part : gate.parts) {
        const auto truth = evaluate(part, states);
        work += truth == Truth::yes ? 1 : 0;
        may_work += truth != Truth::no ? 1 : 0;
    }
    if (work >= gate.needed) {
        return Truth::yes;
    }
    return may_work >= gate.needed ? Truth::unknown : Truth::no;
}

std::set<std::string> componentsOf(const Gate& gate) {
    std::set<std::string> out;
    collect(gate, out);
    return out;
}

std::set<std::string> CutSets::singles(bool certain_only) const {
    std::set<std::string> out;
    for (const auto& set : sets) {
        if (set.components.size() == 1 && (set.certain || !certain_only)) {
            out.insert(*set.components.begin());
        }
    }
    return out;
}

CutSets cutSets(const Gate& gate, const States& states) {
    return Trial(gate, states).run();
}

}  // namespace lapwing::analysis::redundancy
