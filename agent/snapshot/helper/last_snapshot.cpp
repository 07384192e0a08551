#include "agent/snapshot/helper/last_snapshot.h"

#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <utility>

namespace lapwing::agent {

std::optional<Snapshot> lastSnapshot(const std::string& file) {
    struct stat about {};
    if (file.empty() || lstat(file.c_str(), &about) != 0 || !S_ISREG(about.st_mode) ||
        about.st_uid != geteuid()) {
        return std::nullopt;
    }
    std::ifstream in(file, std::ios::binary);
    std::stringstream text;
    text << in.rdbuf();
    auto snapshot = parseSnapshot(text.view());
    return snapshot ? std::optional(std::move(*snapshot)) : std::nullopt;
}

}  // namespace lapwing::agent
