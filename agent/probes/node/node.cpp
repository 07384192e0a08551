#include "agent/probes/node/node.h"

#include <fcntl.h>
#include <sys/timex.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/probes/kind.h"
#include "agent/probes/node/filesystems.h"
#include "agent/probes/node/parse.h"
#include "agent/probes/switch.h"
#include "agent/probes/text.h"
#include "common/model/families.h"

namespace lapwing::agent::node {
namespace {

constexpr std::size_t kLargestFile = 8U << 20;

/// Reads a file of procfs or sysfs, whose size is known only at its end.
Expected<std::string_view> readInto(std::string& buffer, const std::string& path) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    const auto failed = [&] {
        const int error = errno;
        if (fd >= 0) {
            ::close(fd);
        }
        // The file is absent, or switched off at boot (PSI answers EOPNOTSUPP): this kernel does not have
        // it.
        const bool none = error == ENOENT || error == EOPNOTSUPP || error == ENODEV || error == EINVAL;
        const auto kind = none                                  ? ErrorKind::not_found
                          : (error == EACCES || error == EPERM) ? ErrorKind::denied
                                                                : ErrorKind::unavailable;
        return fail(kind, path + ": " + std::strerror(error));
    };
    if (fd < 0) {
        return failed();
    }
    if (buffer.size() < 16'384) {
        buffer.resize(16'384);
    }
    std::size_t size = 0;
    while (true) {
        const auto got = ::read(fd, buffer.data() + size, buffer.size() - size);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return failed();
        }
        if (got == 0) {
            break;
        }
        size += static_cast<std::size_t>(got);
        if (size == buffer.size()) {
            if (size >= kLargestFile) {
                ::close(fd);
                return fail(ErrorKind::exhausted, path + ": larger than plausible");
            }
            buffer.resize(size * 2);
        }
    }
    ::close(fd);
    return std::string_view(buffer).substr(0, size);
}

void addSingle(const char* name, const char* help, double value, Families& out) {
    out.push_back(gauge(name, help));
    add(out.back(), {}, value);
}

void addTime(Families& out) {
    using namespace std::chrono;
    const auto now = duration<double>(system_clock::now().time_since_epoch()).count();
    addSingle("node_time_seconds", "The system's time, in seconds since 1970.", now, out);
    timex answer = {};
    const int state = ::adjtimex(&answer);
    if (state < 0) {
        return;
    }
    const double unit = (answer.status & STA_NANO) != 0 ? 1e-9 : 1e-6;
    addSingle("node_timex_sync_status", "1 if the clock is synchronised with a reliable server.",
              (answer.status & STA_UNSYNC) != 0 || state == TIME_ERROR ? 0 : 1, out);
    addSingle("node_timex_offset_seconds", "Between the local system and the reference clock.",
              static_cast<double>(answer.offset) * unit, out);
    addSingle("node_timex_maxerror_seconds", "The largest error possible.",
              static_cast<double>(answer.maxerror) * 1e-6, out);
}

void addUname(Families& out) {
    utsname name = {};
    if (::uname(&name) != 0) {
        return;
    }
    out.push_back(gauge("node_uname_info", "What uname(2) tells."));
    add(out.back(),
        {{"domainname", name.domainname},
         {"machine", name.machine},
         {"nodename", name.nodename},
         {"release", name.release},
         {"sysname", name.sysname},
         {"version", name.version}},
        1);
}

}  // namespace

/// One run: reads the files and notes the unreadable ones.
struct NodeProbe::Run {
    NodeProbe& probe;
    Families families;
    prometheus::MetricFamily success = gauge(
        "node_scrape_collector_success", "1 if the part could be read; absent where this kernel lacks it.");

    Expected<std::string_view> read(const std::string& root, std::string_view name) {
        probe.path_.assign(root).append(name);
        return readInto(probe.buffer_, probe.path_);
    }

    /// Reads a file under /proc and hands it to `parse`. True if the file is there and could be read.
    template <class Parse>
    bool part(const char* collector, std::string_view name, Parse parse) {
        const auto text = read(probe.proc_, name);
        if (text) {
            parse(*text);
        }
        note(collector, text ? ErrorKind::internal : text.error().kind, text.has_value());
        return text.has_value();
    }

    void note(const char* collector, ErrorKind kind, bool read) {
        if (!read && kind == ErrorKind::not_found) {
            return;
        }
        for (const auto& metric : success.metric) {
            if (metric.label.front().value == collector) {
                return;
            }
        }
        add(success, {{"collector", collector}}, read ? 1 : 0);
    }

    std::optional<double> number(const std::string& root, const std::string& name) {
        const auto text = read(root, name);
        return text ? toNumber(trimmed(*text)) : std::nullopt;
    }

    void network() {
        std::vector<std::string> devices;
        part("netdev", "/net/dev", [&](std::string_view text) { devices = parseNetDev(text, families); });
        auto up = gauge("node_network_up", "1 if the operational state is up.");
        auto mtu = gauge("node_network_mtu_bytes", "The largest packet.");
        auto speed = gauge("node_network_speed_bytes", "Bytes a second.");
        for (const auto& device : devices) {
            const auto folder = "/class/net/" + device;
            if (const auto state = read(probe.sys_, folder + "/operstate")) {
                add(up, {{"device", device}}, trimmed(*state) == "up" ? 1 : 0);
            }
            if (const auto value = number(probe.sys_, folder + "/mtu")) {
                add(mtu, {{"device", device}}, *value);
            }
            // Megabits; -1 or an error where a device has no speed (virtual ones, a link that is down).
            if (const auto value = number(probe.sys_, folder + "/speed"); value && *value > 0) {
                add(speed, {{"device", device}}, *value * 1e6 / 8);
            }
        }
        for (auto* family : {&up, &mtu, &speed}) {
            if (!family->metric.empty()) {
                families.push_back(std::move(*family));
            }
        }
        part("netstat", "/net/netstat", [&](std::string_view text) { parseNetstat(text, families); });
        part("netstat", "/net/snmp", [&](std::string_view text) { parseNetstat(text, families); });
        part("sockstat", "/net/sockstat", [&](std::string_view text) {
            parseSockstat(text, static_cast<double>(::sysconf(_SC_PAGESIZE)), families);
        });
        if (const auto value = number(probe.proc_, "/sys/net/netfilter/nf_conntrack_count")) {
            addSingle("node_nf_conntrack_entries", "Connections that are tracked.", *value, families);
        }
        if (const auto value = number(probe.proc_, "/sys/net/netfilter/nf_conntrack_max")) {
            addSingle("node_nf_conntrack_entries_limit", "The most that can be tracked.", *value, families);
        }
    }

    void fileSystems() {
        std::vector<Mount> mounts;
        // Process 1 shows the host's mounts. Only root may read them; our own mounts are the next best.
        if (const auto text = read(probe.proc_, "/1/mountinfo")) {
            mounts = parseMountinfo(*text, View::host);
            note("filesystem", ErrorKind::internal, true);
        } else {
            part("filesystem", "/self/mountinfo",
                 [&](std::string_view lines) { mounts = parseMountinfo(lines, View::self); });
        }
        addFileSystems(
            mounts, [](const char* path, struct statvfs* out) { return ::statvfs(path, out); }, families);
    }
};

NodeProbe::NodeProbe(std::string proc, std::string sys) : proc_(std::move(proc)), sys_(std::move(sys)) {}

Expected<ProbeResult> NodeProbe::collect(const Deadline& /*deadline*/) {
    Run run{*this, {}};
    run.families.reserve(192);
    {
        const auto text = run.read(proc_, "/stat");
        if (!text) {
            return tl::unexpected(text.error());
        }
        parseStat(*text, static_cast<double>(::sysconf(_SC_CLK_TCK)), run.families);
        run.note("cpu", ErrorKind::internal, true);
    }
    auto& out = run.families;
    run.part("loadavg", "/loadavg", [&](std::string_view text) { parseLoadavg(text, out); });
    run.part("meminfo", "/meminfo", [&](std::string_view text) { parseMeminfo(text, out); });
    run.part("vmstat", "/vmstat", [&](std::string_view text) { parseVmstat(text, out); });
    for (const char* resource : {"cpu", "io", "memory"}) {
        run.part("pressure", std::string("/pressure/") + resource,
                 [&](std::string_view text) { parsePressure(resource, text, out); });
    }
    run.part("filefd", "/sys/fs/file-nr", [&](std::string_view text) { parseFileNr(text, out); });
    run.part("diskstats", "/diskstats", [&](std::string_view text) { parseDiskstats(text, out); });
    run.network();
    run.fileSystems();
    addTime(out);
    addUname(out);
    out.push_back(std::move(run.success));
    counters_.apply(out);
    ProbeResult result;
    result.families = std::move(run.families);
    return result;
}

}  // namespace lapwing::agent::node

namespace lapwing::agent {
namespace {

std::string configureNode(const config::Node& node, const ProbeContext& context,
                          std::vector<ProbeSpec>& out) {
    return onEveryHost(node, context, "node", std::make_unique<node::NodeProbe>(context.proc, context.sys),
                       out);
}

}  // namespace

ProbeKind nodeProbe() {
    return {"node", "the host: CPU, memory, disks, file systems, network, pressure", &configureNode};
}

}  // namespace lapwing::agent
