#pragma once

#include "agent/probes/node/files.h"
#include "agent/probes/node/parse.h"
#include "common/error.h"

namespace lapwing::agent::node {

/// Collectors: each reads one part of the host, by the name of node_exporter's collector, and adds its
/// metrics. An error says that the part is there and cannot be read; `not_found` that this kernel or machine
/// lacks it. What one device lacks is left out.

// /proc
Expected<void> collectLoadavg(Files& files, Families& out);
Expected<void> collectMeminfo(Files& files, Families& out);
Expected<void> collectVmstat(Files& files, Families& out);
Expected<void> collectPressure(Files& files, Families& out);
Expected<void> collectFileNr(Files& files, Families& out);
Expected<void> collectSchedstat(Files& files, Families& out);
Expected<void> collectEntropy(Files& files, Families& out);
Expected<void> collectDiskstats(Files& files, Families& out);
Expected<void> collectMdadm(Files& files, Families& out);

// The network: /proc/net and /sys/class/net
Expected<void> collectNetdev(Files& files, Families& out);
Expected<void> collectNetstat(Files& files, Families& out);
Expected<void> collectSockstat(Files& files, Families& out);
Expected<void> collectSoftnet(Files& files, Families& out);
Expected<void> collectArp(Files& files, Families& out);
Expected<void> collectUdpQueues(Files& files, Families& out);
Expected<void> collectConntrack(Files& files, Families& out);
/// The states of the network devices' links.
Expected<void> collectLinks(Files& files, Families& out);
/// The devices' other attributes, which seldom change.
Expected<void> collectLinkSettings(Files& files, Families& out);
Expected<void> collectBonding(Files& files, Families& out);

// Disks and file systems
/// The model, serial number and so on of each disk, as udev knows them.
Expected<void> collectDiskInfo(Files& files, Families& out);
Expected<void> collectFileSystems(Files& files, Families& out);
Expected<void> collectXfs(Files& files, Families& out);
Expected<void> collectNvme(Files& files, Families& out);

// Hardware
Expected<void> collectCpuTopology(Files& files, Families& out);
Expected<void> collectCpufreq(Files& files, Families& out);
Expected<void> collectEdac(Files& files, Families& out);
Expected<void> collectHwmon(Files& files, Families& out);
Expected<void> collectThermalZones(Files& files, Families& out);
Expected<void> collectRapl(Files& files, Families& out);
Expected<void> collectPowerSupplies(Files& files, Families& out);
Expected<void> collectWatchdogs(Files& files, Families& out);
Expected<void> collectDmi(Files& files, Families& out);

// The system
Expected<void> collectTime(Files& files, Families& out);
Expected<void> collectTimex(Files& files, Families& out);
Expected<void> collectClockSources(Files& files, Families& out);
Expected<void> collectUname(Files& files, Families& out);
Expected<void> collectOs(Files& files, Families& out);
Expected<void> collectSelinux(Files& files, Families& out);

}  // namespace lapwing::agent::node
