#include "agent/snapshot/helper/boot_plan.h"

#include <sys/stat.h>

#include <algorithm>
#include <cctype>
#include <iterator>
#include <set>
#include <sstream>
#include <string_view>
#include <utility>

#include "agent/snapshot/helper/units.h"
#include "common/glob.h"

namespace lapwing::agent {

namespace {

constexpr std::size_t kMostFileBytes = 1U << 20;
constexpr std::size_t kMostScriptBytes = 1U << 16;
constexpr std::size_t kMostFiles = 256;
/// Programs that generate rules from settings of their own.
constexpr const char* kMakers[] = {"ufw-init", "firewalld", "shorewall", "shorewall6", "ferm"};

std::string nameOf(const std::string& path) {
    return path.substr(path.rfind('/') + 1);
}

bool loadsRules(std::string_view word) {
    return word == "nft" || word == "ipset" || word.starts_with("iptables") || word.starts_with("ip6tables");
}

bool isPartOfWord(char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-';
}

/// True if the text contains a command of the packet filter.
bool namesFilter(std::string_view text) {
    std::size_t at = 0;
    while (at < text.size()) {
        const auto begin =
            std::find_if(text.begin() + static_cast<std::ptrdiff_t>(at), text.end(), isPartOfWord);
        const auto end = std::find_if_not(begin, text.end(), isPartOfWord);
        if (loadsRules({begin, end})) {
            return true;
        }
        at = static_cast<std::size_t>(end - text.begin());
    }
    return false;
}

bool isThere(const std::string& path) {
    struct stat about {};
    return stat(path.c_str(), &about) == 0;
}

/// Changes whenever the file changes: the change time, unlike the modification time, cannot be set.
std::string stampOf(const std::string& path) {
    struct stat about {};
    if (stat(path.c_str(), &about) != 0) {
        return path + " absent\n";
    }
    return path + " " + std::to_string(about.st_dev) + ":" + std::to_string(about.st_ino) + " " +
           std::to_string(about.st_size) + " " + std::to_string(about.st_ctim.tv_sec) + "." +
           std::to_string(about.st_ctim.tv_nsec) + "\n";
}

/// The patterns of `include "..."`.
std::vector<std::string> includesOf(const std::string& text) {
    std::vector<std::string> out;
    std::istringstream in(text);
    std::string line;
    while (std::getline(in, line)) {
        const auto begin = line.find_first_not_of(" \t");
        if (begin == std::string::npos || line.compare(begin, 7, "include") != 0) {
            continue;
        }
        const auto open = line.find('"', begin);
        const auto close = open == std::string::npos ? open : line.find('"', open + 1);
        if (close != std::string::npos) {
            out.push_back(line.substr(open + 1, close - open - 1));
        }
    }
    return out;
}

class Planner {
  public:
    Planner(const std::string& root, const std::vector<std::string>& interfaces)
        : root_(root), interfaces_(interfaces), units_(root) {}

    BootPlan run() {
        if (!units_.systemdHasBooted()) {
            plan_.unknown = "systemd has not booted this host: the loading of rules at boot is not assessed";
            return plan_;
        }
        const auto enabled = units_.enabled();
        for (const auto& service : enabled) {
            readService(service);
        }
        if (enabled.contains("networking.service")) {
            checkInterfaces();
        }
        // The scratch namespace loads them one after the other; their order at boot is unknown.
        if (flushes_ && loading_.size() > 1 && plan_.unknown.empty()) {
            plan_.unknown = "which is first at boot: " + *loading_.begin() + " or " + *loading_.rbegin() +
                            "; one of them flushes the rules loaded before it";
        }
        for (const auto& name : interfaces_) {
            if (text_.find(name) != std::string::npos) {
                plan_.interfaces.push_back(name);
            }
        }
        finish();
        return std::move(plan_);
    }

  private:
    void readService(const std::string& service) {
        for (const auto& words : units_.commandsOf(service)) {
            const auto program = nameOf(words[0]);
            if (std::find(std::begin(kMakers), std::end(kMakers), program) != std::end(kMakers)) {
                addMaker(service, program);
            } else if (program == "netfilter-persistent") {
                addPersistent(service);
            } else if (const auto file =
                           std::find_if(words.begin(), words.end(),
                                        [](const auto& word) { return word == "-f" || word == "--file"; });
                       program == "nft" && file != words.end() && std::next(file) != words.end()) {
                add(service, *std::next(file), BootPlan::Tool::nft);
            } else {
                checkCommand(service, words);
            }
        }
    }

    void addMaker(const std::string& service, const std::string& program) {
        if (program == "ufw-init") {
            const auto settings = textOfFile(root_ + "/etc/ufw/ufw.conf", kMostScriptBytes);
            if (("\n" + settings).find("\nENABLED=yes") == std::string::npos) {
                plan_.faults.push_back(service + ": /etc/ufw/ufw.conf does not say ENABLED=yes");
                return;
            }
        }
        plan_.makers.push_back(service);
    }

    /// Its plugins come with the package iptables-persistent, which skips absent files.
    void addPersistent(const std::string& service) {
        struct Plugin {
            const char* name;
            const char* file;
            BootPlan::Tool tool;
        };
        bool loads = false;
        for (const auto& plugin :
             {Plugin{"15-ip4tables", "/etc/iptables/rules.v4", BootPlan::Tool::iptables},
              Plugin{"25-ip6tables", "/etc/iptables/rules.v6", BootPlan::Tool::ip6tables}}) {
            if (isThere(root_ + "/usr/share/netfilter-persistent/plugins.d/" + plugin.name) &&
                isThere(root_ + plugin.file)) {
                add(service, plugin.file, plugin.tool);
                loads = true;
            }
        }
        if (!loads) {
            plan_.faults.push_back(service + ": neither /etc/iptables/rules.v4 nor rules.v6 exists");
        }
    }

    void add(const std::string& service, const std::string& file, BootPlan::Tool tool) {
        if (!isThere(root_ + file)) {
            plan_.faults.push_back(service + ": " + file + " is not there");
            return;
        }
        loading_.insert(service);
        plan_.sources.push_back({service, file, tool});
        read(root_ + file, tool == BootPlan::Tool::nft);
    }

    /// Records the text of a file and of the files that it includes.
    void read(const std::string& path, bool nft) {
        if (!read_.insert(path).second || read_.size() > kMostFiles) {
            return;
        }
        const auto text = textOfFile(path, kMostFileBytes);
        stamps_ += stampOf(path);
        text_ += text;
        flushes_ = flushes_ || (nft && text.find("flush ruleset") != std::string::npos);
        for (auto pattern : nft ? includesOf(text) : std::vector<std::string>{}) {
            if (!pattern.starts_with('/')) {
                pattern.insert(0, root_ + "/etc/");
            }
            stamps_ += pattern + "\n";
            for (const auto& included : filesMatching(pattern)) {
                read(included, true);
            }
        }
    }

    void checkCommand(const std::string& service, const std::vector<std::string>& words) {
        const auto script = textOfFile(root_ + words[0], kMostScriptBytes);
        const bool named = std::any_of(words.begin(), words.end(), namesFilter) ||
                           (script.starts_with("#!") && namesFilter(script));
        if (named && plan_.unknown.empty()) {
            plan_.unknown = service + " may load rules: " + words[0];
        }
    }

    void checkInterfaces() {
        std::vector<std::string> files{root_ + "/etc/network/interfaces"};
        for (const auto* directory : {"interfaces.d", "if-pre-up.d", "if-up.d"}) {
            const auto place = root_ + "/etc/network/" + directory;
            for (const auto& name : entriesOf(place)) {
                files.push_back(place);
                files.back().append("/").append(name);
            }
        }
        for (const auto& file : files) {
            if (plan_.unknown.empty() && namesFilter(textOfFile(file, kMostScriptBytes))) {
                plan_.unknown = file.substr(root_.size()) + " may load rules";
            }
        }
    }

    void finish() {
        auto& print = plan_.fingerprint;
        for (const auto& source : plan_.sources) {
            print += source.unit + " " + source.file + "\n";
        }
        for (const auto* list : {&plan_.makers, &plan_.faults, &plan_.interfaces}) {
            for (const auto& entry : *list) {
                print += entry + "\n";
            }
        }
        for (const auto* tool :
             {"/usr/sbin/nft", "/usr/sbin/iptables-restore", "/usr/sbin/ip6tables-restore"}) {
            print += stampOf(root_ + tool);
        }
        print += plan_.unknown + "\n" + stamps_;
    }

    const std::string& root_;
    const std::vector<std::string>& interfaces_;
    Units units_;
    BootPlan plan_;
    std::set<std::string> loading_;  ///< units
    std::set<std::string> read_;
    std::string stamps_;
    std::string text_;
    bool flushes_ = false;
};

}  // namespace

BootPlan planBoot(const std::string& root, const std::vector<std::string>& interfaces) {
    return Planner(root, interfaces).run();
}

}  // namespace lapwing::agent
