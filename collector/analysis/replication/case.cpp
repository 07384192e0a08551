#include "collector/analysis/replication/case.h"

namespace lapwing::analysis::replication {

namespace {

constexpr double kMsPerSecond = 1000;
/// A probe's word that is older says nothing of the present.
constexpr double kFresh = 15;

}  // namespace

double seconds(TimestampMs from, TimestampMs to) {
    return static_cast<double>(to - from) / kMsPerSecond;
}

void decide(Verdict& out, const char* state, const char* cause, Confidence confidence, std::string summary,
            std::string next_step) {
    out.state = state;
    out.cause = cause;
    out.confidence = confidence;
    out.summary = std::move(summary);
    out.next_step = std::move(next_step);
}

std::string on(const std::string& host, const std::string& what) {
    return "on " + host + ": " + what;
}

std::string primaryName(const Case& c) {
    return c.roles.primary.empty() ? "the primary" : c.roles.primary;
}

std::string statusOf(const Case& c) {
    return "replica status of " + c.replica_name;
}

bool primaryDown(const Case& c) {
    const auto* primary = c.roles.facts;
    return primary != nullptr && primary->up == false && seconds(primary->heard, c.facts.now) < kFresh;
}

bool primarySilent(const Case& c) {
    const auto* primary = c.roles.facts;
    return primary == nullptr || !primary->up || seconds(primary->heard, c.facts.now) >= kFresh;
}

const ReachFact* reachOf(const Case& c) {
    const auto found = c.facts.reach.find({c.replica_name, c.roles.primary});
    return found == c.facts.reach.end() ? nullptr : &found->second;
}

void primaryEvidence(const Case& c, Verdict& out) {
    if (primaryDown(c)) {
        out.evidence.push_back({"mysql probe of " + c.roles.primary,
                                "the primary does not answer its own agent" +
                                    (c.roles.facts->failure.empty() ? "" : ": " + c.roles.facts->failure)});
    } else if (primarySilent(c)) {
        out.evidence.push_back({"collector", "nothing is heard of MySQL on " + primaryName(c) + " itself"});
    } else {
        out.evidence.push_back({"mysql probe of " + c.roles.primary, "the primary answers its own agent"});
    }
    if (const auto* reach = reachOf(c)) {
        out.evidence.push_back(
            {"attempt from " + c.replica_name, "a connection to the database of " + c.roles.primary +
                                                   " was " + reach->result + " " +
                                                   duration(seconds(reach->at, c.facts.now)) + " ago"});
    }
}

double receiverSilence(const ChannelFacts& channel) {
    TimestampMs heard =
        std::max(channel.read.standingSince().value_or(0), channel.heartbeats.standingSince().value_or(0));
    for (const auto& [name, track] : channel.received) {
        heard = std::max(heard, track.standingSince().value_or(0));
    }
    if (channel.last_heartbeat_age) {
        heard = std::max(heard,
                         channel.at - static_cast<TimestampMs>(*channel.last_heartbeat_age * kMsPerSecond));
    }
    return heard == 0 ? seconds(0, channel.at) : std::max(0.0, seconds(heard, channel.at));
}

}  // namespace lapwing::analysis::replication
