#include "agent/probes/http_target.h"

#include <Poco/Base64Encoder.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <sstream>

#include "common/config/reader.h"
#include "common/http/client.h"

namespace lapwing::agent {

bool HttpTarget::isLocal() const {
    return host.empty() || host == "localhost" || host == "::1" || host.compare(0, 4, "127.") == 0;
}

Expected<HttpTarget> parseTarget(const std::string& url) {
    HttpTarget out;
    out.url = url;
    out.path = "/";
    if (url.compare(0, 5, "unix:") == 0) {
        const auto colon = url.find(":/", 5);
        out.base = url.substr(0, colon);
        if (colon != std::string::npos) out.path = url.substr(colon + 1);
    } else {
        const auto start = url.find("://");
        if (start == std::string::npos)
            return fail(ErrorKind::invalid, "not an absolute URL (http://HOST/...)");
        const auto end = std::min(url.find_first_of("/?#", start + 3), url.size());
        const auto authority = url.substr(start + 3, end - start - 3);
        if (authority.find('@') != std::string::npos) {
            return fail(ErrorKind::invalid,
                        "credentials do not belong into a URL: use user and password_file instead");
        }
        out.base = url.substr(0, end);
        if (end < url.size() && url[end] != '#') {
            out.path = url.substr(end, url.find('#', end) - end);
            if (out.path[0] == '?') out.path.insert(0, "/");
        }
        out.host = authority.substr(0, 1) == "[" ? authority.substr(1, authority.find(']') - 1)
                                                 : authority.substr(0, authority.find(':'));
    }
    // Says what is wrong with the rest; it opens no connection.
    if (auto client = http::Client::create(out.base); !client) return tl::unexpected(client.error());
    return out;
}

Expected<HttpTarget> readTarget(const config::Node& node) {
    std::string url;
    const auto place = node["url"];
    place.read(url);
    if (!place.present()) {
        node.problem(node.path() + " needs a url");
        return fail(ErrorKind::invalid, "no url");
    }
    auto target = parseTarget(url);
    if (!target) {
        place.problem(place.path() + ": " + target.error().message);
        return target;
    }
    node["user"].read(target->user);
    node["password_file"].read(target->password_file);
    node["ca"].read(target->ca_file);
    if (target->user.empty() != target->password_file.empty()) {
        node.problem(node.path() + ": user and password_file go together");
        return fail(ErrorKind::invalid, "user without password_file");
    }
    return target;
}

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
    if (regular && (status.st_mode & 077U) == 0) size = ::read(fd, buffer.data(), buffer.size());
    ::close(fd);
    if (!regular) return fail(ErrorKind::invalid, path + ": not a file");
    if ((status.st_mode & 077U) != 0) {
        return fail(ErrorKind::denied, path + ": others than its owner may read it; chmod 0600 it");
    }
    if (size < 0) return fail(ErrorKind::denied, path + ": cannot be read");
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

}  // namespace lapwing::agent
