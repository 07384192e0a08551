#include <algorithm>
#include <map>
#include <set>

#include "collector/analysis/redundancy/redundancy.h"

namespace lapwing::analysis::redundancy {

namespace {

using replication::Cause;
using replication::State;
using replication::Verdict;

std::string subjectOf(const Verdict& verdict) {
    return topology::idOf(topology::ComponentKind::mysql, verdict.replica);
}

/// The verdicts on all channels that make the server a replica: they make one finding.
std::vector<const Verdict*> ofOneReplica(const std::vector<Verdict>& all, const std::string& replica) {
    std::vector<const Verdict*> out;
    for (const auto& verdict : all) {
        if (verdict.replica == replica && verdict.cause != Cause::leftover_channel) {
            out.push_back(&verdict);
        }
    }
    return out;
}

void judgeFailover(const std::string& replica, const std::vector<const Verdict*>& channels, Judgement& out) {
    const bool silent = std::any_of(channels.begin(), channels.end(), [](const auto* each) {
        return each->state == State::unknown && each->obstacles.empty();
    });
    if (silent) {
        return;  // missing data clears no finding
    }
    Finding finding;
    finding.id = "R6";
    finding.subject = subjectOf(*channels.front());
    finding.severity = Severity::high;
    finding.confidence = Confidence::confirmed;
    finding.title = "The replica " + replica + " could not take over from its primary";
    out.judged.insert({finding.id, finding.subject});
    for (const auto* channel : channels) {
        if (channel->obstacles.empty()) {
            continue;
        }
        for (auto obstacle : channel->obstacles) {
            if (channels.size() > 1) {
                obstacle.text = "channel \"" + channel->channel + "\": " + obstacle.text;
            }
            finding.evidence.push_back(std::move(obstacle));
        }
        if (channel->confidence != Confidence::confirmed) {
            finding.confidence = Confidence::suspected;
        }
        if (finding.remedy.empty()) {
            finding.remedy = channel->next_step;
        }
    }
    if (finding.evidence.empty()) {
        return;
    }
    if (finding.remedy.empty()) {
        finding.remedy =
            "on " + replica + ": take away what the evidence names; until then do not promote it";
    }
    finding.not_assessed = {"whether the firewalls let the application reach " + replica,
                            "whether the application can be told to use it",
                            "whether its data equal the primary's"};
    out.findings.push_back(std::move(finding));
}

/// Applications that are connected to the server: read_only would refuse their writes.
std::vector<Evidence> clientsOf(const Context& context, const std::string& id) {
    std::vector<Evidence> out;
    if (context.moment == nullptr) {
        return out;
    }
    for (const auto& edge : context.moment->model.edges) {
        if (edge.kind == topology::EdgeKind::queries && edge.to == id && !edge.sources.empty()) {
            out.push_back({edge.sources.front().source,
                           edge.from + " is connected to it: " + edge.sources.front().text});
        }
    }
    return out;
}

std::string remedyAgainstWrites(const Verdict& verdict, const std::vector<Evidence>& clients) {
    auto remedy = verdict.forbid_writes_step;
    if (!clients.empty()) {
        remedy = "Incomplete: it is not known whether the connected applications write to " +
                 verdict.replica + "; read_only refuses their writes. If they only read: " + remedy;
    }
    return remedy +
           "; if both are meant to be written to, declare the pair in both directions in site.replication";
}

void judgeWritable(const Context& context, const std::string& replica, const Verdict& verdict,
                   Judgement& out) {
    if (!verdict.writable) {
        return;
    }
    Finding finding;
    finding.id = "R7";
    finding.subject = subjectOf(verdict);
    out.judged.insert({finding.id, finding.subject});
    const bool objectionable =
        *verdict.writable ? !verdict.forbid_writes_step.empty() : verdict.administrators == true;
    if (verdict.multi_primary || verdict.cause == Cause::not_configured || !objectionable) {
        return;
    }
    finding.confidence = Confidence::confirmed;
    const std::string variables = "variables of " + replica;
    if (*verdict.writable) {
        finding.severity = Severity::critical;
        const bool both = verdict.primary_writable == true;
        finding.title = both ? "Two servers accept writes: " + verdict.primary + " and its replica " + replica
                             : "The replica " + replica + " accepts writes";
        finding.evidence.push_back({variables, "read_only is off, and the server is a replica of " +
                                                   (verdict.primary.empty() ? "another" : verdict.primary)});
        if (both) {
            finding.evidence.push_back({"variables of " + verdict.primary, "read_only is off there too"});
        }
        const auto clients = clientsOf(context, finding.subject);
        finding.evidence.insert(finding.evidence.end(), clients.begin(), clients.end());
        finding.remedy = remedyAgainstWrites(verdict, clients);
    } else {
        finding.severity = Severity::medium;
        finding.title = "Administrators can write to the replica " + replica + " by mistake";
        finding.evidence.push_back({variables, "read_only is on, and super_read_only is off"});
        finding.remedy = "on " + replica + ": SET PERSIST super_read_only = 1";
    }
    finding.not_assessed = {"which accounts hold privileges that pass over read_only"};
    out.findings.push_back(std::move(finding));
}

/// R17: the finding about one leftover channel, by the verdict on it.
Finding leftoverFinding(const Verdict& verdict) {
    Finding finding;
    const bool stopped = verdict.receiver == evidence::ThreadState::stopped &&
                         verdict.applier == evidence::ThreadState::stopped;
    finding.severity = stopped ? Severity::low : Severity::medium;
    finding.confidence = verdict.confidence;
    finding.title = verdict.summary;
    finding.evidence = verdict.evidence;
    finding.remedy = verdict.next_step;
    finding.not_assessed = {"whether somebody keeps the channel on purpose"};
    return finding;
}

}  // namespace

void judgeReplicas(const Context& context, Judgement& out) {
    if (context.replicas == nullptr) {
        return;
    }
    std::set<std::string> done;
    for (const auto& verdict : *context.replicas) {
        if (!done.insert(verdict.replica).second) {
            continue;
        }
        const auto channels = ofOneReplica(*context.replicas, verdict.replica);
        if (channels.empty()) {
            // A primary: nothing to take over from, and it is there to be written to.
            out.judged.insert({"R6", subjectOf(verdict)});
            out.judged.insert({"R7", subjectOf(verdict)});
            continue;
        }
        judgeFailover(verdict.replica, channels, out);
        // One channel whose primary forbids writes is enough for the finding.
        const auto objects = std::find_if(channels.begin(), channels.end(), [](const auto* each) {
            return !each->multi_primary && each->cause != Cause::not_configured;
        });
        judgeWritable(context, verdict.replica, objects == channels.end() ? *channels.front() : **objects,
                      out);
    }
}

void judgeLeftoverChannels(const Context& context, Judgement& out) {
    if (context.replicas == nullptr) {
        return;
    }
    std::map<std::string, const Verdict*> leftovers;  // by subject; null: it has none
    std::set<std::string> unknown;
    for (const auto& verdict : *context.replicas) {
        const auto subject = subjectOf(verdict);
        auto& leftover = leftovers[subject];
        if (verdict.state == State::unknown) {
            unknown.insert(subject);
        } else if (verdict.cause == Cause::leftover_channel && leftover == nullptr) {
            leftover = &verdict;
        }
    }
    for (const auto& [subject, verdict] : leftovers) {
        if (verdict != nullptr) {
            conclude(out, {"R17", subject}, leftoverFinding(*verdict));
        } else if (!unknown.contains(subject)) {
            conclude(out, {"R17", subject}, std::nullopt);
        }
    }
    // A server without any channel has no verdict.
    out.vanished.emplace_back(
        [leftovers](const FindingKey& key) { return key.first == "R17" && !leftovers.contains(key.second); });
}

}  // namespace lapwing::analysis::redundancy
