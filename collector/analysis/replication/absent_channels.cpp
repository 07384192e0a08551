#include "collector/analysis/replication/absent_channels.h"

#include <algorithm>
#include <cstddef>
#include <map>

#include "collector/analysis/replication/channel_context.h"
#include "collector/analysis/replication/standing.h"

namespace lapwing::analysis::replication {

namespace {

using evidence::Database;

const Database* serverOf(const Inputs& inputs, const std::string& instance) {
    const auto found = inputs.databases.servers.find(instance);
    return found == inputs.databases.servers.end() ? nullptr : &found->second;
}

bool isFresh(const Inputs& inputs, const Database& server) {
    return inputs.databases.now - server.heard <= kStatusFreshMs;
}

/// Why the replica's status is unknown.
void addSilenceEvidence(const Inputs& inputs, Verdict& verdict) {
    const auto* server = serverOf(inputs, verdict.replica);
    const auto probe = "mysql probe of " + verdict.replica;
    if (server == nullptr || !server->up || !isFresh(inputs, *server)) {
        verdict.evidence.push_back({"collector", "nothing is reported about MySQL on " + verdict.replica});
    } else if (!server->refusal.empty()) {
        verdict.evidence.push_back({probe, "the replica answers and refuses the agent: " + server->refusal});
    } else if (server->up == false && server->answers()) {
        verdict.evidence.push_back(
            {probe, "the replica answers, but not to every statement: " + server->failure});
    } else if (server->up == false) {
        verdict.evidence.push_back(
            {probe, "the replica does not answer" + (server->failure.empty() ? "" : ": " + server->failure)});
    } else {
        verdict.evidence.push_back({probe, "the replica's status cannot be read"});
        for (const auto& privilege : server->missing_privileges) {
            verdict.evidence.push_back({probe, "the agent's account misses " + privilege});
        }
    }
}

/// The server itself reports which channels it has.
bool reportsChannels(const Inputs& inputs, const std::string& instance) {
    const auto* server = serverOf(inputs, instance);
    return server != nullptr && server->up == true && isFresh(inputs, *server) &&
           server->configured.has_value();
}

bool contains(const std::vector<Verdict>& verdicts, const std::string& replica, const std::string& channel) {
    return std::any_of(verdicts.begin(), verdicts.end(), [&](const Verdict& verdict) {
        return verdict.replica == replica && verdict.channel == channel;
    });
}

/// A name for the channel that the pair lacks: that of the channel that followed the primary before, else "",
/// or the primary's name if the replica already has a channel "".
std::string missingChannel(const Inputs& inputs, const Site::Pair& pair, const std::vector<Verdict>& known) {
    for (const auto& [key, previous] : inputs.previous) {
        const auto& [replica, channel] = key;
        if (replica == pair.replica && previous.primary == pair.primary &&
            !contains(known, replica, channel)) {
            return channel;
        }
    }
    return contains(known, pair.replica, "") ? pair.primary : "";
}

/// The primary is down or gets no writes, while the declared replica accepts them: it may have been promoted.
/// Then the command that makes it a replica again is not for everybody.
void checkPromotion(const Inputs& inputs, const Site::Pair& pair, Verdict& verdict) {
    const auto* primary = serverOf(inputs, pair.primary);
    const auto& server = *serverOf(inputs, pair.replica);
    const bool primary_down = primary != nullptr && primary->isDown();
    const bool written =
        writesArrive(server, inputs.databases.now) || !followersOf(inputs, pair.replica).empty();
    if (primary_down) {
        verdict.evidence.push_back({"mysql probe of " + pair.primary, "the primary does not answer"});
    }
    if (verdict.writable == false || (!primary_down && !written)) {
        return;
    }
    verdict.evidence.push_back({"variables of " + pair.replica,
                                written ? "it accepts writes and gets them: it may have been promoted"
                                        : "it accepts writes: it may have been promoted"});
    verdict.next_step =
        "Incomplete: it is not known whether " + pair.replica +
        " has been promoted. If it has, correct site.replication. If not: " + verdict.next_step;
}

/// The verdict on a declared pair without a channel.
Verdict missingVerdict(const Inputs& inputs, const Site::Pair& pair, const std::string& channel) {
    const auto* server = serverOf(inputs, pair.replica);
    const auto observed = server != nullptr && server->up ? std::optional(server->heard) : std::nullopt;
    const bool has_channels = server != nullptr && !server->channels.empty();
    if (!reportsChannels(inputs, pair.replica) || (!has_channels && server->configured != false)) {
        return silentVerdict(inputs, pair.replica, channel, pair.primary, observed);
    }
    Verdict verdict;
    verdict.replica = pair.replica;
    verdict.primary = pair.primary;
    verdict.channel = channel;
    verdict.observed = observed;
    verdict.writable = acceptsWrites(*server);
    const Dialect dialect(*server, channel);
    decide(verdict, Cause::not_configured, Confidence::confirmed,
           "it should be a replica of " + pair.primary + ", and no replication " +
               (has_channels ? "from there " : "") + "is configured",
           onHost(pair.replica, dialect.command(dialect.changeSource(pair.primary)) + ", then " +
                                    dialect.command(dialect.thread("START", "")) +
                                    "; or take the pair out of site.replication"));
    verdict.evidence.push_back(
        {"replica status of " + pair.replica,
         has_channels
             ? "none of its channels follows " + pair.primary
             : "it has no channel: after RESET or a restored copy it looks healthy, and holds old data"});
    checkPromotion(inputs, pair, verdict);
    verdict.obstacles.push_back({"verdict", verdict.summary});
    return verdict;
}

}  // namespace

std::optional<bool> acceptsWrites(const Database& server) {
    if (!server.read_only) {
        return std::nullopt;
    }
    return !*server.read_only && !server.super_read_only.value_or(false);
}

Verdict silentVerdict(const Inputs& inputs, const std::string& replica, const std::string& channel,
                      const std::string& primary, std::optional<TimestampMs> observed) {
    Verdict verdict;
    verdict.replica = replica;
    verdict.channel = channel;
    verdict.primary = primary;
    verdict.observed = observed;
    addSilenceEvidence(inputs, verdict);
    decide(verdict, Cause::unknown, Confidence::unknown, "nothing is known of its replication now",
           onHost(replica,
                  "systemctl status lapwing-agent mariadb mysql; sudo -u lapwing lapwing-agent "
                  "probe mysql"));
    const auto found = inputs.previous.find({replica, channel});
    if (found == inputs.previous.end()) {
        return verdict;
    }
    const auto& previous = found->second;
    if (previous.cause != Cause::unknown && previous.state != State::ok && previous.state != State::delayed) {
        verdict.cause = previous.cause;
        verdict.evidence.push_back(
            {"collector", std::string("before that it was ") + stateName(previous.state) + " (" +
                              causeName(previous.cause) + "): neither confirmed nor resolved"});
    }
    return verdict;
}

void addSilentChannels(const Inputs& inputs, std::vector<Verdict>& out) {
    for (const auto& [key, previous] : inputs.previous) {
        const auto& [replica, channel] = key;
        if (!contains(out, replica, channel) && !reportsChannels(inputs, replica)) {
            out.push_back(silentVerdict(inputs, replica, channel, previous.primary, std::nullopt));
        }
    }
}

void addMissingPairs(const Inputs& inputs, std::vector<Verdict>& out) {
    // A channel that follows an undeclared primary accounts for one missing pair of its replica.
    std::map<std::string, std::ptrdiff_t> undeclared;
    for (const auto& verdict : out) {
        undeclared[verdict.replica] += isDeclared(inputs, verdict.primary, verdict.replica) ? 0 : 1;
    }
    for (const auto& pair : inputs.declared) {
        const bool known = std::any_of(out.begin(), out.end(), [&](const Verdict& verdict) {
            return verdict.replica == pair.replica && verdict.primary == pair.primary;
        });
        // A channel in the other direction accounts for the pair, too: the servers have changed roles.
        if (known || follows(inputs, pair.primary, pair.replica) || undeclared[pair.replica]-- > 0) {
            continue;
        }
        out.push_back(missingVerdict(inputs, pair, missingChannel(inputs, pair, out)));
    }
}

}  // namespace lapwing::analysis::replication
