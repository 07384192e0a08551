#include "collector/analysis/topology/cut_sets.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <unordered_map>
#include <unordered_set>

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
    /// The parts that must get worse before the gate does.
    std::size_t margin(std::size_t needed) const {
        return work >= needed ? work - needed + 1 : may_work >= needed ? may_work - needed + 1 : kNever;
    }
    static constexpr std::size_t kNever = std::numeric_limits<std::size_t>::max();
};

/// A gate's function with the state of every component. A change propagates upwards until it makes no
/// difference, so that a failure behind a redundant gate is cheap.
class Circuit {
  public:
    Circuit(const Gate& gate, const States& states) {
        add(gate, kNone, states);
        for (const auto& named : parts_) {
            for (const auto node : named.second.nodes) {
                nodes_[node].component = order_.size();
            }
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

    /// Remembers what candidates(1, excluded) finds below each gate while nothing fails: with a failure, only
    /// the gates above it are searched again.
    void remember(const std::vector<bool>& excluded) {
        remembering_ = true;
        static_cast<void>(candidates(1, excluded));
        remembering_ = false;
    }

    /// The components, ascending, whose failure may make the function worse: alone (`failures` is 1), or
    /// together with a second one (2). A component that is in few parts of a gate does not affect it while
    /// many parts work. `excluded` components do not fail.
    std::vector<std::size_t> candidates(std::size_t failures, const std::vector<bool>& excluded) {
        auto out = affecting(0, false, {failures, excluded});
        std::sort(out.begin(), out.end());
        return out;
    }

    /// The nodes that candidates() and failures have visited: a measure of time.
    std::size_t visited() const { return visited_; }

  private:
    static constexpr std::size_t kNone = static_cast<std::size_t>(-1);

    struct Node {
        std::size_t parent = kNone;
        std::size_t needed = 0;
        bool inverted = false;
        bool may_rise = false;  ///< a failure may make it better
        Tally tally = {};
        Truth truth = Truth::yes;
        std::size_t component = kNone;  ///< of a leaf
        std::vector<std::size_t> parts = {};
        std::size_t failed_below = 0;  ///< leaves
        std::optional<std::vector<std::size_t>> remembered = {};

        Truth value() const {
            const auto reached = tally.reaches(needed);
            return inverted ? negate(reached) : reached;
        }
    };
    struct Part {
        Truth truth = Truth::yes;
        std::vector<std::size_t> nodes;
    };
    struct Search {
        std::size_t failures;
        const std::vector<bool>& excluded;
    };

    void add(const Gate& gate, std::size_t parent, const States& states) {
        const auto at = nodes_.size();
        nodes_.push_back({parent, gate.needed, gate.kind == Gate::Kind::failed, false, {}, gate.truth});
        if (parent != kNone) {
            nodes_[parent].parts.push_back(at);
        }
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
                nodes_[at].may_rise = nodes_[at].may_rise || nodes_[child].may_rise;
            }
            nodes_[at].may_rise = nodes_[at].may_rise || nodes_[at].inverted;
            nodes_[at].truth = nodes_[at].value();
        }
    }

    /// The components whose failure may make the node worse, or better. A failure makes a node better only
    /// behind an inverted gate.
    std::vector<std::size_t> affecting(std::size_t at, bool better, const Search& search) {
        auto& node = nodes_[at];
        visited_ += 1 + node.parts.size();
        if (search.failures == 1 && !remembering_ && node.failed_below == 0 && node.remembered) {
            return *node.remembered;
        }
        auto out = affectingParts(at, better, search);
        if (remembering_) {
            node.remembered = out;
        }
        return out;
    }

    std::vector<std::size_t> affectingParts(std::size_t at, bool better, const Search& search) {
        const auto& node = nodes_[at];
        if (node.component != kNone) {
            const bool fails = !better && !search.excluded[node.component];
            return fails ? std::vector{node.component} : std::vector<std::size_t>{};
        }
        const bool parts_better = better != node.inverted;
        // One of two failures may take back what the other made better.
        const bool takes_back = search.failures > 1 && node.may_rise;
        const bool counts_all = parts_better || (takes_back && node.tally.reaches(node.needed) != Truth::yes);
        const auto margin = counts_all ? 1 : node.tally.margin(node.needed);
        if (margin == Tally::kNever || (margin > search.failures * node.parts.size() && !takes_back)) {
            return {};
        }
        std::unordered_map<std::size_t, std::size_t> counts;
        std::unordered_set<std::size_t> out;
        std::size_t most = 0;
        for (const auto part : node.parts) {
            for (const auto component : affecting(part, parts_better, search)) {
                most = std::max(most, ++counts[component]);
                if (takes_back && nodes_[part].may_rise) {
                    out.insert(component);
                }
            }
        }
        for (const auto& [component, count] : counts) {
            if (count + (search.failures - 1) * most >= margin) {
                out.insert(component);
            }
        }
        return {out.begin(), out.end()};
    }

    void count(std::size_t leaf, bool fails) {
        for (auto at = leaf; at != kNone; at = nodes_[at].parent) {
            ++visited_;
            nodes_[at].failed_below += fails ? 1 : static_cast<std::size_t>(-1);
        }
    }

    void put(const Part& part, Truth truth) {
        for (auto at : part.nodes) {
            count(at, truth == Truth::no);
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
    std::size_t visited_ = 0;
    bool remembering_ = false;
};

/// The effect of a failure on a service that works, or may work, without it.
enum class Effect { none, may_stop, stops };

/// Some tenths of a second.
constexpr std::size_t kMostVisits = 3'000'000;

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
    std::vector<Effect> alone(circuit.size(), Effect::none);
    std::vector<bool> excluded(circuit.size());
    for (std::size_t i = 0; i < circuit.size(); ++i) {
        excluded[i] = circuit.state(i) == Truth::no;
    }
    for (const auto i : circuit.candidates(1, excluded)) {
        circuit.fail(i);
        alone[i] = effectOf(out.works, circuit.works());
        circuit.restore(i);
        if (alone[i] != Effect::none) {
            out.sets.push_back({{circuit.name(i)}, alone[i] == Effect::stops});
        }
        // A component that certainly stops it alone is part of no smallest pair.
        excluded[i] = alone[i] == Effect::stops;
    }
    circuit.remember(excluded);
    for (const auto first : circuit.candidates(2, excluded)) {
        if (circuit.visited() > kMostVisits) {
            out.complete = false;
            return out;
        }
        circuit.fail(first);
        for (const auto second : circuit.candidates(1, excluded)) {
            if (second <= first) {
                continue;
            }
            circuit.fail(second);
            const auto effect = effectOf(out.works, circuit.works());
            circuit.restore(second);
            if (effect > std::max(alone[first], alone[second])) {
                out.sets.push_back({{circuit.name(first), circuit.name(second)}, effect == Effect::stops});
            }
        }
        circuit.restore(first);
    }
    return out;
}

}  // namespace lapwing::analysis::topology
