#include <algorithm>
#include <array>
#include <cctype>
#include <cstddef>
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

}  // namespace

std::vector<Disk> parseDiskstats(std::string_view text, Families& out) {
    std::vector<Disk> disks;
    Families families;
    families.reserve(kDiskColumns.size());
    for (const auto& column : kDiskColumns) {
        families.push_back(column.counts ? counter(column.name, column.help)
                                         : gauge(column.name, column.help));
    }
    for (std::string_view line; nextLine(text, line);) {
        const auto major = nextField(line);
        const auto minor = nextField(line);
        const std::string device(nextField(line));
        if (device.empty() || isLeftOut(device)) {
            continue;
        }
        disks.push_back({std::string(major), std::string(minor), device});
        if (disks.size() > kMostDevices) {
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
    return disks;
}

}  // namespace lapwing::agent::node
