// lapwing-exec: runs one command of `probes.exec` and ends. systemd starts it for each connection to
// /run/lapwing-exec.sock, as a user of its own, with the connection as standard input and output. The client
// sends a name and nothing else; the configuration of root says what is run.

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <memory>
#include <string>
#include <string_view>

#include "agent/probes/exec/commands.h"
#include "agent/probes/exec/helper/run.h"
#include "agent/probes/exec/reply.h"
#include "common/config/reader.h"

namespace {

using namespace lapwing;
using namespace lapwing::agent::exec;

/// Whether nobody but root can change the file, or the directory.
bool isRoots(const std::string& path) {
    struct stat about {};
    return ::stat(path.c_str(), &about) == 0 && about.st_uid == 0 &&
           (about.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

/// The first part of the configuration that is not root's alone; "" for none.
std::string foreignPart(const std::string& path) {
    auto beside = config::directoryBeside(path);
    for (const auto& each : {path.substr(0, path.rfind('/')), path}) {
        if (!isRoots(each)) {
            return each;
        }
    }
    const std::unique_ptr<DIR, int (*)(DIR*)> entries(opendir(beside.c_str()), &closedir);
    if (!entries) {
        return {};
    }
    if (!isRoots(beside)) {
        return beside;
    }
    while (const dirent* entry = readdir(entries.get())) {
        auto name = beside + "/" + entry->d_name;
        if (name.ends_with(".yaml") && !isRoots(name)) {
            return name;
        }
    }
    return {};
}

/// The name that the client sends: a line, or all up to the end.
std::string requested() {
    ::alarm(5);  // a client that sends nothing holds no helper
    std::string out;
    char next = 0;
    while (out.size() <= kMostNameBytes && ::read(STDIN_FILENO, &next, 1) == 1 && next != '\n') {
        out += next;
    }
    ::alarm(0);
    return out;
}

Reply refused(std::string why) {
    return {End::failed, 0, std::move(why)};
}

Reply answer(const std::string& file) {
    const auto name = requested();
    if (const auto foreign = foreignPart(file); !foreign.empty()) {
        return refused(foreign + " is not root's alone: chown root and chmod go-w");
    }
    config::Reader reader;
    const auto commands = readCommands(reader.fileAndDirectory(file)["probes"]["exec"]);
    for (const auto& command : commands) {
        if (command.name == name) {
            return run(command);
        }
    }
    return refused(reader.ok() ? "no such command is configured" : reader.problems().front().toString());
}

}  // namespace

int main(int argc, char** argv) {
    std::signal(SIGPIPE, SIG_IGN);
    const auto reply = encode(answer(argc > 1 ? argv[1] : "/etc/lapwing/agent.yaml"));
    std::string_view rest = reply;
    while (!rest.empty()) {
        const auto wrote = ::write(STDOUT_FILENO, rest.data(), rest.size());
        if (wrote <= 0) {
            return 0;  // nobody waits for it any more
        }
        rest.remove_prefix(static_cast<std::size_t>(wrote));
    }
    return 0;
}
