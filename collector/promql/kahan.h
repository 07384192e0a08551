#pragma once

#include <cmath>
#include <limits>

namespace lapwing::promql {

/// Kahan's summation in Neumaier's form (Zeitschrift fuer Angewandte Mathematik und Mechanik 54, 1974), as
/// Prometheus sums.
class KahanSum {
  public:
    explicit KahanSum(double start = 0) : sum_(start) {}
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
    double sum_;
    double compensation_ = 0;
};

/// Version 2's mean: a running mean, adjusted with each value, so that it does not overflow on the way.
class RunningMean {
  public:
    RunningMean() = default;
    RunningMean(double count, double mean) : count_(count), mean_(mean) {}
    void add(double value) {
        count_ += 1;
        if (std::isinf(mean_.value())) {
            // An infinite mean stays until the opposite infinity or NaN arrives.
            const bool same = std::isinf(value) && (mean_.value() > 0) == (value > 0);
            if (same || std::isfinite(value)) {
                return;
            }
        }
        mean_.add(value / count_ - mean_.value() / count_);
    }
    double value() const { return mean_.value(); }

  private:
    double count_ = 0;
    KahanSum mean_;
};

/// Version 3's mean: a sum divided at the end, which is more exact; a running mean only after the sum
/// overflows.
class Mean {
  public:
    void add(double value) {
        count_ += 1;
        if (!running_) {
            auto sum = sum_;
            sum.add(value);
            if (count_ == 1 || !std::isinf(sum.value())) {
                sum_ = sum;
                return;
            }
            running_ = true;
            mean_ = RunningMean(count_ - 1, sum_.value() / (count_ - 1));
        }
        mean_.add(value);
    }
    double value() const { return running_ ? mean_.value() : sum_.value() / count_; }

  private:
    double count_ = 0;
    bool running_ = false;
    KahanSum sum_;
    RunningMean mean_;
};

}  // namespace lapwing::promql
