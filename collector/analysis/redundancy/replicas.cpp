#include <algorithm>

#include "collector/analysis/redundancy/redundancy.h"

namespace lapwing::analysis::redundancy {

namespace {

using replication::Cause;
using replication::State;
using replication::Verdict;

std::string subjectOf(const Verdict& verdict) {
    return topology::idOf(topology::ComponentKind::mysql, verdict.replica);
}

/// The verdicts on all channels of one server: they make one finding.
std::vector<const Verdict*> ofOneReplica(const std::vector<Verdict>& all, const std::string& replica) {
    std::vector<const Verdict*> out;
    for (const auto& verdict : all) {
        if (verdict.replica == replica) {
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

void judgeWritable(const std::string& replica, const Verdict& verdict, Judgement& out) {
    if (!verdict.writable) {
        return;
    }
    Finding finding;
    finding.id = "R7";
    finding.subject = subjectOf(verdict);
    out.judged.insert({finding.id, finding.subject});
    const bool administrators = verdict.administrators == true;
    if (verdict.multi_primary || verdict.cause == Cause::not_configured ||
        (!*verdict.writable && !administrators)) {
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
        finding.remedy =
            "on " + replica +
            ": SET GLOBAL read_only = 1 (on MySQL: super_read_only = 1), and the same in its configuration "
            "file; "
            "if both are meant to be written to, declare the pair in both directions in site.replication";
    } else {
        finding.severity = Severity::medium;
        finding.title = "Administrators can write to the replica " + replica + " by mistake";
        finding.evidence.push_back({variables, "read_only is on, and super_read_only is off"});
        finding.remedy = "on " + replica + ": SET PERSIST super_read_only = 1";
    }
    finding.not_assessed = {"which accounts hold privileges that pass over read_only"};
    out.findings.push_back(std::move(finding));
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
        judgeFailover(verdict.replica, channels, out);
        // One channel whose primary forbids writes is enough for the finding.
        const auto objects = std::find_if(channels.begin(), channels.end(), [](const auto* each) {
            return !each->multi_primary && each->cause != Cause::not_configured;
        });
        judgeWritable(verdict.replica, objects == channels.end() ? verdict : **objects, out);
    }
}

}  // namespace lapwing::analysis::redundancy
