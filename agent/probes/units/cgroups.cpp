#include "agent/probes/units/cgroups.h"

#include <dirent.h>
#include <fmt/format.h>
#include <unistd.h>

#include <memory>
#include <string_view>
#include <vector>

#include "agent/probes/text.h"
#include "common/files.h"

namespace lapwing::agent::units {

namespace {

constexpr std::size_t kMostFileBytes = 16384;
constexpr std::size_t kMostEntries = 4096;  ///< of one directory

std::optional<double> number(const std::string& path) {
    const auto text = files::readFile(path, kMostFileBytes);
    return text ? toNumber(trimmed(*text)) : std::nullopt;  // "max" is no number: no limit
}

/// The value of a line "KEY VALUE".
std::optional<double> valueOf(const std::string& path, std::string_view key) {
    const auto text = files::readFile(path, kMostFileBytes);
    if (!text) {
        return std::nullopt;
    }
    std::string_view rest = *text;
    std::string_view line;
    while (nextLine(rest, line)) {
        if (nextField(line) == key) {
            return toNumber(nextField(line));
        }
    }
    return std::nullopt;
}

Usage usageOf(const std::string& directory) {
    Usage out;
    if (const auto microseconds = valueOf(directory + "/cpu.stat", "usage_usec")) {
        out.cpu_seconds = *microseconds / 1e6;
    }
    out.memory_bytes = number(directory + "/memory.current");
    out.memory_limit_bytes = number(directory + "/memory.max");
    out.oom_kills = valueOf(directory + "/memory.events", "oom_kill");
    out.tasks = number(directory + "/pids.current");
    out.tasks_limit = number(directory + "/pids.max");
    return out;
}

std::vector<std::string> directoriesIn(const std::string& path) {
    std::vector<std::string> out;
    const std::unique_ptr<DIR, int (*)(DIR*)> entries(opendir(path.c_str()), &closedir);
    const dirent* entry = nullptr;
    for (std::size_t seen = 0; entries && seen < kMostEntries && (entry = readdir(entries.get())) != nullptr;
         ++seen) {
        if (entry->d_type == DT_DIR && entry->d_name[0] != '.') {
            out.emplace_back(entry->d_name);
        }
    }
    return out;
}

/// systemd puts "_" before a name that could be mistaken for a file of the kernel's.
std::string unitOf(const std::string& directory) {
    return directory.starts_with('_') ? directory.substr(1) : directory;
}

void walk(const std::string& path, std::size_t depth, const TreeLimits& limits, UsageRead& out) {
    for (const auto& name : directoriesIn(path)) {
        const bool slice = name.ends_with(".slice");
        if (!slice && !name.ends_with(".service")) {
            continue;
        }
        const auto below = fmt::format("{}/{}", path, name);
        if (!slice || depth == 0) {
            if (out.by_unit.size() >= limits.units) {
                out.cut = true;
                return;
            }
            out.by_unit[unitOf(name)] = usageOf(below);
        }
        if (slice && depth + 1 >= limits.depth) {
            out.cut = true;
        } else if (slice) {
            walk(below, depth + 1, limits, out);
        }
    }
}

}  // namespace

std::string cgroupMount(const std::string& sys) {
    for (const char* place : {"/fs/cgroup", "/fs/cgroup/unified"}) {
        if (::access((sys + place + "/cgroup.controllers").c_str(), F_OK) == 0) {
            return sys + place;
        }
    }
    return {};
}

Expected<UsageRead> readCgroups(const std::string& mount, const TreeLimits& limits) {
    if (::access((mount + "/cgroup.controllers").c_str(), F_OK) != 0) {
        return fail(ErrorKind::not_found, mount + " is no cgroup tree of version 2");
    }
    UsageRead out;
    walk(mount, 0, limits, out);
    std::erase_if(out.by_unit, [](const auto& each) {
        return !each.second.cpu_seconds && !each.second.tasks && !each.second.memory_bytes;
    });
    return out;
}

}  // namespace lapwing::agent::units
