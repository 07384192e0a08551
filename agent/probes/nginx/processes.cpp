#include "agent/probes/nginx/processes.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <set>
#include <string_view>
#include <system_error>
#include <vector>

#include "common/files.h"

namespace lapwing::agent::nginx {
namespace {

constexpr std::size_t kTitleBytes = 4096;

struct Worker {
    int pid;
    int parent;
};

/// The parent in the text of /proc/PID/stat: "7 (nginx) S 1 ...". The name may hold parentheses.
int parentIn(std::string_view stat) {
    const auto end = stat.rfind(") ");
    int parent = 0;
    if (end != std::string_view::npos && end + 4 < stat.size()) {
        std::from_chars(stat.data() + end + 4, stat.data() + stat.size(), parent);
    }
    return parent;
}

bool isNginx(std::string_view name) {
    return name.starts_with("nginx") || name.starts_with("openresty");
}

}  // namespace

std::optional<std::size_t> workersWithoutMaster(const std::string& proc) {
    std::set<int> masters;
    std::vector<Worker> workers;
    std::error_code error;
    for (std::filesystem::directory_iterator at(proc, error), end; !error && at != end; at.increment(error)) {
        const auto name = at->path().filename().string();
        int pid = 0;
        if (std::from_chars(name.data(), name.data() + name.size(), pid).ptr != name.data() + name.size()) {
            continue;
        }
        // A process that holds its memory locked hangs who reads its title, not who reads its name.
        const auto comm = files::readFile(at->path() / "comm", kTitleBytes);
        if (!comm || !isNginx(*comm)) {
            continue;
        }
        const auto title = files::readFile(at->path() / "cmdline", kTitleBytes);
        const auto stat = files::readFile(at->path() / "stat", kTitleBytes);
        if (!title || !stat) {
            continue;
        }
        if (title->starts_with("nginx: master process")) {
            masters.insert(pid);
        } else if (title->starts_with("nginx: worker process")) {
            workers.push_back({pid, parentIn(*stat)});
        }
    }
    if (masters.empty() && workers.empty()) {
        return std::nullopt;
    }
    return std::count_if(workers.begin(), workers.end(),
                         [&](const Worker& worker) { return !masters.contains(worker.parent); });
}

}  // namespace lapwing::agent::nginx
