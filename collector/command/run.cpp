#include <malloc.h>
#include <signal.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>

#include "collector/command/command.h"
#include "collector/command/problems.h"
#include "collector/command/service.h"
#include "collector/command/signals.h"
#include "common/systemd.h"

namespace lapwing::collector {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kRecordsInterval = std::chrono::seconds(5);
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

/// The time of the last restart for a damaged database, for the process that follows.
constexpr const char* kRestartedAt = "LAPWING_RESTARTED_FOR_DAMAGE";
constexpr std::int64_t kBetweenRestartsS = 600;

std::int64_t steadySeconds() {
    return std::chrono::duration_cast<std::chrono::seconds>(Clock::now().time_since_epoch()).count();
}

/// Damage that comes back at once must not keep the collector from watching.
bool mayRestart() {
    const char* last = std::getenv(kRestartedAt);
    return last == nullptr || steadySeconds() - std::atoll(last) >= kBetweenRestartsS;
}

/// Becomes a new process of this program, which opens the database anew. Returns only if that fails.
void restart(char* const* arguments) {
    ::setenv(kRestartedAt, std::to_string(steadySeconds()).c_str(), 1);
    sigset_t none;
    sigemptyset(&none);
    pthread_sigmask(SIG_SETMASK, &none, nullptr);
    ::execv("/proc/self/exe", arguments);
}

enum class End { signal, damage };

/// Runs the service's periodic work until a signal or damage of the database ends it.
End serve(Service& service, Signals& signals) {
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
            if (service.foundDamage() && mayRestart()) {
                return End::damage;
            }
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
            return End::signal;
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
    const auto end = serve(**service, signals);
    if (end == End::signal) {
        notifySystemd("STOPPING=1");
    }
    spdlog::info(end == End::signal ? "stopping" : "starting again, to rebuild the damaged database");
    (*service)->stop();
    if (end == End::damage) {
        service->reset();
        std::string program = "lapwing-collector";
        std::string verb = "run";
        std::string option = "--config";
        std::string file = config_file;
        char* const arguments[] = {program.data(), verb.data(), option.data(), file.data(), nullptr};
        restart(arguments);
        spdlog::critical("the program cannot be started again: {}", std::strerror(errno));
        return kDegraded;
    }
    return kFine;
}

}  // namespace lapwing::collector
