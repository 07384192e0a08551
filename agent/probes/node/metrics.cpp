#include "agent/probes/node/metrics.h"

namespace lapwing::agent::node {

void Metrics::info(std::string_view name, const char* help, Labels labels) {
    std::erase_if(labels, [](const auto& label) { return label.value.empty(); });
    gauge(name, help, 1, std::move(labels));
}

void Metrics::add(std::string_view name, const char* help, prometheus::MetricType type, double value,
                  Labels labels) {
    const auto place = [&] {
        for (std::size_t step = start_; step < out_.size(); ++step) {
            const auto at = next_ + (step - start_);
            const auto i = at < out_.size() ? at : at - (out_.size() - start_);
            if (out_[i].name == name) {
                return i;
            }
        }
        out_.push_back({std::string(name), help, type, {}});
        return out_.size() - 1;
    }();
    next_ = place + 1 < out_.size() ? place + 1 : start_;
    lapwing::add(out_[place], std::move(labels), value);
}

}  // namespace lapwing::agent::node
