#include "collector/promql/binary.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <unordered_map>
#include <unordered_set>

#include "collector/limits/query_limits.h"
#include "collector/promql/series_set.h"

namespace lapwing::promql {
namespace {

constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();

double compute(Operator op, double a, double b) {
    switch (op) {
        case Operator::add:
            return a + b;
        case Operator::sub:
            return a - b;
        case Operator::mul:
            return a * b;
        case Operator::div:
            return a / b;
        case Operator::mod:
            return std::fmod(a, b);
        case Operator::pow:
            return std::pow(a, b);
        case Operator::atan2:
            return std::atan2(a, b);
        default:
            return std::numeric_limits<double>::quiet_NaN();
    }
}

bool compare(Operator op, double a, double b) {
    switch (op) {
        case Operator::equal:
            return a == b;
        case Operator::not_equal:
            return a != b;
        case Operator::less:
            return a < b;
        case Operator::less_equal:
            return a <= b;
        case Operator::greater:
            return a > b;
        case Operator::greater_equal:
            return a >= b;
        default:
            return false;
    }
}

bool dropsName(const Context& context, const Binary& binary) {
    // Version 2 does not know atan2 here.
    if (binary.op == Operator::atan2 && context.version2()) {
        return false;
    }
    return !isComparison(binary.op) || binary.return_bool;
}

/// The value of one element; absent where a comparison filters the element out. `kept` is the value that a
/// comparison keeps.
double element(const Binary& binary, double a, double b, double kept) {
    if (!isComparison(binary.op)) {
        return compute(binary.op, a, b);
    }
    const bool holds = compare(binary.op, a, b);
    if (binary.return_bool) {
        return holds ? 1 : 0;
    }
    return holds ? kept : absent();
}

Expected<Value> scalars(const Binary& binary, ScalarValues lhs, const ScalarValues& rhs) {
    for (std::size_t i = 0; i < lhs.size(); ++i) {
        lhs[i] = element(binary, lhs[i], rhs[i], lhs[i]);
    }
    return lhs;
}

Expected<Value> vectorAndScalar(const Context& context, const Binary& binary, SeriesSet set,
                                const ScalarValues& scalar, bool swapped) {
    for (auto& series : set) {
        if (auto go_on = Context::proceed(); !go_on) {
            return fail(go_on.error());
        }
        for (std::size_t i = 0; i < series.values.size(); ++i) {
            auto& value = series.values[i];
            if (isAbsent(value)) {
                continue;
            }
            value =
                swapped ? element(binary, scalar[i], value, value) : element(binary, value, scalar[i], value);
        }
    }
    if (dropsName(context, binary)) {
        if (auto done = dropNames(context, set, Duplicates::merge); !done) {
            return fail(done.error());
        }
    }
    return set;
}

/// Series match by the labels of `on`, or by all labels except the name and those of `ignoring`.
Labels signature(const VectorMatching& matching, const Labels& labels) {
    std::vector<Label> kept;
    for (const auto& label : labels) {
        const bool named =
            std::find(matching.labels.begin(), matching.labels.end(), label.name) != matching.labels.end();
        if (matching.on ? named : !named && label.name != "__name__") {
            kept.push_back(label);
        }
    }
    return Labels(std::move(kept));
}

/// Numbers the signatures: equal signatures get the same number.
class Signatures {
  public:
    explicit Signatures(const VectorMatching& matching) : matching_(matching) {}
    std::vector<std::size_t> number(const SeriesSet& set) {
        std::vector<std::size_t> numbers;
        numbers.reserve(set.size());
        for (const auto& series : set) {
            QueryLimits::enforceMemory();
            numbers.push_back(
                known_.emplace(signature(matching_, series.labels), known_.size()).first->second);
        }
        return numbers;
    }
    std::size_t count() const { return known_.size(); }

  private:
    const VectorMatching& matching_;
    std::unordered_map<Labels, std::size_t, LabelsHash> known_;
};

/// For each signature, the steps at which any series of the set has a value.
std::vector<std::vector<bool>> presence(const SeriesSet& set, const std::vector<std::size_t>& groups,
                                        std::size_t count, std::size_t points) {
    std::vector<std::vector<bool>> present(count);
    for (std::size_t s = 0; s < set.size(); ++s) {
        QueryLimits::enforceMemory();
        auto& steps = present[groups[s]];
        if (steps.empty()) {
            steps.resize(points);
        }
        for (std::size_t i = 0; i < points; ++i) {
            if (!isAbsent(set[s].values[i])) {
                steps[i] = true;
            }
        }
    }
    return present;
}

Expected<Value> setOperation(Context& context, const Binary& binary, SeriesSet lhs, SeriesSet rhs,
                             std::size_t points) {
    Signatures signatures(binary.matching);
    const auto left = signatures.number(lhs);
    const auto right = signatures.number(rhs);
    if (auto go_on = context.proceed(); !go_on) {
        return fail(go_on.error());
    }
    if (binary.op == Operator::lor) {
        const auto taken = presence(lhs, left, signatures.count(), points);
        for (std::size_t s = 0; s < rhs.size(); ++s) {
            const auto& steps = taken[right[s]];
            for (std::size_t i = 0; i < steps.size(); ++i) {
                if (steps[i]) {
                    rhs[s].values[i] = absent();
                }
            }
            lhs.push_back(std::move(rhs[s]));
        }
        removeEmpty(lhs);
        if (auto done = unify(lhs, Duplicates::merge); !done) {
            return fail(done.error());
        }
        return lhs;
    }
    const auto present = presence(rhs, right, signatures.count(), points);
    const bool keep_where_present = binary.op == Operator::land;
    for (std::size_t s = 0; s < lhs.size(); ++s) {
        const auto& steps = present[left[s]];
        for (std::size_t i = 0; i < points; ++i) {
            const bool is_present = !steps.empty() && steps[i];
            if (is_present != keep_where_present) {
                lhs[s].values[i] = absent();
            }
        }
    }
    removeEmpty(lhs);
    return lhs;
}

std::string braced(const Labels& labels) {
    // As Prometheus prints a label set: the name appears like any other label.
    auto text = Labels(labels).toString();
    const auto name = std::string(labels.metricName());
    if (name.empty()) {
        return text;
    }
    auto rest = text.substr(name.size());
    return "{__name__=\"" + name + "\"" + (rest.empty() ? "}" : ", " + rest.substr(1));
}

/// Matches one vector to another; the "one" side is on the right.
class Matching {
  public:
    Matching(Context& context, const Binary& binary, SeriesSet many, SeriesSet one, std::size_t points,
             bool swapped)
        : context_(context),
          binary_(binary),
          many_(std::move(many)),
          one_(std::move(one)),
          points_(points),
          end_(points),
          swapped_(swapped) {}

    Expected<SeriesSet> run() {
        Signatures signatures(binary_.matching);
        many_groups_ = signatures.number(many_);
        const auto one_groups = signatures.number(one_);
        groups_ = signatures.count();
        noteManySteps();
        indexOneSide(one_groups);
        matched_.resize(groups_);
        for (std::size_t s = 0; s < many_.size(); ++s) {
            if (auto go_on = context_.proceed(); !go_on) {
                return fail(go_on.error());
            }
            match(s);
        }
        if (!failure_.empty()) {
            return fail(ErrorKind::execution, failure_);
        }
        removeEmpty(out_);
        if (auto done = unify(out_, Duplicates::merge); !done) {
            return fail(done.error());
        }
        return std::move(out_);
    }

  private:
    bool oneToOne() const { return binary_.matching.cardinality == VectorMatching::Cardinality::one_to_one; }

    /// If the many side is empty, nothing is checked, not even duplicates on the other side.
    void noteManySteps() {
        any_many_.resize(points_);
        for (const auto& series : many_) {
            for (std::size_t i = 0; i < points_; ++i) {
                if (!isAbsent(series.values[i])) {
                    any_many_[i] = true;
                }
            }
        }
    }

    /// For each signature, the series of the one side that has the value at each step.
    void indexOneSide(const std::vector<std::size_t>& one_groups) {
        owners_.resize(groups_);
        for (std::size_t s = 0; s < one_.size(); ++s) {
            QueryLimits::enforceMemory();
            auto& owner = owners_[one_groups[s]];
            if (owner.empty()) {
                owner.resize(points_, kNone);
            }
            for (std::size_t i = 0; i < end_; ++i) {
                if (isAbsent(one_[s].values[i]) || !any_many_[i]) {
                    continue;
                }
                if (owner[i] != kNone) {
                    failAt(i, ambiguous(one_[owner[i]].labels, one_[s].labels));
                    break;
                }
                owner[i] = s;
            }
        }
    }

    /// Of several failures, the one at the earliest step counts, as if steps were evaluated in order: later
    /// steps need no check.
    void failAt(std::size_t step, std::string message) {
        end_ = step;
        failure_ = std::move(message);
    }

    std::string ambiguous(const Labels& first, const Labels& second) const {
        return "found duplicate series for the match group " + braced(matchGroup(first)) + " on the " +
               (swapped_ ? "left" : "right") + " hand-side of the operation: [" + braced(second) + ", " +
               braced(first) +
               "];many-to-many matching not allowed: matching labels must be unique on one side";
    }
    Labels matchGroup(const Labels& labels) const { return signature(binary_.matching, labels); }

    void match(std::size_t s) {
        const auto group = many_groups_[s];
        const auto& owner = owners_[group];
        if (owner.empty()) {
            return;
        }
        auto& series = many_[s];
        // Series that own different steps may differ in the included labels: one result for each distinct
        // owner.
        std::unordered_map<std::size_t, std::size_t> results;
        for (std::size_t i = 0; i < end_; ++i) {
            const double value = series.values[i];
            if (isAbsent(value) || owner[i] == kNone) {
                continue;
            }
            const double other = one_[owner[i]].values[i];
            const double a = swapped_ ? other : value;
            const double b = swapped_ ? value : other;
            const double result = element(binary_, a, b, a);
            if (isAbsent(result)) {
                continue;
            }
            const auto [it, fresh] =
                results.emplace(binary_.matching.include.empty() ? 0 : owner[i], out_.size());
            if (fresh) {
                QueryLimits::enforceMemory();
                out_.push_back(
                    {resultLabels(series.labels, one_[owner[i]].labels), ScalarValues(points_, absent())});
            }
            out_[it->second].values[i] = result;
            if (const char* clash = claim(group, i, it->second)) {
                return failAt(i, clash);
            }
        }
    }

    /// One-to-one matching gives one result for each signature and step; grouped matching gives results
    /// with distinct labels. Returns the failure, or null.
    const char* claim(std::size_t group, std::size_t step, std::size_t result) {
        auto& taken = matched_[group];
        if (oneToOne()) {
            if (taken.empty()) {
                taken.resize(points_);
            }
            if (taken[step]) {
                return "multiple matches for labels: many-to-one matching must be explicit "
                       "(group_left/group_right)";
            }
            taken[step] = true;
            return nullptr;
        }
        auto& slots = grouped_[out_[result].labels];
        if (slots.empty()) {
            slots.resize(points_, kNone);
        }
        if (slots[step] == group) {
            return "multiple matches for labels: grouping labels must ensure unique matches";
        }
        slots[step] = group;
        return nullptr;
    }

    Labels resultLabels(const Labels& many, const Labels& one) const {
        const auto& matching = binary_.matching;
        Labels labels = oneToOne() && matching.on ? signature(matching, many) : many;
        if (oneToOne() && !matching.on) {
            for (const auto& name : matching.labels) {
                labels.erase(name);
            }
        }
        if (dropsName(context_, binary_)) {
            dropName(context_, labels);
        }
        for (const auto& name : matching.include) {
            labels.set(name, one.get(name));
        }
        return labels;
    }

    Context& context_;
    const Binary& binary_;
    SeriesSet many_;
    SeriesSet one_;
    std::size_t points_;
    std::size_t end_;  ///< of the steps before any failure
    std::string failure_;
    bool swapped_;
    std::size_t groups_ = 0;
    std::vector<std::size_t> many_groups_;
    std::vector<bool> any_many_;
    std::vector<std::vector<std::size_t>> owners_;
    std::vector<std::vector<bool>> matched_;
    std::unordered_map<Labels, std::vector<std::size_t>, LabelsHash> grouped_;
    SeriesSet out_;
};

}  // namespace

Expected<Value> evaluateBinary(Context& context, const Binary& binary, Value lhs, Value rhs,
                               std::size_t points) {
    auto* left_scalar = std::get_if<ScalarValues>(&lhs);
    auto* right_scalar = std::get_if<ScalarValues>(&rhs);
    if (left_scalar != nullptr && right_scalar != nullptr) {
        return scalars(binary, std::move(*left_scalar), *right_scalar);
    }
    if (right_scalar != nullptr) {
        return vectorAndScalar(context, binary, std::move(std::get<SeriesSet>(lhs)), *right_scalar, false);
    }
    if (left_scalar != nullptr) {
        return vectorAndScalar(context, binary, std::move(std::get<SeriesSet>(rhs)), *left_scalar, true);
    }
    auto& left = std::get<SeriesSet>(lhs);
    auto& right = std::get<SeriesSet>(rhs);
    if (isSetOperator(binary.op)) {
        return setOperation(context, binary, std::move(left), std::move(right), points);
    }
    const bool swapped = binary.matching.cardinality == VectorMatching::Cardinality::one_to_many;
    Matching matching(context, binary, std::move(swapped ? right : left), std::move(swapped ? left : right),
                      points, swapped);
    auto result = matching.run();
    if (!result) {
        return fail(result.error());
    }
    return std::move(*result);
}

}  // namespace lapwing::promql
