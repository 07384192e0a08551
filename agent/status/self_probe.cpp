#include "agent/status/self_probe.h"

#include <sys/resource.h>
#include <unistd.h>

#include <fstream>
#include <utility>

#include "agent/host/host.h"
#include "agent/host/interfaces.h"
#include "common/metric_names.h"
#include "common/model/families.h"

namespace lapwing::agent {
namespace {

using prometheus::MetricFamily;

MetricFamily single(MetricFamily family, double value) {
    add(family, {}, value);
    return family;
}

MetricFamily addresses() {
    auto family = gauge(metric::kAgentAddressInfo, "An address of the host");
    if (const auto addresses = listInterfaceAddresses(InterfaceState::up_or_down)) {
        for (const auto& each : *addresses) {
            add(family,
                {{"address", each.address.toString()},
                 {"family", reach::familyName(each.address.family)},
                 {"interface", each.name}},
                1);
        }
    }
    return family;
}

double cpuSeconds() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    const auto seconds = [](const timeval& time) {
        return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
    };
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

}  // namespace

SelfProbe::SelfProbe(std::string version, std::string machine_id, std::function<DeliveryState()> delivery)
    : version_(std::move(version)), machine_id_(std::move(machine_id)), delivery_(std::move(delivery)) {}

Expected<ProbeResult> SelfProbe::collect(const Deadline& /*deadline*/) {
    const DeliveryState state = delivery_();
    ProbeResult result;
    auto& families = result.families;

    auto info = gauge(metric::kAgentInfo, "The agent");
    add(info, {{"version", version_}, {"machine_id", machineId(machine_id_)}}, 1);
    families.push_back(std::move(info));
    families.push_back(addresses());

    families.push_back(single(gauge(metric::kAgentSpoolSamples, "Samples that wait to be sent"),
                              static_cast<double>(state.spool.samples)));
    families.push_back(single(gauge(metric::kAgentSpoolBytes, "Bytes that wait to be sent"),
                              static_cast<double>(state.spool.bytes)));
    families.push_back(single(
        gauge(metric::kAgentSpoolAsideSamples, "Samples set aside, for the collector refused their times"),
        static_cast<double>(state.spool.aside)));
    families.push_back(
        single(counter(metric::kAgentSamplesSentTotal, "Samples that the collector has stored"),
               static_cast<double>(state.samples_sent)));
    auto dropped = counter(metric::kAgentSamplesDroppedTotal, "Samples that were lost, by reason");
    for (const char* reason : {"age", "damaged", "disk", "refused", "size"}) {
        const auto count = state.spool.dropped.find(reason);
        add(dropped, {{"reason", reason}},
            count == state.spool.dropped.end() ? 0 : static_cast<double>(count->second));
    }
    families.push_back(std::move(dropped));
    if (state.clock) {
        families.push_back(
            single(gauge(metric::kClockOffsetSeconds, "The collector's clock minus this host's"),
                   state.clock->offset_seconds));
        families.push_back(
            single(gauge(metric::kClockOffsetErrorSeconds, "Half the round trip: the greatest error"),
                   state.clock->error_seconds));
    }

    long pages = 0;
    long resident = 0;
    if (std::ifstream("/proc/self/statm") >> pages >> resident) {
        families.push_back(single(gauge("process_resident_memory_bytes", "Resident memory size in bytes."),
                                  static_cast<double>(resident * sysconf(_SC_PAGESIZE))));
    }
    families.push_back(
        single(counter("process_cpu_seconds_total", "Total user and system CPU time spent in seconds."),
               cpuSeconds()));
    return result;
}

}  // namespace lapwing::agent
