#include "collector/command/fragment.h"

#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "collector/command/command.h"
#include "common/digest.h"
#include "common/files.h"

namespace lapwing::collector {
namespace {

namespace fs = std::filesystem;

std::string firstLine(const std::string& verb, const std::string& content) {
    return "# `lapwing-collector " + verb +
           "` wrote this file, and leaves it alone once it was edited. sha256:" + sha256(content) + "\n";
}

}  // namespace

Fragment::Fragment(const std::string& config_file, const std::string& name, std::string verb)
    : config_file_(fs::absolute(config_file).lexically_normal().string()),
      path_(config::directoryBeside(config_file_) + "/" + name),
      verb_(std::move(verb)) {}

Expected<std::optional<std::string>> Fragment::content() const {
    auto text = files::readFile(path_);
    if (!text) {
        return text.error().kind == ErrorKind::not_found ? Expected<std::optional<std::string>>(std::nullopt)
                                                         : fail(text.error());
    }
    const auto end = text->find('\n');
    auto rest = end == std::string::npos ? "" : text->substr(end + 1);
    if (*text != firstLine(verb_, rest) + rest) {
        return fail(ErrorKind::invalid, path_ + " was edited, or is not of this command: it stays as it is");
    }
    return rest;
}

config::Node Fragment::others(config::Reader& reader) const {
    return reader.fileAndDirectory(config_file_, path_);
}

std::optional<Config> Fragment::tried(const std::string& content) const {
    config::Reader reader;
    auto config = readConfig(
        content.empty() ? others(reader)
                        : reader.fileAndDirectory(config_file_, path_, firstLine(verb_, content) + content));
    for (const auto& problem : reader.problems()) {
        fmt::print(stderr, "{}\n", problem.toString());
    }
    return reader.ok() ? std::optional(std::move(config)) : std::nullopt;
}

Expected<void> Fragment::put(const std::string& content) const {
    if (content.empty()) {
        if (::unlink(path_.c_str()) != 0 && errno != ENOENT) {
            return fail(errno == EACCES || errno == EPERM ? ErrorKind::denied : ErrorKind::unavailable,
                        "remove " + path_ + ": " + std::strerror(errno));
        }
        return {};
    }
    const auto directory = fs::path(path_).parent_path().string();
    // The collector reads it as another user, whatever the umask of this one.
    if (::mkdir(directory.c_str(), 0755) == 0) {
        ::chmod(directory.c_str(), 0755);
    } else if (errno != EEXIST) {
        return fail(errno == EACCES || errno == EPERM ? ErrorKind::denied : ErrorKind::unavailable,
                    "make the directory " + directory + ": " + std::strerror(errno));
    }
    return files::writeFile(path_, firstLine(verb_, content) + content, 0644);
}

int notWritten(const Error& error) {
    fmt::print(stderr, "{}\n{}", error.message,
               error.kind == ErrorKind::denied ? "Nothing was changed: run it as root.\n"
                                               : "Nothing was changed.\n");
    return kWrongUsage;
}

const char* restartCommand() {
    return "sudo lapwing-collector check-config && sudo systemctl restart lapwing-collector";
}

}  // namespace lapwing::collector
