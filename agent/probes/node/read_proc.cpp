#include <unistd.h>

#include <string>
#include <string_view>

#include "agent/probes/node/collectors.h"
#include "agent/probes/node/metrics.h"

namespace lapwing::agent::node {
namespace {

/// Reads a file under /proc and hands it to `parse`.
template <class Parse>
Expected<void> parseFile(Files& files, std::string_view name, Parse parse) {
    const auto text = files.read(files.proc(name));
    if (!text) {
        return fail(text.error());
    }
    parse(*text);
    return {};
}

/// The outcome of a collector with several files: one that cannot be read counts, then one that was read.
Expected<void> together(const Expected<void>& first, const Expected<void>& second) {
    const auto missing = [](const Expected<void>& result) {
        return !result && result.error().kind == ErrorKind::not_found;
    };
    if (!first && !missing(first)) {
        return first;
    }
    return missing(second) ? first : second;
}

}  // namespace

Expected<void> collectLoadavg(Files& files, Families& out) {
    return parseFile(files, "/loadavg", [&](std::string_view text) { parseLoadavg(text, out); });
}

Expected<void> collectMeminfo(Files& files, Families& out) {
    return parseFile(files, "/meminfo", [&](std::string_view text) { parseMeminfo(text, out); });
}

Expected<void> collectVmstat(Files& files, Families& out) {
    return parseFile(files, "/vmstat", [&](std::string_view text) { parseVmstat(text, out); });
}

Expected<void> collectPressure(Files& files, Families& out) {
    Expected<void> result = fail(ErrorKind::not_found, "no pressure");
    for (const char* resource : {"cpu", "io", "memory", "irq"}) {
        result =
            together(result, parseFile(files, std::string("/pressure/") + resource,
                                       [&](std::string_view text) { parsePressure(resource, text, out); }));
    }
    return result;
}

Expected<void> collectFileNr(Files& files, Families& out) {
    return parseFile(files, "/sys/fs/file-nr", [&](std::string_view text) { parseFileNr(text, out); });
}

Expected<void> collectSchedstat(Files& files, Families& out) {
    return parseFile(files, "/schedstat", [&](std::string_view text) { parseSchedstat(text, out); });
}

Expected<void> collectEntropy(Files& files, Families& out) {
    Metrics metrics(out);
    if (const auto value = files.number(files.proc("/sys/kernel/random/entropy_avail"))) {
        metrics.gauge("node_entropy_available_bits", "Bits of entropy in the kernel's pool.", *value);
    }
    if (const auto value = files.number(files.proc("/sys/kernel/random/poolsize"))) {
        metrics.gauge("node_entropy_pool_size_bits", "The size of the kernel's pool of entropy.", *value);
    }
    return {};
}

Expected<void> collectDiskstats(Files& files, Families& out) {
    return parseFile(files, "/diskstats", [&](std::string_view text) {
        if (parseDiskstats(text, out).size() > kMostDevices) {
            files.noteCut(kMostDevices, "disks");
        }
    });
}

Expected<void> collectMdadm(Files& files, Families& out) {
    return parseFile(files, "/mdstat", [&](std::string_view text) {
        if (parseMdstat(text, out) > kMostDevices) {
            files.noteCut(kMostDevices, "RAID arrays");
        }
    });
}

Expected<void> collectNetdev(Files& files, Families& out) {
    return parseFile(files, "/net/dev", [&](std::string_view text) {
        if (parseNetDev(text, out) > kMostDevices) {
            files.noteCut(kMostDevices, "network devices");
        }
    });
}

Expected<void> collectNetstat(Files& files, Families& out) {
    const auto parse = [&](std::string_view text) { parseNetstat(text, out); };
    return together(together(parseFile(files, "/net/netstat", parse), parseFile(files, "/net/snmp", parse)),
                    parseFile(files, "/net/snmp6", [&](std::string_view text) { parseSnmp6(text, out); }));
}

Expected<void> collectSockstat(Files& files, Families& out) {
    const auto parse = [&](std::string_view text) {
        parseSockstat(text, static_cast<double>(::sysconf(_SC_PAGESIZE)), out);
    };
    return together(parseFile(files, "/net/sockstat", parse), parseFile(files, "/net/sockstat6", parse));
}

Expected<void> collectSoftnet(Files& files, Families& out) {
    return parseFile(files, "/net/softnet_stat", [&](std::string_view text) { parseSoftnet(text, out); });
}

Expected<void> collectArp(Files& files, Families& out) {
    return parseFile(files, "/net/arp", [&](std::string_view text) { parseArp(text, out); });
}

Expected<void> collectUdpQueues(Files& files, Families& out) {
    const auto parse = [&](const char* family) {
        return [&out, family](std::string_view text) { parseUdpQueues(text, family, out); };
    };
    return together(parseFile(files, "/net/udp", parse("v4")), parseFile(files, "/net/udp6", parse("v6")));
}

Expected<void> collectConntrack(Files& files, Families& out) {
    Metrics metrics(out);
    if (const auto value = files.number(files.proc("/sys/net/netfilter/nf_conntrack_count"))) {
        metrics.gauge("node_nf_conntrack_entries", "Connections that are tracked.", *value);
    }
    if (const auto value = files.number(files.proc("/sys/net/netfilter/nf_conntrack_max"))) {
        metrics.gauge("node_nf_conntrack_entries_limit", "The most that can be tracked.", *value);
    }
    return parseFile(files, "/net/stat/nf_conntrack",
                     [&](std::string_view text) { parseConntrackStat(text, out); });
}

}  // namespace lapwing::agent::node
