#include "agent/attempts/attempts.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <thread>

#include "agent/attempts/assignment.h"
#include "agent/attempts/canary.h"
#include "agent/attempts/connect.h"
#include "agent/attempts/greeting.h"
#include "agent/host/interfaces.h"
#include "agent/runner/series_tracker.h"
#include "common/metric_names.h"

namespace lapwing::agent {

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kPollDeadline{40'000};  // the collector answers within 30 s
constexpr milliseconds kFirstBackoff{1'000};
constexpr milliseconds kLongestBackoff{30'000};
constexpr milliseconds kSpacing{200};  // five connections a second
constexpr milliseconds kControlValid{10'000};
constexpr milliseconds kBanner{100};  // a MySQL server greets at once
constexpr milliseconds kCanaryOpen{2'000};
constexpr milliseconds kCanaryWait{1'000};   // after its port has opened
constexpr milliseconds kCanaryTimeout{450};  // two sources fit into the second that is left
constexpr std::size_t kMostSecond = 2;
constexpr double kUsPerSecond = 1e6;
constexpr std::int64_t kUsPerMs = 1'000;

struct Source {
    reach::Address address;
    bool second = false;
};

/// The address from which packets to the peer leave, and further ones of the same interface.
std::vector<Source> sourcesTowards(const reach::Address& peer) {
    const auto main = sourceTowards(peer);
    const auto addresses = listInterfaceAddresses(InterfaceState::up);
    if (!main || !addresses) {
        return {};
    }
    std::vector<Source> out{{*main, false}};
    const auto own = std::find_if(addresses->begin(), addresses->end(),
                                  [&](const auto& each) { return each.address == *main; });
    for (const auto& each : *addresses) {
        const bool usable = own != addresses->end() && each.name == own->name &&
                            each.address.family == main->family && each.address != *main &&
                            !each.address.isLinkLocal();
        if (usable && out.size() <= kMostSecond) {
            out.push_back({each.address, true});
        }
    }
    return out;
}

/// What is known of one target from one source.
struct Outcome {
    bool second = false;
    Attempted attempted = Attempted::not_tried;
    std::string greeting;
    std::int64_t at_us = 0;  ///< on the collector's clock
    Clock::time_point tried;
};

/// A port of HAProxy's where no visitor's requests go.
bool showsStatistics(const Target& target) {
    constexpr int http = 80;
    constexpr int https = 443;
    return target.service == "haproxy-stats" ||
           (target.service == "haproxy" && target.port != http && target.port != https);
}

/// Where HAProxy's manual, its own default (`stats enable` alone) and most people put the statistics.
constexpr const char* kStatisticsPaths[] = {"/", "/haproxy?stats", "/stats"};

/// What the first of these paths shows that shows the statistics, or asks for a password; else what `/`
/// shows.
std::string askForStatistics(Connection connection, const reach::Address& source, const Target& target,
                             std::chrono::milliseconds timeout) {
    std::string first;
    for (const auto* path : kStatisticsPaths) {
        if (!first.empty()) {
            connection = tryConnect(source, target.address, target.port, timeout).connection;
        }
        auto greeting = readHttpGreeting(connection, path, timeout);
        if (greeting.empty() || greeting.starts_with("haproxy_stats") || greeting == "http_401") {
            return greeting.empty() ? first : greeting;
        }
        first = first.empty() ? greeting : first;
    }
    return first;
}

struct Control {
    bool ok = false;
    int port = 0;
    Clock::time_point tried;
};

struct CanaryListener {
    std::thread thread;
    std::shared_ptr<std::atomic<bool>> done;
};

struct Place {
    std::string host;
    reach::Address address;
    std::uint16_t port = 0;
    reach::Address source;
    auto operator<=>(const Place&) const = default;
};

}  // namespace

struct Attempts::State : std::enable_shared_from_this<State> {
    State(AttemptsConfig the_config, Sink the_sink, ClockOffset the_offset)
        : config(std::move(the_config)), sink(std::move(the_sink)), offset(std::move(the_offset)) {}

    void poll();
    void work();

    const AttemptsConfig config;
    const Sink sink;
    const ClockOffset offset;
    std::atomic<bool> stopping{false};
    std::thread poller;
    std::thread worker;

    std::mutex mutex;
    std::condition_variable wake;
    Orders orders;  ///< guarded by mutex
    bool fresh = false;

  private:
    bool sleep(milliseconds longest);
    std::int64_t collectorUs() const;
    Clock::time_point localTime(std::int64_t collector_us) const;

    void take(Orders taken);
    void runCanaries();
    void connectCanary(const CanaryOrder& order);
    Clock::time_point nextCanary() const;
    bool tryNext();
    Clock::time_point dueAt(const Target& target, const Outcome& outcome) const;
    void tryOne(const Target& target, const Source& source);
    bool controlOf(const std::string& host, const reach::Address& address, const reach::Address& source);
    void report();

    // Of the worker alone.
    std::vector<Target> targets_;
    std::map<std::string, CanaryOrder> canaries_;
    std::set<std::string> begun_;  ///< canaries
    std::map<reach::Address, std::vector<Source>> sources_;
    Clock::time_point sources_read_;
    std::map<Place, Outcome> outcomes_;
    std::map<std::pair<std::string, reach::Address>, Control> controls_;  ///< by host and its address
    std::map<Place, Outcome> canary_outcomes_;
    std::vector<CanaryListener> listeners_;
    SeriesTracker tracker_;
    Clock::time_point reported_;
    Clock::time_point connected_;
    bool changed_ = false;
};

/// False once the Attempts are being stopped.
bool Attempts::State::sleep(milliseconds longest) {
    std::unique_lock lock(mutex);
    wake.wait_for(lock, longest, [&] { return stopping.load(); });
    return !stopping;
}

std::int64_t Attempts::State::collectorUs() const {
    return nowMs() * kUsPerMs + static_cast<std::int64_t>(offset() * kUsPerSecond);
}

Clock::time_point Attempts::State::localTime(std::int64_t collector_us) const {
    return Clock::now() + std::chrono::microseconds(collector_us - collectorUs());
}

void Attempts::State::poll() {
    std::string version;
    auto backoff = kFirstBackoff;
    std::optional<http::Client> client;
    while (!stopping) {
        if (!client) {
            if (auto made = http::Client::create(config.collector_url, config.tls)) {
                client.emplace(std::move(*made));
            }
        }
        const auto asked = Clock::now();
        Expected<http::Response> answer = fail(ErrorKind::unavailable, "no client");
        if (client) {
            http::Request request;
            request.path = "/api/lapwing/v1/assignments?version=" + version;
            request.max_response_bytes = 1U << 20;
            answer = client->request(request, kPollDeadline);
        }
        if (answer && answer->status == 304) {
            backoff = kFirstBackoff;
            // A collector that does not let it wait must not be asked without a pause.
            if (Clock::now() - asked < kFirstBackoff && !sleep(kFirstBackoff)) {
                return;
            }
            continue;
        }
        auto parsed = answer && answer->status == 200
                          ? parseAssignment(answer->body, config.peers, config.canary)
                          : Expected<Orders>(fail(ErrorKind::unavailable, "no assignment"));
        if (parsed && parsed->version != version) {
            backoff = kFirstBackoff;
            version = parsed->version;
            {
                const std::lock_guard lock(mutex);
                orders = std::move(*parsed);
                fresh = true;
            }
            wake.notify_all();
            if (Clock::now() - asked < kFirstBackoff && !sleep(kFirstBackoff)) {
                return;
            }
            continue;
        }
        if (!sleep(backoff)) {
            return;
        }
        backoff = std::min(backoff * 2, kLongestBackoff);
    }
}

/// Forgets what is no longer asked for.
void Attempts::State::take(Orders taken) {
    targets_ = std::move(taken.targets);
    // A moment that is still to come would make every result worthless, and the next attempt due at once.
    const auto now = collectorUs();
    for (auto& target : targets_) {
        target.since_us = std::min(target.since_us, now);
    }
    std::erase_if(outcomes_, [&](const auto& entry) {
        return std::none_of(targets_.begin(), targets_.end(), [&](const auto& target) {
            return target.host == entry.first.host && target.address == entry.first.address &&
                   target.port == entry.first.port;
        });
    });
    std::map<std::string, CanaryOrder> offered;
    for (auto& order : taken.canaries) {
        const auto key = order.id + (order.listens ? " listen " : " connect ") + order.address.toString();
        offered[key] = std::move(order);
    }
    std::erase_if(begun_, [&](const auto& key) { return !offered.contains(key); });
    canaries_ = std::move(offered);
    changed_ = true;
}

/// When the next canary has something to do; far away if none has.
Clock::time_point Attempts::State::nextCanary() const {
    auto next = Clock::now() + std::chrono::hours(1);
    for (const auto& [key, order] : canaries_) {
        if (!begun_.contains(key)) {
            next = std::min(next, localTime(order.at_us) + (order.listens ? milliseconds(0) : kCanaryWait));
        }
    }
    return next;
}

void Attempts::State::runCanaries() {
    const auto now = Clock::now();
    for (const auto& [key, order] : canaries_) {
        const auto opens = localTime(order.at_us);
        const auto due = opens + (order.listens ? milliseconds(0) : kCanaryWait);
        if (begun_.contains(key) || now < due) {
            continue;
        }
        begun_.insert(key);
        if (now >= opens + kCanaryOpen) {
            continue;
        }
        if (order.listens) {
            auto done = std::make_shared<std::atomic<bool>>(false);
            std::thread thread(
                [self = shared_from_this(), port = order.port, nonce = order.nonce, opens, done] {
                    listenAsCanary(port, nonce, opens + kCanaryOpen, self->stopping);
                    *done = true;
                });
            listeners_.push_back({std::move(thread), std::move(done)});
        } else {
            connectCanary(order);
        }
    }
    std::erase_if(listeners_, [](auto& listener) {
        if (*listener.done) {
            listener.thread.join();
            return true;
        }
        return false;
    });
}

void Attempts::State::connectCanary(const CanaryOrder& order) {
    for (const auto& source : sourcesTowards(order.address)) {
        Outcome outcome;
        outcome.second = source.second;
        outcome.at_us = collectorUs();
        outcome.tried = Clock::now();
        outcome.attempted = tryCanary(source.address, order.address, order.port, order.nonce, kCanaryTimeout);
        canary_outcomes_[{order.peer, order.address, 0, source.address}] = outcome;
        changed_ = true;
    }
}

Clock::time_point Attempts::State::dueAt(const Target& target, const Outcome& outcome) const {
    if (outcome.at_us < target.since_us) {
        return Clock::time_point::min();
    }
    // Each conversation with a database is an entry in its log: seldom, once the answer is known. Statistics
    // are read every few seconds anyway, and whoever closes them wants to see it.
    const bool seldom = !outcome.greeting.empty() && !showsStatistics(target);
    return outcome.tried + (seldom ? config.greeting_interval : config.interval);
}

bool Attempts::State::controlOf(const std::string& host, const reach::Address& address,
                                const reach::Address& source) {
    const auto peer = std::find_if(config.peers.begin(), config.peers.end(), [&](const auto& each) {
        return each.host == host && reach::Address::parse(each.address) == address && each.control_port != 0;
    });
    if (peer == config.peers.end()) {
        return false;
    }
    auto& control = controls_[{host, address}];
    control.port = peer->control_port;
    if (control.tried == Clock::time_point{} || Clock::now() - control.tried > kControlValid) {
        const auto result =
            tryConnect(source, address, static_cast<std::uint16_t>(peer->control_port), config.timeout);
        // A reset is an answer too: the path is whole.
        control.ok = result.attempted == Attempted::open || result.attempted == Attempted::refused;
        control.tried = Clock::now();
    }
    return control.ok;
}

void Attempts::State::tryOne(const Target& target, const Source& source) {
    const auto main = sources_[target.address];
    const bool control = !main.empty() && controlOf(target.host, target.address, main.front().address);
    Outcome outcome;
    outcome.second = source.second;
    outcome.at_us = collectorUs();
    auto result = tryConnect(source.address, target.address, target.port, config.timeout);
    outcome.attempted = result.attempted;
    if (outcome.attempted == Attempted::rejected && !control) {
        // Without an answer from the peer the ICMP error may come from the way there.
        outcome.attempted = Attempted::unreachable;
    }
    if (outcome.attempted == Attempted::open) {
        outcome.greeting =
            showsStatistics(target)
                ? askForStatistics(std::move(result.connection), source.address, target, config.timeout)
                : readGreeting(result.connection, target.service == "mysql" ? config.timeout : kBanner);
    }
    outcome.tried = Clock::now();
    outcomes_[{target.host, target.address, target.port, source.address}] = outcome;
    connected_ = outcome.tried;
    changed_ = true;
}

/// Makes the attempt that is due, if any. False if none is.
bool Attempts::State::tryNext() {
    const auto now = Clock::now();
    if (now - sources_read_ > config.interval || sources_read_ == Clock::time_point{}) {
        sources_.clear();
        sources_read_ = now;
    }
    for (const auto& target : targets_) {
        const auto known = sources_.find(target.address);
        if (known == sources_.end()) {
            sources_[target.address] = sourcesTowards(target.address);
        }
        for (const auto& source : sources_[target.address]) {
            const auto outcome = outcomes_.find({target.host, target.address, target.port, source.address});
            if (outcome == outcomes_.end() || dueAt(target, outcome->second) <= now) {
                tryOne(target, source);
                return true;
            }
        }
    }
    return false;
}

void Attempts::State::report() {
    const auto now = nowMs();
    std::vector<TimeSeries> series;
    const auto emit = [&](const char* metric, const std::string& host, std::vector<Label> labels,
                          double value) {
        labels.push_back({"__name__", metric});
        labels.push_back({"job", "firewall"});
        labels.push_back({"instance", host});
        labels.push_back({"peer", host});
        series.push_back({Labels(std::move(labels)), {{now, value}}});
    };
    for (const auto& target : targets_) {
        // Not operator[]: an empty entry would say that no address of this host leads to the target.
        const auto sources = sources_.find(target.address);
        if (sources == sources_.end()) {
            continue;
        }
        for (const auto& source : sources->second) {
            const auto found = outcomes_.find({target.host, target.address, target.port, source.address});
            if (found == outcomes_.end()) {
                continue;
            }
            const auto& outcome = found->second;
            std::vector<Label> labels{
                {"address", target.address.toString()}, {"protocol", "tcp"},
                {"port", std::to_string(target.port)},  {"service", target.service},
                {"source", source.address.toString()},  {"source_kind", outcome.second ? "second" : "main"}};
            emit(metric::kAttemptTimestampSeconds, target.host, labels,
                 static_cast<double>(outcome.at_us) / kUsPerSecond);
            if (!outcome.greeting.empty()) {
                auto greeting = labels;
                greeting.push_back({"greeting", outcome.greeting});
                emit(metric::kAttemptGreetingInfo, target.host, std::move(greeting), 1);
            }
            labels.push_back({"result", attemptedName(outcome.attempted)});
            emit(metric::kAttemptResult, target.host, std::move(labels), 1);
        }
    }
    for (const auto& [key, control] : controls_) {
        emit(metric::kAttemptControlOk, key.first,
             {{"address", key.second.toString()}, {"port", std::to_string(control.port)}},
             control.ok ? 1 : 0);
    }
    for (const auto& [place, outcome] : canary_outcomes_) {
        std::vector<Label> labels{{"source", place.source.toString()},
                                  {"source_kind", outcome.second ? "second" : "main"}};
        emit(metric::kCanaryTimestampSeconds, place.host, labels,
             static_cast<double>(outcome.at_us) / kUsPerSecond);
        labels.push_back({"result", attemptedName(outcome.attempted)});
        emit(metric::kCanaryResult, place.host, std::move(labels), 1);
    }
    tracker_.finish(series, now);
    if (!series.empty() && !stopping) {
        sink(std::move(series));
    }
    reported_ = Clock::now();
    changed_ = false;
}

void Attempts::State::work() {
    // Results are gathered for a moment, so that a round is few reports and a change is still told at once.
    constexpr milliseconds gather{1'000};
    constexpr milliseconds idle{1'000};
    while (!stopping) {
        {
            std::unique_lock lock(mutex);
            if (fresh) {
                auto taken = std::move(orders);
                fresh = false;
                lock.unlock();
                take(std::move(taken));
            }
        }
        runCanaries();
        const auto canary = nextCanary();
        bool tried = false;
        const auto busy = config.timeout * 3;  // a control, the attempt, a greeting
        if (Clock::now() + busy < canary) {
            tried = tryNext();
        }
        const auto since = Clock::now() - reported_;
        if ((changed_ && since > gather) || (since > config.report_interval && !outcomes_.empty())) {
            report();
        }
        const auto pause = tried ? kSpacing : idle;
        const auto until = std::min(Clock::now() + pause, canary);
        std::unique_lock lock(mutex);
        wake.wait_until(lock, until, [&] { return stopping.load() || (fresh && !tried); });
    }
    for (auto& listener : listeners_) {
        listener.thread.join();
    }
}

Attempts::Attempts(AttemptsConfig config, Sink sink, ClockOffset clock_offset)
    : state_(std::make_shared<State>(std::move(config), std::move(sink), std::move(clock_offset))) {}

Attempts::~Attempts() {
    stop();
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
        const std::lock_guard lock(state.mutex);
        state.stopping = true;
    }
    state.wake.notify_all();
    if (state.worker.joinable()) {
        state.worker.join();
    }
    if (state.poller.joinable()) {
        // It may be waiting for the collector's answer, which cannot be cut short; it holds the state and
        // ends alone.
        state.poller.detach();
    }
}

}  // namespace lapwing::agent
