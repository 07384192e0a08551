#include "agent/cli/join.h"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <thread>
#include <utility>

#include "agent/cli/commands.h"
#include "agent/config/config.h"
#include "agent/join/advice.h"
#include "agent/join/apply.h"
#include "agent/join/membership.h"
#include "agent/status/socket.h"
#include "common/config/reader.h"
#include "common/doctor/unit.h"
#include "common/run_tool.h"
#include "common/text.h"
#include "common/tls/identity.h"

namespace lapwing::agent {
namespace {

using Clock = std::chrono::steady_clock;

constexpr const char* kSystemctl = "/usr/bin/systemctl";
constexpr const char* kUnit = "lapwing-agent.service";
constexpr std::chrono::seconds kUnitPatience{90};
constexpr std::chrono::milliseconds kLook{250};
constexpr int kUsualWait = 60;
/// Each probe runs within ten seconds.
constexpr std::chrono::seconds kFirstRound{12};

using doctor::hasSystemd;

Expected<void> systemctl(const std::string& verb, bool now = false) {
    std::vector<std::string> arguments{kSystemctl, "--quiet", verb};
    if (now) {
        arguments.emplace_back("--now");
    }
    arguments.emplace_back(kUnit);
    const auto ran = runTool(arguments, kUnitPatience, 64U << 10);
    if (ran.status == ReadStatus::ok) {
        return {};
    }
    return fail(ErrorKind::unavailable, "systemctl " + verb + " " + kUnit + ": " + printable(ran.error));
}

int refuse(const Error& error) {
    fmt::print(stderr, "{}\n", error.message);
    return error.kind == ErrorKind::unreachable || error.kind == ErrorKind::tls ||
                   error.kind == ErrorKind::unavailable
               ? kUnreachable
               : kUsage;
}

/// A line of the standard input, which no list of processes shows.
std::string typedLine() {
    if (::isatty(STDIN_FILENO) == 1) {
        fmt::print(stderr, "The string of `lapwing-collector invite`: ");
    }
    std::string line;
    std::getline(std::cin, line);
    const auto first = line.find_first_not_of(" \t\r'");
    const auto last = line.find_last_not_of(" \t\r'");
    return first == std::string::npos ? "" : line.substr(first, last - first + 1);
}

/// Enables and starts the unit. True unless that failed, which is printed.
bool started() {
    auto done = systemctl("enable");
    if (done) {
        done = systemctl("restart");
    }
    if (!done) {
        fmt::print(
            stderr,
            "The server has joined, but the agent does not start: {}\nSee `journalctl -u lapwing-agent`; "
            "then: systemctl restart lapwing-agent\n",
            done.error().message);
    }
    return done.has_value();
}

/// The status once each probe has run, or after the time of a first round.
std::string afterFirstRound(const AgentConfig& agent, std::string status) {
    const auto round = Clock::now() + kFirstRound;
    while (!hasProbed(status) && Clock::now() < round) {
        std::this_thread::sleep_for(kLook);
        if (auto newer = readStatus(agent.status_socket, kLook * 4)) {
            status = std::move(*newer);
        }
    }
    return status;
}

/// The agent's status once the collector has acknowledged samples. Errors: one line that says why it has
/// none.
Expected<std::string> delivering(const AgentConfig& agent, const std::string& url, int seconds) {
    const auto until = Clock::now() + std::chrono::seconds(seconds);
    std::string why = "no agent is running";
    for (; Clock::now() < until; std::this_thread::sleep_for(kLook)) {
        auto status = readStatus(agent.status_socket, kLook * 4);
        if (!status) {
            why = status.error().message;
            continue;
        }
        if (hasDelivered(*status, url)) {
            return afterFirstRound(agent, std::move(*status));
        }
        const auto trouble = troubleOf(*status);
        why = trouble.empty() ? "it has delivered nothing yet" : trouble;
    }
    return fail(ErrorKind::timeout, why);
}

bool agreed(bool yes) {
    if (yes) {
        return true;
    }
    if (::isatty(STDIN_FILENO) != 1) {
        fmt::print("Not made: there is nobody to ask (--yes makes it without asking).\n");
        return false;
    }
    fmt::print("Make this change? [y/N] ");
    std::fflush(stdout);
    std::string line;
    std::getline(std::cin, line);
    return line == "y" || line == "Y" || line == "yes";
}

/// Shows each change and makes it if the person agrees. Returns whether any was made.
bool makeChanges(const std::string& status, const std::string& config_file, bool yes) {
    const auto installed = Installed::here();
    const auto places = ApplyPlaces::beside(config_file);
    bool changed = false;
    for (const auto& offer : offersOf(status, installed, places, config_file)) {
        fmt::print("\n{} --apply would change:\n{}", offer.reason, offer.shown);
        if (!offer.obstacle.empty()) {
            fmt::print("Not made: {}.\n", offer.obstacle);
        } else if (agreed(yes)) {
            const auto done = apply(offer, installed, places);
            fmt::print("{}\n", done ? "Made. `lapwing-agent leave` takes it back."
                                    : "Not made: " + done.error().message);
            changed = changed || done.has_value();
        }
    }
    return changed;
}

/// Waits for acknowledged samples, changes what `request` lets it, and prints what is watched.
int watch(const AgentConfig& agent, const std::string& url, const JoinFiles& files,
          const JoinRequest& request, int seconds) {
    auto status = delivering(agent, url, seconds);
    if (status) {
        fmt::print("The collector has acknowledged its first samples.\n");
        if (request.apply && makeChanges(*status, files.config, request.yes)) {
            fmt::print("\n");
            if (const auto restarted = systemctl("restart"); !restarted) {
                return refuse(restarted.error());
            }
            status = delivering(agent, url, seconds);
        }
    }
    if (!status) {
        fmt::print(stderr,
                   "The server has joined, but the collector has acknowledged no samples within {} s: {}\n"
                   "See `lapwing-agent status` and `journalctl -u lapwing-agent`\n",
                   seconds, status.error().message);
        return kDegraded;
    }
    const auto directory = std::filesystem::path(files.fragment).parent_path().string();
    std::fputs(adviceOf(*status, Installed::here(), directory).c_str(), stdout);
    return kFine;
}

/// The name of the command, of the invitation, of the configuration, or of the machine.
std::string nameOf(const JoinRequest& request, const JoinString& join, const std::string& config_file) {
    if (!request.host.empty()) {
        return request.host;
    }
    if (!join.host.empty()) {
        return join.host;
    }
    config::Reader reader;
    return lower(loadConfig(reader, config_file, {}).agent.host);
}

}  // namespace

int join(const std::string& config_file, const JoinRequest& request) {
    if (request.apply && (::geteuid() != 0 || !request.start || request.wait_s == 0 || !hasSystemd())) {
        fmt::print(
            stderr,
            "--apply changes services that systemd runs, after a look at what the agent sees: it needs root "
            "and systemd, and neither --no-start nor --wait 0\n");
        return kUsage;
    }
    const auto invitation = JoinString::parse(request.text == "-" ? typedLine() : request.text);
    if (!invitation) {
        return refuse(invitation.error());
    }
    const auto host = nameOf(request, *invitation, config_file);
    if (!tls::isValidHostName(host)) {
        fmt::print(
            stderr,
            "\"{}\" cannot be a host's name: give one with --host, at most 63 of a-z, 0-9, '.' and '-'\n",
            printable(host));
        return kUsage;
    }
    auto addresses = request.addresses;
    for (const auto& address : addresses) {
        if (!isJoinAddress(address)) {
            fmt::print(stderr, "--address \"{}\" must be HOST:PORT\n", printable(address));
            return kUsage;
        }
    }
    addresses.insert(addresses.end(), invitation->addresses.begin(), invitation->addresses.end());
    const auto files = JoinFiles::beside(config_file);
    if (const auto writable = files.tryToWrite(); !writable) {
        fmt::print(stderr, "{}{}\nNothing was sent: the invitation is as good as before.\n",
                   writable.error().message, ::geteuid() == 0 ? "" : " (run it as root: sudo)");
        return kUsage;
    }
    const auto membership = requestMembership(*invitation, host, addresses);
    if (!membership) {
        return refuse(membership.error());
    }
    if (const auto written = writeMembership(files, *membership); !written) {
        fmt::print(
            stderr,
            "{}\nNothing has changed here; for another try, run `lapwing-collector invite {}` again.\n",
            written.error().message, host);
        return kUsage;
    }
    fmt::print("{} has joined the collector at {}: wrote {} and {}\n", host, membership->url,
               files.certificate, files.fragment);
    config::Reader reader;
    const auto loaded = loadConfig(reader, config_file, {});
    // A certificate that an earlier collector renewed must not take precedence.
    ::unlink((loaded.agent.data + "/certificate.pem").c_str());
    const bool systemd = request.start && hasSystemd();
    if (request.start && !systemd) {
        fmt::print("There is no systemd here. Start the agent as its user: lapwing-agent run --config {}\n",
                   config_file);
    }
    if (systemd && !started()) {
        return kDegraded;
    }
    const int wait = request.wait_s >= 0 ? request.wait_s : systemd ? kUsualWait : 0;
    return wait == 0 ? kFine : watch(loaded.agent, membership->url, files, request, wait);
}

namespace {

/// Prints what is undone of `--apply`. False if something is left.
bool takenBack(const std::string& config_file) {
    const auto undone = undoApplied(ApplyPlaces::beside(config_file));
    for (const auto& line : undone.done) {
        fmt::print("Taken back: {}.\n", line);
    }
    for (const auto& line : undone.left) {
        fmt::print(stderr, "Left: {}.\n", line);
    }
    return undone.left.empty();
}

}  // namespace

int leave(const std::string& config_file, bool stop) {
    const auto files = JoinFiles::beside(config_file);
    if (!std::filesystem::exists(files.fragment)) {
        fmt::print("There is no {}: this server has not joined.\n", files.fragment);
        return takenBack(config_file) ? kFine : kDegraded;
    }
    config::Reader reader;
    const auto agent = loadConfig(reader, config_file, {}).agent;
    if (stop && hasSystemd()) {
        if (const auto stopped = systemctl("disable", true); !stopped) {
            return refuse(stopped.error());
        }
    }
    const auto removed = removeMembership(files, agent.data + "/certificate.pem");
    if (!removed) {
        fmt::print(stderr, "{}{}\n", removed.error().message,
                   ::geteuid() == 0 ? "" : " (run it as root: sudo)");
        return kUsage;
    }
    fmt::print(
        "Removed {}.\nIts samples that were not delivered stay in {}. To remove {} on the collector: "
        "lapwing-collector forget {}\n",
        joined(*removed), agent.data, agent.host, agent.host);
    return takenBack(config_file) ? kFine : kDegraded;
}

}  // namespace lapwing::agent
