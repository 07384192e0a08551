#include "common/doctor/machine.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <system_error>

namespace lapwing::doctor {
namespace {

std::string mountOf(const std::string& directory) {
    std::filesystem::path at(directory);
    struct stat here {};
    if (::stat(at.c_str(), &here) != 0) {
        return directory;
    }
    for (;;) {
        struct stat above {};
        const auto parent = at.parent_path();
        if (parent == at || ::stat(parent.c_str(), &above) != 0 || above.st_dev != here.st_dev) {
            return at.string();
        }
        at = parent;
    }
}

std::string megabytes(std::uint64_t bytes) {
    return fmt::format("{} MB", bytes / 1'000'000);
}

}  // namespace

std::optional<Disk> diskOf(const std::string& directory) {
    struct statvfs status {};
    if (::statvfs(directory.c_str(), &status) != 0) {
        return std::nullopt;
    }
    Disk out;
    out.mount = mountOf(directory);
    out.bytes = static_cast<std::uint64_t>(status.f_blocks) * status.f_frsize;
    out.free_bytes = static_cast<std::uint64_t>(status.f_bavail) * status.f_frsize;
    out.inodes = status.f_files;
    out.free_inodes = status.f_favail;
    return out;
}

void reportDisk(Report& out, const std::string& directory, const std::optional<Disk>& disk,
                const std::string& size) {
    if (!disk) {
        out.unknown("disk", directory, "this user cannot see it, or it does not exist");
        return;
    }
    const auto tried = fmt::format("{} (file system {})", directory, disk->mount);
    const auto least = std::max(
        kLeastFreeBytes, static_cast<std::uint64_t>(static_cast<double>(disk->bytes) * kLeastFreePart));
    if (disk->free_bytes < std::min(least, disk->bytes / 2)) {
        out.wrong("disk", tried,
                  fmt::format("{} of {} are free", megabytes(disk->free_bytes), megabytes(disk->bytes)),
                  fmt::format("du -xh --max-depth=3 {} | sort -h | tail -n 20   # the largest: remove what "
                              "is not needed\n{}",
                              disk->mount, size));
    } else {
        out.well("disk", tried, megabytes(disk->free_bytes) + " are free");
    }
    if (disk->inodes != 0 && disk->free_inodes < disk->inodes / 100) {
        out.wrong("disk", tried, fmt::format("{} of {} inodes are free", disk->free_inodes, disk->inodes),
                  fmt::format("du -x --inodes --max-depth=3 {} | sort -n | tail -n 20   # the most files: "
                              "remove what is not needed\n",
                              disk->mount));
    }
}

bool clockIsKept() {
    timex state{};
    return ::adjtimex(&state) != TIME_ERROR;
}

std::string clockFix() {
    const auto installed = [](const char* program) { return ::access(program, X_OK) == 0; };
    if (installed("/usr/bin/chronyc")) {
        return "systemctl restart chrony && chronyc -a makestep";
    }
    if (installed("/usr/sbin/ntpd")) {
        return "systemctl restart ntpsec";
    }
    if (installed("/lib/systemd/systemd-timesyncd")) {
        return "timedatectl set-ntp true && systemctl restart systemd-timesyncd";
    }
    return "apt-get install -y systemd-timesyncd && timedatectl set-ntp true";
}

bool runsProgram(const std::string& name) {
    std::error_code error;
    for (std::filesystem::directory_iterator entry("/proc", error), end; !error && entry != end;
         entry.increment(error)) {
        std::ifstream in(entry->path() / "comm");
        std::string comm;
        if (std::getline(in, comm) && comm == name) {
            return true;
        }
    }
    return false;
}

}  // namespace lapwing::doctor
