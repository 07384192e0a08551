#include "agent/snapshot/helper/check_command.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <set>
#include <sstream>
#include <string_view>
#include <utility>
#include <vector>

#include "common/endpoint.h"
#include "common/files.h"

namespace lapwing::agent {

namespace {

using vrrp::Watched;
using Words = std::vector<std::string>;

constexpr std::array kPath{"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"};

Words wordsOf(const std::string& command) {
    std::istringstream in(command);
    Words out;
    for (std::string word; in >> word;) {
        out.push_back(std::move(word));
    }
    return out;
}

std::string baseName(const std::string& path) {
    return path.substr(path.rfind('/') + 1);
}

/// The characters that a shell, or pgrep's regular expressions, would interpret.
bool isPlain(const std::string& text) {
    return text.find_first_of("$`|;&<>()'\"\\*?[]{}^+~") == std::string::npos;
}

/// `sh -c 'COMMAND'` is COMMAND.
std::string withoutShell(const std::string& command) {
    const auto words = wordsOf(command);
    static const std::set<std::string> shells{"sh", "bash", "dash"};
    if (words.size() < 3 || words[1] != "-c" || !shells.contains(baseName(words[0]))) {
        return command;
    }
    auto inner = command.substr(command.find("-c") + 2);
    inner.erase(0, inner.find_first_not_of(" \t"));
    inner.erase(inner.find_last_not_of(" \t") + 1);
    if (inner.size() > 2 && inner.front() == inner.back() &&
        (inner.front() == '\'' || inner.front() == '"')) {
        return inner.substr(1, inner.size() - 2);
    }
    return inner;
}

/// The only argument that is no option; "" unless there is one and every option is among `options`.
std::string onlyTarget(const Words& words, std::size_t from, const std::set<std::string>& options) {
    std::string out;
    for (std::size_t i = from; i < words.size(); ++i) {
        if (words[i].starts_with('-')) {
            if (!options.contains(words[i])) {
                return "";
            }
        } else if (!out.empty()) {
            return "";
        } else {
            out = words[i];
        }
    }
    return out;
}

CheckCommand ofProgram(const std::string& name) {
    return name.empty() ? CheckCommand{} : CheckCommand{Watched::program, baseName(name)};
}

CheckCommand ofService(std::string unit) {
    constexpr std::string_view suffix = ".service";
    if (unit.ends_with(suffix)) {
        unit.erase(unit.size() - suffix.size());
    }
    return ofProgram(unit);
}

CheckCommand ofPgrep(const Words& words) {
    auto pattern = onlyTarget(words, 1, {"-x", "--exact", "-l", "-n", "-o", "-c", "--count"});
    const bool exact = std::any_of(words.begin(), words.end(),
                                   [](const auto& word) { return word == "-x" || word == "--exact"; });
    const bool anchored = pattern.size() > 2 && pattern.front() == '^' && pattern.back() == '$';
    if (anchored) {
        pattern = pattern.substr(1, pattern.size() - 2);
    }
    if (pattern.empty() || !isPlain(pattern)) {
        return {};
    }
    return {exact || anchored ? Watched::program : Watched::pattern, pattern};
}

CheckCommand ofRequest(const Words& words) {
    static const std::set<std::string> elsewhere{
        "--unix-socket", "--abstract-unix-socket", "--connect-to", "--resolve", "--proxy", "-x", "--next",
        "--interface"};
    const bool direct =
        std::none_of(words.begin(), words.end(), [](const auto& word) { return elsewhere.contains(word); });
    const auto& last = words.back();
    const auto endpoint = Endpoint::ofUrl(last.find("://") == std::string::npos ? "http://" + last : last);
    if (!direct || words.size() < 2 || last.starts_with('-') || !endpoint) {
        return {};
    }
    return {Watched::port, endpoint->host + ":" + std::to_string(endpoint->port)};
}

CheckCommand ofNetcat(const Words& words) {
    const auto options = words.size() < 4 ? Words{} : Words(words.begin() + 1, words.end() - 2);
    const bool scans = std::any_of(options.begin(), options.end(), [](const auto& word) {
        return word.starts_with('-') && word.find('z') != std::string::npos &&
               word.find('u') == std::string::npos;
    });
    return scans ? CheckCommand{Watched::port, words[words.size() - 2] + ":" + words.back()} : CheckCommand{};
}

CheckCommand known(const Words& words, bool as_root) {
    const auto program = baseName(words[0]);
    if (program == "killall") {
        const bool asks = std::find(words.begin(), words.end(), "-0") != words.end();
        return asks && as_root ? ofProgram(onlyTarget(words, 1, {"-0", "-q", "-e"})) : CheckCommand{};
    }
    if (program == "pidof") {
        return ofProgram(onlyTarget(words, 1, {"-s", "-q"}));
    }
    if (program == "pgrep") {
        return ofPgrep(words);
    }
    if (program == "systemctl" && words.size() > 2 && words[1] == "is-active") {
        return ofService(onlyTarget(words, 2, {"-q", "--quiet"}));
    }
    if (program == "systemctl" && words.size() > 3 && words[2] == "is-active") {
        return words[1] == "-q" || words[1] == "--quiet" ? ofService(onlyTarget(words, 3, {}))
                                                         : CheckCommand{};
    }
    if (program == "service" && words.size() == 3 && words[2] == "status") {
        return ofService(words[1]);
    }
    if (words[0].starts_with("/etc/init.d/") && words.size() == 2 && words[1] == "status") {
        return ofService(program);
    }
    if (program == "curl" || program == "wget") {
        return ofRequest(words);
    }
    if (program == "nc" || program == "netcat") {
        return ofNetcat(words);
    }
    static const std::set<std::string> outside{"true", "false", "ping", "ping6", "fping", "arping"};
    return outside.contains(program) ? CheckCommand{Watched::other, ""} : CheckCommand{};
}

}  // namespace

CheckCommand checkCommand(const std::string& command, bool as_root) {
    const auto words = wordsOf(withoutShell(command));
    if (words.empty()) {
        return {};
    }
    const auto tool = baseName(words[0]);
    const bool requests = tool == "curl" || tool == "wget";
    // The pattern of pgrep may have anchors, the options of curl may have formats and quotes.
    const bool plain = std::all_of(words.begin(), words.end(), [&](const auto& word) {
        return requests ? word.find_first_of("$`|;&<>()") == std::string::npos
                        : isPlain(word) || (tool == "pgrep" && word.starts_with('^'));
    });
    const auto out = plain ? known(words, as_root) : CheckCommand{};
    return out.watched == Watched::unknown ? CheckCommand{Watched::unknown, words[0]} : out;
}

std::string scriptFault(const std::string& command, bool security) {
    const auto words = wordsOf(command);
    if (words.empty()) {
        return "it has no command";
    }
    std::vector<std::string> candidates{words[0]};
    if (words[0].find('/') == std::string::npos) {
        candidates.clear();
        for (const auto* folder : kPath) {
            candidates.push_back(std::string(folder) + "/" + words[0]);
        }
    }
    for (const auto& path : candidates) {
        struct stat file {};
        if (::stat(path.c_str(), &file) != 0 || !S_ISREG(file.st_mode)) {
            continue;
        }
        if ((file.st_mode & (S_IXUSR | S_IXGRP | S_IXOTH)) == 0) {
            return path + " is not executable";
        }
        return security && files::othersMayChange(path)
                   ? "others than root may change " + path + ", and enable_script_security is set"
                   : "";
    }
    return words[0] + " does not exist";
}

}  // namespace lapwing::agent
