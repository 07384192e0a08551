#include "agent/probes/inventory/files.h"

#include <dirent.h>
#include <fnmatch.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <memory>
#include <set>
#include <sstream>

#include "common/digest.h"

namespace lapwing::agent::inventory {

namespace {

constexpr std::size_t kMostFiles = 8000;
constexpr std::int64_t kMostBytes = 64LL << 20U;
constexpr int kMostDepth = 32;
constexpr std::int64_t kNsPerSecond = 1'000'000'000;
constexpr std::array<const char*, 5> kAlwaysLeftOut = {"*.pyc", "__pycache__", ".git", "*.swp", "*~"};

struct DirectoryCloser {
    void operator()(DIR* directory) const { closedir(directory); }
};

bool matches(const std::string& pattern, const std::string& path) {
    const auto name = path.substr(path.rfind('/') + 1);
    return fnmatch(pattern.c_str(), name.c_str(), 0) == 0 || fnmatch(pattern.c_str(), path.c_str(), 0) == 0;
}

bool isLeftOut(const FileSet& set, const std::string& path) {
    const auto fits = [&](const std::string& pattern) { return matches(pattern, path); };
    return std::any_of(kAlwaysLeftOut.begin(), kAlwaysLeftOut.end(), fits) ||
           std::any_of(set.exclude.begin(), set.exclude.end(), fits);
}

class Walk {
  public:
    Walk(const FileSet& set, const Deadline& deadline) : set_(set), deadline_(deadline) {}

    /// `named`: the configuration names this path, so a link to a directory is followed.
    void visit(const std::string& path, int depth, bool named) {
        if (files.size() > kMostFiles || depth > kMostDepth || deadline_.passed() || isLeftOut(set_, path)) {
            return;
        }
        struct stat link {};
        struct stat target {};
        if (lstat(path.c_str(), &link) != 0 || stat(path.c_str(), &target) != 0) {
            return;
        }
        if (S_ISREG(target.st_mode)) {
            files.insert(path);
        } else if (S_ISDIR(target.st_mode) && (named || !S_ISLNK(link.st_mode))) {
            enter(path, depth);
        }
    }

    std::set<std::string> files;
    std::set<std::string> closed;  ///< directories that may not be read

  private:
    void enter(const std::string& path, int depth) {
        const std::unique_ptr<DIR, DirectoryCloser> directory(opendir(path.c_str()));
        if (directory == nullptr) {
            closed.insert(path);
            return;
        }
        while (const auto* entry = readdir(directory.get())) {
            const std::string name = entry->d_name;
            if (name != "." && name != "..") {
                std::string inner = path;
                inner.append("/").append(name);
                visit(inner, depth + 1, false);
            }
        }
    }

    const FileSet& set_;
    const Deadline& deadline_;
};

std::int64_t nanoseconds(const timespec& time) {
    return time.tv_sec * kNsPerSecond + time.tv_nsec;
}

}  // namespace

std::string FileDigests::digestOf(const std::string& path) {
    struct stat about {};
    if (stat(path.c_str(), &about) != 0) {
        return "";
    }
    auto& known = known_[path];
    known.named = true;
    const bool same = known.inode == about.st_ino && known.size == about.st_size &&
                      known.modified_ns == nanoseconds(about.st_mtim) &&
                      known.changed_ns == nanoseconds(about.st_ctim);
    if (same && !known.digest.empty()) {
        return known.digest;
    }
    known.inode = about.st_ino;
    known.size = about.st_size;
    known.modified_ns = nanoseconds(about.st_mtim);
    known.changed_ns = nanoseconds(about.st_ctim);
    std::ifstream file(path, std::ios::binary);
    if (!file) {
        known.digest = "unreadable";
    } else if (about.st_size > kMostBytes) {
        known.digest = "large:" + std::to_string(about.st_size);
    } else {
        std::stringstream text;
        text << file.rdbuf();
        known.digest = sha256(text.view());
    }
    return known.digest;
}

Expected<std::vector<std::string>> FileDigests::list(const FileSet& set, const Deadline& deadline) {
    Walk walk(set, deadline);
    for (const auto& path : set.paths) {
        walk.visit(path, 0, true);
    }
    if (walk.files.size() > kMostFiles) {
        return fail(ErrorKind::exhausted, set.name + " has more than " + std::to_string(kMostFiles) +
                                              " files: exclude some, or name smaller directories");
    }
    std::vector<std::string> out;
    for (const auto& path : walk.files) {
        if (deadline.passed()) {
            break;
        }
        if (const auto digest = digestOf(path); !digest.empty()) {
            out.emplace_back(digest);
            out.back().append("  ").append(path);
        }
    }
    if (deadline.passed()) {
        return fail(ErrorKind::timeout, "reading the files of " + set.name + ": " +
                                            std::to_string(out.size()) + " so far, the rest in the next run");
    }
    for (const auto& path : walk.closed) {
        out.push_back("unreadable  " + path);
    }
    return out;
}

void FileDigests::forgetOthers() {
    std::erase_if(known_, [](const auto& each) { return !each.second.named; });
    for (auto& [path, known] : known_) {
        known.named = false;
    }
}

}  // namespace lapwing::agent::inventory
