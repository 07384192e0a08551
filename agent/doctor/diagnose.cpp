#include "agent/doctor/diagnose.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/json.h"
#include "common/text.h"
#include "common/time_text.h"

namespace lapwing::agent {
namespace {

using doctor::Report;

constexpr std::time_t kDay = 86'400;
/// The agent renews at half of its validity: a certificate this near to its end is not being renewed.
constexpr std::time_t kNearEnd = 7 * kDay;

std::string titleOf(const json::Value& probe) {
    std::string out = json::text(probe, "job") + " " + json::text(probe, "instance");
    for (const auto& [name, value] : json::members(json::member(probe, "labels"))) {
        out += " " + json::text(name) + "=" + json::text(value);
    }
    return out;
}

/// What to do about a probe that fails, where no remedy of remediesOf() is known.
std::string fixOf(const json::Value& probe) {
    // An agent of an earlier version does not tell the kind.
    const auto kind = json::text(probe, json::member(probe, "kind").IsString() ? "kind" : "job");
    if (kind == "sockets" || kind == "firewall" || kind == "keepalived" || kind == "inventory") {
        return "systemctl enable --now lapwing-snapshot.timer && systemctl start lapwing-snapshot.service";
    }
    if (kind == "logs" && json::text(probe, "reason") == "denied") {
        return "usermod -aG adm lapwing && systemctl restart lapwing-agent";
    }
    return "lapwing-agent probe " + kind + "   # runs it once, and prints all that it says";
}

}  // namespace

std::string rejoinFix(const std::string& host) {
    return fmt::format(
        "sudo lapwing-collector invite {}        # on the collector; it prints the next line\n"
        "sudo lapwing-agent join 'lapwing1.…'    # here\n",
        host);
}

void diagnoseClock(Report& out, std::string_view text, bool kernel_keeps, const std::string& fix) {
    const auto status = json::parse(text);
    const auto& collector = json::member(status, "collector");
    const auto judgement = json::text(collector, "clock_judgement");
    const auto ahead = clockDifferenceText(
        static_cast<std::int64_t>(json::number(collector, "clock_ahead_seconds").value_or(0) * 1000));
    const std::string tried = "this machine's clock beside the collector's";
    if (judgement == "wrong") {
        out.wrong("clock", tried, "wrong, " + ahead + ", as the clocks of the other servers say", fix);
    } else if (judgement == "disputed") {
        out.wrong("clock", tried, ahead + "; either may be wrong: also run `lapwing-collector doctor`", fix);
    } else if (judgement == "agrees") {
        out.well("clock", tried, "they agree");
    } else {
        out.unknown("clock", tried,
                    std::string("the collector has not judged it; the kernel says that a time service ") +
                        (kernel_keeps ? "keeps it" : "does not keep it"));
    }
}

void diagnoseSpool(Report& out, std::string_view text, const std::string& data) {
    const auto status = json::parse(text);
    const auto& collector = json::member(status, "collector");
    if (!collector.IsObject()) {
        return;
    }
    const auto trouble = json::text(collector, "spool_trouble");
    const auto waiting =
        fmt::format("{} samples wait in it", json::integer(collector, "spool_samples").value_or(0));
    if (trouble.empty()) {
        out.well("disk", "the spool", waiting);
    } else {
        out.wrong("disk", "the spool", "cannot be written: " + trouble,
                  fmt::format("df -h {} && df -i {}   # full? free space there; the agent goes on by itself",
                              data, data));
    }
}

void diagnoseProbes(Report& out, std::string_view text, const Installed& installed,
                    const std::string& directory, const std::vector<std::string>& off) {
    const auto status = json::parse(text);
    if (!status.IsObject()) {
        return;
    }
    auto remedies = remediesOf(text, installed, directory);
    std::erase_if(remedies, [&](const Remedy& each) {
        return std::find(off.begin(), off.end(), each.job) != off.end();
    });
    for (const auto& probe : json::items(json::member(status, "probes"))) {
        const auto job = json::text(probe, "job");
        const auto state = json::text(probe, "state");
        const auto message = json::text(probe, "message");
        if (state == "ok") {
            out.well("probe", titleOf(probe), message);
        } else if (state == "failed") {
            const auto remedy = std::find_if(remedies.begin(), remedies.end(),
                                             [&](const Remedy& each) { return each.job == job; });
            const bool known = remedy != remedies.end();
            out.wrong("probe", titleOf(probe),
                      json::text(probe, "reason") + ": " + message + (known ? ". " + remedy->reason : ""),
                      known ? remedy->commands : fixOf(probe));
            std::erase_if(remedies, [&](const Remedy& each) { return each.job == job; });
        } else {
            out.unknown("probe", titleOf(probe), "it has not run yet");
        }
    }
    for (const auto& remedy : remedies) {
        out.wrong("probe", remedy.job, remedy.reason, remedy.commands);
    }
}

void diagnosePeers(Report& out, std::string_view text) {
    const auto status = json::parse(text);
    for (const auto& peer : json::items(json::member(status, "peers"))) {
        const auto tried = json::text(peer, "host") + " at " + json::text(peer, "address");
        const auto ports = json::integer(peer, "ports").value_or(0);
        const auto answered = json::integer(peer, "answered").value_or(0);
        if (ports == 0) {
            out.unknown("peer", tried, "nothing was tried yet");
        } else if (answered == 0) {
            out.wrong(
                "peer", tried, fmt::format("none of {} ports answers from here", ports),
                fmt::format(
                    "ping -c 3 {}\nsudo lapwing-agent reach tcp/22   # on {}: which sources its firewall "
                    "lets in\n",
                    json::text(peer, "address"), json::text(peer, "host")));
        } else {
            out.well("peer", tried, fmt::format("{} of {} ports answer", answered, ports));
        }
    }
}

void diagnoseCertificate(Report& out, const std::string& file, const std::string& host, std::time_t ends,
                         std::time_t now) {
    const auto tried = "the certificate " + file;
    if (ends == 0) {
        out.unknown("tls", tried, "it cannot be read");
        return;
    }
    const auto when = rfc3339(static_cast<std::int64_t>(ends) * 1000);
    if (ends < now) {
        out.wrong("tls", tried, "it ended at " + when, rejoinFix(host));
    } else if (ends - now < kNearEnd) {
        out.wrong("tls", tried, "it ends at " + when + ", and was not renewed", rejoinFix(host));
    } else {
        out.well("tls", tried, "valid until " + when);
    }
}

void diagnoseCollector(Report& out, std::string_view text, const CollectorAttempt& attempt,
                       const std::string& host, const std::string& directory) {
    const auto status = json::parse(text);
    const auto& word = json::member(status, "collector");
    const auto place = fmt::format("{}:{}", attempt.name, attempt.port);
    const auto tried = "the collector at " + place;
    if (json::flag(word, "connected").value_or(false)) {
        out.well("names", attempt.name, "the agent has found it");
        out.well("tls", tried, "the agent and it accept each other's certificates");
        out.well("collector", tried,
                 fmt::format("it has taken {} samples since the agent's start",
                             json::integer(word, "samples_sent").value_or(0)));
        return;
    }
    const auto trouble = json::text(word, "trouble");
    const auto said = trouble.empty() ? "" : "the agent says: " + trouble;
    if (!attempt.resolved) {
        out.wrong(
            "names", attempt.name, attempt.resolve_error,
            fmt::format(
                "install -D -m 0644 /dev/stdin {}/20-collector.yaml <<'END'\n"
                "collector: {{ url: https://ADDRESS:{} }}\nEND\nsystemctl restart lapwing-agent   # ADDRESS: "
                "the collector's\n",
                directory, attempt.port));
        return;
    }
    out.well("names", attempt.name);
    if (attempt.answered) {
        if (trouble.empty()) {
            out.unknown("collector", tried, "it answers doctor; the agent has delivered nothing yet");
        } else {
            out.wrong("collector", tried, said + "; it answers doctor",
                      "sudo lapwing-collector doctor   # on the collector\n" + rejoinFix(host));
        }
        return;
    }
    const auto found = attempt.error + (said.empty() ? "" : "; " + said);
    if (attempt.kind == ErrorKind::tls || attempt.kind == ErrorKind::invalid) {
        out.wrong("tls", tried, found, rejoinFix(host));
    } else if (attempt.kind == ErrorKind::denied || attempt.kind == ErrorKind::not_found) {
        out.unknown("tls", tried, found);
    } else if (attempt.kind == ErrorKind::refused) {
        out.wrong(
            "collector", tried, found,
            "sudo systemctl start lapwing-collector && sudo lapwing-collector doctor   # on the collector");
    } else {
        out.wrong(
            "collector", tried, found,
            fmt::format(
                "sudo lapwing-agent reach tcp/{}   # on the collector: which sources its firewall lets in",
                attempt.port));
    }
}

}  // namespace lapwing::agent
