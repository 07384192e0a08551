#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "agent/cli/commands.h"
#include "agent/cli/daemon.h"
#include "agent/cli/reach.h"
#include "agent/config/config.h"

namespace {

using namespace lapwing::agent;

int run(int argc, char** argv) {
    std::string config = kDefaultConfig;
    std::string probe;
    std::string socket;
    bool json = false;
    CLI::App app("Watches this server and delivers what it sees to a lapwing-collector.", "lapwing-agent");
    app.add_option("-c,--config", config, "The configuration")->capture_default_str();
    app.require_subcommand(1);
    app.fallthrough();

    int code = kFine;
    app.add_subcommand("run", "Probe and deliver until stopped")->callback([&] { code = runAgent(config); });
    app.add_subcommand("check-config", "Report every error of the configuration as file:line:column")
        ->callback([&] { code = checkConfig(config); });
    auto* once = app.add_subcommand("probe", "Run one probe once and print its samples");
    once->add_option("NAME", probe, "As list-probes names it")->required();
    once->callback([&] { code = probeOnce(config, probe); });
    app.add_subcommand("list-probes", "List the probes, which of them are on, and why")->callback([&] {
        code = listProbes(config);
    });
    auto* status =
        app.add_subcommand("status", "Ask the running agent how its probes and its delivery are doing");
    status->add_flag("--json", json, "For programs");
    status->add_option("--socket", socket, "The agent's status socket; by default as the configuration says");
    status->callback([&] { code = showStatus(config, socket, json); });
    ReachQuestion question;
    auto* reach = app.add_subcommand("reach", "Say from whom a port can be reached, and by which rules");
    reach->add_option("PORT", question.target, "tcp/3306, udp/53, vrrp")->required();
    reach->add_option("--to", question.to, "An address of the host; by default each that it has");
    reach->add_option("--from", question.from, "An address or a network; by default everybody");
    reach->add_option("--interface", question.interface, "Where the packets come in");
    reach->add_option(
        "--snapshot", question.snapshot,
        "A snapshot, or the output of `nft -j list ruleset`; by default the rules of this network "
        "namespace (as root)");
    reach->add_flag("--json", question.json, "For programs");
    reach->callback([&] { code = answerReach(question); });
    app.add_subcommand("version", "Print the version")->callback([] {
        std::puts("lapwing-agent " LAPWING_VERSION);
    });

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
    // A run of a probe that hangs may still be there; nothing needs its end.
    std::fflush(nullptr);
    std::_Exit(code);
}
