#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "common/doctor/report.h"

namespace lapwing::doctor {

/// What is free on the file system of a directory.
struct Disk {
    std::string mount;  ///< its mount point
    std::uint64_t bytes = 0;
    std::uint64_t free_bytes = 0;  ///< for users other than root
    std::uint64_t inodes = 0;      ///< 0: this file system has no fixed number
    std::uint64_t free_inodes = 0;
};

/// Nothing if the directory cannot be seen.
std::optional<Disk> diskOf(const std::string& directory);

/// Free space below this part, or below kLeastFreeBytes, is too little: a database cannot be rewritten there.
inline constexpr double kLeastFreePart = 0.03;
inline constexpr std::uint64_t kLeastFreeBytes = 64U << 20;

/// Judges space and inodes for a program's data. `size` are the lines by which the data take less.
void reportDisk(Report& out, const std::string& directory, const std::optional<Disk>& disk,
                const std::string& size);

/// Whether the kernel says that a time service keeps its clock.
bool clockIsKept();
/// The command that sets this machine's clock right, with the time service that is installed.
std::string clockFix();

/// Whether a program of this name runs; only root sees the programs of all users where /proc hides them.
bool runsProgram(const std::string& name);

}  // namespace lapwing::doctor
