#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <string>
#include <utility>

#include "agent/snapshot/helper/collect.h"
#include "agent/snapshot/helper/last_snapshot.h"
#include "agent/snapshot/helper/write_snapshot.h"

int main(int argc, char** argv) {
    std::string output = "/run/lapwing/snapshot.json";
    std::string group = "lapwing";
    CLI::App app{
        "Reads the parts of a host that need privileges (the packet filter's rules, the owners of sockets) "
        "into a file for lapwing-agent"};
    app.add_option("--output", output, "the file to write")->capture_default_str();
    app.add_option("--group", group, "the group that may read the file")->capture_default_str();
    app.set_version_flag("--version", LAPWING_VERSION);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : 2;
    }
    lapwing::agent::CollectOptions options;
    options.previous = output;
    options.neighbours = lapwing::agent::Neighbours::permanent;
    const auto before = lapwing::agent::lastSnapshot(output);
    auto snapshot = lapwing::agent::collectSnapshot(options);
    for (const auto& line : snapshot.unread) {
        // The log gets what is new: this program runs every few seconds.
        if (!before ||
            std::find(before->unread.begin(), before->unread.end(), line) == before->unread.end()) {
            std::fprintf(stderr, "not read: %s\n", line.c_str());
        }
    }
    if (const auto written = lapwing::agent::writeSnapshot(output, std::move(snapshot), group); !written) {
        std::fprintf(stderr, "%s\n", written.error().message.c_str());
        return 1;
    }
    return 0;
}
