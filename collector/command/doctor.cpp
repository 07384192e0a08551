#include <Poco/Net/SocketAddress.h>
#include <Poco/Net/StreamSocket.h>
#include <fmt/core.h>
#include <netdb.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "collector/command/client.h"
#include "collector/command/command.h"
#include "collector/command/diagnose.h"
#include "collector/rules/manager.h"
#include "common/doctor/account.h"
#include "common/doctor/machine.h"
#include "common/doctor/named_files.h"
#include "common/doctor/report.h"
#include "common/doctor/unit.h"
#include "common/files.h"
#include "common/glob.h"
#include "common/http/credentials.h"
#include "common/json.h"
#include "common/model/clock.h"
#include "common/text.h"
#include "common/tls/identity.h"

namespace lapwing::collector {
namespace {

using doctor::Account;
using doctor::Report;
using doctor::Use;

constexpr const char* kUnit = "lapwing-collector.service";
constexpr const char* kUsualConfig = "/etc/lapwing/collector.yaml";
/// timestamp(lapwing_notification_trouble_info) > time() - 15: the samples end with the trouble, and a query
/// would find the last one for the lookback.
constexpr const char* kTroubles =
    "/api/v1/query?query=timestamp(lapwing_notification_trouble_info)%20%3E%20time()%20-%2015";
constexpr auto kPatience = std::chrono::seconds(5);
constexpr std::int64_t kShortHistoryMs = 30LL * 86'400'000;

/// All that the parts of one examination share.
struct Examination {
    std::string config_file;
    std::string directory;  ///< of the configuration's fragments
    std::string program = "lapwing-collector";
    Config config;
    config::Reader reader;
    std::optional<config::Node> root;
    bool answers = false;
    Report out;
};

/// The `data` of an answer of the running collector; a null value without one.
json::Document ask(Examination& exam, const std::string& path) {
    const auto answer = Collector(exam.config).get(path);
    return answer && answer->status == 200 ? json::parse(answer->body) : json::Document();
}

void configuration(Examination& exam) {
    exam.config = loadConfig(exam.config_file, exam.reader);
    auto problems = exam.reader.problems();
    const auto rules = rules::checkFiles(exam.config.rules);
    problems.insert(problems.end(), rules.problems.begin(), rules.problems.end());
    doctor::reportConfiguration(exam.out, exam.config_file, problems, exam.program, kUnit);
    for (const auto& pattern : unmatched(exam.config.rules)) {
        exam.out.wrong(
            "config", "rules: " + pattern, "no file matches it: nothing there raises an alert",
            pattern.starts_with("/etc/lapwing/rules/")
                ? "apt-get install --reinstall -o Dpkg::Options::=--force-confmiss "
                  "lapwing-collector && systemctl restart lapwing-collector   # the shipped rules"
                : fmt::format("editor {} && {} check-config && systemctl restart {}   # the key `rules`",
                              exam.config_file, exam.program, kUnit));
    }
}

void service(Examination& exam, const doctor::Unit& unit) {
    const auto answer = Collector(exam.config).get("/api/lapwing/v1/agents");
    exam.answers = answer && answer->status == 200;
    const std::string tried = "the collector's API";
    if (exam.answers) {
        exam.out.well("service", tried, "it runs");
    } else if (answer) {
        exam.out.wrong("service", tried, fmt::format("it answers {}", answer->status),
                       fmt::format("systemctl restart {}", kUnit));
    } else if (answer.error().kind == ErrorKind::denied) {
        exam.out.unknown("service", tried, "this user may not ask it: run doctor as root");
    } else {
        doctor::reportStopped(exam.out, unit, exam.program, answer.error().message, "");
    }
}

void permissions(Examination& exam, const std::string& user, const doctor::Unit& unit) {
    const auto account =
        user.empty() ? Account::ofService(exam.config.admin.socket, unit) : Account::named(user);
    if (!account) {
        exam.out.unknown("permissions", "files of the configuration",
                         account.error().message + " (--user NAME judges them as NAME)");
        return;
    }
    std::vector<doctor::NamedFile> files{{exam.config_file, Use::read},
                                         {exam.config.directory(), Use::write}};
    doctor::forEachNamedFile(*exam.root, [&](const config::Node&, const std::string& path, Use use) {
        files.push_back({path, use});
    });
    for (const auto& pattern : exam.config.rules) {
        for (const auto& file : filesMatching(pattern)) {
            files.push_back({file, Use::read});
        }
    }
    doctor::reportFiles(exam.out, *account, files);
}

void certificate(Examination& exam, const std::string& what, const std::string& file,
                 const std::string& fix) {
    const auto pem = files::readFile(file);
    const auto validity = pem ? tls::validityOf(*pem) : tl::unexpected(pem.error());
    if (!validity) {
        const bool denied = validity.error().kind == ErrorKind::denied;
        if (denied) {
            exam.out.unknown("tls", what + " " + file, validity.error().message);
        } else if (validity.error().kind != ErrorKind::not_found) {
            exam.out.wrong("tls", what + " " + file, validity.error().message, fix);
        }
        return;
    }
    diagnoseEnd(exam.out, what + " " + file, validity->ends, nowMs() / 1000, fix);
}

void certificates(Examination& exam) {
    const auto ca = exam.config.directory() + "/ca";
    certificate(exam, "the CA", ca + "/ca.crt",
                "lapwing-collector ca begin   # then `ca switch` and `ca finish`, as it says");
    certificate(exam, "the collector's certificate", ca + "/server.crt",
                fmt::format("systemctl restart {}   # makes a new one", kUnit));
    if (!exam.config.http.tls_cert.empty()) {
        certificate(exam, "http.tls.cert", exam.config.http.tls_cert,
                    fmt::format("# renew {} where it comes from, then:\nsystemctl restart {}",
                                exam.config.http.tls_cert, kUnit));
    }
}

/// "" where the history is short already.
std::string shorterHistory(const Examination& exam) {
    if (exam.config.retention_ms != 0 && exam.config.retention_ms <= kShortHistoryMs) {
        return "";
    }
    return doctor::settingFix((*exam.root)["retention"]["time"], exam.directory + "/20-retention.yaml",
                              "retention: { time: 30d }", "a shorter history, retention.time: 30d", kUnit);
}

/// Nothing, or why no connection is made.
std::optional<std::string> connectionError(const std::string& host, int port, bool& resolved) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    const int error = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
    resolved = error == 0;
    if (!resolved) {
        return ::gai_strerror(error);
    }
    const Poco::Net::SocketAddress address(found->ai_addr, found->ai_addrlen);
    ::freeaddrinfo(found);
    try {
        Poco::Net::StreamSocket socket;
        socket.connect(address, Poco::Timespan(kPatience.count(), 0));
        return std::nullopt;
    } catch (const Poco::Exception& failure) {
        return failure.displayText();
    }
}

std::vector<Receiver> receivers(const Examination& exam) {
    std::vector<Receiver> out;
    const auto names = notify::receiverNames(exam.config.notify);
    const auto add = [&](const char* kind, std::size_t index, const std::string& url,
                         const std::string& url_file, const std::string& address) {
        Receiver receiver;
        receiver.name = names[out.size()];
        std::size_t at = 0;
        (*exam.root)["notify"][kind].forEach([&](const config::Node& node) {
            if (at++ == index) {
                receiver.file = node.file();
                receiver.line = node.line();
            }
        });
        const auto text = !url_file.empty() ? http::readSecret(url_file).value_or("") : url;
        receiver.endpoint = address.empty() ? Endpoint::ofUrl(text) : Endpoint::parse(address);
        if (receiver.endpoint) {
            receiver.error =
                connectionError(receiver.endpoint->host, receiver.endpoint->port, receiver.resolved);
        }
        out.push_back(std::move(receiver));
    };
    const auto& notify = exam.config.notify;
    for (std::size_t i = 0; i < notify.webhook.size(); ++i) {
        add("webhook", i, notify.webhook[i].url, notify.webhook[i].url_file, "");
    }
    for (std::size_t i = 0; i < notify.email.size(); ++i) {
        add("email", i, "", "", notify.email[i].smtp);
    }
    for (std::size_t i = 0; i < notify.alertmanager.size(); ++i) {
        add("alertmanager", i, notify.alertmanager[i].url, "", "");
    }
    return out;
}

}  // namespace

int doctor(const std::string& config_file, const std::string& user, bool as_json) {
    Examination exam;
    exam.config_file = std::filesystem::absolute(config_file).string();
    exam.directory = config::directoryBeside(exam.config_file);
    if (exam.config_file != kUsualConfig) {
        exam.program += " --config " + exam.config_file;
    }
    const auto unit = doctor::unitOf(kUnit, exam.config_file);
    configuration(exam);
    config::Reader again;
    exam.root = again.fileAndDirectory(exam.config_file);
    service(exam, unit);
    diagnoseClocks(exam.out, ask(exam, "/api/lapwing/v1/clocks"), doctor::clockFix());
    permissions(exam, user, unit);
    certificates(exam);
    const auto data = exam.config.directory();
    doctor::reportDisk(exam.out, data, doctor::diskOf(data), shorterHistory(exam));
    if (exam.answers) {
        diagnoseDatabase(exam.out,
                         ask(exam, "/api/v1/query?query=lapwing_collector_damaged_blocks%20%3E%200"),
                         exam.config.data);
        diagnoseAgents(exam.out, ask(exam, "/api/lapwing/v1/agents"), exam.program);
    }
    diagnoseReceivers(exam.out, receivers(exam), ask(exam, kTroubles),
                      ask(exam, "/api/v1/query?query=lapwing_notifications_total"), exam.program,
                      exam.directory);
    if (::geteuid() != 0) {
        exam.out.unknown("doctor", "this user", "it is not root, so what root alone can see is unknown");
    }
    std::fputs(as_json ? (exam.out.json() + "\n").c_str() : exam.out.text().c_str(), stdout);
    return exam.out.allWell() ? kFine : kDegraded;
}

}  // namespace lapwing::collector
