#include "collector/command/diagnose.h"

#include <fmt/core.h>

#include "common/glob.h"
#include "common/time_text.h"

namespace lapwing::collector {
namespace {

using doctor::Report;

constexpr std::time_t kNearEnd = std::time_t{30} * 86'400;

const json::Value& dataOf(const json::Value& answer) {
    return json::member(answer, "data");
}

/// The samples of an instant vector about one receiver.
std::vector<const json::Value*> samplesOf(const json::Value& answer, const std::string& receiver) {
    std::vector<const json::Value*> out;
    for (const auto& sample : json::items(json::member(dataOf(answer), "result"))) {
        if (json::text(json::member(sample, "metric"), "receiver") == receiver) {
            out.push_back(&sample);
        }
    }
    return out;
}

bool hasAccepted(const json::Value& counts, const std::string& receiver) {
    for (const auto* sample : samplesOf(counts, receiver)) {
        const auto value = json::items(json::member(*sample, "value"));
        if (json::text(json::member(*sample, "metric"), "result") == "accepted" && value.Size() == 2 &&
            json::text(value[1]) != "0") {
            return true;
        }
    }
    return false;
}

}  // namespace

std::vector<std::string> unmatched(const std::vector<std::string>& patterns) {
    std::vector<std::string> out;
    for (const auto& pattern : patterns) {
        if (hasWildcard(pattern) && filesMatching(pattern).empty()) {
            out.push_back(pattern);
        }
    }
    return out;
}

void diagnoseClocks(Report& out, const json::Value& answer, const std::string& fix) {
    const auto& data = dataOf(answer);
    const auto& own = json::member(data, "collector");
    const auto judgement = json::text(own, "judgement");
    const std::string tried = "this machine's clock beside the agents'";
    if (judgement.empty()) {
        return;
    }
    if (judgement == "agrees") {
        out.well("clock", tried, "they agree");
    } else if (judgement == "unconfirmed") {
        out.unknown("clock", tried,
                    json::text(own, "text") + " of the end of the last run, and no other clock confirms it");
    } else {
        out.wrong("clock", tried, json::text(own, "text") + " (" + judgement + ")", fix);
    }
    for (const auto& agent : json::items(json::member(data, "agents"))) {
        const auto word = json::text(agent, "judgement");
        if (word == "wrong" || word == "disputed") {
            const auto host = json::text(agent, "host");
            out.wrong("clock", "the clock of " + host, json::text(agent, "text") + " (" + word + ")",
                      "sudo lapwing-agent doctor   # on " + host);
        }
    }
}

void diagnoseEnd(Report& out, const std::string& tried, std::time_t ends, std::time_t now,
                 const std::string& fix) {
    const auto when = rfc3339(static_cast<std::int64_t>(ends) * 1000);
    if (ends < now) {
        out.wrong("tls", tried, "it ended at " + when, fix);
    } else if (ends - now < kNearEnd) {
        out.wrong("tls", tried, "it ends at " + when, fix);
    } else {
        out.well("tls", tried, "valid until " + when);
    }
}

void diagnoseDatabase(Report& out, const json::Value& answer, const std::string& file) {
    const auto& result = json::member(dataOf(answer), "result");
    if (!result.IsArray()) {
        out.unknown("disk", file, "the collector did not say whether it is whole");
    } else if (result.Empty()) {
        out.well("disk", file, "the collector has met no damage");
    } else {
        out.wrong("disk", file, "blocks of it are damaged",
                  "lapwing-collector check   # lists them; /usr/share/doc/lapwing-collector/storage.md says "
                  "what is lost");
    }
}

void diagnoseAgents(Report& out, const json::Value& answer, const std::string& program) {
    const auto agents = json::items(dataOf(answer));
    if (agents.Empty()) {
        out.wrong("agent", "agents", "no server has joined",
                  program + " invite HOST   # prints the command to run on HOST");
    }
    for (const auto& agent : agents) {
        const auto host = json::text(agent, "host");
        const auto state = json::text(agent, "state");
        if (state == "ok") {
            out.well("agent", host, "it reports");
        } else if (state == "silent") {
            out.wrong(
                "agent", host,
                fmt::format("last heard {:.0f} s ago", json::number(agent, "last_seen_seconds").value_or(0)),
                "sudo lapwing-agent doctor   # on " + host);
        } else {
            out.wrong("agent", host, "it has never reported",
                      fmt::format("sudo lapwing-agent doctor   # on {}; never joined: {} invite {}", host,
                                  program, host));
        }
        for (const auto& warning : json::items(json::member(agent, "warnings"))) {
            out.wrong("agent", host, json::text(warning, "text"),
                      fmt::format("{} revoke {} && {} invite {}   # lets the right machine join anew",
                                  program, host, program, host));
        }
    }
}

void diagnoseReceivers(Report& out, const std::vector<Receiver>& receivers, const json::Value& troubles,
                       const json::Value& counts, const std::string& program, const std::string& directory) {
    if (receivers.empty()) {
        out.wrong(
            "receiver", "notify", "there is no receiver: alerts are told to nobody",
            fmt::format("install -D -m 0644 /dev/stdin {}/20-notify.yaml <<'END'\nnotify:\n  email: [ {{ to: "
                        "YOU@example.org, from: lapwing@example.org, smtp: localhost:25 }} ]\nEND\n"
                        "systemctl restart lapwing-collector && {} notify test\n",
                        directory, program));
    }
    for (const auto& receiver : receivers) {
        const auto place = receiver.endpoint ? receiver.endpoint->toString() : std::string("its address");
        const auto tried = receiver.name + " at " + place;
        const auto edit = fmt::format(
            "editor +{} {} && {} check-config && systemctl restart lapwing-collector && {} notify test",
            receiver.line, receiver.file, program, program);
        const auto known = samplesOf(troubles, receiver.name);
        if (!known.empty()) {
            for (const auto* sample : known) {
                const auto& labels = json::member(*sample, "metric");
                out.wrong(
                    "receiver", tried, json::text(labels, "state") + ": " + json::text(labels, "reason"),
                    receiver.error ? fmt::format("# start what listens at {}, or:\n{}", place, edit) : edit);
            }
        } else if (!receiver.resolved) {
            out.wrong("names", receiver.endpoint->host, *receiver.error, edit);
        } else if (receiver.error) {
            out.wrong("receiver", tried, *receiver.error,
                      fmt::format("# start what listens at {}, or:\n{}", place, edit));
        } else if (hasAccepted(counts, receiver.name)) {
            out.well("receiver", tried, "it has accepted notifications");
        } else if (!receiver.endpoint) {
            out.unknown("receiver", tried, "its address cannot be read by this user");
        } else {
            out.unknown(
                "receiver", tried,
                "it can be reached, and was sent nothing yet; `" + program + " notify test` tries it");
        }
    }
}

}  // namespace lapwing::collector
