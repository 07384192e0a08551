#include "agent/runner/runner.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <exception>
#include <optional>
#include <string_view>
#include <thread>
#include <utility>

#include "agent/runner/schedule.h"
#include "agent/runner/series_tracker.h"
#include "agent/runner/workers.h"
#include "common/metric_names.h"
#include "common/model/families.h"
#include "common/mutex.h"

namespace lapwing::agent {
namespace {

using Clock = Deadline::Clock;
using std::chrono::milliseconds;

constexpr std::size_t kKeptWorkers = 2;
/// A series takes some 600 bytes of memory until it is delivered.
constexpr std::size_t kSeriesAtOnce = 500;
constexpr milliseconds kWorkerLinger{30'000};

double secondsOf(Clock::duration duration) {
    return std::chrono::duration<double>(duration).count();
}

milliseconds offsetOf(const ProbeSpec& spec) {
    return spec.offset.value_or(spreadOf(spec.job, spec.interval));
}

/// One run, from its turn to its report.
struct Flight {
    TimestampMs at = 0;
    Clock::time_point began;
    Clock::time_point deadline;
};

/// A turn whose failure is to be reported at once.
struct MissedTurn {
    Flight flight;
    Error error;
};

struct Slot {
    explicit Slot(ProbeSpec given) : spec(std::move(given)) {
        for (const auto& label : spec.labels) {
            base.set(label.name, asUtf8(label.value));
        }
        base.set("job", spec.job);
        base.set("instance", asUtf8(spec.instance));
        state.kind = spec.kind;
        state.job = spec.job;
        state.instance = spec.instance;
        state.labels = spec.labels;
        state.interval = spec.interval;
    }

    ProbeSpec spec;
    Labels base;

    // Guarded by the core's mutex.
    Clock::time_point due;
    TimestampMs turn = 0;
    bool had_turn = false;  ///< the first comes at the start, the others at the times of the schedule
    Flight flight;
    bool flying = false;    ///< collect() has not returned
    bool reported = false;  ///< this flight's outcome is decided: by its end or by its deadline
    ProbeState state;
    std::string logged_note;

    Mutex report_mutex;
    SeriesTracker tracker LAPWING_GUARDED_BY(report_mutex);
};

// Logs changes only, not each failure for the same reason.
void logChange(const Slot& slot, const std::optional<Error>& failure, const std::string& note) {
    if (failure) {
        const char* reason = errorKindName(failure->kind);
        if (slot.state.reason == reason) {
            return;
        }
        spdlog::warn("probe {} of {} fails ({}): {}", slot.spec.job, slot.spec.instance, reason,
                     failure->message);
    } else if (slot.state.outcome == ProbeState::Outcome::failed) {
        spdlog::info("probe {} of {} succeeds again", slot.spec.job, slot.spec.instance);
    }
    if (!failure && !note.empty() && slot.logged_note != note) {
        spdlog::warn("probe {} of {}: {}", slot.spec.job, slot.spec.instance, note);
    }
}

Expected<ProbeResult> collect(Probe& probe, const Deadline& deadline) {
    try {
        return probe.collect(deadline);
    } catch (const std::exception& error) {
        return fail(ErrorKind::internal, error.what());
    } catch (...) {
        return fail(ErrorKind::internal, "an exception of an unknown type");
    }
}

}  // namespace

struct Runner::Core : std::enable_shared_from_this<Runner::Core> {
    std::vector<std::unique_ptr<Slot>> slots;
    Sink sink;
    DocumentSink documents;
    DescriptionSink describe;
    std::shared_ptr<Workers> workers = Workers::create(kKeptWorkers, kWorkerLinger);

    mutable Mutex mutex;
    ConditionVariable changed;  ///< for the scheduler
    ConditionVariable landed;   ///< a flight has come back
    bool stopping LAPWING_GUARDED_BY(mutex) = false;
    Clock::time_point last_active LAPWING_GUARDED_BY(mutex) = Clock::now();
    Mutex sink_mutex;
    bool sink_closed LAPWING_GUARDED_BY(sink_mutex) = false;
    std::thread scheduler;

    void schedule();
    std::optional<MissedTurn> takeTurn(Slot& slot) LAPWING_REQUIRES(mutex);
    void fly(Slot& slot, Flight flight);
    void report(Slot& slot, const Flight& flight, double took, Expected<ProbeResult> result);
};

// Makes the series of one run, some at a time, and its outcome for people.
void Runner::Core::report(Slot& slot, const Flight& flight, double took, Expected<ProbeResult> result) {
    std::size_t scraped = 0;
    std::optional<Error> failure;
    {
        const MutexLock lock(slot.report_mutex);
        std::vector<TimeSeries> series;
        const auto deliver = [&] {
            const MutexLock sink_lock(sink_mutex);
            if (!sink_closed && !series.empty()) {
                sink(std::exchange(series, {}));
            }
            series.clear();
        };
        const auto add_own = [&](std::string_view name, double value, std::string_view reason = {}) {
            Labels labels = slot.base;
            labels.set("__name__", name);
            if (!reason.empty()) {
                labels.set("reason", reason);
            }
            series.push_back({std::move(labels), {{flight.at, value}}});
        };
        std::size_t tracked = 0;  // of `series`
        const auto track = [&]() LAPWING_REQUIRES(slot.report_mutex) {
            slot.tracker.see({series.begin() + static_cast<std::ptrdiff_t>(tracked), series.end()});
            tracked = series.size();
            if (series.size() >= kSeriesAtOnce) {
                deliver();
                tracked = 0;
            }
        };
        const auto add_family = [&](prometheus::MetricFamily&& family) LAPWING_REQUIRES(slot.report_mutex) {
            std::vector<prometheus::MetricFamily> one;
            one.push_back(std::move(family));
            {
                const MutexLock sink_lock(sink_mutex);
                if (describe && !sink_closed) {
                    describe(one);
                }
            }
            const auto before = series.size();
            appendFamilies(one, slot.base, flight.at, series);
            scraped += series.size() - before;
            track();
        };
        if (!result) {
            failure = result.error();
        } else {
            failure = result->failure;
            for (auto& family : result->families) {
                add_family(std::move(family));
            }
            result->families.clear();
            for (prometheus::MetricFamily family; result->more && result->more(family);) {
                add_family(std::move(family));
            }
            result->more = nullptr;
            scraped = result->scraped.value_or(scraped);
        }
        if (failure) {
            add_own(metric::kProbeFailure, 1, errorKindName(failure->kind));
        }
        add_own("up", failure ? 0 : 1);
        add_own(exporter::kScrapeDurationSeconds, took);
        add_own(exporter::kScrapeSamplesScraped, static_cast<double>(scraped));
        track();
        const auto emit = [&](TimeSeries ended) {
            series.push_back(std::move(ended));
            if (series.size() >= kSeriesAtOnce) {
                deliver();
            }
        };
        if (!failure && result->partial) {
            slot.tracker.finishPart(flight.at, emit, result->depth);
        } else {
            slot.tracker.finish(flight.at, emit);
        }
        deliver();
    }
    {
        const MutexLock lock(mutex);
        // A server chooses the bytes that a message cites.
        if (failure) {
            failure->message = asUtf8(std::move(failure->message));
        }
        const std::string note = failure ? std::string() : asUtf8(std::move(result->note));
        logChange(slot, failure, note);
        if (!failure) {
            slot.logged_note = note;
        }
        slot.state.outcome = failure ? ProbeState::Outcome::failed : ProbeState::Outcome::ok;
        slot.state.reason = failure ? errorKindName(failure->kind) : "";
        slot.state.message = failure ? failure->message : note;
        slot.state.at = flight.at;
        slot.state.took_seconds = took;
        slot.state.samples = scraped;
    }
    const MutexLock lock(sink_mutex);
    if (sink_closed) {
        return;
    }
    if (!result || !documents) {
        return;
    }
    for (auto& document : result->documents) {
        documents(std::move(document.kind), std::move(document.body));
    }
}

void Runner::Core::fly(Slot& slot, Flight flight) {
    const Deadline deadline(std::chrono::duration_cast<milliseconds>(flight.deadline - Clock::now()));
    auto result = collect(*slot.spec.probe, deadline);
    const double took = secondsOf(Clock::now() - flight.began);
    bool late = false;
    {
        const MutexLock lock(mutex);
        late = slot.reported;
        slot.reported = true;
    }
    if (!late) {
        report(slot, flight, took, std::move(result));
    }
    const MutexLock lock(mutex);
    slot.flying = false;
    slot.state.overdue = false;
    landed.notifyAll();
}

std::optional<MissedTurn> Runner::Core::takeTurn(Slot& slot) {
    const auto now = Clock::now();
    const TimestampMs wall = nowMs();
    const Flight flight{stampOf(slot.turn, wall), now, now + slot.spec.deadline};
    slot.turn = slot.had_turn ? nextSlot(wall, slot.spec.interval, offsetOf(slot.spec))
                              : firstSlot(flight.at, slot.spec.interval, offsetOf(slot.spec));
    slot.had_turn = true;
    slot.due = now + milliseconds(slot.turn - wall);
    if (slot.flying) {
        // A run within its deadline is merely longer than the interval, and reports by itself later.
        if (!slot.reported) {
            return std::nullopt;
        }
        return MissedTurn{flight, Error{ErrorKind::timeout, "an earlier run has still not come back"}};
    }
    slot.flight = flight;
    slot.flying = true;
    slot.reported = false;
    auto self = shared_from_this();
    if (workers->submit([self, &slot, flight] { self->fly(slot, flight); })) {
        return std::nullopt;
    }
    slot.flying = false;
    slot.reported = true;
    return MissedTurn{flight, Error{ErrorKind::internal, "the system gives no further thread"}};
}

void Runner::Core::schedule() {
    MutexLock lock(mutex);
    while (!stopping) {
        auto next = Clock::time_point::max();
        last_active = Clock::now();
        for (const auto& entry : slots) {
            Slot& slot = *entry;
            const auto now = Clock::now();
            if (slot.flying && !slot.reported && slot.flight.deadline <= now) {
                slot.reported = true;
                slot.state.overdue = true;
                const Flight flight = slot.flight;
                const auto limit = slot.spec.deadline.count();
                lock.unlock();
                report(slot, flight, secondsOf(now - flight.began),
                       fail(ErrorKind::timeout, "no result within " + std::to_string(limit) + " ms"));
                lock.lock();
            }
            if (stopping) {
                break;
            }
            if (slot.due <= now) {
                if (auto missed = takeTurn(slot)) {
                    lock.unlock();
                    report(slot, missed->flight, 0, tl::unexpected(std::move(missed->error)));
                    lock.lock();
                }
            }
            next = std::min(next, slot.due);
            if (slot.flying && !slot.reported) {
                next = std::min(next, slot.flight.deadline);
            }
        }
        if (stopping || slots.empty()) {
            break;
        }
        changed.waitUntil(lock, next,
                          [&]() LAPWING_REQUIRES(mutex) { return stopping || Clock::now() >= next; });
    }
}

Runner::Runner(std::vector<ProbeSpec> specs, Sink sink, DocumentSink documents, DescriptionSink describe)
    : core_(std::make_shared<Core>()) {
    for (auto& spec : specs) {
        core_->slots.push_back(std::make_unique<Slot>(std::move(spec)));
    }
    core_->sink = std::move(sink);
    core_->documents = std::move(documents);
    core_->describe = std::move(describe);
}

Runner::~Runner() {
    stop(milliseconds(0));
}

void Runner::start() {
    // The first runs come at once, spread by job, so that the first data does not take an interval to come.
    const auto now = Clock::now();
    const TimestampMs wall = nowMs();
    for (const auto& slot : core_->slots) {
        const auto offset = offsetOf(slot->spec);
        slot->due = now + offset;
        slot->turn = wall + offset.count();
    }
    core_->scheduler = std::thread([core = core_] { core->schedule(); });
}

void Runner::stop(milliseconds grace) {
    {
        const MutexLock lock(core_->mutex);
        core_->stopping = true;
        core_->changed.notifyAll();
    }
    if (core_->scheduler.joinable()) {
        core_->scheduler.join();
    }
    {
        MutexLock lock(core_->mutex);
        core_->landed.waitFor(lock, grace, [&] {
            return std::none_of(core_->slots.begin(), core_->slots.end(),
                                [](const auto& slot) { return slot->flying && !slot->state.overdue; });
        });
    }
    core_->workers->stop();
    const MutexLock lock(core_->sink_mutex);
    core_->sink_closed = true;
}

Deadline::Clock::time_point Runner::lastActive() const {
    const MutexLock lock(core_->mutex);
    return core_->last_active;
}

std::vector<ProbeState> Runner::states() const {
    const MutexLock lock(core_->mutex);
    std::vector<ProbeState> states;
    states.reserve(core_->slots.size());
    for (const auto& slot : core_->slots) {
        states.push_back(slot->state);
    }
    return states;
}

}  // namespace lapwing::agent
