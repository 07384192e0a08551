#include <algorithm>
#include <cmath>

#include "collector/analysis/redundancy/redundancy.h"

namespace lapwing::analysis::redundancy {

namespace {

using topology::Pool;

constexpr double kEnoughRequests = 200;
/// A deviation counts beyond chance (four standard deviations of independent draws) and beyond 5 %.
constexpr double kDeviations = 4;
constexpr double kMatters = 0.05;

struct Share {
    std::string host;
    std::string server;
    double given = 0;
    double expected = 0;
};

/// The requests of each server in use; nothing if they do not show how requests are spread.
std::optional<std::vector<Share>> sharesOf(const Pool& pool) {
    std::vector<Share> out;
    double weights = 0;
    double given = 0;
    for (const auto& member : pool.members) {
        // A drain, an outage or a slow start within the window can cause any share.
        if (!member.server.steady || !member.server.given || !member.server.weight ||
            member.server.state == evidence::ServerState::unknown) {
            return std::nullopt;
        }
        if (member.isUp() && !member.isBackup() && *member.server.weight > 0) {
            out.push_back({member.host, member.server.server, *member.server.given, *member.server.weight});
            weights += *member.server.weight;
            given += *member.server.given;
        }
    }
    if (out.size() < 2 || given < kEnoughRequests) {
        return std::nullopt;
    }
    for (auto& share : out) {
        share.expected /= weights;
    }
    return out;
}

bool deviates(double count, double total, double expected) {
    const double chance = kDeviations * std::sqrt(expected * (1 - expected) / total);
    return std::abs(count / total - expected) > std::max(kMatters, chance);
}

std::string percent(double share) {
    return std::to_string(std::lround(share * 100)) + " %";
}

/// Whether the web servers' own counts agree; nothing if they are unknown.
std::optional<bool> webServersAgree(const Context& context, const std::vector<Share>& shares,
                                    std::vector<Evidence>& evidence) {
    double total = 0;
    for (const auto& share : shares) {
        const auto counted = context.moment->services.web_requests.find(share.host);
        if (counted == context.moment->services.web_requests.end()) {
            return std::nullopt;
        }
        total += counted->second;
    }
    if (total < kEnoughRequests) {
        return std::nullopt;
    }
    bool agree = false;
    for (const auto& share : shares) {
        const double counted = context.moment->services.web_requests.at(share.host);
        evidence.push_back(
            {"nginx of " + share.host, "it counted " + percent(counted / total) + " of the requests"});
        agree = agree || deviates(counted, total, share.expected);
    }
    return agree;
}

}  // namespace

void judgeBalance(const Context& context, Judgement& out) {
    for (const auto& pool : context.moment->model.pools) {
        const FindingKey key{"R13", pool.host + "/" + pool.proxy};
        if (!pool.sharesByWeight()) {
            if (!pool.algorithm.empty()) {
                out.judged.insert(key);  // it is not meant to be even
            }
            continue;
        }
        const auto shares = sharesOf(pool);
        if (!shares) {
            continue;
        }
        double total = 0;
        for (const auto& share : *shares) {
            total += share.given;
        }
        const bool uneven = std::any_of(shares->begin(), shares->end(), [&](const auto& share) {
            return deviates(share.given, total, share.expected);
        });
        if (!uneven) {
            out.judged.insert(key);
            continue;
        }
        Finding finding;
        finding.severity = Severity::medium;
        for (const auto& share : *shares) {
            finding.evidence.push_back({"haproxy statistics of " + pool.balancer,
                                        pool.proxy + "/" + share.server + " got " +
                                            percent(share.given / total) +
                                            " of the last ten minutes' requests, by its weight it is due " +
                                            percent(share.expected)});
        }
        const auto agree = pool.members.front().kind == topology::ComponentKind::web
                               ? webServersAgree(context, *shares, finding.evidence)
                               : std::nullopt;
        finding.confidence = agree == true ? Confidence::confirmed : Confidence::suspected;
        finding.title = "Requests to backend " + pool.proxy + " are not spread as its weights say";
        finding.remedy =
            "Look in haproxy.cfg for what binds clients to servers (cookie, stick-table), and for maxconn "
            "and queues of a server; without those, `balance roundrobin` is even.";
        finding.not_assessed = {"sticky sessions, which make it uneven on purpose"};
        conclude(out, key, std::move(finding));
    }
}

}  // namespace lapwing::analysis::redundancy
