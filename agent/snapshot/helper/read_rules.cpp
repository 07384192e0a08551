#include "agent/snapshot/helper/read_rules.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <string>

#include "agent/snapshot/helper/run_tool.h"

namespace lapwing::agent {

namespace {

void readLegacy(const CollectOptions& options, Snapshot& snapshot) {
    for (const auto* family : {"ip", "ip6"}) {
        // thread-self: this thread may be in another namespace than its process. The file exists only once
        // the module is loaded.
        const auto path = options.proc + "/thread-self/net/" + family + "_tables_names";
        const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
        if (fd < 0) {
            if (errno != ENOENT) {
                snapshot.legacy_status =
                    errno == EACCES || errno == EPERM ? ReadStatus::denied : ReadStatus::failed;
                snapshot.unread.push_back(path + ": " + std::strerror(errno));
            }
            continue;
        }
        close(fd);
        std::ifstream file(path);
        std::string table;
        while (std::getline(file, table)) {
            snapshot.legacy_tables.push_back(std::string(family) + " " + table);
            const auto tool =
                options.tools + (std::string(family) == "ip" ? "/iptables" : "/ip6tables") + "-legacy-save";
            snapshot.iptables.push_back(runTool({tool, "-t", table}, options.tool_deadline, kMostToolOutput));
        }
        if (snapshot.legacy_status == ReadStatus::absent) {
            snapshot.legacy_status = ReadStatus::ok;
        }
    }
}

}  // namespace

void readRules(const CollectOptions& options, Snapshot& snapshot) {
    snapshot.ruleset =
        runTool({options.nft, "-j", "-s", "list", "ruleset"}, options.tool_deadline, kMostToolOutput);
    snapshot.listing =
        runTool({options.nft, "-a", "-s", "list", "ruleset"}, options.tool_deadline, kMostToolOutput);
    if (snapshot.ruleset.output.find("\"xt\"") != std::string::npos) {
        for (const auto* tool : {"/iptables-nft-save", "/ip6tables-nft-save"}) {
            snapshot.iptables.push_back(
                runTool({options.tools + tool}, options.tool_deadline, kMostToolOutput));
        }
    }
    readLegacy(options, snapshot);
}

}  // namespace lapwing::agent
