#include "agent/snapshot/helper/rehearse.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <string_view>
#include <utility>

#include "agent/host/host.h"
#include "agent/snapshot/helper/read_rules.h"
#include "common/files.h"
#include "common/reach/ruleset.h"
#include "common/run_tool.h"

namespace lapwing::agent {

namespace {

using Clock = std::chrono::steady_clock;

/// The largest document.
constexpr std::size_t kMostListing = 1U << 20;

std::string firstLine(const std::string& text) {
    return text.substr(0, text.find('\n'));
}

/// In a user namespace without a user id of its own, a program keeps its capabilities only as ambient ones.
/// (Mapping an id to root would need CAP_SETFCAP.)
bool keepCapabilities() {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    std::array<__user_cap_data_struct, 2> data{};
    if (syscall(SYS_capget, &header, data.data()) != 0) {
        return false;
    }
    data[0].inheritable |= (1U << CAP_NET_ADMIN) | (1U << CAP_NET_RAW);
    return syscall(SYS_capset, &header, data.data()) == 0 &&
           prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_ADMIN, 0, 0) == 0 &&
           prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_RAW, 0, 0) == 0;
}

/// Moves this process into a network namespace of its own. Returns "", or the reason of a failure.
std::string enterScratchNamespace() {
    const auto before = networkNamespace("/proc");
    if (unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) {
        return std::string("making a scratch namespace: ") + std::strerror(errno);
    }
    if (before == 0 || networkNamespace("/proc") == before) {
        return "making a scratch namespace: this is still the host's namespace";
    }
    if (!keepCapabilities()) {
        return std::string("keeping the capabilities in the scratch namespace: ") + std::strerror(errno);
    }
    return "";
}

/// Rules that name an interface load only where it exists. The kernel decides which kinds can be made.
void addInterface(const std::string& name, const CollectOptions& options) {
    for (const auto* kind : {"dummy", "bridge", "veth"}) {
        const auto made = runTool({options.tools + "/ip", "link", "add", name, "type", kind},
                                  options.tool_deadline, kMostListing);
        if (made.status == ReadStatus::ok) {
            return;
        }
    }
}

std::vector<std::string> loadCommand(const BootPlan::Source& source, const CollectOptions& options) {
    const auto file = options.root + source.file;
    switch (source.tool) {
        case BootPlan::Tool::nft:
            return {options.nft, "-f", file};
        case BootPlan::Tool::iptables:
            return {options.tools + "/iptables-restore", file};
        case BootPlan::Tool::ip6tables:
            return {options.tools + "/ip6tables-restore", file};
    }
    return {};
}

/// True for errors of the file itself. Other errors may come from the scratch namespace (a missing interface
/// or module, no network): then the result of a boot is unknown.
bool isWrongInItself(const std::string& error) {
    const auto holds = [&](const char* text) { return error.find(text) != std::string::npos; };
    return !holds("ermission denied") &&
           (holds("syntax error") || holds("unknown identifier") || holds("File not found") ||
            holds("Could not open file") || holds("Bad argument") || holds("unknown option"));
}

/// The legacy tables that the sources may have made. The file that lists them is root's, who is nobody in the
/// scratch namespace.
Expected<std::vector<std::string>> legacyTables(const BootPlan& plan, const CollectOptions& options) {
    std::vector<std::string> out;
    for (const auto& source : plan.sources) {
        if (source.tool == BootPlan::Tool::nft) {
            continue;
        }
        const auto tool = loadCommand(source, options).front();
        const auto version = runTool({tool, "--version"}, options.tool_deadline, kMostToolOutput);
        if (version.output.find("(legacy)") == std::string::npos) {
            continue;
        }
        const std::string family = source.tool == BootPlan::Tool::iptables ? "ip " : "ip6 ";
        const auto text = files::readFile(options.root + source.file, kMostRulesOutput);
        if (!text) {
            return fail(text.error());
        }
        for (const auto& table : reach::tablesOfSave(*text)) {
            out.push_back(family + table);
        }
    }
    return out;
}

Rehearsal perform(const BootPlan& plan, const CollectOptions& options) {
    Rehearsal out;
    out.unknown = enterScratchNamespace();
    if (!out.unknown.empty()) {
        return out;
    }
    for (const auto& name : plan.interfaces) {
        addInterface(name, options);
    }
    for (const auto& source : plan.sources) {
        const auto loaded = runTool(loadCommand(source, options), options.tool_deadline, kMostListing);
        if (loaded.status == ReadStatus::ok) {
            continue;
        }
        const auto what = source.unit + " " + source.file + ": " + firstLine(loaded.error);
        if (isWrongInItself(loaded.error)) {
            out.faults.push_back(what);
        } else {
            out.unknown = "rehearsing " + what;
            return out;
        }
    }
    Snapshot scratch;
    auto anew = options;
    anew.previous.clear();
    auto legacy = legacyTables(plan, options);
    if (!legacy) {
        out.unknown = "rehearsal: " + legacy.error().message;
        return out;
    }
    anew.legacy_tables = std::move(*legacy);
    readRules(anew, scratch);
    auto listing = listingOf(scratch);
    if (!listing) {
        out.unknown = "rehearsal: " + listing.error().message;
    } else if (listing->size() > kMostListing) {
        out.unknown = "rehearsal: the rules take more than " + std::to_string(kMostListing) + " bytes";
    } else {
        out.listing = std::move(*listing);
    }
    return out;
}

// The child's report: a line for each fault and for the reason, then the listing.

std::string toText(const Rehearsal& rehearsal) {
    std::string out;
    for (const auto& fault : rehearsal.faults) {
        out += "fault " + fault + "\n";
    }
    return out + "unknown " + rehearsal.unknown + "\n" + rehearsal.listing;
}

Rehearsal fromText(std::string_view text) {
    Rehearsal out;
    while (text.starts_with("fault ")) {
        const auto end = std::min(text.find('\n'), text.size());
        out.faults.emplace_back(text.substr(6, end - 6));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    const auto end = text.find('\n');
    if (!text.starts_with("unknown ") || end == std::string_view::npos) {
        out.unknown = "rehearsal: its process ended without a report";
        return out;
    }
    out.unknown = text.substr(8, end - 8);
    out.listing = text.substr(end + 1);
    return out;
}

void writeAll(int fd, std::string_view text) {
    while (!text.empty()) {
        const auto some = write(fd, text.data(), text.size());
        if (some < 0 && errno != EINTR) {
            return;
        }
        text.remove_prefix(static_cast<std::size_t>(std::max<ssize_t>(some, 0)));
    }
}

/// Reads until the other side closes. False at the deadline.
bool readAll(int fd, Clock::time_point end, std::string& out) {
    std::array<char, 16'384> buffer{};
    for (;;) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now()).count();
        if (left <= 0) {
            return false;
        }
        pollfd wait{fd, POLLIN, 0};
        const int ready = poll(&wait, 1, static_cast<int>(left));
        if (ready <= 0) {
            continue;
        }
        const auto got = read(fd, buffer.data(), buffer.size());
        if (got == 0 || (got < 0 && errno != EINTR)) {
            return true;
        }
        out.append(buffer.data(), static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    }
}

}  // namespace

Rehearsal rehearse(const BootPlan& plan, const CollectOptions& options) {
    Rehearsal out;
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) != 0) {
        out.unknown = std::string("rehearsal: pipe: ") + std::strerror(errno);
        return out;
    }
    const pid_t child = fork();
    if (child == 0) {
        // A process group of its own, so that its tools end with it.
        setpgid(0, 0);
        close(ends[0]);
        const bool at_root = chdir("/") == 0;
        writeAll(ends[1], toText(at_root ? perform(plan, options) : Rehearsal{}));
        _exit(0);
    }
    close(ends[1]);
    if (child < 0) {
        close(ends[0]);
        out.unknown = std::string("rehearsal: fork: ") + std::strerror(errno);
        return out;
    }
    setpgid(child, child);
    std::string text;
    const bool ended = readAll(ends[0], Clock::now() + options.rehearsal_deadline, text);
    close(ends[0]);
    kill(-child, SIGKILL);
    kill(child, SIGKILL);
    while (waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
    }
    if (!ended) {
        out.unknown = "rehearsal: no end within the deadline";
        return out;
    }
    return fromText(text);
}

}  // namespace lapwing::agent
