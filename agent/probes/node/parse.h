#pragma once

#include <prometheus/metric_family.h>

#include <string>
#include <string_view>
#include <vector>

namespace lapwing::agent::node {

/// Parsers of files in /proc. Each is a pure function from a file's content to node_exporter's metrics.
/// Missing and malformed fields are left out: a newer kernel adds fields at the end, an older one lacks
/// them. The formats are those of proc(5) and the kernel's Documentation/.

using Families = std::vector<prometheus::MetricFamily>;

/// /proc/stat. `ticks` is USER_HZ, the unit of its CPU times. As in node_exporter, `user` and `nice` contain
/// the time of guests.
void parseStat(std::string_view text, double ticks, Families& out);
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

/// /proc/diskstats, without partitions, loop, RAM and floppy devices that were never used (as node_exporter
/// leaves them out). Sectors are 512 bytes there, whatever the device's sectors are.
void parseDiskstats(std::string_view text, Families& out);

/// /proc/net/dev. Returns the names of the devices.
std::vector<std::string> parseNetDev(std::string_view text, Families& out);
/// /proc/net/netstat and /proc/net/snmp, which have the same form: a line of names, a line of values.
void parseNetstat(std::string_view text, Families& out);
/// /proc/net/sockstat. `page` is the size of a page, the unit of `mem`.
void parseSockstat(std::string_view text, double page, Families& out);

}  // namespace lapwing::agent::node
