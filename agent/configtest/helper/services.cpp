#include "agent/configtest/helper/services.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <set>
#include <sstream>
#include <string_view>
#include <utility>

#include "agent/configtest/helper/unit_command.h"
#include "agent/host/owners.h"
#include "agent/snapshot/helper/units.h"
#include "common/files.h"

namespace lapwing::agent::configtest {

namespace {

constexpr std::size_t kMostServices = 8;
constexpr std::size_t kMostProcBytes = 1U << 18;
constexpr std::string_view kDeleted = " (deleted)";
constexpr std::string_view kNginxTitle = "nginx: master process ";
constexpr std::array kPrograms{"nginx", "haproxy"};

std::string linkOf(const std::string& path) {
    std::array<char, 4096> target{};
    const auto size = readlink(path.c_str(), target.data(), target.size());
    return size > 0 ? std::string(target.data(), static_cast<std::size_t>(size)) : "";
}

/// A file of procfs, which has no size.
std::string procText(const std::string& path) {
    return files::readFile(path, kMostProcBytes).value_or("");
}

std::vector<std::string> splitAt(char separator, const std::string& text) {
    std::vector<std::string> out;
    std::istringstream in(text);
    for (std::string part; std::getline(in, part, separator);) {
        out.push_back(std::move(part));
    }
    return out;
}

/// The words behind a key of /proc/PID/status.
std::vector<std::string> statusOf(const std::string& home, const std::string& key) {
    std::istringstream in(procText(home + "/status"));
    for (std::string line; std::getline(in, line);) {
        if (line.starts_with(key + ":")) {
            std::istringstream words(line.substr(key.size() + 1));
            std::vector<std::string> out;
            for (std::string word; words >> word;) {
                out.push_back(std::move(word));
            }
            return out;
        }
    }
    return {};
}

std::string commOf(const std::string& home) {
    const auto comm = procText(home + "/comm");
    return comm.substr(0, comm.find('\n'));
}

bool isRoot(const std::string& home) {
    const auto ids = statusOf(home, "Uid");
    return ids.size() == 4 && std::all_of(ids.begin(), ids.end(), [](const auto& id) { return id == "0"; });
}

/// Whether the process sees the files of this host: it is in the first process's mount namespace, or has its
/// root directory (a service with a sandbox). A container has neither.
bool seesFilesOfHost(const std::string& proc, const std::string& home) {
    const auto first = proc + "/1";
    const auto user = linkOf(first + "/ns/user");
    if (user.empty() || linkOf(home + "/ns/user") != user) {
        return false;
    }
    struct stat own {};
    struct stat host {};
    return linkOf(home + "/ns/mnt") == linkOf(first + "/ns/mnt") ||
           (stat((home + "/root/.").c_str(), &own) == 0 && stat((first + "/root/.").c_str(), &host) == 0 &&
            own.st_dev == host.st_dev && own.st_ino == host.st_ino);
}

bool sameFile(const std::string& one, const std::string& other) {
    struct stat first {};
    struct stat second {};
    return stat(one.c_str(), &first) == 0 && stat(other.c_str(), &second) == 0 &&
           first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

/// The program that a restart would run. After an upgrade the process still has the old file.
void readExecutable(const std::string& home, Service& out) {
    out.executable = linkOf(home + "/exe");
    if (out.executable.empty()) {
        out.test.unknown = "its program file cannot be read";
        return;
    }
    const bool deleted = out.executable.ends_with(kDeleted);
    if (deleted) {
        out.executable.erase(out.executable.size() - kDeleted.size());
    }
    if (files::othersMayChange(out.executable)) {
        out.test.unknown = out.executable + " does not exist, or others than root may change it";
    } else if (!deleted && !sameFile(home + "/exe", out.executable)) {
        out.test.unknown = out.executable + " is another file than the one that runs";
    }
}

/// The first of the two files where the process sees another one than this program, or "".
std::string otherFile(const std::string& home, const std::vector<std::string>& paths) {
    const auto found = std::find_if(paths.begin(), paths.end(), [&](const auto& path) {
        struct stat about {};
        return stat(path.c_str(), &about) == 0 && !sameFile(home + "/root" + path, path);
    });
    return found == paths.end() ? "" : *found;
}

void readNginx(const std::string& home, const Places& places, Service& out) {
    // The title takes the place of the environment.
    auto title = procText(home + "/cmdline");
    title.erase(std::find(title.begin(), title.end(), '\0'), title.end());
    auto words = splitAt(' ', title.substr(kNginxTitle.size()));
    words.erase(words.begin(), words.empty() ? words.begin() : words.begin() + 1);
    std::erase(words, "");
    out.test = nginxTest(words);
    if (const auto unit = serviceOfCgroup(procText(home + "/cgroup")); !unit.empty()) {
        out.environment = assignmentsOf(environmentOf(Units(places.root), unit, places.root));
    }
}

void readHaproxy(const std::string& home, Service& out) {
    auto arguments = splitAt('\0', procText(home + "/cmdline"));
    arguments.erase(arguments.begin(), arguments.empty() ? arguments.begin() : arguments.begin() + 1);
    out.test = haproxyTest(arguments, linkOf(home + "/cwd"));
    out.environment = splitAt('\0', procText(home + "/environ"));
}

bool isMaster(const std::string& proc, const std::string& home, const std::string& program) {
    if (program == "nginx") {
        return procText(home + "/cmdline").starts_with(kNginxTitle);
    }
    const auto parent = statusOf(home, "PPid");
    return parent.empty() || commOf(proc + "/" + parent[0]) != program;
}

/// When the process started, by the time of the boot, which procfs has by the second; 0 if it is not known.
TimestampMs startOf(const std::string& proc, const std::string& home) {
    std::istringstream system(procText(proc + "/stat"));
    TimestampMs boot = 0;
    for (std::string line; std::getline(system, line);) {
        std::istringstream words(line);
        std::string key;
        if (words >> key && key == "btime") {
            words >> boot;
        }
    }
    const auto stat = procText(home + "/stat");
    const auto name_ends = stat.rfind(')');
    if (boot == 0 || name_ends == std::string::npos) {
        return 0;
    }
    // starttime is the field 22; behind the name comes the field 3 (proc(5)).
    std::istringstream fields(stat.substr(name_ends + 1));
    std::string skipped;
    for (int field = 3; field < 22; ++field) {
        fields >> skipped;
    }
    TimestampMs ticks = 0;
    const auto a_second = sysconf(_SC_CLK_TCK);
    return fields >> ticks && a_second > 0 ? boot * 1000 + ticks * 1000 / a_second : 0;
}

bool isNginxWorker(const std::string& home) {
    auto title = procText(home + "/cmdline");
    title.erase(std::find(title.begin(), title.end(), '\0'), title.end());
    return title == "nginx: worker process";
}

/// A reload starts new workers. Nginx replaces a worker that ends by one with the old configuration: its
/// oldest worker counts, without those of earlier configurations, which have another title. HAProxy's
/// newest counts, or the process itself if it has no workers.
TimestampMs loadedAt(const std::string& proc, const std::string& master, const std::string& program) {
    const bool nginx = program == "nginx";
    TimestampMs out = 0;
    bool workers = false;
    for (const auto& name : entriesOf(proc)) {
        const auto home = fmt::format("{}/{}", proc, name);
        if (name.find_first_not_of("0123456789") != std::string::npos || commOf(home) != program ||
            statusOf(home, "PPid") != std::vector{master} || (nginx && !isNginxWorker(home))) {
            continue;
        }
        const auto start = startOf(proc, home);
        out = !workers ? start : nginx ? std::min(out, start) : std::max(out, start);
        workers = true;
    }
    return workers || nginx ? out : startOf(proc, proc + "/" + master);
}

Service serviceOfProcess(const std::string& home, const std::string& program, const Places& places) {
    Service out;
    out.program = program;
    if (!seesFilesOfHost(places.proc, home)) {
        out.test.unknown =
            "it runs on other files than this host's, in a container or a root directory of its own";
        return out;
    }
    if (!isRoot(home)) {
        out.test.unknown = "its process is not root's: only the command line of a process of root is tested";
        return out;
    }
    program == "nginx" ? readNginx(home, places, out) : readHaproxy(home, out);
    if (!out.test.unknown.empty()) {
        return out;
    }
    readExecutable(home, out);
    if (const auto path = otherFile(home, out.test.files); out.test.unknown.empty() && !path.empty()) {
        out.test.unknown = "it sees another " + path + " than this host has";
    }
    return out;
}

Service serviceOfUnit(const UnitCommand& command, const std::string& program) {
    Service out;
    out.program = program;
    out.executable = command.words[0];
    const std::vector<std::string> arguments(command.words.begin() + 1, command.words.end());
    out.test = program == "nginx" ? nginxTest(arguments) : haproxyTest(arguments, "/");
    out.environment = command.environment;
    if (!command.unknown.empty()) {
        out.test.unknown = command.unknown;
    } else if (!out.executable.starts_with('/') || files::othersMayChange(out.executable)) {
        out.test.unknown = out.executable + " does not exist, or others than root may change it";
    }
    return out;
}

void addOnce(Service service, std::vector<Service>& out) {
    service.environment = inheritable(service.environment);
    // They choose libraries, modules and code that the program loads.
    constexpr std::array load{"LD_", "LUA_", "PERL", "OPENSSL_", "GCONV_", "LOCPATH=", "NLSPATH="};
    const bool loads_others =
        std::any_of(service.environment.begin(), service.environment.end(), [&](const auto& variable) {
            return std::any_of(load.begin(), load.end(),
                               [&](const char* prefix) { return variable.starts_with(prefix); });
        });
    if (loads_others && service.test.unknown.empty()) {
        service.test.unknown = "its environment loads other code (LD_..., LUA_..., PERL..., OPENSSL_...)";
    }
    // Whoever starts a program chooses its name and its title.
    if (service.test.unknown.empty() &&
        service.executable.substr(service.executable.rfind('/') + 1) != service.program) {
        service.test.unknown = service.executable + " is not " + service.program;
    }
    const bool known = std::any_of(out.begin(), out.end(), [&](const auto& other) {
        return other.program == service.program && other.executable == service.executable &&
               other.test.argv == service.test.argv && other.test.unknown == service.test.unknown;
    });
    if (!known && out.size() < kMostServices) {
        out.push_back(std::move(service));
    }
}

/// The enabled services of a program, in place of processes that say nothing.
void addEnabled(const std::string& program, const Places& places, std::vector<Service>& out) {
    const Units units(places.root);
    for (const auto& unit : units.systemdHasBooted() ? units.enabled() : std::set<std::string>{}) {
        if (!unit.starts_with(program)) {
            continue;
        }
        const auto command = unitCommand(units, unit, program, places.root);
        if (!command.words.empty()) {
            std::erase_if(out, [&](const auto& other) {
                return other.program == program && !other.test.unknown.empty();
            });
            addOnce(serviceOfUnit(command, program), out);
        }
    }
}

}  // namespace

std::vector<std::string> inheritable(const std::vector<std::string>& environment) {
    constexpr std::array own_words{"NGINX=",
                                   "NOTIFY_SOCKET=",
                                   "LISTEN_",
                                   "WATCHDOG_",
                                   "MAINPID=",
                                   "INVOCATION_ID=",
                                   "JOURNAL_STREAM=",
                                   "SYSTEMD_EXEC_PID=",
                                   "LC_ALL=",
                                   "HAPROXY_MWORKER",
                                   "HAPROXY_STARTUP",
                                   "HAPROXY_PROCESSES=",
                                   "HAPROXY_CFGFILES=",
                                   "HAPROXY_CLI=",
                                   "HAPROXY_MASTER_CLI=",
                                   "HAPROXY_LOCALPEER=",
                                   "HAPROXY_BRANCH="};
    std::vector<std::string> out;
    for (const auto& variable : environment) {
        const bool own = std::any_of(own_words.begin(), own_words.end(),
                                     [&](const char* prefix) { return variable.starts_with(prefix); });
        if (!own && variable.find('=') != std::string::npos) {
            out.push_back(variable);
        }
    }
    return out;
}

std::vector<Service> findServices(const Places& places) {
    std::vector<Service> out;
    for (const std::string program : kPrograms) {
        bool runs = false;
        for (const auto& name : entriesOf(places.proc)) {
            int pid = 0;
            if (std::from_chars(name.data(), name.data() + name.size(), pid).ptr !=
                name.data() + name.size()) {
                continue;
            }
            const auto home = places.proc + "/" + name;
            // A process that holds its memory locked hangs who reads its title, not who reads its name.
            if (commOf(home) != program || !isMaster(places.proc, home, program)) {
                continue;
            }
            auto service = serviceOfProcess(home, program, places);
            service.loaded = loadedAt(places.proc, name, program);
            runs = runs || service.test.unknown.empty();
            addOnce(std::move(service), out);
        }
        if (!runs) {
            addEnabled(program, places, out);
        }
    }
    return out;
}

}  // namespace lapwing::agent::configtest
