#include "agent/cli/doctor.h"

#include <fmt/format.h>
#include <netdb.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <utility>
#include <vector>

#include "agent/certificate/agent_certificate.h"
#include "agent/cli/commands.h"
#include "agent/config/config.h"
#include "agent/doctor/diagnose.h"
#include "agent/status/socket.h"
#include "common/config/reader.h"
#include "common/doctor/account.h"
#include "common/doctor/machine.h"
#include "common/doctor/named_files.h"
#include "common/doctor/report.h"
#include "common/doctor/unit.h"
#include "common/http/client.h"
#include "common/http/url.h"
#include "common/json.h"
#include "common/model/clock.h"

namespace lapwing::agent {
namespace {

using doctor::Account;
using doctor::Report;
using doctor::Use;

constexpr const char* kUnit = "lapwing-agent.service";
constexpr std::chrono::seconds kPatience{5};
constexpr std::int64_t kSmallSpool = 100'000'000;

/// All that the parts of one examination share.
struct Examination {
    std::string config_file;
    std::string program = "lapwing-agent";  ///< with its --config, unless that is the usual one
    std::string directory;                  ///< of the configuration's fragments
    LoadedConfig loaded;
    doctor::Unit unit;
    std::string status;  ///< "" unless an agent runs
    Report out;
};

void configuration(Examination& exam) {
    config::Reader reader;
    exam.loaded = loadConfig(reader, exam.config_file, probeKinds());
    doctor::reportConfiguration(exam.out, exam.config_file, reader.problems(), exam.program, kUnit);
}

void service(Examination& exam) {
    const auto& socket = exam.loaded.agent.status_socket;
    auto status = readStatus(socket, kPatience);
    if (status) {
        exam.status = std::move(*status);
        exam.out.well("service", "the agent at " + socket, "it runs");
    } else if (status.error().kind == ErrorKind::denied) {
        exam.out.unknown("service", "the agent at " + socket, "this user may not ask it: run doctor as root");
    } else {
        doctor::reportStopped(exam.out, exam.unit, exam.program, status.error().message,
                              rejoinFix(exam.loaded.agent.host));
    }
}

void permissions(Examination& exam, const std::string& user) {
    auto account =
        user.empty() ? Account::ofService(exam.loaded.agent.status_socket, exam.unit) : Account::named(user);
    if (!account) {
        exam.out.unknown("permissions", "files of the configuration",
                         account.error().message + " (--user NAME judges them as NAME)");
        return;
    }
    const auto& agent = exam.loaded.agent;
    std::vector<doctor::NamedFile> files{{exam.config_file, Use::read}, {agent.data, Use::write}};
    config::Reader reader;
    doctor::forEachNamedFile(reader.fileAndDirectory(exam.config_file),
                             [&](const config::Node&, const std::string& path, Use use) {
                                 files.push_back({path, use});
                             });
    if (std::filesystem::exists(agent.snapshot)) {
        files.push_back({agent.snapshot, Use::read});
    }
    doctor::reportFiles(exam.out, *account, files);
}

CollectorAttempt attempt(const AgentConfig& agent, const http::ClientTls& tls) {
    CollectorAttempt out;
    const auto url = http::Url::parse(agent.collector_url);
    if (!url) {
        out.kind = url.error().kind;
        out.error = url.error().message;
        return out;
    }
    out.name = url->host;
    out.port = url->port;
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    if (const int error = ::getaddrinfo(out.name.c_str(), nullptr, &hints, &found); error != 0) {
        out.resolved = false;
        out.resolve_error = ::gai_strerror(error);
        return out;
    }
    ::freeaddrinfo(found);
    auto client = http::Client::create(agent.collector_url, tls);
    if (!client) {
        out.kind = client.error().kind;
        out.error = client.error().message;
        return out;
    }
    // No path of the collector's: any answer shows that both sides accept each other.
    http::Request request;
    request.path = "/";
    const auto answer = client->request(request, kPatience);
    out.answered = answer.has_value();
    if (!answer) {
        out.kind = answer.error().kind;
        out.error = answer.error().message;
    }
    return out;
}

void collector(Examination& exam) {
    const auto& agent = exam.loaded.agent;
    if (agent.collector_url.empty()) {
        exam.out.wrong("collector", "collector.url", "this server has not joined a collector",
                       rejoinFix(agent.host));
        return;
    }
    AgentCertificate certificate(agent.host, agent.tls, agent.data + "/certificate.pem");
    const auto tls = certificate.tls();
    diagnoseCertificate(exam.out, tls.cert_file, agent.host, certificate.ends(), nowMs() / 1000);
    diagnoseCollector(exam.out, exam.status, attempt(agent, tls), agent.host, exam.directory);
}

/// "" where the spool is small already.
std::string smallerSpool(const Examination& exam) {
    if (exam.loaded.agent.spool_bytes <= kSmallSpool) {
        return "";
    }
    config::Reader reader;
    const auto size = reader.fileAndDirectory(exam.config_file)["spool"]["size"];
    return doctor::settingFix(size, exam.directory + "/20-spool.yaml", "spool: { size: 100MB }",
                              "a smaller spool, spool.size: 100MB", kUnit);
}

void probes(Examination& exam) {
    std::vector<std::string> off;
    for (const auto& choice : exam.loaded.choices) {
        if (choice.why == "off (configured)") {
            off.push_back(choice.name);
        }
    }
    diagnoseProbes(exam.out, exam.status, Installed::here(), exam.directory, off);
}

}  // namespace

int doctor(const std::string& config_file, const DoctorRequest& request) {
    Examination exam;
    exam.config_file = std::filesystem::absolute(config_file).string();
    exam.directory = config::directoryBeside(exam.config_file);
    if (exam.config_file != kDefaultConfig) {
        exam.program += " --config " + exam.config_file;
    }
    exam.unit = doctor::unitOf(kUnit, exam.config_file);
    configuration(exam);
    service(exam);
    if (!exam.status.empty()) {
        diagnoseClock(exam.out, exam.status, doctor::clockIsKept(), doctor::clockFix());
    }
    permissions(exam, request.user);
    collector(exam);
    const auto& data = exam.loaded.agent.data;
    doctor::reportDisk(exam.out, data, doctor::diskOf(data), smallerSpool(exam));
    diagnoseSpool(exam.out, exam.status, data);
    probes(exam);
    diagnosePeers(exam.out, exam.status);
    if (::geteuid() != 0) {
        exam.out.unknown("doctor", "this user", "it is not root, so what root alone can see is unknown");
    }
    std::fputs(request.json ? (exam.out.json() + "\n").c_str() : exam.out.text().c_str(), stdout);
    return exam.out.allWell() ? kFine : kDegraded;
}

}  // namespace lapwing::agent
