#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/probes/node/collectors.h"
#include "agent/probes/node/metrics.h"
#include "agent/probes/text.h"

namespace lapwing::agent::node {
namespace {

constexpr const char* kFolder = "/devices/system/cpu";

struct Cpu {
    std::string number;
    std::string path;
};

Expected<std::vector<Cpu>> cpus(Files& files) {
    const auto folder = files.sys(kFolder) + "/";
    // Beside cpu0, cpu1, ... there are cpufreq and cpuidle.
    const auto names = files.list(folder, "cpu", kMostCpus + 2, "CPUs");
    if (!names) {
        return fail(names.error());
    }
    std::vector<Cpu> out;
    for (const auto& name : *names) {
        const auto number = name.substr(3);
        if (!number.empty() && number.find_first_not_of("0123456789") == std::string::npos) {
            out.push_back({number, folder + name});
        }
    }
    return out;
}

/// "1-3,9" -> 1, 2, 3, 9
std::vector<std::size_t> parseList(std::string_view text) {
    std::vector<std::size_t> out;
    while (!text.empty()) {
        const auto part = text.substr(0, text.find(','));
        text.remove_prefix(std::min(part.size() + 1, text.size()));
        const auto dash = part.find('-');
        const auto first = toNumber(part.substr(0, dash));
        const auto last = dash == std::string_view::npos ? first : toNumber(part.substr(dash + 1));
        if (!first || !last || *first < 0) {
            continue;
        }
        for (auto cpu = *first; cpu <= *last && out.size() < kMostCpus; ++cpu) {
            out.push_back(static_cast<std::size_t>(cpu));
        }
    }
    return out;
}

}  // namespace

// Documentation/ABI/testing/sysfs-devices-system-cpu
Expected<void> collectCpuTopology(Files& files, Families& out) {
    const auto all = cpus(files);
    if (!all) {
        return fail(all.error());
    }
    Metrics metrics(out);
    std::set<std::string> packages;
    std::set<std::pair<std::string, std::string>> cores;
    for (const auto& cpu : *all) {
        const auto package = files.text(cpu.path + "/topology/physical_package_id");
        const auto core = files.text(cpu.path + "/topology/core_id");
        if (!package || !core) {
            continue;
        }
        // The CPUs of a core share its counter, those of a package the package's.
        if (const auto count = files.number(cpu.path + "/thermal_throttle/core_throttle_count");
            count && cores.emplace(*package, *core).second) {
            metrics.counter("node_cpu_core_throttles_total", "Times that heat has slowed the core.", *count,
                            {{"core", *core}, {"package", *package}});
        }
        if (const auto count = files.number(cpu.path + "/thermal_throttle/package_throttle_count");
            count && packages.insert(*package).second) {
            metrics.counter("node_cpu_package_throttles_total", "Times that heat has slowed the package.",
                            *count, {{"package", *package}});
        }
    }
    for (const auto cpu : parseList(files.text(files.sys(kFolder) + "/isolated").value_or(""))) {
        metrics.gauge("node_cpu_isolated", "1 for a CPU that the scheduler leaves alone.", 1,
                      {{"cpu", std::to_string(cpu)}});
    }
    return {};
}

// Documentation/admin-guide/pm/cpufreq.rst: frequencies are in kHz.
Expected<void> collectCpufreq(Files& files, Families& out) {
    struct Frequency {
        const char* file;
        const char* name;
        const char* help;
    };
    constexpr std::array<Frequency, 6> frequencies = {{
        {"/cpufreq/cpuinfo_cur_freq", "node_cpu_frequency_hertz", "The frequency."},
        {"/cpufreq/cpuinfo_max_freq", "node_cpu_frequency_max_hertz", "The highest possible frequency."},
        {"/cpufreq/cpuinfo_min_freq", "node_cpu_frequency_min_hertz", "The lowest possible frequency."},
        {"/cpufreq/scaling_cur_freq", "node_cpu_scaling_frequency_hertz", "The frequency, as scaled."},
        {"/cpufreq/scaling_max_freq", "node_cpu_scaling_frequency_max_hertz", "The highest allowed one."},
        {"/cpufreq/scaling_min_freq", "node_cpu_scaling_frequency_min_hertz", "The lowest allowed one."},
    }};
    const auto all = cpus(files);
    if (!all) {
        return fail(all.error());
    }
    Metrics metrics(out);
    for (const auto& cpu : *all) {
        if (!files.exists(cpu.path + "/cpufreq")) {
            continue;
        }
        for (const auto& frequency : frequencies) {
            if (const auto value = files.number(cpu.path + frequency.file)) {
                metrics.gauge(frequency.name, frequency.help, *value * 1000, {{"cpu", cpu.number}});
            }
        }
        const auto current = files.text(cpu.path + "/cpufreq/scaling_governor");
        const auto governors = files.text(cpu.path + "/cpufreq/scaling_available_governors").value_or("");
        std::string_view rest = governors;
        for (auto governor = nextField(rest); current && !governor.empty(); governor = nextField(rest)) {
            metrics.gauge("node_cpu_scaling_governor", "1 for the governor in use.",
                          *current == governor ? 1 : 0,
                          {{"cpu", cpu.number}, {"governor", std::string(governor)}});
        }
    }
    return {};
}

}  // namespace lapwing::agent::node
