#pragma once

#include <prometheus/metric_family.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lapwing::agent::node {

/// Parsers of files in /proc and /sys. Each is a pure function from a file's content to node_exporter's
/// metrics. Missing and malformed fields are left out: a newer kernel adds fields at the end, an older one
/// lacks them. The formats are those of proc(5) and the kernel's Documentation/.

using Families = std::vector<prometheus::MetricFamily>;

/// The most things of one kind that are reported: disks, network devices, file systems, arrays, sensors'
/// chips and so on. A host with more is told of it in the probe's note.
constexpr std::size_t kMostDevices = 256;
constexpr std::size_t kMostCpus = 1024;

/// /proc/stat. `ticks` is USER_HZ, the unit of its CPU times. As in node_exporter, `user` and `nice` contain
/// the time of guests. Returns the number of CPUs; those beyond kMostCpus are left out.
std::size_t parseStat(std::string_view text, double ticks, Families& out);
void parseLoadavg(std::string_view text, Families& out);
/// Every line of /proc/meminfo: "Active(anon): 4 kB" is node_memory_Active_anon_bytes 4096; a line without a
/// unit (HugePages_Total) is a count and has no `_bytes`.
void parseMeminfo(std::string_view text, Families& out);
/// The counters that node_exporter keeps: OOM kills, page faults, paging and swapping.
void parseVmstat(std::string_view text, Families& out);
/// /proc/pressure/RESOURCE; `resource` is cpu, io, memory or irq. `some` is waiting, `full` is stalled.
void parsePressure(std::string_view resource, std::string_view text, Families& out);
/// /proc/sys/fs/file-nr
void parseFileNr(std::string_view text, Families& out);
/// /proc/schedstat: the time that the tasks of each CPU ran and waited.
void parseSchedstat(std::string_view text, Families& out);

struct Disk {
    std::string major;
    std::string minor;
    std::string name;
};

/// /proc/diskstats, without partitions, loop, RAM and floppy devices that were never used (as node_exporter
/// leaves them out). Sectors are 512 bytes there, whatever the device's sectors are. Returns the disks; those
/// beyond kMostDevices have no metrics.
std::vector<Disk> parseDiskstats(std::string_view text, Families& out);

/// /proc/net/dev. Returns the number of devices; those beyond kMostDevices are left out.
std::size_t parseNetDev(std::string_view text, Families& out);
/// /proc/net/netstat and /proc/net/snmp, which have the same form: a line of names, a line of values.
void parseNetstat(std::string_view text, Families& out);
/// /proc/net/snmp6: a line for each counter.
void parseSnmp6(std::string_view text, Families& out);
/// /proc/net/sockstat and sockstat6. `page` is the size of a page, the unit of `mem`.
void parseSockstat(std::string_view text, double page, Families& out);
/// /proc/net/softnet_stat: the packets that each CPU has taken from the network devices.
void parseSoftnet(std::string_view text, Families& out);
/// /proc/net/arp
void parseArp(std::string_view text, Families& out);
/// /proc/net/udp or udp6; `family` is v4 or v6.
void parseUdpQueues(std::string_view text, const char* family, Families& out);
/// /proc/net/stat/nf_conntrack, the sums of all CPUs.
void parseConntrackStat(std::string_view text, Families& out);

/// /proc/mdstat: the arrays of Linux' software RAID. Returns their number; those beyond kMostDevices are left
/// out.
std::size_t parseMdstat(std::string_view text, Families& out);

/// /sys/fs/xfs/DEVICE/stats/stats
void parseXfs(const std::string& device, std::string_view text, Families& out);

/// The pairs of an os-release file (os-release(5)), without their quotes.
std::vector<std::pair<std::string, std::string>> parseOsRelease(std::string_view text);

}  // namespace lapwing::agent::node
