#include "agent/attempts/canary_schedule.h"

#include <algorithm>
#include <utility>

#include "agent/attempts/canary.h"
#include "agent/attempts/sources.h"

namespace lapwing::agent {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds kOpen{2'000};
constexpr milliseconds kConnectAfter{1'000};  // after the port has opened
constexpr milliseconds kTimeout{450};         // two sources fit into the second that is left

}  // namespace

CanarySchedule::CanarySchedule(CollectorClock clock, const std::atomic<bool>& stopping)
    : clock_(std::move(clock)), stopping_(stopping) {}

CanarySchedule::~CanarySchedule() {
    joinListeners();
}

void CanarySchedule::joinListeners() {
    for (auto& listener : listeners_) {
        listener.thread.join();
    }
    listeners_.clear();
}

void CanarySchedule::take(std::vector<CanaryOrder> orders) {
    std::map<std::string, CanaryOrder> fresh;
    for (auto& order : orders) {
        const auto key = order.id + (order.listens ? " listen " : " connect ") + order.address.toString();
        fresh[key] = std::move(order);
    }
    std::erase_if(begun_, [&](const auto& key) { return !fresh.contains(key); });
    orders_ = std::move(fresh);
}

CanarySchedule::Clock::time_point CanarySchedule::dueAt(const CanaryOrder& order) const {
    return clock_.localTime(order.at_us) + (order.listens ? milliseconds(0) : kConnectAfter);
}

CanarySchedule::Clock::time_point CanarySchedule::next() const {
    auto next = Clock::now() + std::chrono::hours(1);
    for (const auto& [key, order] : orders_) {
        if (!begun_.contains(key)) {
            next = std::min(next, dueAt(order));
        }
    }
    return next;
}

bool CanarySchedule::run() {
    const auto now = Clock::now();
    bool has_result = false;
    for (const auto& [key, order] : orders_) {
        if (begun_.contains(key) || now < dueAt(order)) {
            continue;
        }
        begun_.insert(key);
        const auto closes = clock_.localTime(order.at_us) + kOpen;
        if (now >= closes) {
            continue;
        }
        if (order.listens) {
            listen(order, closes);
        } else {
            connect(order);
            has_result = true;
        }
    }
    std::erase_if(listeners_, [](auto& listener) {
        if (*listener.done) {
            listener.thread.join();
            return true;
        }
        return false;
    });
    return has_result;
}

void CanarySchedule::listen(const CanaryOrder& order, Clock::time_point until) {
    auto done = std::make_shared<std::atomic<bool>>(false);
    std::thread thread([&stopping = stopping_, port = order.port, nonce = order.nonce, until, done] {
        listenAsCanary(port, nonce, until, stopping);
        *done = true;
    });
    listeners_.push_back({std::move(thread), std::move(done)});
}

void CanarySchedule::connect(const CanaryOrder& order) {
    for (const auto& source : sourcesTowards(order.address)) {
        Outcome outcome;
        outcome.second_source = source.second;
        outcome.at_us = clock_.nowUs();
        outcome.tried = Clock::now();
        outcome.attempted = tryCanary(source.address, order.address, order.port, order.nonce, kTimeout);
        outcomes_[{order.peer, order.address, 0, source.address}] = outcome;
    }
}

}  // namespace lapwing::agent
