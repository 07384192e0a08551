#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "agent/cli/commands.h"
#include "agent/cli/daemon.h"
#include "agent/cli/doctor.h"
#include "agent/cli/join.h"
#include "agent/cli/reach.h"
#include "agent/config/config.h"
#include "agent/config/manual.h"
#include "common/completion.h"

namespace {

using namespace lapwing::agent;

int run(int argc, char** argv) {
    std::string config = kDefaultConfig;
    std::string probe;
    std::string socket;
    bool json = false;
    CLI::App app("Watches this server and delivers its measurements to a lapwing-collector.",
                 "lapwing-agent");
    app.add_option("-c,--config", config, "The configuration file")->capture_default_str();
    app.require_subcommand(1);
    app.fallthrough();

    int code = kFine;
    app.add_subcommand("run", "Probe and deliver until stopped")->callback([&] { code = runAgent(config); });
    std::string user;
    auto* check =
        app.add_subcommand("check-config", "Report every error of the configuration as file:line:column");
    check->add_option("--user", user, "Judge the files as this user; default: as the agent's unit has it");
    check->callback([&] { code = checkConfig(config, user); });
    DoctorRequest doctor_request;
    auto* examine = app.add_subcommand(
        "doctor", "Show for each thing that the agent needs what was tried, the result and the fix");
    examine->add_flag("--json", doctor_request.json, "Print JSON");
    examine->add_option("--user", doctor_request.user,
                        "Judge the files as this user; default: as the running agent, or its unit");
    examine->callback([&] { code = doctor(config, doctor_request); });
    auto* once = app.add_subcommand("probe", "Run one probe once and print its samples");
    once->add_option("NAME", probe, "The probe's name, as in list-probes")->required();
    once->callback([&] { code = probeOnce(config, probe); });
    app.add_subcommand("list-probes", "List the probes: on or off, and why")->callback([&] {
        code = listProbes(config);
    });
    auto* status = app.add_subcommand("status", "Show the running agent's probes and delivery");
    status->add_flag("--json", json, "Print JSON");
    status->add_option("--socket", socket, "The agent's status socket; default: the configuration's");
    status->callback([&] { code = showStatus(config, socket, json); });
    JoinRequest request;
    bool no_start = false;
    auto* joining =
        app.add_subcommand("join", "Join a collector with the string of `lapwing-collector invite`");
    joining->add_option("STRING", request.text, "The string, in quotes; - reads it from the standard input")
        ->required();
    joining->add_option("--host", request.host,
                        "This server's name; default: the invitation's, or the machine's host name");
    joining
        ->add_option("--address", request.addresses,
                     "HOST:PORT of the collector, tried before the invitation's; repeatable")
        ->allow_extra_args(false);
    joining->add_flag("--no-start", no_start, "Write the files, but enable and start no unit");
    auto* applying =
        joining->add_flag("--apply", request.apply,
                          "Also make the changes by which Nginx and the database can be watched: "
                          "shows each, and asks");
    joining->add_flag("--yes", request.yes, "With --apply: make them without asking")->needs(applying);
    joining
        ->add_option("--wait", request.wait_s,
                     "Seconds for the first acknowledged samples; default: 60, and 0 with --no-start")
        ->check(CLI::Range(0, 3600));
    joining->callback([&] {
        request.start = !no_start;
        code = join(config, request);
    });
    auto* leaving =
        app.add_subcommand("leave", "Take back what `join` did: stop the agent, remove its files");
    leaving->add_flag("--no-stop", no_start, "Remove the files, but stop and disable no unit");
    leaving->callback([&] { code = leave(config, !no_start); });
    ReachQuestion question;
    auto* reach =
        app.add_subcommand("reach", "Show which sources can reach a port, and the rules that decide it");
    reach->add_option("PORT", question.target, "tcp/3306, udp/53, vrrp")->required();
    reach->add_option("--to", question.to, "An address of this host; default: all of them");
    reach->add_option("--from", question.from, "The source: an address or a network; default: every source");
    reach->add_option("--interface", question.interface,
                      "The incoming interface; default: each by which the packet may come in");
    reach->add_flag("--explain", question.explain, "Show the way of each packet of the exchange");
    reach->add_option(
        "--snapshot", question.snapshot,
        "A snapshot, or the output of `nft -j list ruleset`; default: the rules of this network "
        "namespace (as root)");
    reach->add_flag("--json", question.json, "Print JSON");
    reach->callback([&] { code = answerReach(question); });
    app.add_subcommand("version", "Print the version")->callback([] {
        std::puts("lapwing-agent " LAPWING_VERSION);
    });
    app.set_version_flag("--version", "lapwing-agent " LAPWING_VERSION, "Print the version");
    app.add_subcommand("manual", "Print the manual page of the configuration, lapwing-agent.yaml(5)")
        ->group("")
        ->callback([] { std::fputs(lapwing::config::manualText(manualPage()).c_str(), stdout); });
    std::string shell;
    auto* completion =
        app.add_subcommand("completion", "Print the script that completes this command line in a shell");
    completion->add_option("SHELL", shell, "bash or zsh")->required()->check(CLI::IsMember({"bash", "zsh"}));
    completion->callback(
        [&] { std::fputs(lapwing::completionScript(app, *lapwing::parseShell(shell)).c_str(), stdout); });

    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? kFine : kUsage;
    }
    return code;
}

}  // namespace

int main(int argc, char** argv) {
    prepareProcess();
    const int code = run(argc, argv);
    // A hung run of a probe may still be there; the process does not wait for its end.
    std::fflush(nullptr);
    std::_Exit(code);
}
