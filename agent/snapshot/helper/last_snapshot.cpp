#include "agent/snapshot/helper/last_snapshot.h"

#include <sys/stat.h>
#include <unistd.h>

#include <limits>
#include <utility>

#include "common/files.h"

namespace lapwing::agent {

std::optional<std::string> ownText(const std::string& file, std::size_t most) {
    struct stat about {};
    if (file.empty() || lstat(file.c_str(), &about) != 0 || !S_ISREG(about.st_mode) ||
        about.st_uid != geteuid()) {
        return std::nullopt;
    }
    auto text = files::readFile(file, most);
    return text ? std::optional(std::move(*text)) : std::nullopt;
}

std::optional<Snapshot> lastSnapshot(const std::string& file) {
    const auto text = ownText(file, std::numeric_limits<std::size_t>::max());
    if (!text) {
        return std::nullopt;
    }
    auto snapshot = parseSnapshot(*text);
    return snapshot ? std::optional(std::move(*snapshot)) : std::nullopt;
}

}  // namespace lapwing::agent
