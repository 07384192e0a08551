#pragma once

#include <sys/statvfs.h>

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/probes/node/parse.h"

namespace lapwing::agent::node {

struct Mount {
    std::string device;
    std::string mountpoint;
    std::string fstype;
    std::string major;
    std::string minor;
    bool read_only = false;
};

/// The owner of the view that a mountinfo file shows.
enum class View {
    host,  ///< /proc/1/mountinfo
    self,  ///< /proc/self/mountinfo: a sandbox (ProtectSystem=) makes mounts read-only for us alone
};

/// The file systems of a mountinfo file (proc_pid_mountinfo(5)) that are worth watching: one mount for each
/// file system, the one nearest to its root. Left out: pseudo file systems, and file systems that another
/// machine or a process serves (network, FUSE), because asking for their size can hang for ever. Pure
/// function.
std::vector<Mount> parseMountinfo(std::string_view text, View view);

/// A file system that the host's administrator wants mounted.
struct WantedMount {
    std::string mountpoint;
    bool mounted = false;
};

/// The file systems that `fstab` (fstab(5)) has mounted at boot, in its order, and whether `mountinfo` has
/// one at that place. Left out: swap, "noauto", what systemd mounts on demand ("x-systemd.automount"), and
/// "nofail": the host does without it. Our own view does not tell whether the host has something mounted at
/// the places where systemd's sandbox mounts (/tmp, /home, ...): these are left out there. `canonical`
/// resolves the links in a path, as the kernel has done.
std::vector<WantedMount> wantedMounts(std::string_view fstab, std::string_view mountinfo, View view,
                                      const std::function<std::string(const std::string&)>& canonical);

/// lapwing_fstab_mounted.
void addWantedMounts(const std::vector<WantedMount>& mounts, Families& out);

/// statvfs(3), elsewhere in tests.
using StatFileSystem = std::function<int(const char* path, struct statvfs* out)>;

/// node_filesystem_*. A file system that does not answer has node_filesystem_device_error 1 and no sizes.
void addFileSystems(const std::vector<Mount>& mounts, const StatFileSystem& stat, Families& out);

}  // namespace lapwing::agent::node
