#include <algorithm>
#include <array>
#include <cctype>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/probes/node/parse.h"
#include "agent/probes/text.h"
#include "common/characters.h"
#include "common/model/families.h"

namespace lapwing::agent::node {
namespace {

struct Column {
    const char* name;
    const char* help;
    bool counts;
    double factor;
};

// Sectors of /proc/diskstats are 512 bytes, times milliseconds (Documentation/admin-guide/iostats.rst).
constexpr double kSector = 512;
constexpr double kMs = 0.001;
constexpr std::array<Column, 17> kDiskColumns = {{
    {"node_disk_reads_completed_total", "Reads completed.", true, 1},
    {"node_disk_reads_merged_total", "Reads merged.", true, 1},
    {"node_disk_read_bytes_total", "Bytes read.", true, kSector},
    {"node_disk_read_time_seconds_total", "Seconds spent by all reads.", true, kMs},
    {"node_disk_writes_completed_total", "Writes completed.", true, 1},
    {"node_disk_writes_merged_total", "Writes merged.", true, 1},
    {"node_disk_written_bytes_total", "Bytes written.", true, kSector},
    {"node_disk_write_time_seconds_total", "Seconds spent by all writes.", true, kMs},
    {"node_disk_io_now", "Inputs and outputs under way.", false, 1},
    {"node_disk_io_time_seconds_total", "Seconds in which something was under way.", true, kMs},
    {"node_disk_io_time_weighted_seconds_total", "The same, weighted by how much was.", true, kMs},
    {"node_disk_discards_completed_total", "Discards completed.", true, 1},
    {"node_disk_discards_merged_total", "Discards merged.", true, 1},
    {"node_disk_discarded_sectors_total", "Sectors discarded.", true, 1},
    {"node_disk_discard_time_seconds_total", "Seconds spent by all discards.", true, kMs},
    {"node_disk_flush_requests_total", "Flush requests completed.", true, 1},
    {"node_disk_flush_requests_time_seconds_total", "Seconds spent by all flush requests.", true, kMs},
}};

bool isLower(char c) {
    return std::islower(static_cast<unsigned char>(c)) != 0;
}

/// node_exporter's default: ^(z?ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+$
bool isLeftOut(std::string_view device) {
    auto stem = device;
    while (!stem.empty() && isDigit(stem.back())) {
        stem.remove_suffix(1);
    }
    if (stem.size() == device.size()) {
        return false;
    }
    if (stem == "ram" || stem == "zram" || stem == "loop" || stem == "fd") {
        return true;
    }
    if (stem.size() >= 3 && isLower(stem.back())) {
        const auto bus = stem.substr(0, stem.size() - 1);
        if (bus == "hd" || bus == "sd" || bus == "vd" || bus == "xvd") {
            return true;
        }
    }
    return stem.size() > 4 && stem.substr(0, 4) == "nvme" && stem.back() == 'p' && isDigit(stem[4]);
}

// The order of /proc/net/dev.
constexpr std::array<std::string_view, 16> kNetColumns = {
    "receive_bytes",  "receive_packets",  "receive_errs",       "receive_drop",
    "receive_fifo",   "receive_frame",    "receive_compressed", "receive_multicast",
    "transmit_bytes", "transmit_packets", "transmit_errs",      "transmit_drop",
    "transmit_fifo",  "transmit_colls",   "transmit_carrier",   "transmit_compressed"};

/// The default counters of node_exporter that tell of a server's health.
constexpr std::array<std::pair<std::string_view, std::string_view>, 29> kNetstatKept = {{
    {"TcpExt", "ListenOverflows"},
    {"TcpExt", "ListenDrops"},
    {"TcpExt", "SyncookiesSent"},
    {"TcpExt", "SyncookiesRecv"},
    {"TcpExt", "SyncookiesFailed"},
    {"TcpExt", "TCPSynRetrans"},
    {"TcpExt", "TCPTimeouts"},
    {"TcpExt", "TCPOFOQueue"},
    {"TcpExt", "TCPRcvQDrop"},
    {"IpExt", "InOctets"},
    {"IpExt", "OutOctets"},
    {"Ip", "Forwarding"},
    {"Icmp", "InErrors"},
    {"Icmp", "InMsgs"},
    {"Icmp", "OutMsgs"},
    {"Tcp", "ActiveOpens"},
    {"Tcp", "PassiveOpens"},
    {"Tcp", "CurrEstab"},
    {"Tcp", "InErrs"},
    {"Tcp", "InSegs"},
    {"Tcp", "OutSegs"},
    {"Tcp", "OutRsts"},
    {"Tcp", "RetransSegs"},
    {"Udp", "InDatagrams"},
    {"Udp", "OutDatagrams"},
    {"Udp", "InErrors"},
    {"Udp", "NoPorts"},
    {"Udp", "RcvbufErrors"},
    {"Udp", "SndbufErrors"},
}};

bool isKept(std::string_view protocol, std::string_view name) {
    return std::any_of(kNetstatKept.begin(), kNetstatKept.end(),
                       [&](const auto& kept) { return kept.first == protocol && kept.second == name; });
}

}  // namespace

void parseDiskstats(std::string_view text, Families& out) {
    Families families;
    families.reserve(kDiskColumns.size());
    for (const auto& column : kDiskColumns) {
        families.push_back(column.counts ? counter(column.name, column.help)
                                         : gauge(column.name, column.help));
    }
    for (std::string_view line; nextLine(text, line);) {
        nextField(line);
        nextField(line);
        const std::string device(nextField(line));
        if (device.empty() || isLeftOut(device)) {
            continue;
        }
        for (std::size_t i = 0; i < kDiskColumns.size(); ++i) {
            const auto value = toNumber(nextField(line));
            if (!value) {
                break;
            }
            add(families[i], {{"device", device}}, *value * kDiskColumns[i].factor);
        }
    }
    for (auto& family : families) {
        if (!family.metric.empty()) {
            out.push_back(std::move(family));
        }
    }
}

std::vector<std::string> parseNetDev(std::string_view text, Families& out) {
    std::vector<std::string> devices;
    Families families;
    families.reserve(kNetColumns.size());
    for (const auto column : kNetColumns) {
        families.push_back(counter("node_network_" + std::string(column) + "_total", "Of /proc/net/dev."));
    }
    for (std::string_view line; nextLine(text, line);) {
        // Headings have no colon. A name may hold a colon (an alias), so the last colon separates.
        const auto colon = line.find_last_of(':');
        if (colon == std::string_view::npos) {
            continue;
        }
        const std::string device(trimmed(line.substr(0, colon)));
        line.remove_prefix(colon + 1);
        if (device.empty()) {
            continue;
        }
        for (auto& family : families) {
            const auto value = toNumber(nextField(line));
            if (!value) {
                break;
            }
            add(family, {{"device", device}}, *value);
        }
        devices.push_back(device);
    }
    for (auto& family : families) {
        if (!family.metric.empty()) {
            out.push_back(std::move(family));
        }
    }
    return devices;
}

void parseNetstat(std::string_view text, Families& out) {
    for (std::string_view names; nextLine(text, names);) {
        std::string_view values;
        if (!nextLine(text, values)) {
            return;
        }
        const auto head = nextField(names);
        if (head.empty() || head.back() != ':' || nextField(values) != head) {
            continue;
        }
        const auto protocol = head.substr(0, head.size() - 1);
        for (auto name = nextField(names); !name.empty(); name = nextField(names)) {
            const auto value = toNumber(nextField(values));
            if (!value || !isKept(protocol, name)) {
                continue;
            }
            auto full = "node_netstat_" + std::string(protocol) + "_" + std::string(name);
            const bool level = name == "CurrEstab" || name == "Forwarding";
            out.push_back(level ? gauge(std::move(full), "Of /proc/net/snmp.")
                                : counter(std::move(full), "Of /proc/net/netstat and /proc/net/snmp."));
            add(out.back(), {}, *value);
        }
    }
}

void parseSockstat(std::string_view text, double page, Families& out) {
    for (std::string_view line; nextLine(text, line);) {
        const auto head = nextField(line);
        if (head.empty() || head.back() != ':') {
            continue;
        }
        const auto protocol = head.substr(0, head.size() - 1);
        if (protocol != "sockets" && protocol != "TCP" && protocol != "UDP") {
            continue;
        }
        for (auto name = nextField(line); !name.empty(); name = nextField(line)) {
            const auto value = toNumber(nextField(line));
            if (!value) {
                continue;
            }
            const auto full = "node_sockstat_" + std::string(protocol) + "_" + std::string(name);
            out.push_back(gauge(full, "Of /proc/net/sockstat."));
            add(out.back(), {}, *value);
            if (name == "mem") {
                out.push_back(gauge(full + "_bytes", "Of /proc/net/sockstat."));
                add(out.back(), {}, *value * page);
            }
        }
    }
}

}  // namespace lapwing::agent::node
