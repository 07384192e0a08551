#include "agent/probes/node/filesystems.h"

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <utility>

#include "agent/probes/text.h"
#include "common/metric_names.h"
#include "common/model/families.h"

namespace lapwing::agent::node {
namespace {

// node_exporter's default list of pseudo file systems, then those that can hang.
constexpr std::array<std::string_view, 54> kSkippedTypes = {
    "autofs",   "binfmt_misc", "bpf",        "cgroup",    "cgroup2",    "configfs",  "debugfs", "devpts",
    "devtmpfs", "fusectl",     "hugetlbfs",  "iso9660",   "mqueue",     "nsfs",      "overlay", "proc",
    "procfs",   "pstore",      "rpc_pipefs", "selinuxfs", "securityfs", "squashfs",  "erofs",   "sysfs",
    "tracefs",  "efivarfs",    "ramfs",      "rootfs",    "nfs",        "nfs4",      "nfsd",    "cifs",
    "smb3",     "smbfs",       "smb2",       "9p",        "ceph",       "glusterfs", "afs",     "lustre",
    "ncpfs",    "coda",        "gfs",        "gfs2",      "ocfs2",      "orangefs",  "pvfs2",   "beegfs",
    "davfs",    "virtiofs",    "gpfs",       "panfs",     "vboxsf",     "acfs"};

/// Pseudo file systems, credentials of services, and what runs containers: these places and all below.
constexpr std::array<std::string_view, 10> kSkippedPlaces = {"/dev",
                                                             "/proc",
                                                             "/sys",
                                                             "/run/credentials",
                                                             "/run/netns",
                                                             "/run/docker",
                                                             "/run/containerd",
                                                             "/run/containers",
                                                             "/run/crio",
                                                             "/run/k3s"};

/// Where container engines keep their data. A file system may be mounted there, or at a folder in there
/// ("/var/lib/docker/volumes"), as anywhere; deeper mounts are of containers.
constexpr std::array<std::string_view, 6> kContainerStores = {
    "/var/lib/docker",  "/var/lib/containers/storage",     "/var/lib/containerd", "/var/lib/kubelet",
    "/var/lib/rancher", "/.local/share/containers/storage"};

bool isSkippedType(std::string_view type) {
    if (type.substr(0, 4) == "fuse") {
        return true;
    }
    return std::find(kSkippedTypes.begin(), kSkippedTypes.end(), type) != kSkippedTypes.end();
}

bool isBelow(std::string_view path, std::string_view place) {
    return path.starts_with(place) && (path.size() == place.size() || path[place.size()] == '/');
}

/// Engines name folders of containers by a SHA-256, wherever their data are.
bool namesContainer(std::string_view path) {
    constexpr std::size_t digits = 64;
    while (!path.empty()) {
        const auto end = std::min(path.find('/'), path.size());
        const auto part = path.substr(0, end);
        if (part.size() == digits && part.find_first_not_of("0123456789abcdef") == std::string_view::npos) {
            return true;
        }
        path.remove_prefix(std::min(end + 1, path.size()));
    }
    return false;
}

bool isOfContainer(std::string_view path) {
    const bool in_store =
        std::any_of(kContainerStores.begin(), kContainerStores.end(), [&](std::string_view store) {
            // Stores of users are in their homes.
            const auto start = store.starts_with("/var") ? 0 : path.find(store);
            if (start == std::string_view::npos || !isBelow(path.substr(start), store)) {
                return false;
            }
            const auto inside = path.substr(start + store.size());
            return std::count(inside.begin(), inside.end(), '/') > 1;
        });
    return in_store || namesContainer(path);
}

bool isSkippedPlace(std::string_view path) {
    return isOfContainer(path) || std::any_of(kSkippedPlaces.begin(), kSkippedPlaces.end(),
                                              [&](std::string_view place) { return isBelow(path, place); });
}

/// Where PrivateTmp=, ProtectHome=, PrivateDevices= and their like mount (systemd.exec(5)).
bool isOfSandbox(std::string_view path) {
    constexpr std::array<std::string_view, 9> places = {
        "/tmp", "/var/tmp", "/home", "/root", "/run/user", "/dev", "/proc", "/sys", "/usr/lib/modules"};
    return std::any_of(places.begin(), places.end(),
                       [&](std::string_view place) { return isBelow(path, place); });
}

bool isOctal(char c) {
    return c >= '0' && c <= '7';
}

/// The kernel writes blanks, tabs, ends of lines and backslashes as "\040".
std::string unescaped(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\\' && i + 3 < text.size() && isOctal(text[i + 1]) && isOctal(text[i + 2]) &&
            isOctal(text[i + 3])) {
            out += static_cast<char>(((text[i + 1] - '0') << 6) | ((text[i + 2] - '0') << 3) |
                                     (text[i + 3] - '0'));
            i += 3;
        } else {
            out += text[i];
        }
    }
    return out;
}

bool hasOption(std::string_view options, std::string_view wanted) {
    while (!options.empty()) {
        const auto comma = options.find(',');
        if (options.substr(0, comma) == wanted) {
            return true;
        }
        if (comma == std::string_view::npos) {
            break;
        }
        options.remove_prefix(comma + 1);
    }
    return false;
}

struct Entry {
    std::string_view number;  ///< major:minor
    std::string_view root;
    Mount mount;
};

std::optional<Entry> parseLine(std::string_view line, View view) {
    Entry entry;
    nextField(line);
    nextField(line);
    entry.number = nextField(line);
    entry.root = nextField(line);
    const auto colon = std::min(entry.number.find(':'), entry.number.size());
    entry.mount.major = entry.number.substr(0, colon);
    entry.mount.minor = entry.number.substr(std::min(colon + 1, entry.number.size()));
    entry.mount.mountpoint = unescaped(nextField(line));
    const auto options = nextField(line);
    // Optional fields, as many as there are, end with "-".
    for (auto field = nextField(line); field != "-"; field = nextField(line)) {
        if (field.empty()) {
            return std::nullopt;
        }
    }
    entry.mount.fstype = unescaped(nextField(line));
    entry.mount.device = unescaped(nextField(line));
    const auto super_options = nextField(line);
    if (entry.mount.mountpoint.empty() || entry.mount.fstype.empty()) {
        return std::nullopt;
    }
    entry.mount.read_only =
        hasOption(super_options, "ro") || (view == View::host && hasOption(options, "ro"));
    return entry;
}

}  // namespace

std::vector<Mount> parseMountinfo(std::string_view text, View view) {
    std::vector<Entry> entries;
    for (std::string_view line; nextLine(text, line);) {
        auto entry = parseLine(line, view);
        if (!entry) {
            continue;
        }
        // A later mount on the same place hides the earlier one.
        std::erase_if(entries, [&](const Entry& e) { return e.mount.mountpoint == entry->mount.mountpoint; });
        entries.push_back(std::move(*entry));
    }
    std::erase_if(entries, [](const Entry& entry) {
        return isSkippedType(entry.mount.fstype) || isSkippedPlace(entry.mount.mountpoint);
    });
    std::vector<Mount> out;
    for (const auto& entry : entries) {
        const bool best = std::none_of(entries.begin(), entries.end(), [&](const Entry& other) {
            return &other != &entry && other.number == entry.number &&
                   (other.root.size() < entry.root.size() ||
                    (other.root.size() == entry.root.size() && &other < &entry));
        });
        if (best) {
            out.push_back(entry.mount);
        }
    }
    return out;
}

std::vector<WantedMount> wantedMounts(std::string_view fstab, std::string_view mountinfo, View view,
                                      const std::function<std::string(const std::string&)>& canonical) {
    std::set<std::string> mounted;
    for (std::string_view line; nextLine(mountinfo, line);) {
        if (auto entry = parseLine(line, View::self)) {
            mounted.insert(std::move(entry->mount.mountpoint));
        }
    }
    std::vector<WantedMount> out;
    for (std::string_view line; nextLine(fstab, line);) {
        const auto device = nextField(line);
        auto mountpoint = unescaped(nextField(line));
        const auto type = nextField(line);
        const auto options = nextField(line);
        if (device.empty() || device.front() == '#' || !mountpoint.starts_with('/') || type == "swap" ||
            hasOption(options, "noauto") || hasOption(options, "nofail") ||
            hasOption(options, "x-systemd.automount") || (view == View::self && isOfSandbox(mountpoint))) {
            continue;
        }
        // "/srv/" and "/srv" are one place.
        while (mountpoint.size() > 1 && mountpoint.back() == '/') {
            mountpoint.pop_back();
        }
        const bool is_mounted = mounted.contains(mountpoint) || mounted.contains(canonical(mountpoint));
        if (std::none_of(out.begin(), out.end(),
                         [&](const WantedMount& known) { return known.mountpoint == mountpoint; })) {
            out.push_back({std::move(mountpoint), is_mounted});
        }
    }
    return out;
}

void addWantedMounts(const std::vector<WantedMount>& mounts, Families& out) {
    auto family = gauge(metric::kFstabMounted, "1 if a file system that /etc/fstab names is mounted.");
    for (const auto& mount : mounts) {
        add(family, {{"mountpoint", mount.mountpoint}}, mount.mounted ? 1 : 0);
    }
    if (!family.metric.empty()) {
        out.push_back(std::move(family));
    }
}

void addFileSystems(const std::vector<Mount>& mounts, const StatFileSystem& stat, Families& out) {
    auto size = gauge("node_filesystem_size_bytes", "Size.");
    auto free = gauge("node_filesystem_free_bytes", "Free space.");
    auto avail = gauge("node_filesystem_avail_bytes", "Space that is free for users other than root.");
    auto files = gauge("node_filesystem_files", "Inodes.");
    auto files_free = gauge("node_filesystem_files_free", "Free inodes.");
    auto read_only = gauge("node_filesystem_readonly", "1 if the file system is mounted read-only.");
    auto error = gauge("node_filesystem_device_error", "1 if the size of the file system could not be read.");
    auto info = gauge("node_filesystem_mount_info", "The numbers of the file system's device.");
    for (const auto& mount : mounts) {
        add(info,
            {{"device", mount.device},
             {"major", mount.major},
             {"minor", mount.minor},
             {"mountpoint", mount.mountpoint}},
            1);
        const std::vector<prometheus::ClientMetric::Label> labels = {
            {"device", mount.device}, {"fstype", mount.fstype}, {"mountpoint", mount.mountpoint}};
        struct statvfs answer = {};
        const bool failed = stat(mount.mountpoint.c_str(), &answer) != 0;
        add(error, labels, failed ? 1 : 0);
        add(read_only, labels, mount.read_only ? 1 : 0);
        if (failed) {
            continue;
        }
        const auto block = static_cast<double>(answer.f_frsize);
        add(size, labels, static_cast<double>(answer.f_blocks) * block);
        add(free, labels, static_cast<double>(answer.f_bfree) * block);
        add(avail, labels, static_cast<double>(answer.f_bavail) * block);
        add(files, labels, static_cast<double>(answer.f_files));
        add(files_free, labels, static_cast<double>(answer.f_ffree));
    }
    for (auto* family : {&size, &free, &avail, &files, &files_free, &read_only, &error, &info}) {
        if (!family->metric.empty()) {
            out.push_back(std::move(*family));
        }
    }
}

}  // namespace lapwing::agent::node
