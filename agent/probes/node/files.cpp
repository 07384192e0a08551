#include "agent/probes/node/files.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "agent/probes/text.h"

namespace lapwing::agent::node {
namespace {

constexpr std::size_t kFirstBuffer = 16'384;
constexpr std::size_t kLargestFile = 8U << 20;

struct Closer {
    void operator()(DIR* directory) const { ::closedir(directory); }
};

tl::unexpected<Error> failed(const std::string& path, int error) {
    // A part that is switched off at boot (PSI answers EOPNOTSUPP) or that the device does not have: a link
    // without speed answers EINVAL, a sensor that is off ENODATA.
    const bool none = error == ENOENT || error == ENOTDIR || error == EOPNOTSUPP || error == ENODEV ||
                      error == EINVAL || error == ENODATA;
    const auto kind = none                                  ? ErrorKind::not_found
                      : (error == EACCES || error == EPERM) ? ErrorKind::denied
                                                            : ErrorKind::unavailable;
    return fail(kind, path + ": " + std::strerror(error));
}

}  // namespace

void Files::readUntil(std::chrono::steady_clock::time_point until) {
    until_ = until;
    late_ = false;
}

Expected<std::string_view> Files::read(const std::string& path) {
    if (std::chrono::steady_clock::now() >= until_) {
        late_ = true;
        return fail(ErrorKind::timeout, path + ": the files before it took too long");
    }
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return failed(path, errno);
    }
    if (buffer_.size() < kFirstBuffer) {
        buffer_.resize(kFirstBuffer);
    }
    std::size_t size = 0;
    while (true) {
        const auto got = ::read(fd, buffer_.data() + size, buffer_.size() - size);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            const int error = errno;
            ::close(fd);
            return failed(path, error);
        }
        if (got == 0) {
            break;
        }
        size += static_cast<std::size_t>(got);
        if (size == buffer_.size()) {
            if (size >= kLargestFile) {
                ::close(fd);
                return fail(ErrorKind::exhausted, path + ": larger than plausible");
            }
            buffer_.resize(size * 2);
        }
    }
    ::close(fd);
    return std::string_view(buffer_).substr(0, size);
}

std::optional<std::string> Files::text(const std::string& path) {
    const auto content = read(path);
    if (!content) {
        return std::nullopt;
    }
    const auto text = trimmed(*content);
    return text.empty() ? std::nullopt : std::optional<std::string>(text);
}

std::optional<double> Files::number(const std::string& path) {
    const auto content = read(path);
    return content ? toNumber(trimmed(*content)) : std::nullopt;
}

bool Files::exists(const std::string& path) const {
    return ::access(path.c_str(), F_OK) == 0;
}

Expected<std::vector<std::string>> Files::list(const std::string& path, std::string_view prefix,
                                               std::size_t most, const char* what) {
    const std::unique_ptr<DIR, Closer> directory(::opendir(path.c_str()));
    if (!directory) {
        return failed(path, errno);
    }
    std::vector<std::string> names;
    while (const dirent* entry = ::readdir(directory.get())) {
        const std::string_view name = entry->d_name;
        if (name == "." || name == ".." || !name.starts_with(prefix)) {
            continue;
        }
        names.emplace_back(name);
    }
    std::sort(names.begin(), names.end());
    if (names.size() > most) {
        noteCut(most, what);
        names.resize(most);
    }
    return names;
}

void Files::noteCut(std::size_t most, const char* what) {
    notes_.insert("only " + std::to_string(most) + " " + what + " are reported");
}

}  // namespace lapwing::agent::node
