#include "agent/snapshot/helper/units.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <sstream>
#include <string_view>
#include <utility>

namespace lapwing::agent {

namespace {

/// In the order of precedence. The generators' directories hold units for init scripts and /etc/rc.local.
constexpr const char* kDirectories[] = {"/etc/systemd/system",           "/run/systemd/system",
                                        "/run/systemd/generator.early",  "/run/systemd/generator",
                                        "/usr/local/lib/systemd/system", "/usr/lib/systemd/system",
                                        "/lib/systemd/system",           "/run/systemd/generator.late"};
/// Targets outside a boot.
constexpr const char* kOtherTargets[] = {"shutdown", "reboot", "poweroff", "halt",     "kexec",
                                         "umount",   "final",  "rescue",   "emergency"};
constexpr std::size_t kMostUnitBytes = 1U << 16;

struct Closer {
    void operator()(DIR* directory) const { closedir(directory); }
};

bool isOfBoot(const std::string& directory) {
    if (!directory.ends_with(".wants") && !directory.ends_with(".requires")) {
        return false;
    }
    const auto target = directory.substr(0, directory.find('.'));
    return std::none_of(std::begin(kOtherTargets), std::end(kOtherTargets),
                        [&](const char* other) { return target == other; });
}

bool isMask(const std::string& path) {
    std::array<char, 16> target{};
    const auto size = readlink(path.c_str(), target.data(), target.size());
    struct stat about {};
    return (size > 0 && std::string_view(target.data(), static_cast<std::size_t>(size)) == "/dev/null") ||
           (stat(path.c_str(), &about) == 0 && S_ISREG(about.st_mode) && about.st_size == 0);
}

std::vector<std::string> wordsOf(std::string line) {
    std::erase_if(line, [](char c) { return c == '"' || c == '\''; });
    std::istringstream in(line);
    std::vector<std::string> words;
    std::string word;
    while (in >> word) {
        words.push_back(word);
    }
    if (!words.empty()) {
        words[0].erase(0, std::min(words[0].find_first_not_of("-@:+!"), words[0].size()));
    }
    return words;
}

using Settings = std::map<std::string, std::vector<std::string>>;

/// Adds the settings of a unit's file or of a drop-in; an empty value removes the earlier ones.
void readSettings(const std::string& text, Settings& out) {
    std::istringstream in(text);
    std::string line;
    std::string whole;
    while (std::getline(in, line)) {
        whole += line;
        if (whole.ends_with('\\')) {
            whole.back() = ' ';
            continue;
        }
        const auto equals = whole.find('=');
        if (equals != std::string::npos && whole[0] != '#' && whole[0] != ';') {
            const auto from = std::min(whole.find_first_not_of(" \t", equals + 1), whole.size());
            auto& values = out[whole.substr(0, whole.find_last_not_of(" \t", equals - 1) + 1)];
            if (from == whole.size()) {
                values.clear();
            } else {
                values.push_back(whole.substr(from));
            }
        }
        whole.clear();
    }
}

}  // namespace

std::vector<std::string> entriesOf(const std::string& directory) {
    std::vector<std::string> names;
    const std::unique_ptr<DIR, Closer> open(opendir(directory.c_str()));
    while (open != nullptr) {
        const auto* entry = readdir(open.get());
        if (entry == nullptr) {
            break;
        }
        const std::string name(entry->d_name);
        if (name != "." && name != "..") {
            names.push_back(name);
        }
    }
    std::sort(names.begin(), names.end());
    return names;
}

std::string textOfFile(const std::string& path, std::size_t most) {
    // A FIFO or a device would hang, or never end.
    struct stat about {};
    if (stat(path.c_str(), &about) != 0 || !S_ISREG(about.st_mode)) {
        return "";
    }
    std::ifstream file(path, std::ios::binary);
    std::string text(std::min(most, static_cast<std::size_t>(about.st_size)), '\0');
    file.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(std::max<std::streamsize>(file.gcount(), 0)));
    return text;
}

Units::Units(std::string root) : root_(std::move(root)) {}

bool Units::systemdHasBooted() const {
    struct stat about {};
    return stat((root_ + "/run/systemd/system").c_str(), &about) == 0 &&
           stat((root_ + "/etc/systemd/system").c_str(), &about) == 0;
}

std::string Units::fileOf(const std::string& service) const {
    for (const auto* directory : kDirectories) {
        const auto path = root_ + directory + "/" + service;
        struct stat about {};
        if (lstat(path.c_str(), &about) == 0) {
            return isMask(path) ? "" : path;
        }
    }
    return "";
}

std::set<std::string> Units::enabled() const {
    std::set<std::string> out;
    for (const auto* directory : kDirectories) {
        for (const auto& name : entriesOf(root_ + directory)) {
            for (const auto& wanted :
                 isOfBoot(name) ? entriesOf(root_ + directory + "/" + name) : std::vector<std::string>{}) {
                if (wanted.ends_with(".service") && !fileOf(wanted).empty()) {
                    out.insert(wanted);
                }
            }
        }
    }
    return out;
}

std::map<std::string, std::vector<std::string>> Units::settingsOf(const std::string& service) const {
    Settings out;
    readSettings(textOfFile(fileOf(service), kMostUnitBytes), out);
    // The first directory wins among drop-ins of one name; systemd reads them in the order of their names.
    std::map<std::string, std::string> drop_ins;
    for (const auto* directory : kDirectories) {
        const auto place = root_ + directory + "/" + service + ".d";
        for (const auto& name : entriesOf(place)) {
            if (name.ends_with(".conf")) {
                auto path = place;
                drop_ins.emplace(name, path.append("/").append(name));
            }
        }
    }
    for (const auto& [name, path] : drop_ins) {
        readSettings(textOfFile(path, kMostUnitBytes), out);
    }
    return out;
}

std::vector<std::vector<std::string>> Units::commandsOf(const std::string& service) const {
    const auto settings = settingsOf(service);
    std::vector<std::vector<std::string>> out;
    for (const auto* key : {"ExecStartPre", "ExecStart", "ExecStartPost"}) {
        const auto found = settings.find(key);
        for (const auto& value : found == settings.end() ? std::vector<std::string>{} : found->second) {
            if (auto words = wordsOf(value); !words.empty()) {
                out.push_back(std::move(words));
            }
        }
    }
    return out;
}

}  // namespace lapwing::agent
