#pragma once

#include <cmath>
#include <limits>

#include "collector/promql/kahan.h"

namespace lapwing::promql {

/// What sum(), avg() and the like compute from the values of one group at one step: begin() takes the first
/// value (a sum of -0 alone is -0), add() the others.
class Sum {
  public:
    void begin(double value) { sum_ = KahanSum(value); }
    void add(double value) { sum_.add(value); }
    double result() const { return sum_.value(); }

  private:
    KahanSum sum_;
};

class Average {
  public:
    void begin(double value) {
        mean_ = Mean();
        mean_.add(value);
    }
    void add(double value) { mean_.add(value); }
    double result() const { return mean_.value(); }

  private:
    Mean mean_;
};

/// Version 2 sums without compensating for rounding errors.
class Sum2 {
  public:
    void begin(double value) { sum_ = value; }
    void add(double value) { sum_ += value; }
    double result() const { return sum_; }

  private:
    double sum_ = 0;
};

class Average2 {
  public:
    void begin(double value) {
        count_ = 1;
        mean_ = value;
    }
    void add(double value) {
        count_ += 1;
        const bool stays = std::isinf(mean_) && !std::isnan(value) && value != -mean_;
        if (!stays) {
            mean_ += value / count_ - mean_ / count_;
        }
    }
    double result() const { return mean_; }

  private:
    double count_ = 0;
    double mean_ = 0;
};

class Minimum {
  public:
    void begin(double value) { least_ = value; }
    void add(double value) {
        if (value < least_ || std::isnan(least_)) {
            least_ = value;
        }
    }
    double result() const { return least_; }

  private:
    double least_ = 0;
};

class Maximum {
  public:
    void begin(double value) { most_ = value; }
    void add(double value) {
        if (value > most_ || std::isnan(most_)) {
            most_ = value;
        }
    }
    double result() const { return most_; }

  private:
    double most_ = 0;
};

class Group {
  public:
    void begin(double /*value*/) {}
    void add(double /*value*/) {}
    double result() const { return 1; }
};

class Count {
  public:
    void begin(double /*value*/) { count_ = 1; }
    void add(double /*value*/) { count_ += 1; }
    double result() const { return count_; }

  private:
    double count_ = 0;
};

/// Welford's algorithm (Technometrics 4, 1962): the population variance in one pass. In version 2 the
/// variance of a single value is always 0; in version 3 the variance of a single NaN or infinity is NaN.
template <bool version2>
class Variance {
  public:
    void begin(double value) {
        count_ = 1;
        mean_ = value;
        squares_ = version2 || std::isfinite(value) ? 0 : std::numeric_limits<double>::quiet_NaN();
    }
    void add(double value) {
        count_ += 1;
        const double difference = value - mean_;
        mean_ += difference / count_;
        squares_ += difference * (value - mean_);
    }
    double result() const { return squares_ / count_; }

  private:
    double count_ = 0;
    double mean_ = 0;
    double squares_ = 0;
};

template <class Base>
class Deviation : public Base {
  public:
    double result() const { return std::sqrt(Base::result()); }
};

}  // namespace lapwing::promql
