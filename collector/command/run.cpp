#include <malloc.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>

#include "collector/command/command.h"
#include "collector/command/problems.h"
#include "collector/command/service.h"
#include "collector/command/signals.h"
#include "common/systemd.h"

namespace lapwing::collector {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kRecordsInterval = std::chrono::seconds(10);
constexpr auto kReplicationRound = std::chrono::seconds(2);

void prepareLog() {
    spdlog::set_default_logger(spdlog::stderr_logger_mt("lapwing"));
    // The journal adds times itself.
    spdlog::set_pattern(std::getenv("JOURNAL_STREAM") != nullptr ? "%l: %v" : "%Y-%m-%dT%H:%M:%S.%e %l: %v");
    spdlog::flush_on(spdlog::level::info);
}

void prepareMemory() {
    // Each arena keeps the memory that its threads once needed; two arenas are enough for the threads that
    // run at the same time here.
    mallopt(M_ARENA_MAX, 2);
    mallopt(M_TRIM_THRESHOLD, 256 * 1024);
    mallopt(M_MMAP_THRESHOLD, 256 * 1024);
}

/// Runs the service's periodic work until a signal ends it.
void serve(Service& service, Signals& signals) {
    auto next_records = Clock::now();
    auto next_look = next_records;
    // Half of systemd's timeout.
    const Clock::duration watchdog = watchdogInterval().value_or(std::chrono::hours(48)) / 2;
    auto next_ping = Clock::now() + watchdog;
    while (true) {
        const auto now = Clock::now();
        if (now >= next_look) {
            service.watchReplication();
            next_look = std::max(next_look + kReplicationRound, now);
        }
        if (now >= next_records) {
            service.keepRecords();
            // After the machine slept for long, missed turns are not made up for.
            next_records = std::max(next_records + kRecordsInterval, now);
        }
        if (now >= next_ping) {
            notifySystemd("WATCHDOG=1");
            next_ping = now + watchdog;
        }
        const auto request = signals.waitUntil(std::min({next_records, next_look, next_ping}));
        if (!request) {
            continue;
        }
        if (*request == Signals::Request::end) {
            return;
        }
        notifySystemd("RELOADING=1");
        service.reload();
        notifySystemd("READY=1");
    }
}

}  // namespace

int runService(const std::string& config_file) {
    prepareLog();
    prepareMemory();
    const auto config = configOrComplain(config_file);
    if (!config) {
        return kWrongUsage;
    }
    Signals signals;
    auto service = Service::create(*config);
    if (!service) {
        spdlog::critical("{}", service.error().message);
        return kWrongUsage;
    }
    (*service)->start();
    notifySystemd("READY=1");
    serve(**service, signals);
    notifySystemd("STOPPING=1");
    spdlog::info("stopping");
    (*service)->stop();
    return kFine;
}

}  // namespace lapwing::collector
