#pragma once

#include <cmath>
#include <limits>

namespace lapwing::promql {

/// Kahan's summation in Neumaier's form (Zeitschrift fuer Angewandte Mathematik und Mechanik 54, 1974), as
/// Prometheus sums.
class KahanSum {
  public:
    void add(double value) {
        const double total = sum_ + value;
        if (std::isinf(total)) {
            compensation_ = 0;
        } else if (std::abs(sum_) >= std::abs(value)) {
            compensation_ += (sum_ - total) + value;
        } else {
            compensation_ += (value - total) + sum_;
        }
        sum_ = total;
    }
    double value() const { return std::isinf(sum_) ? sum_ : sum_ + compensation_; }

  private:
    double sum_ = 0;
    double compensation_ = 0;
};

/// The mean of values added one by one, without overflow on the way.
class MeanAccumulator {
  public:
    void add(double value) {
        count_ += 1;
        if (std::isinf(mean_.value())) {
            // An infinite mean stays, unless the opposite infinity or NaN comes.
            const bool same = std::isinf(value) && (mean_.value() > 0) == (value > 0);
            if (same || std::isfinite(value)) return;
        }
        mean_.add(value / count_ - mean_.value() / count_);
    }
    double value() const { return mean_.value(); }

  private:
    double count_ = 0;
    KahanSum mean_;
};

}  // namespace lapwing::promql
