#include "agent/snapshot/helper/generation.h"

#include <arpa/inet.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <string_view>

#include "agent/host/netlink.h"

namespace lapwing::agent {

namespace {

struct Question {
    nlmsghdr head;
    nfgenmsg family;
};

/// The attribute NFTA_GEN_ID of the answer.
std::uint64_t generationIn(std::string_view answer) {
    nlmsghdr head{};
    if (answer.size() < sizeof(Question)) {
        return 0;
    }
    std::memcpy(&head, answer.data(), sizeof(head));
    if (head.nlmsg_type != ((NFNL_SUBSYS_NFTABLES << 8U) | NFT_MSG_NEWGEN)) {
        return 0;
    }
    return ntohl(numberOf(attributesOf(answer.substr(sizeof(Question))), NFTA_GEN_ID).value_or(0));
}

}  // namespace

std::uint64_t rulesetGeneration() {
    const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
    if (fd < 0) {
        return 0;
    }
    const timeval deadline{1, 0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof(deadline));
    Question question{};
    question.head.nlmsg_len = sizeof(question);
    question.head.nlmsg_type = (NFNL_SUBSYS_NFTABLES << 8U) | NFT_MSG_GETGEN;
    question.head.nlmsg_flags = NLM_F_REQUEST;
    question.family.nfgen_family = AF_UNSPEC;
    question.family.version = NFNETLINK_V0;
    std::array<char, 4096> answer{};
    std::uint64_t out = 0;
    if (send(fd, &question, sizeof(question), 0) == static_cast<ssize_t>(sizeof(question))) {
        const auto got = recv(fd, answer.data(), answer.size(), 0);
        out = got > 0 ? generationIn({answer.data(), static_cast<std::size_t>(got)}) : 0;
    }
    close(fd);
    return out;
}

}  // namespace lapwing::agent
