#include "agent/attempts/report.h"

#include <string>
#include <utility>

#include "common/metric_names.h"

namespace lapwing::agent {

namespace {

constexpr double kUsPerSecond = 1e6;

class Report {
  public:
    explicit Report(TimestampMs now) : now_(now) {}

    void add(const AttemptResult& result) {
        const auto& [target, source, outcome] = result;
        const std::vector<Label> labels{
            {"address", target.address.toString()}, {"protocol", "tcp"},
            {"port", std::to_string(target.port)},  {"service", target.service},
            {"source", source.toString()},          {"source_kind", sourceKind(outcome)}};
        put(metric::kAttemptTimestampSeconds, target.host, labels, secondsOf(outcome));
        if (!outcome.greeting.empty()) {
            put(metric::kAttemptGreetingInfo, target.host, with(labels, {"greeting", outcome.greeting}), 1);
        }
        put(metric::kAttemptResult, target.host, with(labels, {"result", attemptedName(outcome.attempted)}),
            1);
    }

    void addControl(const std::string& host, const reach::Address& address, const Control& control) {
        put(metric::kAttemptControlOk, host,
            {{"address", address.toString()}, {"port", std::to_string(control.port)}}, control.ok ? 1 : 0);
    }

    void addCanary(const AttemptKey& key, const Outcome& outcome) {
        const std::vector<Label> labels{{"source", key.source.toString()},
                                        {"source_kind", sourceKind(outcome)}};
        put(metric::kCanaryTimestampSeconds, key.host, labels, secondsOf(outcome));
        put(metric::kCanaryResult, key.host, with(labels, {"result", attemptedName(outcome.attempted)}), 1);
    }

    std::vector<TimeSeries> series;

  private:
    static const char* sourceKind(const Outcome& outcome) {
        return outcome.second_source ? "second" : "main";
    }
    static double secondsOf(const Outcome& outcome) {
        return static_cast<double>(outcome.at_us) / kUsPerSecond;
    }
    static std::vector<Label> with(std::vector<Label> labels, Label more) {
        labels.push_back(std::move(more));
        return labels;
    }
    void put(const char* metric, const std::string& host, std::vector<Label> labels, double value) {
        labels.push_back({"__name__", metric});
        labels.push_back({"job", "firewall"});
        labels.push_back({"instance", host});
        labels.push_back({"peer", host});
        series.push_back({Labels(std::move(labels)), {{now_, value}}});
    }

    const TimestampMs now_;
};

}  // namespace

std::vector<TimeSeries> attemptSeries(const std::vector<AttemptResult>& results, const Controls& controls,
                                      const Outcomes& canaries, TimestampMs now) {
    Report report(now);
    for (const auto& result : results) {
        report.add(result);
    }
    for (const auto& [key, control] : controls) {
        report.addControl(key.first, key.second, control);
    }
    for (const auto& [key, outcome] : canaries) {
        report.addCanary(key, outcome);
    }
    return std::move(report.series);
}

}  // namespace lapwing::agent
