#include "common/http/credentials.h"

#include <Poco/Base64Encoder.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <sstream>
#include <string_view>

namespace lapwing::http {

Expected<std::string> readSecret(const std::string& path) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        const auto kind = errno == ENOENT ? ErrorKind::not_found : ErrorKind::denied;
        return fail(kind, path + ": " + std::strerror(errno));
    }
    struct stat status = {};
    std::array<char, 1024> buffer{};
    ssize_t size = -1;
    const bool regular = ::fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
    if (regular && (status.st_mode & 077U) == 0) {
        size = ::read(fd, buffer.data(), buffer.size());
    }
    ::close(fd);
    if (!regular) {
        return fail(ErrorKind::invalid, path + ": not a file");
    }
    if ((status.st_mode & 077U) != 0) {
        return fail(ErrorKind::denied, path + ": others than its owner may read it; chmod 0600 it");
    }
    if (size < 0) {
        return fail(ErrorKind::denied, path + ": cannot be read");
    }
    const std::string_view text(buffer.data(), static_cast<std::size_t>(size));
    return std::string(text.substr(0, text.find_first_of("\r\n")));
}

std::pair<std::string, std::string> basicAuthorization(const std::string& user, const std::string& password) {
    std::ostringstream out;
    Poco::Base64Encoder encoder(out);
    encoder.rdbuf()->setLineLength(0);
    encoder << user << ':' << password;
    encoder.close();
    return {"Authorization", "Basic " + out.str()};
}

}  // namespace lapwing::http
