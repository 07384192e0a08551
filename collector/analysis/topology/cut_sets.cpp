#include "collector/analysis/topology/cut_sets.h"

#include <algorithm>

namespace lapwing::analysis::topology {

namespace {

Truth stateOf(const std::string& component, const States& states) {
    const auto known = states.find(component);
    return known == states.end() ? Truth::yes : known->second;
}

/// The number of parts of a gate that work, and that may work.
struct Tally {
    std::size_t work = 0;
    std::size_t may_work = 0;

    void include(Truth part) {
        work += part == Truth::yes ? 1 : 0;
        may_work += part != Truth::no ? 1 : 0;
    }
    void exclude(Truth part) {
        work -= part == Truth::yes ? 1 : 0;
        may_work -= part != Truth::no ? 1 : 0;
    }
    Truth reaches(std::size_t needed) const {
        return work >= needed ? Truth::yes : may_work >= needed ? Truth::unknown : Truth::no;
    }
};

/// A gate's function with the state of every component. A change propagates upwards until it makes no
/// difference, so that a failure behind a redundant gate is cheap.
class Circuit {
  public:
    Circuit(const Gate& gate, const States& states) {
        add(gate, kNone, states);
        for (const auto& named : parts_) {
            order_.push_back(&named);
        }
    }
    Circuit(const Circuit&) = delete;
    Circuit& operator=(const Circuit&) = delete;

    Truth works() const { return nodes_.front().truth; }

    /// The components, by name.
    std::size_t size() const { return order_.size(); }
    const std::string& name(std::size_t component) const { return order_[component]->first; }
    Truth state(std::size_t component) const { return order_[component]->second.truth; }

    /// Lets a component fail until restore().
    void fail(std::size_t component) { put(order_[component]->second, Truth::no); }
    void restore(std::size_t component) { put(order_[component]->second, state(component)); }

  private:
    static constexpr std::size_t kNone = static_cast<std::size_t>(-1);

    struct Node {
        std::size_t parent = kNone;
        std::size_t needed = 0;
        bool inverted = false;
        Tally tally;
        Truth truth = Truth::yes;

        Truth value() const {
            const auto reached = tally.reaches(needed);
            return inverted ? negate(reached) : reached;
        }
    };
    struct Part {
        Truth truth = Truth::yes;
        std::vector<std::size_t> nodes;
    };

    void add(const Gate& gate, std::size_t parent, const States& states) {
        const auto at = nodes_.size();
        nodes_.push_back({parent, gate.needed, gate.kind == Gate::Kind::failed, {}, gate.truth});
        if (gate.kind == Gate::Kind::component) {
            auto& part = parts_[gate.component];
            part.truth = stateOf(gate.component, states);
            part.nodes.push_back(at);
            nodes_[at].truth = part.truth;
        } else if (gate.kind != Gate::Kind::fact) {
            for (const auto& part : gate.parts) {
                const auto child = nodes_.size();
                add(part, at, states);
                nodes_[at].tally.include(nodes_[child].truth);
            }
            nodes_[at].truth = nodes_[at].value();
        }
    }

    void put(const Part& part, Truth truth) {
        for (auto at : part.nodes) {
            auto before = nodes_[at].truth;
            nodes_[at].truth = truth;
            while (nodes_[at].truth != before && nodes_[at].parent != kNone) {
                const auto now = nodes_[at].truth;
                at = nodes_[at].parent;
                auto& node = nodes_[at];
                node.tally.exclude(before);
                node.tally.include(now);
                before = node.truth;
                node.truth = node.value();
            }
        }
    }

    std::vector<Node> nodes_;  ///< the whole function's is the first
    std::map<std::string, Part> parts_;
    std::vector<const std::pair<const std::string, Part>*> order_;
};

/// The effect of a failure on a service that works, or may work, without it.
enum class Effect { none, may_stop, stops };

Effect effectOf(Truth before, Truth after) {
    // If the state was unknown before, "unknown" afterwards is not an effect of the failure.
    const bool same = after == before || after == Truth::yes;
    return same ? Effect::none : after == Truth::no ? Effect::stops : Effect::may_stop;
}

}  // namespace

Truth evaluate(const Gate& gate, const States& states) {
    if (gate.kind == Gate::Kind::component) {
        return stateOf(gate.component, states);
    }
    if (gate.kind == Gate::Kind::fact) {
        return gate.truth;
    }
    Tally tally;
    for (const auto& part : gate.parts) {
        tally.include(evaluate(part, states));
    }
    const auto reached = tally.reaches(gate.needed);
    return gate.kind == Gate::Kind::failed ? negate(reached) : reached;
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
    Circuit circuit(gate, states);
    CutSets out;
    out.works = circuit.works();
    if (out.works == Truth::no) {
        return out;
    }
    struct Candidate {
        std::size_t component;
        Effect alone;
    };
    std::vector<Candidate> candidates;
    for (std::size_t i = 0; i < circuit.size(); ++i) {
        if (circuit.state(i) == Truth::no) {
            continue;
        }
        circuit.fail(i);
        const auto effect = effectOf(out.works, circuit.works());
        circuit.restore(i);
        if (effect != Effect::none) {
            out.sets.push_back({{circuit.name(i)}, effect == Effect::stops});
        }
        // A component that certainly stops it alone is part of no smallest pair.
        if (effect != Effect::stops) {
            candidates.push_back({i, effect});
        }
    }
    for (auto first = candidates.begin(); first != candidates.end(); ++first) {
        circuit.fail(first->component);
        for (auto second = std::next(first); second != candidates.end(); ++second) {
            circuit.fail(second->component);
            const auto effect = effectOf(out.works, circuit.works());
            circuit.restore(second->component);
            if (effect > std::max(first->alone, second->alone)) {
                out.sets.push_back({{circuit.name(first->component), circuit.name(second->component)},
                                    effect == Effect::stops});
            }
        }
        circuit.restore(first->component);
    }
    return out;
}

}  // namespace lapwing::analysis::topology
