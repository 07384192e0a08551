#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "agent/probes/node/metrics.h"
#include "agent/probes/node/parse.h"
#include "agent/probes/text.h"
#include "common/metric_names.h"
#include "common/model/families.h"

namespace lapwing::agent::node {
namespace {

constexpr std::array<std::string_view, 8> kModes = {"user",   "nice", "system",  "idle",
                                                    "iowait", "irq",  "softirq", "steal"};

/// The last columns of a CPU: the time of guests, which `user` and `nice` contain already.
constexpr std::array<std::string_view, 2> kGuestModes = {"user", "nice"};

/// "cpu0 5048 0 2470 ..." -> one sample a mode.
void addCpu(std::string_view cpu, std::string_view fields, double ticks, prometheus::MetricFamily& out,
            prometheus::MetricFamily& guests) {
    const auto take = [&](const auto& modes, prometheus::MetricFamily& family) {
        for (const auto mode : modes) {
            const auto value = toNumber(nextField(fields));
            if (!value) {
                return false;
            }
            add(family, {{"cpu", std::string(cpu)}, {"mode", std::string(mode)}}, *value / ticks);
        }
        return true;
    };
    if (take(kModes, out)) {
        take(kGuestModes, guests);
    }
}

struct Line {
    std::string_view key;
    const char* name;
    const char* help;
    bool counts;
};

constexpr std::array<Line, 6> kStatLines = {{
    {"intr", "node_intr_total", "Interrupts serviced.", true},
    {"ctxt", "node_context_switches_total", "Context switches.", true},
    {"btime", exporter::kNodeBootTimeSeconds, "When the system booted, in seconds since 1970.", false},
    {"processes", "node_forks_total", "Forks.", true},
    {"procs_running", "node_procs_running", "Processes in a runnable state.", false},
    {"procs_blocked", "node_procs_blocked", "Processes that wait for input or output.", false},
}};

void addSingle(const Line& line, std::optional<double> value, Families& out) {
    if (!value) {
        return;
    }
    out.push_back(line.counts ? counter(line.name, line.help) : gauge(line.name, line.help));
    add(out.back(), {}, *value);
}

}  // namespace

std::size_t parseStat(std::string_view text, double ticks, Families& out) {
    std::size_t count = 0;
    auto cpus = counter("node_cpu_seconds_total", "Seconds that the CPUs spent in each mode.");
    auto guests = counter("node_cpu_guest_seconds_total", "Seconds that the CPUs spent in guests.");
    for (std::string_view line; nextLine(text, line);) {
        const auto key = nextField(line);
        if (key.size() > 3 && key.substr(0, 3) == "cpu") {
            if (++count <= kMostCpus) {
                addCpu(key.substr(3), line, ticks, cpus, guests);
            }
            continue;
        }
        for (const auto& known : kStatLines) {
            if (known.key == key) {
                addSingle(known, toNumber(nextField(line)), out);
            }
        }
    }
    for (auto* family : {&cpus, &guests}) {
        if (!family->metric.empty()) {
            out.push_back(std::move(*family));
        }
    }
    return count;
}

void parseLoadavg(std::string_view text, Families& out) {
    for (const Line& line : {Line{{}, "node_load1", "1m load average.", false},
                             Line{{}, "node_load5", "5m load average.", false},
                             Line{{}, "node_load15", "15m load average.", false}}) {
        addSingle(line, toNumber(nextField(text)), out);
    }
}

void parseMeminfo(std::string_view text, Families& out) {
    for (std::string_view line; nextLine(text, line);) {
        const auto colon = line.find(':');
        if (colon == std::string_view::npos) {
            continue;
        }
        std::string name = "node_memory_";
        for (const char c : line.substr(0, colon)) {
            // "Active(anon)" -> "Active_anon"
            if (c == '(' || c == ' ') {
                name += '_';
            } else if (c != ')') {
                name += c;
            }
        }
        line.remove_prefix(colon + 1);
        auto value = toNumber(nextField(line));
        if (!value) {
            continue;
        }
        if (nextField(line) == "kB") {
            name += "_bytes";
            *value *= 1024;
        }
        out.push_back(gauge(std::move(name), "Of /proc/meminfo."));
        add(out.back(), {}, *value);
    }
}

void parseVmstat(std::string_view text, Families& out) {
    Metrics metrics(out);
    for (std::string_view line; nextLine(text, line);) {
        const auto key = nextField(line);
        const bool kept = key.starts_with("oom_kill") || key.starts_with("pgpg") || key.starts_with("pswp") ||
                          (key.starts_with("pg") && key.find("fault") != std::string_view::npos);
        if (!kept) {
            continue;
        }
        if (const auto value = toNumber(nextField(line))) {
            metrics.untyped("node_vmstat_" + std::string(key), "Of /proc/vmstat.", *value);
        }
    }
}

void parsePressure(std::string_view resource, std::string_view text, Families& out) {
    for (std::string_view line; nextLine(text, line);) {
        const auto kind = nextField(line);
        const bool some = kind == "some";
        // The kernel prints "full" for the CPU too, where it is meaningless and always 0.
        if (!some && (kind != "full" || resource == "cpu")) {
            continue;
        }
        const auto at = line.find("total=");
        if (at == std::string_view::npos) {
            continue;
        }
        const auto microseconds = toNumber(trimmed(line.substr(at + 6)));
        if (!microseconds) {
            continue;
        }
        out.push_back(counter("node_pressure_" + std::string(resource) +
                                  (some ? "_waiting_seconds_total" : "_stalled_seconds_total"),
                              some ? "Seconds in which some process waited for the resource."
                                   : "Seconds in which all processes waited for the resource."));
        add(out.back(), {}, *microseconds / 1e6);
    }
}

void parseFileNr(std::string_view text, Families& out) {
    text = trimmed(text);
    const auto allocated = toNumber(nextField(text));
    nextField(text);
    const auto maximum = toNumber(nextField(text));
    addSingle({{}, "node_filefd_allocated", "File descriptors allocated.", false}, allocated, out);
    addSingle({{}, "node_filefd_maximum", "The maximum number of file descriptors.", false}, maximum, out);
}

void parseSchedstat(std::string_view text, Families& out) {
    constexpr double nanosecond = 1e-9;
    Metrics metrics(out);
    for (std::string_view line; nextLine(text, line);) {
        auto cpu = nextField(line);
        if (cpu.size() <= 3 || !cpu.starts_with("cpu")) {
            continue;
        }
        cpu.remove_prefix(3);
        // Documentation/scheduler/sched-stats.rst: the last three of nine fields.
        for (int skipped = 0; skipped < 6; ++skipped) {
            nextField(line);
        }
        const auto running = toNumber(nextField(line));
        const auto waiting = toNumber(nextField(line));
        const auto slices = toNumber(nextField(line));
        if (!running || !waiting || !slices) {
            continue;
        }
        const Metrics::Labels labels = {{"cpu", std::string(cpu)}};
        metrics.counter("node_schedstat_running_seconds_total", "Seconds that the CPU ran tasks.",
                        *running * nanosecond, labels);
        metrics.counter("node_schedstat_waiting_seconds_total", "Seconds that tasks waited for the CPU.",
                        *waiting * nanosecond, labels);
        metrics.counter("node_schedstat_timeslices_total", "Time slices that the CPU ran.", *slices, labels);
    }
}

}  // namespace lapwing::agent::node
