#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "agent/probes/node/metrics.h"
#include "agent/probes/node/parse.h"
#include "agent/probes/text.h"
#include "common/model/families.h"

namespace lapwing::agent::node {
namespace {

// The order of /proc/net/dev.
constexpr std::array<std::string_view, 16> kNetColumns = {
    "receive_bytes",  "receive_packets",  "receive_errs",       "receive_drop",
    "receive_fifo",   "receive_frame",    "receive_compressed", "receive_multicast",
    "transmit_bytes", "transmit_packets", "transmit_errs",      "transmit_drop",
    "transmit_fifo",  "transmit_colls",   "transmit_carrier",   "transmit_compressed"};

constexpr std::array<std::pair<std::string_view, std::string_view>, 35> kNetstatKept = {{
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
    {"Ip6", "InOctets"},
    {"Ip6", "OutOctets"},
    {"Ip", "Forwarding"},
    {"Icmp", "InMsgs"},
    {"Icmp", "OutMsgs"},
    {"Icmp6", "InMsgs"},
    {"Icmp6", "OutMsgs"},
    {"Tcp", "ActiveOpens"},
    {"Tcp", "PassiveOpens"},
    {"Tcp", "CurrEstab"},
    {"Tcp", "InSegs"},
    {"Tcp", "OutSegs"},
    {"Tcp", "OutRsts"},
    {"Tcp", "RetransSegs"},
    {"Udp", "InDatagrams"},
    {"Udp", "OutDatagrams"},
    {"Udp", "NoPorts"},
    {"Udp", "RcvbufErrors"},
    {"Udp", "SndbufErrors"},
    {"Udp6", "InDatagrams"},
    {"Udp6", "OutDatagrams"},
    {"Udp6", "NoPorts"},
    {"Udp6", "RcvbufErrors"},
    {"Udp6", "SndbufErrors"},
}};

/// The counters that node_exporter reports by default. They tell of a server's health.
bool isKept(std::string_view protocol, std::string_view name) {
    return name == "InErrors" || name == "InErrs" ||
           std::any_of(kNetstatKept.begin(), kNetstatKept.end(),
                       [&](const auto& kept) { return kept.second == name && kept.first == protocol; });
}

void addNetstat(std::string_view protocol, std::string_view name, std::string_view value, Metrics& metrics) {
    if (!isKept(protocol, name)) {
        return;
    }
    if (const auto number = toNumber(value)) {
        // The kernel's files do not tell counters from levels, so these have no type, as in node_exporter.
        metrics.untyped("node_netstat_" + std::string(protocol) + "_" + std::string(name),
                        "Of /proc/net/netstat, snmp and snmp6.", *number);
    }
}

/// "0000a5f3" -> 42483
std::optional<double> fromHex(std::string_view text) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
    if (error != std::errc() || end != text.data() + text.size()) {
        return std::nullopt;
    }
    return static_cast<double>(value);
}

struct SoftnetColumn {
    std::size_t place;
    const char* name;
    const char* help;
    bool counts;
};

// net/core/net-procfs.c: softnet_seq_show(). Older kernels have fewer columns.
constexpr std::array<SoftnetColumn, 7> kSoftnetColumns = {{
    {0, "node_softnet_processed_total", "Packets processed.", true},
    {1, "node_softnet_dropped_total", "Packets dropped because the backlog was full.", true},
    {2, "node_softnet_times_squeezed_total", "Times that the quota ended before the packets.", true},
    {8, "node_softnet_cpu_collision_total", "Collisions on the lock of a device that sends.", true},
    {9, "node_softnet_received_rps_total", "Times that another CPU woke this one for packets.", true},
    {10, "node_softnet_flow_limit_count_total", "Times that the limit of a flow was reached.", true},
    {11, "node_softnet_backlog_len", "Packets in the backlog.", false},
}};
constexpr std::size_t kSoftnetCpu = 12;

struct ConntrackColumn {
    std::string_view column;
    const char* name;
    const char* help;
};

// Counters of the kernel; node_exporter has them as gauges.
constexpr std::array<ConntrackColumn, 8> kConntrackColumns = {{
    {"found", "node_nf_conntrack_stat_found", "Entries searched for and found."},
    {"invalid", "node_nf_conntrack_stat_invalid", "Packets that cannot be tracked."},
    {"ignore", "node_nf_conntrack_stat_ignore", "Packets that belong to an entry already."},
    {"insert", "node_nf_conntrack_stat_insert", "Entries inserted."},
    {"insert_failed", "node_nf_conntrack_stat_insert_failed", "Insertions that failed."},
    {"drop", "node_nf_conntrack_stat_drop", "Packets dropped because tracking failed."},
    {"early_drop", "node_nf_conntrack_stat_early_drop", "Entries dropped to make room."},
    {"search_restart", "node_nf_conntrack_stat_search_restart", "Searches restarted by a new table."},
}};

}  // namespace

std::size_t parseNetDev(std::string_view text, Families& out) {
    std::size_t devices = 0;
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
        if (device.empty() || ++devices > kMostDevices) {
            continue;
        }
        for (auto& family : families) {
            const auto value = toNumber(nextField(line));
            if (!value) {
                break;
            }
            add(family, {{"device", device}}, *value);
        }
    }
    for (auto& family : families) {
        if (!family.metric.empty()) {
            out.push_back(std::move(family));
        }
    }
    return devices;
}

void parseNetstat(std::string_view text, Families& out) {
    Metrics metrics(out);
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
            addNetstat(protocol, name, nextField(values), metrics);
        }
    }
}

void parseSnmp6(std::string_view text, Families& out) {
    Metrics metrics(out);
    for (std::string_view line; nextLine(text, line);) {
        const auto name = nextField(line);
        const auto six = name.find('6');
        if (six != std::string_view::npos) {
            addNetstat(name.substr(0, six + 1), name.substr(six + 1), nextField(line), metrics);
        }
    }
}

void parseSockstat(std::string_view text, double page, Families& out) {
    Metrics metrics(out);
    for (std::string_view line; nextLine(text, line);) {
        const auto head = nextField(line);
        if (head.empty() || head.back() != ':') {
            continue;
        }
        const auto protocol = std::string(head.substr(0, head.size() - 1));
        for (auto name = nextField(line); !name.empty(); name = nextField(line)) {
            const auto value = toNumber(nextField(line));
            if (!value) {
                continue;
            }
            const auto full = "node_sockstat_" + protocol + "_" + std::string(name);
            metrics.gauge(full, "Of /proc/net/sockstat and sockstat6.", *value);
            if (name == "mem") {
                metrics.gauge(full + "_bytes", "Of /proc/net/sockstat.", *value * page);
            }
        }
    }
}

void parseSoftnet(std::string_view text, Families& out) {
    Metrics metrics(out);
    std::size_t row = 0;
    for (std::string_view line; nextLine(text, line); ++row) {
        std::vector<std::optional<double>> fields;
        for (auto field = nextField(line); !field.empty() && fields.size() <= kSoftnetCpu;
             field = nextField(line)) {
            fields.push_back(fromHex(field));
        }
        // CPUs that are off have no row, so newer kernels tell the number.
        const auto cpu = fields.size() > kSoftnetCpu && fields[kSoftnetCpu]
                             ? static_cast<std::size_t>(*fields[kSoftnetCpu])
                             : row;
        for (const auto& column : kSoftnetColumns) {
            if (column.place < fields.size() && fields[column.place]) {
                metrics.add(column.name, column.help,
                            column.counts ? prometheus::MetricType::Counter : prometheus::MetricType::Gauge,
                            *fields[column.place], {{"cpu", std::to_string(cpu)}});
            }
        }
    }
}

void parseArp(std::string_view text, Families& out) {
    std::map<std::string, double> entries;
    std::string_view line;
    nextLine(text, line);  // the heading
    while (nextLine(text, line)) {
        std::string_view device;
        for (int field = 0; field < 6; ++field) {
            device = nextField(line);
        }
        if (!device.empty()) {
            entries[std::string(device)] += 1;
        }
    }
    Metrics metrics(out);
    for (const auto& [device, count] : entries) {
        metrics.gauge("node_arp_entries", "ARP entries by device.", count, {{"device", device}});
    }
}

void parseUdpQueues(std::string_view text, const char* family, Families& out) {
    double sent = 0;
    double received = 0;
    std::string_view line;
    nextLine(text, line);  // the heading
    while (nextLine(text, line)) {
        for (int skipped = 0; skipped < 4; ++skipped) {
            nextField(line);
        }
        // "00000000:00000300": bytes to send, bytes received
        const auto queues = nextField(line);
        const auto colon = queues.find(':');
        if (colon != std::string_view::npos) {
            sent += fromHex(queues.substr(0, colon)).value_or(0);
            received += fromHex(queues.substr(colon + 1)).value_or(0);
        }
    }
    Metrics metrics(out);
    constexpr const char* name = "node_udp_queues";
    constexpr const char* help = "Bytes in the queues of all UDP sockets.";
    metrics.gauge(name, help, received, {{"ip", family}, {"queue", "rx"}});
    metrics.gauge(name, help, sent, {{"ip", family}, {"queue", "tx"}});
}

void parseConntrackStat(std::string_view text, Families& out) {
    std::string_view heading;
    nextLine(text, heading);
    std::vector<std::string_view> columns;
    for (auto column = nextField(heading); !column.empty(); column = nextField(heading)) {
        columns.push_back(column);
    }
    std::vector<std::optional<double>> sums(columns.size());
    for (std::string_view line; nextLine(text, line);) {
        for (auto& sum : sums) {
            if (const auto value = fromHex(nextField(line))) {
                sum = sum.value_or(0) + *value;
            }
        }
    }
    Metrics metrics(out);
    for (const auto& known : kConntrackColumns) {
        const auto at = std::find(columns.begin(), columns.end(), known.column);
        if (at == columns.end()) {
            continue;
        }
        if (const auto& sum = sums[static_cast<std::size_t>(at - columns.begin())]) {
            metrics.gauge(known.name, known.help, *sum);
        }
    }
}

}  // namespace lapwing::agent::node
