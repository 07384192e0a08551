#include "agent/host/sock_diag.h"

#include <arpa/inet.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>

namespace lapwing::agent {

namespace {

class Descriptor {
  public:
    explicit Descriptor(int fd) : fd_(fd) {}
    ~Descriptor() {
        if (fd_ >= 0) {
            close(fd_);
        }
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    int get() const { return fd_; }

  private:
    int fd_;
};

Error systemError(const char* what) {
    const auto kind = errno == EPERM || errno == EACCES ? ErrorKind::denied : ErrorKind::unavailable;
    return {kind, std::string("listing sockets: ") + what + ": " + std::strerror(errno)};
}

}  // namespace

Expected<void> dumpSockets(int family, int protocol, unsigned states,
                           const std::function<Expected<bool>(const char*, std::size_t)>& take) {
    const Descriptor fd(socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
    if (fd.get() < 0) {
        return tl::unexpected(systemError("netlink socket"));
    }
    const timeval longest{1, 0};
    setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &longest, sizeof longest);
    struct {
        nlmsghdr header;
        inet_diag_req_v2 request;
    } message{};
    message.header.nlmsg_len = sizeof message;
    message.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
    message.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    message.request.sdiag_family = static_cast<std::uint8_t>(family);
    message.request.sdiag_protocol = static_cast<std::uint8_t>(protocol);
    message.request.idiag_states = states;
    sockaddr_nl kernel{};
    kernel.nl_family = AF_NETLINK;
    if (sendto(fd.get(), &message, sizeof message, 0, reinterpret_cast<const sockaddr*>(&kernel),
               sizeof kernel) < 0) {
        return tl::unexpected(systemError("sock_diag"));
    }
    alignas(nlmsghdr) std::array<char, 32'768> buffer{};
    for (;;) {
        const auto got = recv(fd.get(), buffer.data(), buffer.size(), 0);
        if (got < 0) {
            if (errno == EINTR) {
                continue;
            }
            return tl::unexpected(systemError("sock_diag"));
        }
        const auto more = take(buffer.data(), static_cast<std::size_t>(got));
        if (!more) {
            return tl::unexpected(more.error());
        }
        if (!*more) {
            return {};
        }
    }
}

Expected<bool> forEachSocket(
    const char* data, std::size_t size,
    const std::function<void(const inet_diag_msg& socket, std::string_view attributes)>& each) {
    std::size_t at = 0;
    while (size - at >= sizeof(nlmsghdr)) {
        nlmsghdr header{};
        std::memcpy(&header, data + at, sizeof header);
        if (header.nlmsg_len < sizeof header || header.nlmsg_len > size - at) {
            return fail(ErrorKind::protocol, "listing sockets: a truncated netlink message");
        }
        const char* body = data + at + NLMSG_HDRLEN;
        const auto body_size = header.nlmsg_len - NLMSG_HDRLEN;
        at += std::min<std::size_t>(NLMSG_ALIGN(header.nlmsg_len), size - at);
        if (header.nlmsg_type == NLMSG_DONE) {
            return false;
        }
        if (header.nlmsg_type == NLMSG_ERROR) {
            nlmsgerr error{};
            std::memcpy(&error, body, std::min<std::size_t>(sizeof error, body_size));
            return fail(ErrorKind::unavailable,
                        std::string("listing sockets: sock_diag: ") + std::strerror(-error.error));
        }
        inet_diag_msg socket{};
        if (header.nlmsg_type != SOCK_DIAG_BY_FAMILY || body_size < sizeof socket) {
            continue;
        }
        std::memcpy(&socket, body, sizeof socket);
        const auto head = std::min<std::size_t>(NLMSG_ALIGN(sizeof socket), body_size);
        each(socket, {body + head, body_size - head});
    }
    return true;
}

std::string addressText(int family, const void* bytes) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    inet_ntop(family, bytes, text.data(), text.size());
    return text.data();
}

bool unmap(std::string& address) {
    constexpr std::string_view mapped = "::ffff:";
    if (!address.starts_with(mapped) || address.find('.') == std::string::npos) {
        return false;
    }
    address.erase(0, mapped.size());
    return true;
}

}  // namespace lapwing::agent
