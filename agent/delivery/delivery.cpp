#include "agent/delivery/delivery.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "agent/delivery/sender.h"

namespace lapwing::agent {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

namespace {
// Sent batches are removed together with the next write, or after this time: one transaction instead of two.
constexpr milliseconds kRemoveAfter{2000};
// The interval between attempts to write the file while it cannot be written.
constexpr milliseconds kRetryWrite{1000};

void endThread(std::thread& thread, bool left_behind) {
    if (!thread.joinable()) {
        return;
    }
    if (left_behind) {
        thread.detach();
    } else {
        thread.join();
    }
}
}  // namespace

struct Delivery::Core {
    Core(DeliveryConfig given, std::unique_ptr<Spool> opened)
        : config(std::move(given)), spool(std::move(opened)), sender(config, *spool, clock, descriptions) {}

    const DeliveryConfig config;
    const std::unique_ptr<Spool> spool;
    ClockOffset clock;
    Descriptions descriptions;
    Sender sender;

    mutable std::mutex mutex;
    std::condition_variable write_wanted;
    std::condition_variable send_wanted;
    std::condition_variable ended;
    std::optional<Clock::time_point> write_at;
    bool something_to_send = true;  ///< an earlier run of the agent may have left some
    bool stopping = false;
    bool writer_ended = true;
    bool sender_ended = true;
    // The sender's last reports, for state().
    bool connected = false;
    TimestampMs last_sent = 0;
    std::int64_t samples_sent = 0;
    std::string trouble;

    void writeBy(Clock::time_point when);
    void write();
    void send();
};

void Delivery::Core::writeBy(Clock::time_point when) {
    const std::lock_guard lock(mutex);
    if (write_at && *write_at <= when) {
        return;
    }
    write_at = when;
    write_wanted.notify_one();
}

void Delivery::Core::write() {
    std::unique_lock lock(mutex);
    while (!stopping) {
        if (!write_at) {
            write_wanted.wait(lock);
            continue;
        }
        if (Clock::now() < *write_at) {
            write_wanted.wait_until(lock, *write_at);
            continue;
        }
        write_at.reset();
        lock.unlock();
        const bool written = spool->flush();
        lock.lock();
        something_to_send = true;
        send_wanted.notify_one();
        if (!written && !write_at) {
            write_at = Clock::now() + kRetryWrite;
        }
    }
    writer_ended = true;
    ended.notify_all();
}

void Delivery::Core::send() {
    std::unique_lock lock(mutex);
    // When stopping, goes on sending as long as that succeeds.
    for (;;) {
        const auto not_before = sender.notBefore();
        const auto now = Clock::now();
        const bool may_send = something_to_send && not_before <= now;
        if (!may_send) {
            if (stopping) {
                break;
            }
            if (something_to_send) {
                send_wanted.wait_until(lock, not_before);
            } else {
                send_wanted.wait(lock);
            }
            continue;
        }
        something_to_send = false;
        lock.unlock();
        const auto outcome = sender.step();
        if (outcome == Sender::Outcome::sent) {
            writeBy(Clock::now() + kRemoveAfter);
        }
        lock.lock();
        if (outcome != Sender::Outcome::nothing) {
            something_to_send = true;
            connected = outcome == Sender::Outcome::sent;
            trouble = sender.trouble();
        }
        if (sender.samplesSent() != samples_sent) {
            samples_sent = sender.samplesSent();
            last_sent = nowMs();
        }
    }
    sender_ended = true;
    ended.notify_all();
}

Delivery::Delivery(std::shared_ptr<Core> core) : core_(std::move(core)) {}

Delivery::~Delivery() {
    stop(milliseconds(0));
}

Expected<std::unique_ptr<Delivery>> Delivery::open(DeliveryConfig config) {
    auto spool = Spool::open(config.spool);
    if (!spool) {
        return tl::unexpected(spool.error());
    }
    return std::unique_ptr<Delivery>(
        new Delivery(std::make_shared<Core>(std::move(config), std::move(*spool))));
}

void Delivery::start() {
    core_->writer_ended = core_->sender_ended = false;
    writer_ = std::thread([core = core_] { core->write(); });
    sender_ = std::thread([core = core_] { core->send(); });
}

void Delivery::stop(milliseconds grace) {
    const auto until = Clock::now() + grace;
    {
        std::unique_lock lock(core_->mutex);
        core_->stopping = true;
        core_->write_wanted.notify_all();
        core_->ended.wait_until(lock, until, [&] { return core_->writer_ended; });
    }
    core_->spool->flush();
    std::unique_lock lock(core_->mutex);
    core_->something_to_send = true;
    core_->send_wanted.notify_all();
    core_->ended.wait_until(lock, until, [&] { return core_->sender_ended; });
    const bool writer_left = !core_->writer_ended;
    const bool sender_left = !core_->sender_ended;
    lock.unlock();
    core_->spool->flush();
    endThread(writer_, writer_left);
    endThread(sender_, sender_left);
}

void Delivery::add(std::vector<TimeSeries> series) {
    core_->spool->add(std::move(series));
    core_->writeBy(Clock::now() + core_->config.gather);
}

void Delivery::addDocument(const std::string& kind, std::string body) {
    core_->spool->addDocument(kind, std::move(body));
    core_->writeBy(Clock::now() + core_->config.gather);
}

void Delivery::describe(const std::vector<prometheus::MetricFamily>& families) {
    if (core_->descriptions.add(families)) {
        core_->writeBy(Clock::now() + core_->config.gather);
    }
}

DeliveryState Delivery::state() const {
    DeliveryState out;
    out.spool = core_->spool->state();
    out.clock = core_->clock.estimate();
    const std::lock_guard lock(core_->mutex);
    out.connected = core_->connected;
    out.last_sent = core_->last_sent;
    out.samples_sent = core_->samples_sent;
    out.trouble = core_->trouble;
    return out;
}

double Delivery::clockOffset() const {
    const auto estimate = core_->clock.estimate();
    return estimate ? estimate->offset_seconds : 0.0;
}

}  // namespace lapwing::agent
