#include "agent/snapshot/listeners.h"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

namespace lapwing::agent {

namespace {

// linux/tcp.h's states, as inet_diag and /proc/net number them; 7 is what an unconnected UDP socket has.
constexpr unsigned kListen = 10;
constexpr unsigned kClose = 7;

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

std::string addressText(int family, const void* bytes) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    inet_ntop(family, bytes, text.data(), text.size());
    return text.data();
}

/// An IPv6 socket that is bound to an IPv4 address serves IPv4.
void unmap(Listener& listener) {
    constexpr std::string_view mapped = "::ffff:";
    if (listener.ipv6 && listener.address.starts_with(mapped) &&
        listener.address.find('.') != std::string::npos) {
        listener.address.erase(0, mapped.size());
        listener.ipv6 = false;
    }
}

Error systemError(const char* what) {
    const auto kind = errno == EPERM || errno == EACCES ? ErrorKind::denied : ErrorKind::unavailable;
    return {kind, std::string("listing sockets: ") + what + ": " + std::strerror(errno)};
}

Expected<void> dump(int fd, int family, int protocol, std::vector<Listener>& out) {
    const bool tcp = protocol == IPPROTO_TCP;
    struct {
        nlmsghdr header;
        inet_diag_req_v2 request;
    } message{};
    message.header.nlmsg_len = sizeof message;
    message.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
    message.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    message.request.sdiag_family = static_cast<std::uint8_t>(family);
    message.request.sdiag_protocol = static_cast<std::uint8_t>(protocol);
    message.request.idiag_states = 1U << (tcp ? kListen : kClose);
    sockaddr_nl kernel{};
    kernel.nl_family = AF_NETLINK;
    if (sendto(fd, &message, sizeof message, 0, reinterpret_cast<const sockaddr*>(&kernel), sizeof kernel) <
        0) {
        return tl::unexpected(systemError("sock_diag"));
    }
    alignas(nlmsghdr) std::array<char, 32'768> buffer{};
    for (;;) {
        const auto got = recv(fd, buffer.data(), buffer.size(), 0);
        if (got < 0) {
            if (errno == EINTR) {
                continue;
            }
            return tl::unexpected(systemError("sock_diag"));
        }
        const auto more =
            parseSockDiag(buffer.data(), static_cast<std::size_t>(got), tcp ? "tcp" : "udp", out);
        if (!more) {
            return tl::unexpected(more.error());
        }
        if (!*more) {
            return {};
        }
    }
}

Expected<std::vector<Listener>> bySockDiag() {
    const Descriptor fd(socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
    if (fd.get() < 0) {
        return tl::unexpected(systemError("netlink socket"));
    }
    const timeval longest{1, 0};
    setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &longest, sizeof longest);
    std::vector<Listener> out;
    for (const int protocol : {IPPROTO_TCP, IPPROTO_UDP}) {
        for (const int family : {AF_INET, AF_INET6}) {
            if (auto done = dump(fd.get(), family, protocol, out); !done) {
                return tl::unexpected(done.error());
            }
        }
    }
    return out;
}

}  // namespace

Expected<bool> parseSockDiag(const char* data, std::size_t size, const std::string& protocol,
                             std::vector<Listener>& out) {
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
        Listener listener;
        listener.protocol = protocol;
        listener.ipv6 = socket.idiag_family == AF_INET6;
        listener.address = addressText(socket.idiag_family, socket.id.idiag_src);
        listener.port = ntohs(socket.id.idiag_sport);
        listener.inode = socket.idiag_inode;
        for (std::size_t offset = NLMSG_ALIGN(sizeof socket); offset + sizeof(rtattr) <= body_size;) {
            rtattr attribute{};
            std::memcpy(&attribute, body + offset, sizeof attribute);
            if (attribute.rta_len < sizeof attribute || offset + attribute.rta_len > body_size) {
                break;
            }
            if (attribute.rta_type == INET_DIAG_SKV6ONLY && attribute.rta_len > sizeof attribute) {
                listener.v6only = body[offset + sizeof attribute] != 0;
            }
            offset += RTA_ALIGN(attribute.rta_len);
        }
        const bool connected = protocol == "udp" && socket.id.idiag_dport != 0;
        unmap(listener);
        if (listener.port != 0 && !connected) {
            out.push_back(std::move(listener));
        }
    }
    return true;
}

std::vector<Listener> parseProcNet(std::string_view text, const std::string& protocol, bool ipv6) {
    std::vector<Listener> out;
    std::istringstream lines{std::string(text)};
    std::string line;
    std::getline(lines, line);
    while (std::getline(lines, line)) {
        std::istringstream words(line);
        std::string slot;
        std::string local;
        std::string remote;
        std::string state;
        std::string skipped;
        Listener listener;
        words >> slot >> local >> remote >> state >> skipped >> skipped >> skipped >> skipped >> skipped >>
            listener.inode;
        const auto colon = local.find(':');
        const std::size_t digits = ipv6 ? 32 : 8;
        if (!words || colon != digits ||
            local.find_first_not_of("0123456789ABCDEFabcdef:") != std::string::npos) {
            continue;
        }
        const bool wanted = state == (protocol == "tcp" ? "0A" : "07");
        // The kernel prints each 32-bit word of the address in the machine's own order.
        std::array<std::uint32_t, 4> address{};
        for (std::size_t i = 0; i < digits / 8; ++i) {
            address[i] =
                static_cast<std::uint32_t>(std::strtoul(local.substr(i * 8, 8).c_str(), nullptr, 16));
        }
        listener.protocol = protocol;
        listener.ipv6 = ipv6;
        listener.address = addressText(ipv6 ? AF_INET6 : AF_INET, address.data());
        listener.port = static_cast<std::uint16_t>(std::strtoul(local.c_str() + colon + 1, nullptr, 16));
        listener.v6only = !(ipv6 && listener.address == "::");
        unmap(listener);
        if (wanted && listener.port != 0) {
            out.push_back(std::move(listener));
        }
    }
    return out;
}

Expected<std::vector<Listener>> listListeners(const std::string& proc) {
    if (auto listed = bySockDiag()) {
        return listed;
    }
    std::vector<Listener> out;
    bool any = false;
    for (const auto* protocol : {"tcp", "udp"}) {
        for (const bool ipv6 : {false, true}) {
            std::ifstream file(proc + "/net/" + protocol + (ipv6 ? "6" : ""));
            std::stringstream text;
            text << file.rdbuf();
            any = any || file.good();
            auto some = parseProcNet(text.str(), protocol, ipv6);
            out.insert(out.end(), some.begin(), some.end());
        }
    }
    if (!any) {
        return fail(ErrorKind::unavailable,
                    "listing sockets: neither sock_diag nor " + proc + "/net can be read");
    }
    return out;
}

}  // namespace lapwing::agent
