#include "agent/delivery/delivery.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <thread>
#include <utility>
#include <vector>

#include "agent/delivery/sender.h"
#include "common/mutex.h"

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
        : config(std::move(given)),
          spool(std::move(opened)),
          sender(config, *spool, clock, *config.host_clock, descriptions) {}

    const DeliveryConfig config;
    const std::unique_ptr<Spool> spool;
    ClockOffset clock;
    Descriptions descriptions;
    Sender sender;

    mutable Mutex mutex;
    ConditionVariable write_wanted;
    ConditionVariable send_wanted;
    ConditionVariable ended;
    std::optional<Clock::time_point> write_at LAPWING_GUARDED_BY(mutex);
    bool something_to_send LAPWING_GUARDED_BY(mutex) =
        true;  ///< an earlier run of the agent may have left some
    bool stopping LAPWING_GUARDED_BY(mutex) = false;
    bool writer_ended LAPWING_GUARDED_BY(mutex) = true;
    bool sender_ended LAPWING_GUARDED_BY(mutex) = true;
    // The sender's last reports, for state().
    bool connected LAPWING_GUARDED_BY(mutex) = false;
    TimestampMs last_sent LAPWING_GUARDED_BY(mutex) = 0;
    std::int64_t samples_sent LAPWING_GUARDED_BY(mutex) = 0;
    std::string trouble LAPWING_GUARDED_BY(mutex);

    void writeBy(Clock::time_point when);
    void write();
    void send();
};

void Delivery::Core::writeBy(Clock::time_point when) {
    const MutexLock lock(mutex);
    if (write_at && *write_at <= when) {
        return;
    }
    write_at = when;
    write_wanted.notifyOne();
}

void Delivery::Core::write() {
    MutexLock lock(mutex);
    while (!stopping) {
        if (!write_at) {
            write_wanted.wait(lock);
            continue;
        }
        if (Clock::now() < *write_at) {
            write_wanted.waitUntil(lock, *write_at);
            continue;
        }
        write_at.reset();
        lock.unlock();
        const bool written = spool->flush();
        lock.lock();
        something_to_send = true;
        send_wanted.notifyOne();
        if (!written && !write_at) {
            write_at = Clock::now() + kRetryWrite;
        }
    }
    writer_ended = true;
    ended.notifyAll();
}

void Delivery::Core::send() {
    MutexLock lock(mutex);
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
                send_wanted.waitUntil(lock, not_before);
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
    ended.notifyAll();
}

Delivery::Delivery(std::shared_ptr<Core> core) : core_(std::move(core)) {}

Delivery::~Delivery() {
    stop(milliseconds(0));
}

Expected<std::unique_ptr<Delivery>> Delivery::open(DeliveryConfig config) {
    config.spool.clock = config.host_clock.get();
    auto spool = Spool::open(config.spool);
    if (!spool) {
        return tl::unexpected(spool.error());
    }
    return std::unique_ptr<Delivery>(
        new Delivery(std::make_shared<Core>(std::move(config), std::move(*spool))));
}

void Delivery::start() {
    {
        const MutexLock lock(core_->mutex);
        core_->writer_ended = core_->sender_ended = false;
    }
    writer_ = std::thread([core = core_] { core->write(); });
    sender_ = std::thread([core = core_] { core->send(); });
}

void Delivery::stop(milliseconds grace) {
    const auto until = Clock::now() + grace;
    {
        MutexLock lock(core_->mutex);
        core_->stopping = true;
        core_->write_wanted.notifyAll();
        core_->ended.waitUntil(lock, until,
                               [this]() LAPWING_REQUIRES(core_->mutex) { return core_->writer_ended; });
    }
    core_->spool->flush();
    MutexLock lock(core_->mutex);
    core_->something_to_send = true;
    core_->send_wanted.notifyAll();
    core_->ended.waitUntil(lock, until,
                           [this]() LAPWING_REQUIRES(core_->mutex) { return core_->sender_ended; });
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
    out.host_clock = core_->config.host_clock->state();
    const MutexLock lock(core_->mutex);
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
