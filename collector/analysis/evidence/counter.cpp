#include "collector/analysis/evidence/counter.h"

#include <algorithm>

namespace lapwing::analysis::evidence {

std::optional<double> increase(const std::vector<Sample>& samples, TimestampMs now) {
    if (samples.size() < 2 || samples.front().timestamp > now - kCountingMs + kGapMs ||
        samples.back().timestamp < now - kGapMs) {
        return std::nullopt;
    }
    double sum = 0;
    for (std::size_t i = 1; i < samples.size(); ++i) {
        const double before = samples[i - 1].value;
        const double after = samples[i].value;
        if (isStaleNaN(before) || isStaleNaN(after) ||
            samples[i].timestamp - samples[i - 1].timestamp > kGapMs) {
            return std::nullopt;
        }
        sum += after >= before ? after - before : after;
    }
    return sum;
}

bool isConstant(const std::vector<Sample>& samples) {
    return std::all_of(samples.begin(), samples.end(),
                       [&](const auto& sample) { return sample.value == samples.front().value; });
}

}  // namespace lapwing::analysis::evidence
