#include "agent/attempts/target_attempts.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "agent/attempts/connect.h"
#include "agent/attempts/greeting.h"

namespace lapwing::agent {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds kControlValid{10'000};
constexpr milliseconds kBanner{100};  // a MySQL server greets at once

/// A port of HAProxy that takes no visitors' requests.
bool showsStatistics(const Target& target) {
    constexpr int http = 80;
    constexpr int https = 443;
    return target.service == "haproxy-stats" ||
           (target.service == "haproxy" && target.port != http && target.port != https);
}

/// The paths of HAProxy's manual, of its own default (`stats enable` alone) and of most configurations.
constexpr const char* kStatisticsPaths[] = {"/", "/haproxy?stats", "/stats"};

/// Asks for each path until a page shows the statistics or asks for a password; otherwise the greeting of
/// "/".
std::string askForStatistics(Connection connection, const reach::Address& source, const Target& target,
                             milliseconds timeout) {
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

AttemptKey keyOf(const Target& target, const reach::Address& source) {
    return {target.host, target.address, target.port, source};
}

}  // namespace

TargetAttempts::TargetAttempts(const AttemptsConfig& config, CollectorClock clock)
    : config_(config), clock_(std::move(clock)), peers_(config.peers) {}

void TargetAttempts::take(std::vector<Peer> peers, std::vector<Target> targets) {
    peers_ = std::move(peers);
    targets_ = std::move(targets);
    // A moment that is still to come would make every result worthless, and the next attempt due at once.
    const auto now = clock_.nowUs();
    for (auto& target : targets_) {
        target.since_us = std::min(target.since_us, now);
    }
    std::erase_if(outcomes_, [&](const auto& entry) {
        return std::none_of(targets_.begin(), targets_.end(), [&](const auto& target) {
            return target.host == entry.first.host && target.address == entry.first.address &&
                   target.port == entry.first.port;
        });
    });
}

std::vector<PeerState> TargetAttempts::peers() const {
    std::vector<PeerState> out;
    out.reserve(peers_.size());
    for (const auto& peer : peers_) {
        PeerState state{peer, 0, 0};
        const auto address = reach::Address::parse(peer.address);
        for (const auto& [key, outcome] : outcomes_) {
            if (key.address != address || outcome.second_source) {
                continue;
            }
            ++state.ports;
            state.answered +=
                outcome.attempted == Attempted::open || outcome.attempted == Attempted::refused ? 1 : 0;
        }
        out.push_back(std::move(state));
    }
    return out;
}

TargetAttempts::Clock::time_point TargetAttempts::dueAt(const Target& target, const Outcome& outcome) const {
    if (outcome.at_us < target.since_us) {
        return Clock::time_point::min();
    }
    // Each conversation with a database is an entry in its log, so a known greeting is read again seldom. The
    // statistics are read every few seconds anyway, and their operator wants to see at once that closing them
    // worked.
    const bool seldom = !outcome.greeting.empty() && !showsStatistics(target);
    return outcome.tried + (seldom ? config_.greeting_interval : config_.interval);
}

const std::vector<Source>& TargetAttempts::sourcesOf(const reach::Address& address) {
    const auto known = sources_.find(address);
    return known != sources_.end() ? known->second : sources_[address] = sourcesTowards(address);
}

bool TargetAttempts::controlAnswers(const Target& target, const reach::Address& source) {
    const auto peer = std::find_if(peers_.begin(), peers_.end(), [&](const auto& each) {
        return each.host == target.host && reach::Address::parse(each.address) == target.address &&
               each.control_port != 0;
    });
    if (peer == peers_.end()) {
        return false;
    }
    auto& control = controls_[{target.host, target.address}];
    control.port = peer->control_port;
    if (control.tried == Clock::time_point{} || Clock::now() - control.tried > kControlValid) {
        const auto result = tryConnect(source, target.address, static_cast<std::uint16_t>(peer->control_port),
                                       config_.timeout);
        // A reset is an answer too: the path is whole.
        control.ok = result.attempted == Attempted::open || result.attempted == Attempted::refused;
        control.tried = Clock::now();
    }
    return control.ok;
}

void TargetAttempts::tryTarget(const Target& target, const Source& source) {
    const bool control = controlAnswers(target, sourcesOf(target.address).front().address);
    Outcome outcome;
    outcome.second_source = source.second;
    outcome.at_us = clock_.nowUs();
    auto result = tryConnect(source.address, target.address, target.port, config_.timeout);
    outcome.attempted = result.attempted;
    if (outcome.attempted == Attempted::rejected && !control) {
        // Without an answer from the peer the ICMP error may come from a router on the way.
        outcome.attempted = Attempted::unreachable;
    }
    if (outcome.attempted == Attempted::open) {
        outcome.greeting =
            showsStatistics(target)
                ? askForStatistics(std::move(result.connection), source.address, target, config_.timeout)
                : readGreeting(result.connection, target.service == "mysql" ? config_.timeout : kBanner);
    }
    outcome.tried = Clock::now();
    outcomes_[keyOf(target, source.address)] = outcome;
}

bool TargetAttempts::tryNext() {
    const auto now = Clock::now();
    if (now - sources_read_ > config_.interval || sources_read_ == Clock::time_point{}) {
        sources_.clear();
        sources_read_ = now;
    }
    for (const auto& target : targets_) {
        for (const auto& source : sourcesOf(target.address)) {
            const auto outcome = outcomes_.find(keyOf(target, source.address));
            if (outcome == outcomes_.end() || dueAt(target, outcome->second) <= now) {
                tryTarget(target, source);
                return true;
            }
        }
    }
    return false;
}

std::vector<AttemptResult> TargetAttempts::results() const {
    std::vector<AttemptResult> out;
    for (const auto& target : targets_) {
        const auto sources = sources_.find(target.address);
        if (sources == sources_.end()) {
            continue;
        }
        for (const auto& source : sources->second) {
            const auto outcome = outcomes_.find(keyOf(target, source.address));
            if (outcome != outcomes_.end()) {
                out.push_back({target, source.address, outcome->second});
            }
        }
    }
    return out;
}

}  // namespace lapwing::agent
