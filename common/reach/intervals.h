#pragma once

// Sets of numbers as sorted intervals; private to this library.

#include <cstddef>
#include <memory>
#include <vector>

#include "common/reach/address.h"
#include "common/truth.h"

namespace lapwing::reach {

/// Numbers from `low` to `high`: an address, a port, a protocol, a set of bits.
struct Range {
    Key low{};
    Key high{};
    bool operator==(const Range&) const = default;
};

/// Disjoint ranges in ascending order. Membership takes a binary search.
class Intervals {
  public:
    Intervals() = default;
    /// The union of `ranges`, in any order.
    explicit Intervals(std::vector<Range> ranges);

    /// `yes` for a range that is inside, `no` for a range that is outside, else `unknown`.
    Truth contain(const Range& range) const;
    const std::vector<Range>& ranges() const { return ranges_; }
    bool empty() const { return ranges_.empty(); }

  private:
    std::vector<Range> ranges_;
};

/// The addresses of a set, however many.
struct AddressIndex {
    Intervals lasting;
    Intervals timed;  ///< with a timeout: they may have expired

    Truth contain(const Range& range) const;
};

}  // namespace lapwing::reach
