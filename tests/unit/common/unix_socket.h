#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>
#include <string>

namespace lapwing::test {

inline sockaddr_un unixAddress(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    return address;
}

/// A socket of this type (SOCK_STREAM, SOCK_DGRAM) at a path; -1 on failure.
inline int boundSocket(const std::string& path, int type) {
    const auto address = unixAddress(path);
    const int descriptor = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    return bind(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ? descriptor
                                                                                              : -1;
}

}  // namespace lapwing::test
