#include <algorithm>
#include <tuple>

#include "collector/analysis/replication/diagnose.h"
#include "collector/analysis/replication/verdict.h"

namespace lapwing::analysis::replication {

namespace {

/// A status that is older says nothing of the present.
constexpr std::int64_t kFreshMs = 15'000;
/// Servers give up on a silent connection after slave_net_timeout, 60 s as delivered; heartbeats come twice
/// as often.
constexpr double kHeard = 65;
constexpr double kUsable = 30;
constexpr std::int64_t kPaceMs = 30'000;
constexpr double kMsPerSecond = 1000;

/// The receiver has been seen to hear the primary lately: something changed, and not only because we began to
/// look.
bool receiverProven(const ChannelFacts& channel) {
    const auto moved = [](const Track& track) {
        return !track.empty() && track.standingSince().value_or(0) > track.first().at;
    };
    bool any = moved(channel.read) || moved(channel.heartbeats) || channel.last_heartbeat_age.has_value();
    for (const auto& [name, track] : channel.received) {
        any = any || moved(track);
    }
    return any && receiverSilence(channel) < kHeard;
}

std::optional<bool> acceptsWrites(const DatabaseFacts& server) {
    if (!server.read_only) {
        return std::nullopt;
    }
    return !*server.read_only && !server.super_read_only.value_or(false);
}

void measure(const Case& c, Verdict& out) {
    const auto* primary = c.roles.facts;
    out.lag_seconds = c.lag.lag_seconds;
    out.lag_source = c.lag.source;
    out.estimators = c.lag.estimators;
    if (primary == nullptr) {
        return;
    }
    const auto at = c.channel.at;
    const auto transactions = [&](TimestampMs when) {
        return c.roles.shared_domain ? std::nullopt
                                     : transactionsBehind(primary->executed, c.replica.executed, when);
    };
    out.transactions_behind = transactions(at);
    out.bytes_behind = bytesBehind(*primary, c.channel.executed, at);
    const auto before = out.transactions_behind ? transactions(at - kPaceMs)
                                                : bytesBehind(*primary, c.channel.executed, at - kPaceMs);
    const auto now = out.transactions_behind ? out.transactions_behind : out.bytes_behind;
    if (!before || !now || *now <= 0) {
        return;
    }
    out.catching_up = *now < *before;
    if (*out.catching_up) {
        out.even_in_seconds = *now / (*before - *now) * static_cast<double>(kPaceMs) / kMsPerSecond;
    }
}

/// Why it could not take over from the primary, beside what the verdict itself says.
void findObstacles(const Case& c, Verdict& out) {
    const std::string status = "replica status of " + c.replica_name;
    const std::string variables = "variables of " + c.replica_name;
    const auto add = [&](const std::string& source, std::string text) {
        out.obstacles.push_back({source, std::move(text)});
    };
    if (out.state == "broken") {
        add("verdict", out.summary);
    }
    if (out.lag_seconds && *out.lag_seconds > kUsable) {
        add("verdict", "it is more than " + duration(kUsable) + " behind");
    } else if (!out.lag_seconds && out.state != "broken") {
        add("verdict", "how far it is behind is not known");
    }
    if (c.channel.delay_seconds > 0) {
        add(status, "it is held back by " + duration(c.channel.delay_seconds) + " on purpose");
    }
    if (c.replica.log_bin == false) {
        add(variables,
            "log_bin is off: no other replica could follow it, and nothing could be rolled forward");
    }
    if (out.cause == "duplicate_server_id" && out.state != "broken") {
        add("verdict", out.summary);
    }
    for (const auto& filter : c.channel.filters) {
        add(status, "replication is filtered: " + filter);
    }
}

Verdict judgeChannel(const Databases& facts, const std::string& name, const DatabaseFacts& replica,
                     const std::string& channel_name, const ChannelFacts& channel) {
    const auto roles = rolesOf(facts, name, channel);
    Verdict out;
    out.replica = name;
    out.channel = channel_name;
    out.primary = roles.primary;
    out.delay_seconds = channel.delay_seconds;
    out.receiver = channel.receiver.state;
    out.applier = channel.applier.state;
    out.observed = channel.at;
    out.writable = acceptsWrites(replica);
    if (!replica.mariadb && replica.read_only == true && replica.super_read_only) {
        out.administrators = !*replica.super_read_only;
    }
    out.multi_primary = roles.multi_primary;
    if (roles.facts != nullptr) {
        out.primary_writable = acceptsWrites(*roles.facts);
    }
    const auto lag = judgeLag(replica, channel, roles.facts, receiverProven(channel), roles.shared_domain);
    const Case the_case{facts,   name,  replica, channel_name,
                        channel, roles, lag,     Dialect(replica, channel_name)};
    measure(the_case, out);
    diagnose(the_case, out);
    findObstacles(the_case, out);
    return out;
}

/// What was last known of a replica that says nothing now: missing data are not recovery.
Verdict hold(const Databases& facts, Verdict out) {
    const auto previous = facts.previous.find({out.replica, out.channel});
    out.state = "unknown";
    out.cause = "unknown";
    out.confidence = Confidence::unknown;
    out.summary = "nothing is known of its replication now";
    out.next_step =
        "on " + out.replica +
        ": systemctl status lapwing-agent mariadb mysql; sudo -u lapwing lapwing-agent probe mysql";
    if (previous != facts.previous.end() && previous->second.cause != "unknown" &&
        previous->second.state != "ok" && previous->second.state != "delayed") {
        out.cause = previous->second.cause;
        out.evidence.push_back({"collector", "before that it was " + previous->second.state + " (" +
                                                 previous->second.cause +
                                                 "): neither confirmed nor resolved"});
    }
    return out;
}

void silenceEvidence(const Databases& facts, Verdict& out) {
    const auto server = facts.servers.find(out.replica);
    if (server == facts.servers.end() || !server->second.up || facts.now - server->second.heard > kFreshMs) {
        out.evidence.push_back({"collector", "nothing is reported about MySQL on " + out.replica});
    } else if (server->second.up == false) {
        out.evidence.push_back({"mysql probe of " + out.replica,
                                "the replica does not answer" +
                                    (server->second.failure.empty() ? "" : ": " + server->second.failure)});
    } else {
        out.evidence.push_back({"mysql probe of " + out.replica, "the replica's status cannot be read"});
        for (const auto& privilege : server->second.missing_privileges) {
            out.evidence.push_back(
                {"mysql probe of " + out.replica, "the agent's account misses " + privilege});
        }
    }
}

/// The server says of itself what channels it has.
bool answers(const Databases& facts, const std::string& name) {
    const auto server = facts.servers.find(name);
    return server != facts.servers.end() && server->second.up == true &&
           facts.now - server->second.heard <= kFreshMs && server->second.configured.has_value();
}

/// The channel that followed `primary` until lately; else "", or the primary's name beside other channels.
std::string missingChannel(const Databases& facts, const Site::Pair& pair, const std::vector<Verdict>& seen) {
    const auto taken = [&](const std::string& name) {
        return std::any_of(seen.begin(), seen.end(), [&](const auto& one) {
            return one.replica == pair.replica && one.channel == name;
        });
    };
    for (const auto& [key, previous] : facts.previous) {
        if (key.first == pair.replica && previous.primary == pair.primary && !taken(key.second)) {
            return key.second;
        }
    }
    return taken("") ? pair.primary : "";
}

/// A declared pair of which no channel is seen.
Verdict judgeDeclared(const Databases& facts, const Site::Pair& pair, std::string channel) {
    Verdict out;
    out.replica = pair.replica;
    out.primary = pair.primary;
    out.channel = std::move(channel);
    const auto server = facts.servers.find(pair.replica);
    if (server != facts.servers.end() && server->second.up) {
        out.observed = server->second.heard;
    }
    const bool others = server != facts.servers.end() && !server->second.channels.empty();
    if (!answers(facts, pair.replica) || (!others && server->second.configured != false)) {
        silenceEvidence(facts, out);
        return hold(facts, std::move(out));
    }
    const Dialect dialect(server->second, out.channel);
    out.writable = acceptsWrites(server->second);
    out.state = "broken";
    out.cause = "not_configured";
    out.confidence = Confidence::confirmed;
    out.broken_part = "receiver";
    out.summary = "it should be a replica of " + pair.primary + ", and no replication " +
                  (others ? "from there " : "") + "is configured";
    out.next_step = "on " + pair.replica + ": " + dialect.command(dialect.changeSource(pair.primary)) +
                    ", then " + dialect.command(dialect.thread("START", "")) +
                    "; or take the pair out of site.replication";
    out.evidence.push_back(
        {"replica status of " + pair.replica,
         others ? "none of its channels follows " + pair.primary
                : "it has no channel: after RESET or a restored copy it looks healthy, and holds old data"});
    if (const auto primary = facts.servers.find(pair.primary);
        primary != facts.servers.end() && primary->second.up == false) {
        out.evidence.push_back({"mysql probe of " + pair.primary, "the primary does not answer"});
        if (out.writable == true) {
            out.evidence.push_back(
                {"variables of " + pair.replica, "it accepts writes: it may have been promoted"});
        }
    }
    out.obstacles.push_back({"verdict", out.summary});
    return out;
}

/// Channels that were judged before, and of which nothing is heard any more.
void holdSilent(const Databases& facts, std::vector<Verdict>& out) {
    for (const auto& [key, previous] : facts.previous) {
        const auto& [replica, channel] = key;
        const bool shown = std::any_of(out.begin(), out.end(),
                                       [&, &name = replica, &channel_name = channel](const auto& one) {
                                           return one.replica == name && one.channel == channel_name;
                                       });
        if (shown || answers(facts, replica)) {
            continue;
        }
        Verdict silent;
        silent.replica = replica;
        silent.channel = channel;
        silent.primary = previous.primary;
        silenceEvidence(facts, silent);
        out.push_back(hold(facts, std::move(silent)));
    }
}

/// What is declared, and which no channel answers to. A channel that follows somebody else stands for one
/// such pair, and so does the channel in the other direction: the servers have changed roles.
void judgeMissing(const Databases& facts, std::vector<Verdict>& out) {
    std::map<std::string, std::ptrdiff_t> elsewhere;
    for (const auto& one : out) {
        elsewhere[one.replica] += isDeclared(facts, one.primary, one.replica) ? 0 : 1;
    }
    for (const auto& pair : facts.declared) {
        const bool seen = std::any_of(out.begin(), out.end(), [&](const auto& one) {
            return one.replica == pair.replica && one.primary == pair.primary;
        });
        if (seen || follows(facts, pair.primary, pair.replica) || elsewhere[pair.replica]-- > 0) {
            continue;
        }
        out.push_back(judgeDeclared(facts, pair, missingChannel(facts, pair, out)));
    }
}

}  // namespace

std::vector<Verdict> judge(const Databases& facts) {
    std::vector<Verdict> out;
    for (const auto& [name, server] : facts.servers) {
        for (const auto& [channel_name, channel] : server.channels) {
            auto verdict = judgeChannel(facts, name, server, channel_name, channel);
            if (server.up != true || facts.now - channel.at > kFreshMs) {
                // A server that stopped answering leaves a status that was true a moment ago.
                Verdict silent;
                silent.replica = name;
                silent.channel = channel_name;
                silent.primary = verdict.primary;
                silent.observed = verdict.observed;
                silenceEvidence(facts, silent);
                verdict = hold(facts, std::move(silent));
            }
            out.push_back(std::move(verdict));
        }
    }
    holdSilent(facts, out);
    judgeMissing(facts, out);
    std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) {
        return std::tie(a.replica, a.channel) < std::tie(b.replica, b.channel);
    });
    return out;
}

}  // namespace lapwing::analysis::replication
