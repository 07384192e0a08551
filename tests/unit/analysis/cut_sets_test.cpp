#include "collector/analysis/topology/cut_sets.h"

#include <algorithm>
#include <functional>
#include <map>
#include <random>

#include "tests/unit/catch.h"

using namespace lapwing::analysis::topology;
using lapwing::Truth;

namespace {

constexpr unsigned kSeed = 20231;

using Sets = std::set<std::set<std::string>>;

Sets certain(const CutSets& cuts) {
    Sets out;
    for (const auto& set : cuts.sets) {
        if (set.certain) {
            out.insert(set.components);
        }
    }
    return out;
}

Sets uncertain(const CutSets& cuts) {
    Sets out;
    for (const auto& set : cuts.sets) {
        if (!set.certain) {
            out.insert(set.components);
        }
    }
    return out;
}

std::set<std::string> componentsOf(const Gate& gate) {
    std::set<std::string> out;
    if (gate.kind == Gate::Kind::component) {
        out.insert(gate.component);
    }
    for (const auto& part : gate.parts) {
        out.merge(componentsOf(part));
    }
    return out;
}

/// A random monotone function of the components c0, c1, ...; with `facts`, it also depends on facts, some of
/// them unknown.
Gate randomGate(std::mt19937& random, unsigned components, int depth, bool facts) {
    const auto draw = [&](unsigned most) { return static_cast<unsigned>(random() % most); };
    if (depth == 0 || draw(4) == 0) {
        if (facts && draw(8) == 0) {
            return Gate::fact(static_cast<Truth>(draw(3)));
        }
        return Gate::of("c" + std::to_string(draw(components)));
    }
    std::vector<Gate> parts;
    const auto count = 1 + draw(4);
    for (unsigned i = 0; i < count; ++i) {
        parts.push_back(randomGate(random, components, depth - 1, facts));
    }
    return Gate::atLeast(1 + draw(count), std::move(parts));
}

std::string textOf(const Gate& gate) {
    if (gate.kind == Gate::Kind::component) {
        return gate.component;
    }
    if (gate.kind == Gate::Kind::fact) {
        return std::to_string(static_cast<int>(gate.truth));
    }
    std::string out = gate.kind == Gate::Kind::failed ? "failed(" : std::to_string(gate.needed) + "(";
    for (const auto& part : gate.parts) {
        out += textOf(part) + " ";
    }
    return out + ")";
}

std::string textOf(const std::vector<CutSet>& sets) {
    std::string out;
    for (const auto& set : sets) {
        out += set.certain ? "{" : "?{";
        for (const auto& component : set.components) {
            out += component + " ";
        }
        out += "}";
    }
    return out;
}

/// The function with some of its parts behind a gate that works if they do not.
Gate withInversions(std::mt19937& random, Gate gate) {
    for (auto& part : gate.parts) {
        part = withInversions(random, std::move(part));
    }
    return random() % 6 == 0 ? Gate::failed(std::move(gate)) : gate;
}

/// A two-valued evaluation, independent of evaluate(). Unknown facts count as `unknown_is`.
bool worksWith(const Gate& gate, const std::set<std::string>& failed, bool unknown_is) {
    if (gate.kind == Gate::Kind::component) {
        return !failed.contains(gate.component);
    }
    if (gate.kind == Gate::Kind::fact) {
        return gate.truth == Truth::yes || (gate.truth == Truth::unknown && unknown_is);
    }
    return static_cast<std::size_t>(std::count_if(
               gate.parts.begin(), gate.parts.end(),
               [&](const auto& part) { return worksWith(part, failed, unknown_is); })) >= gate.needed;
}

/// Finds the minimal sets of up to two components by trying all 2^n sets.
Sets bruteForce(const std::vector<std::string>& names,
                const std::function<bool(const std::set<std::string>&)>& works) {
    std::vector<std::set<std::string>> failing;
    for (unsigned mask = 0; mask < 1U << names.size(); ++mask) {
        std::set<std::string> failed;
        for (std::size_t i = 0; i < names.size(); ++i) {
            if ((mask >> i & 1U) != 0) {
                failed.insert(names[i]);
            }
        }
        if (!works(failed)) {
            failing.push_back(std::move(failed));
        }
    }
    Sets out;
    for (const auto& one : failing) {
        const bool minimal = std::none_of(failing.begin(), failing.end(), [&](const auto& other) {
            return other.size() < one.size() &&
                   std::includes(one.begin(), one.end(), other.begin(), other.end());
        });
        if (minimal && one.size() <= 2) {
            out.insert(one);
        }
    }
    return out;
}

}  // namespace

TEST_CASE("single points of AND, OR and k-of-n") {
    const auto site = Gate::all({Gate::any({Gate::of("lb")}), Gate::any({Gate::of("a"), Gate::of("b")})});
    CHECK(certain(cutSets(site)) == Sets{{"lb"}, {"a", "b"}});
    // A component that both alternatives need is a single point.
    const auto shared =
        Gate::any({Gate::all({Gate::of("a"), Gate::of("db")}), Gate::all({Gate::of("b"), Gate::of("db")})});
    CHECK(certain(cutSets(shared)) == Sets{{"db"}, {"a", "b"}});
    const auto capacity = Gate::atLeast(2, {Gate::of("a"), Gate::of("b"), Gate::of("c")});
    CHECK(certain(cutSets(capacity)) == Sets{{"a", "b"}, {"a", "c"}, {"b", "c"}});
    CHECK(certain(cutSets(capacity, {{"c", Truth::no}})) == Sets{{"a"}, {"b"}});
    CHECK(cutSets(Gate::any({})).works == Truth::no);
    CHECK(cutSets(Gate::any({})).sets.empty());
    CHECK(cutSets(Gate::all({})).works == Truth::yes);
}

TEST_CASE("a standby with unknown takeover makes the primary an uncertain single point") {
    const auto entry =
        Gate::any({Gate::of("first"), Gate::all({Gate::of("second"), Gate::fact(Truth::unknown)})});
    const auto cuts = cutSets(entry);
    CHECK(cuts.works == Truth::yes);
    CHECK(cuts.singles().empty());
    CHECK(uncertain(cuts) == Sets{{"first"}});
    CHECK(certain(cuts) == Sets{{"first", "second"}});
    // While the present state is unknown, no cut set is uncertain.
    const auto dark = cutSets(entry, {{"first", Truth::no}});
    CHECK(dark.works == Truth::unknown);
    CHECK(certain(dark) == Sets{{"second"}});
    CHECK(uncertain(dark).empty());
}

TEST_CASE("cut sets equal those of brute force") {
    std::mt19937 random(kSeed);
    std::size_t found = 0;
    for (int round = 0; round < 400; ++round) {
        const auto gate = randomGate(random, 8, 4, false);
        const auto parts = componentsOf(gate);
        const std::vector<std::string> names(parts.begin(), parts.end());
        const auto expected =
            worksWith(gate, {}, false)
                ? bruteForce(names, [&](const auto& failed) { return worksWith(gate, failed, false); })
                : Sets{};
        const auto cuts = cutSets(gate);
        REQUIRE(certain(cuts) == expected);
        REQUIRE(uncertain(cuts).empty());
        found += expected.size();
    }
    CHECK(found > 400);
}

TEST_CASE("certain cut sets hold for all values of unknown facts, and uncertain cut sets do not") {
    std::mt19937 random(kSeed + 1);
    std::size_t depending = 0;
    for (int round = 0; round < 400; ++round) {
        const auto gate = randomGate(random, 7, 4, true);
        const auto parts = componentsOf(gate);
        const std::vector<std::string> names(parts.begin(), parts.end());
        const auto best =
            bruteForce(names, [&](const auto& failed) { return worksWith(gate, failed, true); });
        const auto worst =
            bruteForce(names, [&](const auto& failed) { return worksWith(gate, failed, false); });
        const auto cuts = cutSets(gate);
        if (worksWith(gate, {}, true)) {
            REQUIRE(certain(cuts) == best);
        } else {
            REQUIRE(cuts.works == Truth::no);
        }
        for (const auto& set : uncertain(cuts)) {
            REQUIRE(worst.contains(set));
            REQUIRE_FALSE(best.contains(set));
        }
        if (cuts.works == Truth::yes) {
            for (const auto& set : worst) {
                REQUIRE((certain(cuts).contains(set) || uncertain(cuts).contains(set)));
            }
        }
        depending += uncertain(cuts).size();
    }
    CHECK(depending > 50);
}

TEST_CASE("cut sets beside failed or unknown components agree with evaluate()") {
    std::mt19937 random(kSeed + 3);
    std::size_t singles = 0;
    std::size_t pairs = 0;
    for (int round = 0; round < 2000; ++round) {
        auto gate = randomGate(random, 7, 4, true);
        gate = round % 2 == 0 ? gate : withInversions(random, std::move(gate));
        States states;
        for (const auto& name : componentsOf(gate)) {
            if (const auto truth = random() % 6; truth < 2) {
                states[name] = static_cast<Truth>(truth);
            }
        }
        const auto after = [&](const std::set<std::string>& failed) {
            auto trial = states;
            for (const auto& name : failed) {
                trial[name] = Truth::no;
            }
            return evaluate(gate, trial);
        };
        const auto cuts = cutSets(gate, states);
        REQUIRE(cuts.works == evaluate(gate, states));
        std::vector<CutSet> expected;
        const auto expect = [&](const std::set<std::string>& failed) {
            const auto truth = after(failed);
            if (truth == cuts.works || truth == Truth::yes || cuts.works == Truth::no) {
                return;
            }
            const bool known = std::any_of(failed.begin(), failed.end(), [&](const auto& name) {
                return states.contains(name) && states.at(name) == Truth::no;
            });
            const bool by_a_part =
                failed.size() == 2 && std::any_of(failed.begin(), failed.end(), [&](const auto& name) {
                    const auto alone = after({name});
                    return alone != cuts.works && alone <= truth;
                });
            if (!known && !by_a_part) {
                expected.push_back({failed, truth == Truth::no});
                ++(failed.size() == 1 ? singles : pairs);
            }
        };
        const auto names = componentsOf(gate);
        for (const auto& one : names) {
            expect({one});
        }
        for (auto one = names.begin(); one != names.end(); ++one) {
            for (auto other = std::next(one); other != names.end(); ++other) {
                expect({*one, *other});
            }
        }
        INFO("round " << round << ", works " << static_cast<int>(cuts.works) << ", found "
                      << textOf(cuts.sets) << ", expected " << textOf(expected) << " of " << textOf(gate));
        REQUIRE(cuts.sets == expected);
    }
    CHECK(singles > 100);
    CHECK(pairs > 50);
}

TEST_CASE("cut sets of a fleet are found without trying every pair") {
    constexpr int server_count = 5'000;
    const auto name = [](const char* kind, int i) { return kind + std::to_string(i); };
    std::vector<Gate> servers;
    std::vector<Gate> pools;
    for (int i = 0; i < server_count; ++i) {
        const auto rack = Gate::of(name("rack", i % 2));
        servers.push_back(
            Gate::all({Gate::of(name("web", i)), Gate::of(name("app", i)), rack, Gate::of("nfs")}));
    }
    pools.push_back(Gate::any(std::move(servers)));
    for (int i = 0; i < 3; ++i) {
        pools.push_back(Gate::any({Gate::of(name("a", i)), Gate::of(name("b", i))}));
    }
    pools.push_back(Gate::of("lb"));
    const auto cuts = cutSets(Gate::all(std::move(pools)));
    CHECK(cuts.complete);
    CHECK(certain(cuts) ==
          Sets{{"lb"}, {"nfs"}, {"rack0", "rack1"}, {"a0", "b0"}, {"a1", "b1"}, {"a2", "b2"}});
}

TEST_CASE("cut sets of a function that is too large are incomplete, and say so") {
    // Each pair of neighbours is a cut set, and nothing tells candidates apart.
    constexpr int pair_count = 20'000;
    std::vector<Gate> pools;
    for (int i = 0; i < pair_count; ++i) {
        pools.push_back(Gate::any({Gate::of("a" + std::to_string(i)), Gate::of("b" + std::to_string(i))}));
    }
    const auto cuts = cutSets(Gate::all(std::move(pools)));
    CHECK_FALSE(cuts.complete);
    CHECK(cuts.works == Truth::yes);
    CHECK(certain(cuts).size() < pair_count);
}

namespace {

/// A graph of nodes between a source and a sink. It works if every node of some path works.
struct Graph {
    std::map<int, std::set<int>> neighbours;

    bool joins(int from, int to, int without) const {
        std::set<int> seen{from};
        std::vector<int> next{from};
        while (!next.empty()) {
            const int node = next.back();
            next.pop_back();
            if (node == to) {
                return true;
            }
            for (const int other : neighbours.at(node)) {
                if (other != without && seen.insert(other).second) {
                    next.push_back(other);
                }
            }
        }
        return false;
    }

    void paths(int node, int to, std::vector<int>& so_far, std::vector<Gate>& out) const {
        if (node == to) {
            std::vector<Gate> parts;
            parts.reserve(so_far.size());
            for (const int each : so_far) {
                parts.push_back(Gate::of("n" + std::to_string(each)));
            }
            out.push_back(Gate::all(std::move(parts)));
            return;
        }
        for (const int other : neighbours.at(node)) {
            if (std::find(so_far.begin(), so_far.end(), other) == so_far.end()) {
                so_far.push_back(other);
                paths(other, to, so_far, out);
                so_far.pop_back();
            }
        }
    }
};

/// Tarjan's articulation points: nodes whose removal disconnects the graph.
class Articulation {
  public:
    explicit Articulation(const Graph& graph) : graph_(graph) { visit(0, -1); }
    const std::set<int>& points() const { return points_; }

  private:
    void visit(int node, int parent) {
        number_[node] = low_[node] = ++last_;
        int children = 0;
        for (const int other : graph_.neighbours.at(node)) {
            if (other == parent) {
                continue;
            }
            if (number_.contains(other)) {
                low_[node] = std::min(low_[node], number_[other]);
                continue;
            }
            ++children;
            visit(other, node);
            low_[node] = std::min(low_[node], low_[other]);
            if (parent != -1 && low_[other] >= number_[node]) {
                points_.insert(node);
            }
        }
        if (parent == -1 && children > 1) {
            points_.insert(node);
        }
    }

    const Graph& graph_;
    std::map<int, int> number_;
    std::map<int, int> low_;
    std::set<int> points_;
    int last_ = 0;
};

}  // namespace

TEST_CASE("single points of a graph are the articulation points between its ends") {
    std::mt19937 random(kSeed + 2);
    std::size_t checked = 0;
    std::size_t found = 0;
    while (checked < 200) {
        constexpr int nodes = 8;
        Graph graph;
        for (int i = 0; i < nodes; ++i) {
            graph.neighbours[i];
        }
        for (int i = 0; i < 10; ++i) {
            const int a = static_cast<int>(random() % nodes);
            const int b = static_cast<int>(random() % nodes);
            if (a != b) {
                graph.neighbours[a].insert(b);
                graph.neighbours[b].insert(a);
            }
        }
        if (!graph.joins(0, nodes - 1, -1)) {
            continue;
        }
        ++checked;
        std::vector<Gate> ways;
        std::vector<int> so_far{0};
        graph.paths(0, nodes - 1, so_far, ways);
        std::set<std::string> expected{"n0", "n7"};
        const Articulation articulation(graph);
        for (const int point : articulation.points()) {
            if (point != 0 && point != nodes - 1 && !graph.joins(0, nodes - 1, point)) {
                expected.insert("n" + std::to_string(point));
            }
        }
        const auto found_singles = cutSets(Gate::any(std::move(ways))).singles();
        REQUIRE(found_singles == expected);
        found += expected.size() - 2;
    }
    CHECK(found > 50);
}

TEST_CASE("cut sets: a standby that takes over from a host, and not from its program alone") {
    const auto gate = Gate::any({Gate::all({Gate::of("program"), Gate::of("host")}),
                                 Gate::all({Gate::of("standby"), Gate::failed(Gate::of("host"))})});
    CHECK(evaluate(gate, {}) == Truth::yes);
    CHECK(evaluate(gate, {{"program", Truth::no}}) == Truth::no);
    CHECK(evaluate(gate, {{"program", Truth::no}, {"host", Truth::no}}) == Truth::yes);
    CHECK(evaluate(gate, {{"host", Truth::unknown}}) == Truth::unknown);
    const auto found = cutSets(gate);
    CHECK(found.singles() == std::set<std::string>{"program"});
    CHECK(found.sets == std::vector<CutSet>{{{"program"}, true}, {{"host", "standby"}, true}});
}
