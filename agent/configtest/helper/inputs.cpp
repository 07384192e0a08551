#include "agent/configtest/helper/inputs.h"

#include <sys/stat.h>

#include <cstddef>
#include <filesystem>
#include <set>
#include <system_error>

#include "agent/configtest/helper/trust.h"
#include "agent/snapshot/helper/units.h"
#include "common/digest.h"

namespace lapwing::agent::configtest {

namespace {

constexpr std::size_t kMostFiles = 4000;

using Paths = std::set<std::string>;

bool isDirectory(const std::string& path) {
    std::error_code error;
    return std::filesystem::is_directory(path, error);
}

/// Certificates, maps, lists of addresses: a test reads them, too.
void addNeighbours(const std::string& main_file, Paths& out) {
    const auto directory = isDirectory(main_file) ? std::filesystem::path(main_file)
                                                  : std::filesystem::path(main_file).parent_path();
    std::error_code error;
    std::filesystem::recursive_directory_iterator at(directory, error);
    for (const std::filesystem::recursive_directory_iterator end;
         !error && at != end && out.size() < kMostFiles; at.increment(error)) {
        out.insert(at->path().string());
    }
}

}  // namespace

/// HAProxy reads a directory's files of this suffix.
std::set<std::string> filesOfHaproxy(const std::string& path) {
    if (!isDirectory(path)) {
        return {path};
    }
    Paths out{path};
    for (const auto& name : entriesOf(path)) {
        if (name.ends_with(".cfg")) {
            out.insert((std::filesystem::path(path) / name).string());
        }
    }
    return out;
}

std::string stateOf(const std::string& path) {
    struct stat about {};
    if (stat(path.c_str(), &about) != 0) {
        return path + " is absent\n";
    }
    auto out = path;
    for (const auto number :
         {static_cast<long long>(about.st_dev), static_cast<long long>(about.st_ino),
          static_cast<long long>(about.st_size), static_cast<long long>(about.st_mode),
          static_cast<long long>(about.st_mtim.tv_sec), static_cast<long long>(about.st_mtim.tv_nsec),
          static_cast<long long>(about.st_ctim.tv_sec), static_cast<long long>(about.st_ctim.tv_nsec)}) {
        out += " " + std::to_string(number);
    }
    return out + "\n";
}

Inputs inputsOf(const std::string& program, const std::vector<std::string>& main_files) {
    Inputs out;
    Paths paths;
    for (const auto& file : main_files) {
        auto named = program == "nginx" ? namedByNginx(file) : namedByHaproxy(file);
        paths.merge(named.files);
        out.refused = out.refused.empty() ? named.refused : out.refused;
    }
    for (const auto& file : main_files) {
        addNeighbours(file, paths);
    }
    std::string text;
    for (const auto& path : paths) {
        text += stateOf(path);
    }
    out.digest = sha256(text);
    return out;
}

}  // namespace lapwing::agent::configtest
