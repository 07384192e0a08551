#include "collector/forward/forwarder.h"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "collector/forward/sender.h"
#include "common/metric_names.h"
#include "common/model/families.h"
#include "common/worker.h"

namespace lapwing::forward {
namespace {

constexpr std::chrono::seconds kRequestDeadline{10};

}  // namespace

/// One destination: its sender, and the thread that calls it.
struct Forwarder::Lane {
    Lane(const Destination& destination, storage::ArrivalLog& log)
        : name(destination.name),
          sender(destination, log, httpPost(destination, kRequestDeadline)),
          worker("forward", [this] { return sender.step(); }) {}

    const std::string name;
    Sender sender;
    Worker worker;
};

Forwarder::Forwarder(std::vector<Destination> destinations, storage::ArrivalLog& log)
    : destinations_(std::move(destinations)) {
    for (const auto& [reader, seq] : log.logCursors()) {
        const bool known =
            std::any_of(destinations_.begin(), destinations_.end(),
                        [&name = reader](const Destination& each) { return each.name == name; });
        if (known) {
            continue;
        }
        spdlog::info("forward {}: no longer configured, its cursor is dropped", reader);
        if (const auto dropped = log.dropLogCursor(reader); !dropped) {
            spdlog::warn("forward {}: {}", reader, dropped.error().message);
        }
    }
    for (const auto& each : destinations_) {
        lanes_.push_back(std::make_unique<Lane>(each, log));
    }
}

Forwarder::~Forwarder() {
    stop();
}

void Forwarder::start() {
    for (auto& lane : lanes_) {
        lane->worker.start();
    }
}

void Forwarder::askToStop() {
    for (auto& lane : lanes_) {
        lane->worker.askToStop();
    }
}

void Forwarder::stop() {
    askToStop();
    for (auto& lane : lanes_) {
        lane->worker.join();
    }
}

void Forwarder::addMetrics(std::vector<prometheus::MetricFamily>& out) const {
    if (lanes_.empty()) {
        return;
    }
    auto sent = counter(metric::kForwardSentSamplesTotal, "Samples that the destination has accepted.");
    auto dropped =
        counter(metric::kForwardDroppedSamplesTotal, "Samples that the destination will not get, by reason.");
    auto failed = counter(metric::kForwardFailedRequestsTotal, "Requests that failed.");
    auto lag = gauge(metric::kForwardLagSeconds, "How long the oldest unsent sample has waited.");
    auto pending = gauge(metric::kForwardPendingBytes, "Bytes of the arrival log that wait to be sent.");
    for (const auto& lane : lanes_) {
        const auto status = lane->sender.status();
        const std::string& name = lane->name;
        add(sent, {{"destination", name}}, static_cast<double>(status.sent));
        const auto reason = [&](const char* why, std::uint64_t samples) {
            add(dropped, {{"destination", name}, {"reason", why}}, static_cast<double>(samples));
        };
        reason("age", status.dropped_age);
        reason("size", status.dropped_size);
        reason("refused", status.dropped_refused);
        reason("deleted", status.dropped_deleted);
        add(failed, {{"destination", name}}, static_cast<double>(status.failed));
        if (status.lag_ms) {
            add(lag, {{"destination", name}}, static_cast<double>(*status.lag_ms) / 1000);
        }
        if (status.pending_bytes) {
            add(pending, {{"destination", name}}, static_cast<double>(*status.pending_bytes));
        }
    }
    for (auto* family : {&sent, &dropped, &failed, &lag, &pending}) {
        if (!family->metric.empty()) {
            out.push_back(std::move(*family));
        }
    }
}

}  // namespace lapwing::forward
