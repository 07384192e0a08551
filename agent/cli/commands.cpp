#include "agent/cli/commands.h"

#include <fmt/format.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <future>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "agent/certificate/agent_certificate.h"
#include "agent/config/config.h"
#include "agent/status/socket.h"
#include "agent/status/status.h"
#include "common/config/reader.h"
#include "common/digest.h"
#include "common/doctor/named_files.h"
#include "common/model/clock.h"
#include "common/time_text.h"

namespace lapwing::agent {
namespace {

constexpr std::chrono::seconds kStatusDeadline{5};

bool report(const config::Reader& reader) {
    for (const auto& problem : reader.problems()) {
        fmt::print(stderr, "{}\n", problem.toString());
    }
    return !reader.ok();
}

/// The agent would start with an ended certificate, and deliver nothing.
void judgeEnd(const config::Node& root, const AgentConfig& agent) {
    AgentCertificate certificate(agent.host, agent.tls, agent.data + "/certificate.pem");
    (void)certificate.tls();
    const auto ends = certificate.ends();
    if (ends != 0 && ends < nowMs() / 1000) {
        root["collector"]["cert"].problem(
            "collector.cert: the certificate ended at " + rfc3339(static_cast<std::int64_t>(ends) * 1000) +
            "; join again (on the collector: lapwing-collector invite " + agent.host + ")");
    }
}

Expected<ProbeResult> runOnce(const std::shared_ptr<ProbeSpec>& spec) {
    // A run that outlives its deadline is left behind, as in the daemon.
    auto promise = std::make_shared<std::promise<Expected<ProbeResult>>>();
    auto result = promise->get_future();
    std::thread([spec, promise] {
        try {
            promise->set_value(spec->probe->collect(Deadline(spec->deadline)));
        } catch (const std::exception& error) {
            promise->set_value(fail(ErrorKind::internal, error.what()));
        }
    }).detach();
    if (result.wait_for(spec->deadline) == std::future_status::ready) {
        return result.get();
    }
    return fail(ErrorKind::timeout, fmt::format("no result within {} ms", spec->deadline.count()));
}

/// "nginx web-01"
std::string titleOf(const ProbeSpec& spec) {
    return spec.job + " " + spec.instance;
}

void setLabel(prometheus::ClientMetric& metric, const std::string& name, const std::string& value) {
    auto& labels = metric.label;
    const auto same = [&](const auto& label) { return label.name == name; };
    labels.erase(std::remove_if(labels.begin(), labels.end(), same), labels.end());
    labels.push_back({name, value});
}

/// The families of several runs, each name once, as the text format requires.
class Exposition {
  public:
    void add(const ProbeSpec& spec, std::vector<prometheus::MetricFamily> families) {
        for (auto& family : families) {
            if (family.metric.empty()) {
                continue;
            }
            for (auto& metric : family.metric) {
                setLabel(metric, "job", spec.job);
                setLabel(metric, "instance", spec.instance);
                for (const auto& label : spec.labels) {
                    setLabel(metric, label.name, label.value);
                }
            }
            const auto [place, is_new] = places_.emplace(family.name, families_.size());
            if (is_new) {
                families_.push_back(std::move(family));
                continue;
            }
            auto& metrics = families_[place->second].metric;
            std::move(family.metric.begin(), family.metric.end(), std::back_inserter(metrics));
        }
    }
    std::string text() const { return prometheus::TextSerializer().Serialize(families_); }

  private:
    std::vector<prometheus::MetricFamily> families_;
    std::map<std::string, std::size_t> places_;
};

}  // namespace

int checkConfig(const std::string& config_file, const std::string& user) {
    config::Reader reader;
    const auto loaded = loadConfig(reader, config_file, probeKinds());
    const auto account =
        user.empty()
            ? doctor::Account::ofService(
                  loaded.agent.status_socket,
                  doctor::unitOf("lapwing-agent.service", std::filesystem::absolute(config_file).string()))
            : doctor::Account::named(user);
    if (!account && !user.empty()) {
        fmt::print(stderr, "{}\n", account.error().message);
        return kUsage;
    }
    config::Reader again;
    const auto root = again.fileAndDirectory(config_file);
    bool tried = false;
    if (reader.ok()) {
        tried = account && doctor::judgeNamedFiles(root, *account);
        judgeEnd(root, loaded.agent);
    }
    if (report(reader) || report(again)) {
        return kUsage;
    }
    fmt::print("{}: OK{}\n", config_file, doctor::triedAs(account, tried, "agent"));
    return kFine;
}

int listProbes(const std::string& config_file) {
    config::Reader reader;
    const auto loaded = loadConfig(reader, config_file, probeKinds());
    fmt::print("{:<10} {}\n", "PROBE", "WHAT IT WATCHES, AND WHY IT IS ON OR OFF");
    for (const auto& choice : loaded.choices) {
        fmt::print("{:<10} {}\n{:<10} {}\n", choice.name, choice.summary, "", choice.why);
    }
    return report(reader) ? kUsage : kFine;
}

int probeOnce(const std::string& config_file, const std::string& name) {
    const auto kinds = probeKinds();
    const auto kind =
        std::find_if(kinds.begin(), kinds.end(), [&](const auto& each) { return each.name == name; });
    if (kind == kinds.end()) {
        std::vector<std::string> names;
        names.reserve(kinds.size());
        for (const auto& known : kinds) {
            names.push_back(known.name);
        }
        const auto meant = config::nearest(name, names);
        fmt::print(stderr, "there is no probe \"{}\"{}\n", name,
                   meant ? "; did you mean \"" + *meant + "\"?" : "");
        return kUsage;
    }
    config::Reader reader;
    auto loaded = loadConfig(reader, config_file, kinds);
    // An invalid configuration is reported, and the defaults serve in its place.
    report(reader);
    auto specs = std::move(loaded.specs);
    std::erase_if(specs, [&](const ProbeSpec& spec) { return spec.kind != name; });
    if (specs.empty()) {
        const auto choice = std::find_if(loaded.choices.begin(), loaded.choices.end(),
                                         [&](const auto& each) { return each.name == name; });
        fmt::print(stderr, "{}: {}; trying the defaults\n", name, choice->why);
        config::Reader defaults;
        specs = defaultProbes(defaults, loaded.agent, *kind);
    }
    if (specs.empty()) {
        fmt::print(stderr, "{}: nothing to probe: configure it as probes.{}\n", name, name);
        return kUsage;
    }
    Exposition exposition;
    int outcome = kFine;
    for (auto& configured : specs) {
        const auto spec = std::make_shared<ProbeSpec>(std::move(configured));
        auto result = runOnce(spec);
        if (const auto failure = result ? result->failure : std::optional(result.error())) {
            fmt::print(stderr, "{}: {}: {}\n", titleOf(*spec), errorKindName(failure->kind),
                       failure->message);
            outcome = kDegraded;
        }
        if (!result) {
            continue;
        }
        if (result->check_failed) {
            outcome = kDegraded;
        }
        for (const auto& document : result->documents) {
            fmt::print(stderr, "document {}: {} bytes, SHA-256 {}\n", document.kind, document.body.size(),
                       sha256(document.body));
        }
        if (!result->note.empty()) {
            fmt::print(stderr, "{}: {}\n", titleOf(*spec), result->note);
        }
        exposition.add(*spec, result->takeAll());
    }
    std::fputs(exposition.text().c_str(), stdout);
    std::fflush(stdout);
    return outcome;
}

int showStatus(const std::string& config_file, const std::string& socket, bool json) {
    std::string path = socket;
    if (path.empty()) {
        config::Reader reader;
        path = loadConfig(reader, config_file, {}).agent.status_socket;
    }
    const auto answer = readStatus(path, kStatusDeadline);
    if (!answer) {
        const auto kind = answer.error().kind;
        const bool absent = kind == ErrorKind::not_found || kind == ErrorKind::refused;
        fmt::print(stderr, "{}{}\n", absent ? "no agent is running: " : "", answer.error().message);
        return kUnreachable;
    }
    const auto status = statusText(*answer, nowMs());
    if (!status) {
        fmt::print(stderr, "{}\n", status.error().message);
        return kUnreachable;
    }
    std::fputs(json ? (*answer + "\n").c_str() : status->text.c_str(), stdout);
    return status->degraded ? kDegraded : kFine;
}

}  // namespace lapwing::agent
