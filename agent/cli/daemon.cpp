#include "agent/cli/daemon.h"

#include <fmt/format.h>
#include <malloc.h>
#include <pthread.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "agent/attempts/attempts.h"
#include "agent/certificate/agent_certificate.h"
#include "agent/cli/commands.h"
#include "agent/config/config.h"
#include "agent/delivery/delivery.h"
#include "agent/host/host.h"
#include "agent/runner/runner.h"
#include "agent/status/self_probe.h"
#include "agent/status/socket.h"
#include "agent/status/status.h"
#include "common/config/reader.h"
#include "common/identity_headers.h"
#include "common/model/clock.h"
#include "common/systemd.h"

namespace lapwing::agent {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr std::size_t kStackBytes = 512U << 10;
// Both graces and the uninterruptible parts of stopping take less than two seconds.
constexpr milliseconds kRunnerGrace{500};
constexpr milliseconds kDeliveryGrace{1000};
constexpr milliseconds kTick{10'000};
constexpr milliseconds kSchedulerStuck{45'000};

void setUpLog() {
    auto logger = spdlog::stderr_logger_mt("lapwing");
    // The journal adds the time itself.
    logger->set_pattern(std::getenv("JOURNAL_STREAM") != nullptr ? "%l: %v" : "%Y-%m-%dT%H:%M:%S.%e %l: %v");
    spdlog::set_default_logger(std::move(logger));
}

using Headers = std::vector<std::pair<std::string, std::string>>;

/// See common/identity_headers.h.
Headers identityOf(const AgentConfig& agent) {
    Headers out;
    if (const auto machine = machineId(agent.machine_id); !machine.empty()) {
        out.emplace_back(kMachineIdHeader, machine);
    }
    std::random_device random;
    out.emplace_back(kSessionHeader, fmt::format("{:08x}{:08x}", random(), random()));
    return out;
}

AttemptsConfig attemptsConfig(const AgentConfig& agent, const Headers& identity,
                              std::shared_ptr<AgentCertificate> certificate) {
    AttemptsConfig config;
    config.identity = identity;
    config.host = agent.host;
    config.collector_url = agent.collector_url;
    config.certificate = std::move(certificate);
    config.peers = agent.peers;
    config.discovery = agent.discovery;
    config.canary = agent.canary;
    return config;
}

DeliveryConfig deliveryConfig(const AgentConfig& agent, const Headers& identity) {
    DeliveryConfig config;
    config.host = agent.host;
    config.identity = identity;
    config.spool.path = agent.data + "/spool.db";
    config.spool.max_bytes = agent.spool_bytes;
    config.spool.max_age = milliseconds(agent.spool_age_ms);
    config.collector_url = agent.collector_url;
    config.certificate =
        std::make_shared<AgentCertificate>(agent.host, agent.tls, agent.data + "/certificate.pem");
    config.user_agent = "lapwing-agent/" LAPWING_VERSION;
    return config;
}

sigset_t stopSignals() {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    return signals;
}

/// Waits for a signal. Meanwhile tells systemd that the scheduler is alive.
void waitForStop(const Runner& runner) {
    const sigset_t signals = stopSignals();
    const auto watchdog = watchdogInterval();
    const auto tick =
        watchdog ? std::min(kTick, std::chrono::duration_cast<milliseconds>(*watchdog / 3)) : kTick;
    const timespec timeout{tick.count() / 1000, tick.count() % 1000 * 1'000'000};
    while (sigtimedwait(&signals, nullptr, &timeout) < 0) {
        if (watchdog && Clock::now() - runner.lastActive() < kSchedulerStuck) {
            notifySystemd("WATCHDOG=1");
        }
    }
}

}  // namespace

void prepareProcess() {
    // One arena, and freed bursts go back to the system: resident memory matters more here than malloc's
    // speed.
    mallopt(M_ARENA_MAX, 1);
    mallopt(M_MMAP_THRESHOLD, 64 << 10);
    mallopt(M_TRIM_THRESHOLD, 128 << 10);
#ifndef __SANITIZE_THREAD__  // the thread sanitizer needs larger stacks
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, kStackBytes);
    pthread_setattr_default_np(&attributes);
    pthread_attr_destroy(&attributes);
#endif
    std::signal(SIGPIPE, SIG_IGN);
}

int runAgent(const std::string& config_file) {
    setUpLog();
    const sigset_t signals = stopSignals();
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);

    LoadedConfig loaded;
    {
        config::Reader reader;
        loaded = loadConfig(reader, config_file, probeKinds());
        for (const auto& problem : reader.problems()) {
            spdlog::error("{}", problem.toString());
        }
        if (!reader.ok()) {
            return kUsage;
        }
    }
    const AgentConfig& agent = loaded.agent;
    spdlog::info("lapwing-agent {} on {}", LAPWING_VERSION, agent.host);
    for (const auto& choice : loaded.choices) {
        spdlog::info("probe {}: {}", choice.name, choice.why);
    }
    if (agent.collector_url.empty()) {
        spdlog::warn("no collector is configured: samples stay in the spool (collector.url)");
    }

    const auto identity = identityOf(agent);
    auto delivery_config = deliveryConfig(agent, identity);
    const ClockCorrection correction(
        [clock = delivery_config.host_clock](const ClockReading& now) { return clock->correction(now); });
    const auto certificate = delivery_config.certificate;
    auto opened = Delivery::open(std::move(delivery_config));
    if (!opened) {
        spdlog::error("{}", opened.error().message);
        return kDegraded;
    }
    Delivery& delivery = **opened;

    for (auto& spec : loaded.specs) {
        spec.probe->keepIn(agent.data);
    }
    ProbeSpec self;
    self.job = "agent";
    self.instance = agent.host;
    self.probe =
        std::make_unique<SelfProbe>(LAPWING_VERSION, agent.machine_id, [&] { return delivery.state(); });
    loaded.specs.push_back(std::move(self));
    const auto sink = [&](std::vector<TimeSeries> series) { delivery.add(std::move(series)); };
    Runner runner(
        std::move(loaded.specs), sink,
        [&](const std::string& kind, std::string body) { delivery.addDocument(kind, std::move(body)); },
        [&](const std::vector<prometheus::MetricFamily>& families) { delivery.describe(families); });

    Attempts attempts(attemptsConfig(agent, identity, certificate), sink,
                      [&] { return delivery.clockOffset(); });
    const auto started = Clock::now();
    auto socket = StatusSocket::open(agent.status_socket, [&] {
        return statusJson({LAPWING_VERSION, agent.host, agent.file, agent.collector_url, getpid(),
                           std::chrono::duration<double>(Clock::now() - started).count(), delivery.state(),
                           runner.states(), attempts.peers()});
    });
    if (!socket) {
        if (socket.error().kind == ErrorKind::unavailable) {
            spdlog::error("{}", socket.error().message);
            return kDegraded;
        }
        spdlog::warn("`lapwing-agent status` will not work: {}", socket.error().message);
    }

    delivery.start();
    runner.start();
    if (agent.attempts && !agent.collector_url.empty()) {
        attempts.start();
    }
    malloc_trim(0);
    notifySystemd("READY=1\nSTATUS=Probing");

    waitForStop(runner);

    notifySystemd("STOPPING=1");
    spdlog::info("stopping");
    std::thread attempts_end([&] { attempts.stop(); });
    runner.stop(kRunnerGrace);
    delivery.stop(kDeliveryGrace);
    attempts_end.join();
    if (socket) {
        socket->reset();
    }
    spdlog::info("stopped; {} samples wait in the spool", delivery.state().spool.samples);
    // Hung runs and requests still use this function's objects.
    std::fflush(nullptr);
    std::_Exit(kFine);
}

}  // namespace lapwing::agent
