#pragma once

// Which comparisons tell sources apart; private to this library.

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

#include "common/reach/chain_walk.h"

namespace lapwing::reach {

/// Collects the comparisons with the packet's source that evaluations come to. Two sources that agree in all
/// of them take the same path.
class SourceTrace {
  public:
    /// A set of sources that some comparison treats alike.
    struct Test {
        std::vector<Range> ranges;
        std::vector<const Intervals*> sets;  ///< of the ruleset
        std::uint32_t run = 0;               ///< tests of one run with equal labels count as a single one
        std::uint64_t label = 0;
    };

    /// The evaluation that follows is about packets from this range.
    void begin(const AddressRange& source) { source_ = {source.low, source.high}; }
    /// A comparison of these values with the statement's elements.
    void visit(const Statement& statement, const std::vector<FieldValue>& values);
    /// Sources that the host itself tells apart.
    void add(const Range& range);

    /// Grows with each comparison that is new.
    std::size_t visited() const { return visited_; }
    /// Some comparison is with a part of the address's bits: addresses of one range may differ.
    bool comparesBits() const { return compares_bits_; }
    const std::vector<Test>& tests() const { return tests_; }

  private:
    bool isSource(const FieldValue& value) const;
    Test& test(const Statement& statement, std::uint64_t variant, std::size_t label);
    void addElements(const Statement& statement, const std::vector<FieldValue>& values,
                     std::uint64_t variant);

    Range source_;
    std::size_t visited_ = 0;
    bool compares_bits_ = false;
    std::set<std::pair<const Statement*, std::uint64_t>> seen_;
    /// By statement, the values of the other fields, and the outcome.
    std::map<std::tuple<const Statement*, std::uint64_t, std::size_t>, std::size_t> index_;
    std::vector<Test> tests_;
};

}  // namespace lapwing::reach
