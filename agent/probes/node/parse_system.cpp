#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "agent/probes/node/parse.h"
#include "agent/probes/text.h"
#include "common/metric_names.h"
#include "common/model/families.h"

namespace lapwing::agent::node {
namespace {

constexpr std::array<std::string_view, 8> kModes = {"user",   "nice", "system",  "idle",
                                                    "iowait", "irq",  "softirq", "steal"};

/// "cpu0 5048 0 2470 ..." -> one sample a mode.
void addCpu(std::string_view cpu, std::string_view fields, double ticks, prometheus::MetricFamily& out) {
    for (const auto mode : kModes) {
        const auto value = toNumber(nextField(fields));
        if (!value) {
            return;
        }
        add(out, {{"cpu", std::string(cpu)}, {"mode", std::string(mode)}}, *value / ticks);
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

void parseStat(std::string_view text, double ticks, Families& out) {
    auto cpus = counter("node_cpu_seconds_total", "Seconds that the CPUs spent in each mode.");
    for (std::string_view line; nextLine(text, line);) {
        const auto key = nextField(line);
        if (key.size() > 3 && key.substr(0, 3) == "cpu") {
            addCpu(key.substr(3), line, ticks, cpus);
            continue;
        }
        for (const auto& known : kStatLines) {
            if (known.key == key) {
                addSingle(known, toNumber(nextField(line)), out);
            }
        }
    }
    out.push_back(std::move(cpus));
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
    constexpr std::array<std::string_view, 7> kept_keys = {"oom_kill", "pgpgin",  "pgpgout",   "pswpin",
                                                           "pswpout",  "pgfault", "pgmajfault"};
    for (std::string_view line; nextLine(text, line);) {
        const auto key = nextField(line);
        for (const auto kept : kept_keys) {
            if (key != kept) {
                continue;
            }
            if (const auto value = toNumber(nextField(line))) {
                out.push_back(counter("node_vmstat_" + std::string(key), "Of /proc/vmstat."));
                add(out.back(), {}, *value);
            }
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

}  // namespace lapwing::agent::node
