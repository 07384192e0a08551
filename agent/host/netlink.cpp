#include "agent/host/netlink.h"

#include <linux/netlink.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <vector>

namespace lapwing::agent {

void eachAttribute(std::string_view data,
                   const std::function<void(unsigned type, std::string_view value)>& each) {
    while (data.size() >= sizeof(nlattr)) {
        nlattr attribute{};
        std::memcpy(&attribute, data.data(), sizeof attribute);
        if (attribute.nla_len < sizeof attribute || attribute.nla_len > data.size()) {
            break;
        }
        each(attribute.nla_type & NLA_TYPE_MASK,
             data.substr(sizeof attribute, attribute.nla_len - sizeof attribute));
        data.remove_prefix(std::min<std::size_t>(NLA_ALIGN(attribute.nla_len), data.size()));
    }
}

Attributes attributesOf(std::string_view data) {
    Attributes out;
    eachAttribute(data, [&](unsigned type, std::string_view value) { out[type] = value; });
    return out;
}

std::optional<unsigned> numberOf(const Attributes& attributes, unsigned type) {
    const auto found = attributes.find(type);
    std::uint32_t number = 0;
    if (found == attributes.end() || found->second.size() < sizeof number) {
        return std::nullopt;
    }
    std::memcpy(&number, found->second.data(), sizeof number);
    return number;
}

std::string textOf(const Attributes& attributes, unsigned type) {
    const auto found = attributes.find(type);
    return found == attributes.end() ? "" : std::string(found->second.substr(0, found->second.find('\0')));
}

bool dumpNetlink(int protocol, std::uint16_t type, std::string_view body,
                 const std::function<void(std::string_view body)>& each) {
    nlmsghdr question{};
    question.nlmsg_len = static_cast<std::uint32_t>(NLMSG_HDRLEN + body.size());
    question.nlmsg_type = type;
    question.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    question.nlmsg_seq = 1;
    std::string request(reinterpret_cast<const char*>(&question), sizeof question);
    request += body;
    const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
    const timeval patience{2, 0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    bool done = false;
    bool ok = fd >= 0 && send(fd, request.data(), request.size(), 0) == static_cast<ssize_t>(request.size());
    std::vector<char> buffer(1U << 16);
    while (ok && !done) {
        const auto got = recv(fd, buffer.data(), buffer.size(), 0);
        ok = got > 0;
        const std::string_view answer(buffer.data(), static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
        for (std::size_t at = 0; ok && !done && at + sizeof(nlmsghdr) <= answer.size();) {
            nlmsghdr header{};
            std::memcpy(&header, answer.data() + at, sizeof header);
            ok = header.nlmsg_len >= NLMSG_HDRLEN && header.nlmsg_len <= answer.size() - at &&
                 header.nlmsg_type != NLMSG_ERROR;
            done = header.nlmsg_type == NLMSG_DONE;
            if (ok && !done) {
                each(answer.substr(at + NLMSG_HDRLEN, header.nlmsg_len - NLMSG_HDRLEN));
            }
            at += NLMSG_ALIGN(header.nlmsg_len);
        }
    }
    if (fd >= 0) {
        close(fd);
    }
    return ok;
}

}  // namespace lapwing::agent
