#include "agent/attempts/attempts.h"

#include <algorithm>
#include <atomic>
#include <optional>
#include <thread>
#include <utility>

#include "agent/attempts/assignment.h"
#include "agent/attempts/canary_schedule.h"
#include "agent/attempts/collector_clock.h"
#include "agent/attempts/report.h"
#include "agent/attempts/target_attempts.h"
#include "agent/runner/series_tracker.h"
#include "common/mutex.h"

namespace lapwing::agent {

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kPollDeadline{40'000};  // the collector answers within 30 s
constexpr milliseconds kFirstBackoff{1'000};
constexpr milliseconds kLongestBackoff{30'000};
constexpr milliseconds kSpacing{200};  // five connections a second
constexpr milliseconds kIdle{1'000};
// Results are gathered for a moment, so that a round of attempts is few reports and a change still shows
// soon.
constexpr milliseconds kGather{1'000};

}  // namespace

struct Attempts::State {
    State(AttemptsConfig the_config, Sink the_sink, ClockOffset offset)
        : config(std::move(the_config)),
          sink(std::move(the_sink)),
          clock(std::move(offset)),
          targets(config, clock),
          canaries(clock, stopping),
          known_peers(targets.peers()) {}

    void poll();
    void work();

    const AttemptsConfig config;
    const Sink sink;
    const CollectorClock clock;
    std::atomic<bool> stopping{false};
    std::thread poller;
    std::thread worker;

    Mutex mutex;
    ConditionVariable wake;
    std::optional<Orders> orders LAPWING_GUARDED_BY(mutex);  ///< new ones for the worker

    bool sleep(milliseconds longest);
    Expected<http::Response> ask(std::optional<http::Client>& client, unsigned& generation,
                                 const std::string& version) const;
    Expected<Orders> ordersOf(const std::string& assignment, const Surroundings& here) const;
    void give(Orders given);
    bool take();
    void report();

    /// For other threads.
    void showPeers();

    // Only the worker uses these.
    TargetAttempts targets;
    CanarySchedule canaries;
    SeriesTracker tracker;
    Clock::time_point reported;

    std::vector<PeerState> known_peers LAPWING_GUARDED_BY(mutex);  ///< as of the worker's last round
};

void Attempts::State::showPeers() {
    auto now = targets.peers();
    const MutexLock lock(mutex);
    known_peers = std::move(now);
}

/// False once the Attempts are being stopped.
bool Attempts::State::sleep(milliseconds longest) {
    MutexLock lock(mutex);
    wake.waitFor(lock, longest, [&] { return stopping.load(); });
    return !stopping;
}

Expected<http::Response> Attempts::State::ask(std::optional<http::Client>& client, unsigned& generation,
                                              const std::string& version) const {
    if (generation != config.certificate->generation()) {
        client.reset();
        generation = config.certificate->generation();
    }
    if (!client) {
        auto made = http::Client::create(config.collector_url, config.certificate->tls());
        if (!made) {
            return tl::unexpected(made.error());
        }
        client.emplace(std::move(*made));
    }
    http::Request request;
    request.path = "/api/lapwing/v1/assignments?version=" + version;
    request.headers = config.identity;
    request.max_response_bytes = 1U << 20;
    return client->request(request, kPollDeadline);
}

Expected<Orders> Attempts::State::ordersOf(const std::string& assignment, const Surroundings& here) const {
    return parseAssignment(assignment, peersOf(assignment, config.peers, config.discovery, here),
                           config.canary);
}

void Attempts::State::give(Orders given) {
    const MutexLock lock(mutex);
    orders = std::move(given);
    wake.notifyAll();
}

void Attempts::State::poll() {
    std::string version;
    std::string assignment;  // the last one, for networks that come later
    Surroundings here;
    auto backoff = kFirstBackoff;
    std::optional<http::Client> client;
    unsigned generation = 0;  // of the certificate
    while (!stopping) {
        const auto asked = Clock::now();
        const auto answer = ask(client, generation, version);
        bool understood = answer && answer->status == 304;
        const auto before =
            std::exchange(here, config.discovery.on ? surroundingsOf(config.host) : Surroundings{});
        bool given = false;
        if (answer && answer->status == 200) {
            auto parsed = ordersOf(answer->body, here);
            if (parsed && parsed->version != version) {
                understood = true;
                version = parsed->version;
                assignment = answer->body;
                give(std::move(*parsed));
                given = true;
            }
        }
        if (!given && !assignment.empty() && here != before) {
            if (auto again = ordersOf(assignment, here)) {
                give(std::move(*again));
            }
        }
        if (!understood) {
            sleep(backoff);
            backoff = std::min(backoff * 2, kLongestBackoff);
            continue;
        }
        backoff = kFirstBackoff;
        // Pause even after an early answer, so that this cannot spin.
        if (Clock::now() - asked < kFirstBackoff) {
            sleep(kFirstBackoff);
        }
    }
}

/// Hands the poller's orders to the worker's parts. False without new orders.
bool Attempts::State::take() {
    std::optional<Orders> taken;
    {
        const MutexLock lock(mutex);
        std::swap(taken, orders);
    }
    if (!taken) {
        return false;
    }
    targets.take(std::move(taken->peers), std::move(taken->targets));
    showPeers();
    canaries.take(std::move(taken->canaries));
    return true;
}

void Attempts::State::report() {
    showPeers();
    const auto now = nowMs();
    auto series = attemptSeries(targets.results(), targets.controls(), canaries.outcomes(), now);
    tracker.finish(series, now);
    if (!series.empty() && !stopping) {
        sink(std::move(series));
    }
    reported = Clock::now();
}

void Attempts::State::work() {
    const auto longest_attempt = config.timeout * 3;  // the control port, the attempt, the greeting
    bool changed = false;
    while (!stopping) {
        changed = take() || changed;
        changed = canaries.run() || changed;
        const auto canary = canaries.next();
        const bool tried = Clock::now() + longest_attempt < canary && targets.tryNext();
        changed = changed || tried;
        const auto since = Clock::now() - reported;
        if ((changed && since > kGather) || (since > config.report_interval && targets.hasResults())) {
            report();
            changed = false;
        }
        const auto until = std::min(Clock::now() + (tried ? kSpacing : kIdle), canary);
        MutexLock lock(mutex);
        wake.waitUntil(lock, until,
                       [&]() LAPWING_REQUIRES(mutex) { return stopping.load() || (orders && !tried); });
    }
    canaries.joinListeners();
}

Attempts::Attempts(AttemptsConfig config, Sink sink, ClockOffset clock_offset)
    : state_(std::make_shared<State>(std::move(config), std::move(sink), std::move(clock_offset))) {}

Attempts::~Attempts() {
    stop();
}

std::vector<PeerState> Attempts::peers() const {
    const MutexLock lock(state_->mutex);
    return state_->known_peers;
}

void Attempts::start() {
    auto& state = *state_;
    if (state.worker.joinable()) {
        return;
    }
    state.worker = std::thread([shared = state_] { shared->work(); });
    state.poller = std::thread([shared = state_] { shared->poll(); });
}

void Attempts::stop() {
    auto& state = *state_;
    {
        const MutexLock lock(state.mutex);
        state.stopping = true;
    }
    state.wake.notifyAll();
    if (state.worker.joinable()) {
        state.worker.join();
    }
    if (state.poller.joinable()) {
        // The poller may be waiting for the collector's answer, which cannot be cut short. It holds the
        // state and ends alone.
        state.poller.detach();
    }
}

}  // namespace lapwing::agent
