#include "collector/analysis/rounds.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>

#include "common/metric_names.h"
#include "common/model/families.h"

namespace lapwing::analysis {

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::duration_cast;
using std::chrono::milliseconds;

constexpr milliseconds kInterval{10'000};

}  // namespace

Rounds::Rounds(Analyst& analyst, std::function<TimestampMs()> now)
    : analyst_(analyst), now_(std::move(now)), worker_("analysis", [this] { return round(); }) {}

void Rounds::stop() {
    worker_.askToStop();
    analyst_.interrupt();
    worker_.join();
}

milliseconds Rounds::round() {
    const auto began = Clock::now();
    const auto judged = analyst_.run(now_());
    const auto took = duration_cast<milliseconds>(Clock::now() - began);
    duration_ms_ = took.count();
    if (judged) {
        ++complete_;
        failure_.clear();
    } else if (!worker_.stopping()) {
        ++(judged.error().kind == ErrorKind::timeout ? unfinished_ : failed_);
        if (judged.error().message != failure_) {
            failure_ = judged.error().message;
            spdlog::error("analysis: {}", failure_);
        }
    }
    // Others get the processors at least as long as the analysis.
    return std::max(kInterval - took, took);
}

void Rounds::addMetrics(std::vector<prometheus::MetricFamily>& out) const {
    auto rounds = counter(metric::kAnalysisRoundsTotal, "Rounds of the analysis, by how they ended.");
    add(rounds, {{"result", "complete"}}, static_cast<double>(complete_));
    add(rounds, {{"result", "unfinished"}}, static_cast<double>(unfinished_));
    add(rounds, {{"result", "failed"}}, static_cast<double>(failed_));
    out.push_back(std::move(rounds));
    if (hasRun()) {
        constexpr double ms_per_second = 1000;
        auto duration =
            gauge(metric::kAnalysisDurationSeconds, "How long the last round of the analysis took.");
        add(duration, {}, static_cast<double>(duration_ms_) / ms_per_second);
        out.push_back(std::move(duration));
    }
}

}  // namespace lapwing::analysis
