#include <sys/statvfs.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "agent/probes/node/collectors.h"
#include "agent/probes/node/filesystems.h"
#include "agent/probes/node/metrics.h"
#include "agent/probes/text.h"

namespace lapwing::agent::node {
namespace {

using Properties = std::map<std::string, std::string, std::less<>>;

/// The lines "E:NAME=VALUE" of a file of udev's database.
Properties parseUdev(std::string_view text) {
    Properties out;
    for (std::string_view line; nextLine(text, line);) {
        const auto equals = line.find('=');
        if (line.starts_with("E:") && equals != std::string_view::npos) {
            out.insert_or_assign(std::string(line.substr(2, equals - 2)),
                                 std::string(line.substr(equals + 1)));
        }
    }
    return out;
}

std::string valueOf(const Properties& properties, std::string_view name) {
    const auto found = properties.find(name);
    return found == properties.end() ? std::string() : found->second;
}

void addMapped(const std::string& device, const Properties& udev, Files& files, Metrics& metrics) {
    if (valueOf(udev, "DM_NAME").empty()) {
        return;
    }
    metrics.info("node_disk_device_mapper_info", "What the mapped device is.",
                 {{"device", device},
                  {"lv_layer", valueOf(udev, "DM_LV_LAYER")},
                  {"lv_name", valueOf(udev, "DM_LV_NAME")},
                  {"name", valueOf(udev, "DM_NAME")},
                  {"uuid", valueOf(udev, "DM_UUID")},
                  {"vg_name", valueOf(udev, "DM_VG_NAME")}});
    const auto below = files.list(files.sys("/block/" + device + "/slaves"), "", kMostDevices,
                                  "devices below a mapped device");
    for (const auto& backing : below.value_or(std::vector<std::string>())) {
        metrics.info("node_disk_device_mapper_backing_device_info", "A device below the mapped device.",
                     {{"backing_device", backing}, {"device", device}});
    }
}

void addAta(const std::string& device, const Properties& udev, Metrics& metrics) {
    if (valueOf(udev, "ID_ATA").empty()) {
        return;
    }
    const auto number = [&](const char* property, const char* name, const char* help) {
        if (const auto value = toNumber(valueOf(udev, property))) {
            metrics.gauge(name, help, *value, {{"device", device}});
        }
    };
    number("ID_ATA_WRITE_CACHE", "node_disk_ata_write_cache", "1 if the disk has a write cache.");
    number("ID_ATA_WRITE_CACHE_ENABLED", "node_disk_ata_write_cache_enabled", "1 if its write cache is on.");
    number("ID_ATA_ROTATION_RATE_RPM", "node_disk_ata_rotation_rate_rpm",
           "Rotations a minute, 0 for a solid-state disk.");
}

void addDisk(const Disk& disk, Files& files, Metrics& metrics) {
    Properties udev;
    if (const auto text = files.read(files.root("/run/udev/data/b" + disk.major + ":" + disk.minor))) {
        udev = parseUdev(*text);
    }
    std::string serial;
    // The number on the disk's label first; virtio has the last one only.
    for (const char* property : {"SCSI_IDENT_SERIAL", "ID_SERIAL_SHORT", "ID_SERIAL"}) {
        serial = serial.empty() ? valueOf(udev, property) : serial;
    }
    metrics.info(
        "node_disk_info", "What the disk is.",
        {{"device", disk.name},
         {"major", disk.major},
         {"minor", disk.minor},
         {"model", valueOf(udev, "ID_MODEL")},
         {"path", valueOf(udev, "ID_PATH")},
         {"revision", valueOf(udev, "ID_REVISION")},
         {"rotational", files.text(files.sys("/block/" + disk.name + "/queue/rotational")).value_or("")},
         {"serial", serial},
         {"wwn", valueOf(udev, "ID_WWN")}});
    if (!valueOf(udev, "ID_FS_TYPE").empty()) {
        metrics.info("node_disk_filesystem_info", "The file system on the disk.",
                     {{"device", disk.name},
                      {"type", valueOf(udev, "ID_FS_TYPE")},
                      {"usage", valueOf(udev, "ID_FS_USAGE")},
                      {"uuid", valueOf(udev, "ID_FS_UUID")},
                      {"version", valueOf(udev, "ID_FS_VERSION")}});
    }
    addMapped(disk.name, udev, files, metrics);
    addAta(disk.name, udev, metrics);
}

}  // namespace

Expected<void> collectDiskInfo(Files& files, Families& out) {
    std::vector<Disk> disks;
    {
        const auto text = files.read(files.proc("/diskstats"));
        if (!text) {
            return fail(text.error());
        }
        Families counters;
        disks = parseDiskstats(*text, counters);
    }
    disks.resize(std::min(disks.size(), kMostDevices));
    Metrics metrics(out);
    for (const auto& disk : disks) {
        addDisk(disk, files, metrics);
    }
    return {};
}

Expected<void> collectFileSystems(Files& files, Families& out) {
    // The next read replaces what this one gives.
    std::optional<std::string> fstab;
    if (const auto read = files.read(files.root("/etc/fstab"))) {
        fstab.emplace(*read);
    }
    auto view = View::host;
    // Process 1 shows the host's mounts. Only root may read them; our own mounts are the next best.
    auto text = files.read(files.proc("/1/mountinfo"));
    if (!text) {
        view = View::self;
        text = files.read(files.proc("/self/mountinfo"));
    }
    if (!text) {
        return fail(text.error());
    }
    auto mounts = parseMountinfo(*text, view);
    if (mounts.size() > kMostDevices) {
        files.noteCut(kMostDevices, "file systems");
        mounts.resize(kMostDevices);
    }
    addFileSystems(
        mounts,
        [&](const char* path, struct statvfs* answer) { return ::statvfs(files.root(path).c_str(), answer); },
        out);
    if (fstab) {
        auto wanted = wantedMounts(*fstab, *text, view, [&](const std::string& path) {
            std::error_code error;
            const auto real = std::filesystem::canonical(files.root(path), error).string();
            return error || real.size() <= files.root("").size() ? path : real.substr(files.root("").size());
        });
        if (wanted.size() > kMostDevices) {
            files.noteCut(kMostDevices, "entries of /etc/fstab");
            wanted.resize(kMostDevices);
        }
        addWantedMounts(wanted, out);
    }
    return {};
}

Expected<void> collectXfs(Files& files, Families& out) {
    const auto folder = files.sys("/fs/xfs/");
    const auto names = files.list(folder, "", kMostDevices, "XFS file systems");
    if (!names) {
        return fail(names.error());
    }
    for (const auto& device : *names) {
        // /sys/fs/xfs/stats, the sum of all, has no such file.
        const auto path = folder + device;
        const auto text = files.read(path + "/stats/stats");
        if (text) {
            parseXfs(device, *text, out);
        }
    }
    return {};
}

Expected<void> collectNvme(Files& files, Families& out) {
    const auto folder = files.sys("/class/nvme/");
    const auto names = files.list(folder, "nvme", kMostDevices, "NVMe controllers");
    if (!names) {
        return fail(names.error());
    }
    Metrics metrics(out);
    for (const auto& device : *names) {
        const auto path = folder + device;
        const auto text = [&](const char* file) { return files.text(path + file).value_or(""); };
        metrics.info("node_nvme_info", "What the NVMe controller is.",
                     {{"device", device},
                      {"firmware_revision", text("/firmware_rev")},
                      {"model", text("/model")},
                      {"serial", text("/serial")},
                      {"state", text("/state")}});
    }
    return {};
}

}  // namespace lapwing::agent::node
