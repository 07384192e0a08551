#include "collector/analysis/replication/channel_context.h"

#include <algorithm>
#include <utility>

#include "collector/analysis/duration.h"

namespace lapwing::analysis::replication {

void decide(Verdict& verdict, Cause cause, Confidence confidence, std::string summary,
            std::string next_step) {
    const auto& properties = propertiesOf(cause);
    verdict.state = properties.state;
    verdict.broken_part = properties.broken_part;
    verdict.cause = cause;
    verdict.confidence = confidence;
    verdict.summary = std::move(summary);
    verdict.next_step = std::move(next_step);
}

std::string onHost(const std::string& host, const std::string& commands) {
    return "on " + host + ": " + commands;
}

std::string primaryName(const ChannelContext& context) {
    return context.roles.primary.empty() ? "the primary" : context.roles.primary;
}

std::string statusSource(const ChannelContext& context) {
    return "replica status of " + context.replica_name;
}

bool primaryDown(const ChannelContext& context) {
    const auto* primary = context.roles.primary_server;
    return primary != nullptr && primary->isDown() &&
           context.inputs.databases.now - primary->heard < kStatusFreshMs;
}

bool primarySilent(const ChannelContext& context) {
    const auto* primary = context.roles.primary_server;
    return primary == nullptr || !primary->up || primary->notAsked() ||
           context.inputs.databases.now - primary->heard >= kStatusFreshMs;
}

const evidence::ReachAttempt* reachOf(const ChannelContext& context) {
    const auto found = context.inputs.databases.reach.find({context.replica_name, context.roles.primary});
    return found == context.inputs.databases.reach.end() ? nullptr : &found->second;
}

void addPrimaryEvidence(const ChannelContext& context, Verdict& verdict) {
    const auto probe = "mysql probe of " + context.roles.primary;
    if (primaryDown(context)) {
        const auto& failure = context.roles.primary_server->failure;
        verdict.evidence.push_back(
            {probe, "the primary does not answer its own agent" + (failure.empty() ? "" : ": " + failure)});
    } else if (context.roles.primary_server != nullptr && !context.roles.primary_server->refusal.empty()) {
        verdict.evidence.push_back({probe, "the primary answers its own agent and refuses it: " +
                                               context.roles.primary_server->refusal});
    } else if (primarySilent(context)) {
        verdict.evidence.push_back(
            {"collector", "nothing is heard of MySQL on " + primaryName(context) + " itself"});
    } else {
        verdict.evidence.push_back({probe, "the primary answers its own agent"});
    }
    if (const auto* reach = reachOf(context)) {
        verdict.evidence.push_back(
            {"attempt from " + context.replica_name,
             "a connection to the database of " + context.roles.primary + " was " +
                 connectResultName(reach->result) + " " +
                 durationText(secondsBetween(reach->at, context.inputs.databases.now)) + " ago"});
    }
}

double receiverSilence(const evidence::ReplicaChannel& channel) {
    TimestampMs heard =
        std::max(channel.read.standingSince().value_or(0), channel.heartbeats.standingSince().value_or(0));
    for (const auto& [name, track] : channel.received) {
        heard = std::max(heard, track.standingSince().value_or(0));
    }
    if (channel.last_heartbeat_age) {
        constexpr double ms_per_second = 1000;
        heard = std::max(heard,
                         channel.at - static_cast<TimestampMs>(*channel.last_heartbeat_age * ms_per_second));
    }
    return heard == 0 ? secondsBetween(0, channel.at) : std::max(0.0, secondsBetween(heard, channel.at));
}

}  // namespace lapwing::analysis::replication
