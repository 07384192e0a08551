#include "agent/probes/node/node.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "agent/probes/kind.h"
#include "agent/probes/node/collectors.h"
#include "agent/probes/switch.h"
#include "common/config/reader.h"
#include "common/model/families.h"

namespace lapwing::agent::node {
namespace {

/// Slow parts are read by whole runs only.
enum class Pace { fast, slow };

struct Collector {
    const char* name;  ///< node_exporter's
    Pace pace;
    Expected<void> (*collect)(Files& files, Families& out);
};

/// Every part but /proc/stat.
constexpr std::array<Collector, 37> kCollectors = {{
    {"loadavg", Pace::fast, &collectLoadavg},
    {"meminfo", Pace::fast, &collectMeminfo},
    {"vmstat", Pace::fast, &collectVmstat},
    {"pressure", Pace::fast, &collectPressure},
    {"filefd", Pace::fast, &collectFileNr},
    {"schedstat", Pace::fast, &collectSchedstat},
    {"entropy", Pace::fast, &collectEntropy},
    {"diskstats", Pace::fast, &collectDiskstats},
    {"netdev", Pace::fast, &collectNetdev},
    {"netclass", Pace::fast, &collectLinks},
    {"netstat", Pace::fast, &collectNetstat},
    {"sockstat", Pace::fast, &collectSockstat},
    {"softnet", Pace::fast, &collectSoftnet},
    {"arp", Pace::fast, &collectArp},
    {"udp_queues", Pace::fast, &collectUdpQueues},
    {"conntrack", Pace::fast, &collectConntrack},
    {"bonding", Pace::fast, &collectBonding},
    {"filesystem", Pace::fast, &collectFileSystems},
    {"xfs", Pace::fast, &collectXfs},
    {"time", Pace::fast, &collectTime},
    {"timex", Pace::fast, &collectTimex},
    {"uname", Pace::fast, &collectUname},
    {"diskstats", Pace::slow, &collectDiskInfo},
    {"netclass", Pace::slow, &collectLinkSettings},
    {"mdadm", Pace::slow, &collectMdadm},
    {"nvme", Pace::slow, &collectNvme},
    {"cpu", Pace::slow, &collectCpuTopology},
    {"cpufreq", Pace::slow, &collectCpufreq},
    {"edac", Pace::slow, &collectEdac},
    {"thermal_zone", Pace::slow, &collectThermalZones},
    {"rapl", Pace::slow, &collectRapl},
    {"powersupplyclass", Pace::slow, &collectPowerSupplies},
    {"watchdog", Pace::slow, &collectWatchdogs},
    {"dmi", Pace::slow, &collectDmi},
    {"time", Pace::slow, &collectClockSources},
    {"os", Pace::slow, &collectOs},
    {"selinux", Pace::slow, &collectSelinux},
}};
/// A sensor on a slow bus, or of a device that hangs, can take long. So they are read last, and after a run
/// that came too late not for a while.
constexpr Collector kSensors{"hwmon", Pace::slow, &collectHwmon};
constexpr std::chrono::minutes kSensorPause{10};

constexpr std::chrono::seconds kWholeInterval{60};
/// The runner starts runs a little early or late.
constexpr std::chrono::milliseconds kSlack{100};

Expected<void> collectStat(Files& files, Families& out) {
    const auto text = files.read(files.proc("/stat"));
    if (!text) {
        return fail(text.error());
    }
    if (parseStat(*text, static_cast<double>(::sysconf(_SC_CLK_TCK)), out) > kMostCpus) {
        files.noteCut(kMostCpus, "CPUs");
    }
    return {};
}

}  // namespace

NodeProbe::NodeProbe(Roots roots) : files_(std::move(roots)) {}

Expected<ProbeResult> NodeProbe::collect(const Deadline& deadline) {
    const auto now = Clock::now();
    const bool whole = now >= next_whole_;
    // The series of a failed run end, so the run after one reads everything.
    const auto due = std::exchange(next_whole_, Clock::time_point());
    files_.readUntil(Clock::time_point::max());
    ProbeResult result;
    auto& out = result.families;
    out.reserve(384);
    if (auto read = collectStat(files_, out); !read) {
        return fail(std::move(read.error()));
    }
    auto success = gauge("node_scrape_collector_success",
                         "1 if the part could be read; absent where this kernel or machine lacks it.");
    const auto note = [&](const char* collector, bool good) {
        for (auto& metric : success.metric) {
            if (metric.label.front().value == collector) {
                metric.gauge.value = good ? metric.gauge.value : 0;
                return;
            }
        }
        add(success, {{"collector", collector}}, good ? 1 : 0);
    };
    // Half of the time, since a single read can take long.
    files_.readUntil(now + deadline.remaining() / 2);
    note("cpu", true);
    note("stat", true);
    const auto take = [&](const Collector& collector) {
        const auto read = collector.collect(files_, out);
        if (read || read.error().kind != ErrorKind::not_found) {
            note(collector.name, read && !files_.late());
        }
    };
    const auto run = [&](Pace pace) {
        for (const auto& collector : kCollectors) {
            if (collector.pace == pace) {
                take(collector);
            }
        }
    };
    run(Pace::fast);
    auto notes = files_.takeNotes();
    if (whole) {
        run(Pace::slow);
        if (now >= next_sensors_) {
            take(kSensors);
        }
        slow_notes_ = files_.takeNotes();
        if (now < next_sensors_) {
            slow_notes_.insert("the sensors took too long, and are read again in ten minutes at the latest");
        }
    }
    notes.insert(slow_notes_.begin(), slow_notes_.end());
    out.push_back(std::move(success));
    counters_.apply(out, whole);
    if (deadline.passed()) {
        // Nobody takes this result, and all series end: the next run reads everything that is quick.
        next_sensors_ = whole ? now + kSensorPause : next_sensors_;
        return result;
    }
    result.partial = !whole;
    result.note = fmt::format("{}", fmt::join(notes, "; "));
    next_whole_ = whole ? now + kWholeInterval - kSlack : due;
    return result;
}

}  // namespace lapwing::agent::node

namespace lapwing::agent {
namespace {

std::string configureNode(const config::Node& node, const ProbeContext& context,
                          std::vector<ProbeSpec>& out) {
    node::Roots roots{context.proc, context.sys, ""};
    if (node.isMap()) {
        node.allow({"proc", "sys", "root"});
        node["proc"].read(roots.proc);
        node["sys"].read(roots.sys);
        node["root"].read(roots.root);
    }
    constexpr bool has_settings = true;
    return onEveryHost(node, context, "node", std::make_unique<node::NodeProbe>(std::move(roots)), out,
                       has_settings);
}

}  // namespace

ProbeKind nodeProbe() {
    return {"node", "the host: CPU, memory, disks, file systems, network, sensors, pressure", &configureNode};
}

}  // namespace lapwing::agent
