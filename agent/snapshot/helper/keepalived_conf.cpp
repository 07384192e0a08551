#include "agent/snapshot/helper/keepalived_conf.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <utility>

#include "common/glob.h"

namespace lapwing::agent {

namespace {

constexpr int kMostIncludes = 64;
constexpr std::size_t kMostText = 1U << 20U;

/// The words of one line; braces are words of their own, quotes join a word.
std::vector<std::string> wordsOf(const std::string& line) {
    std::vector<std::string> out;
    std::string word;
    bool quoted = false;
    const auto end = [&] {
        if (!word.empty()) {
            out.push_back(std::move(word));
            word.clear();
        }
    };
    for (const char c : line) {
        const bool parts = !quoted && std::string_view(" \t\r{}").find(c) != std::string_view::npos;
        if (c == '"') {
            quoted = !quoted;
        } else if (!quoted && (c == '#' || c == '!') && word.empty()) {
            break;
        } else if (!parts) {
            word += c;
        } else {
            end();
            if (c == '{' || c == '}') {
                out.emplace_back(1, c);
            }
        }
    }
    end();
    return out;
}

/// A line of the file and, where braces follow, the lines between them.
struct Entry {
    std::vector<std::string> words;
    std::vector<Entry> block;
};

class Tree {
  public:
    explicit Tree(std::string_view text) {
        std::istringstream in{std::string(text)};
        for (std::string line; std::getline(in, line);) {
            std::vector<std::string> words;
            for (auto& word : wordsOf(line)) {
                if (word == "{" || word == "}") {
                    add(std::move(words));
                    words.clear();
                    lines_.push_back({std::move(word)});
                } else {
                    words.push_back(std::move(word));
                }
            }
            add(std::move(words));
        }
    }

    std::vector<Entry> read() {
        std::vector<Entry> out;
        while (at_ < lines_.size()) {
            auto& words = lines_[at_++];
            if (words[0] == "}") {
                break;
            }
            if (words[0] == "{") {
                auto block = read();
                if (!out.empty()) {
                    out.back().block = std::move(block);
                }
            } else {
                out.push_back({std::move(words), {}});
            }
        }
        return out;
    }

  private:
    void add(std::vector<std::string> words) {
        if (!words.empty()) {
            lines_.push_back(std::move(words));
        }
    }

    std::vector<std::vector<std::string>> lines_;
    std::size_t at_ = 0;
};

std::string argument(const Entry& entry) {
    return entry.words.size() > 1 ? entry.words[1] : "";
}

int numberOf(const std::string& text, int otherwise) {
    int value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc() && end == text.data() + text.size() ? value : otherwise;
}

std::vector<std::string> firstWords(const Entry& entry) {
    std::vector<std::string> out;
    for (const auto& line : entry.block) {
        out.push_back(line.words[0]);
    }
    return out;
}

void addTracks(const Entry& entry, std::vector<std::string>& tracks) {
    for (auto& name : firstWords(entry)) {
        if (std::find(tracks.begin(), tracks.end(), name) == tracks.end()) {
            tracks.push_back(std::move(name));
        }
    }
}

bool isTrack(const std::string& key) {
    return key == "track_script" || key == "track_process" || key == "track_file";
}

VrrpInstance instanceOf(const Entry& entry) {
    VrrpInstance out;
    out.name = argument(entry);
    out.initial_state = "BACKUP";
    for (const auto& line : entry.block) {
        const auto& key = line.words[0];
        if (key == "interface") {
            out.interface = argument(line);
        } else if (key == "virtual_router_id") {
            out.virtual_router_id = numberOf(argument(line), 0);
        } else if (key == "priority") {
            out.priority = numberOf(argument(line), out.priority);
        } else if (key == "state") {
            out.initial_state = argument(line);
        } else if (key == "virtual_ipaddress" || key == "virtual_ipaddress_excluded") {
            for (const auto& address : firstWords(line)) {
                out.addresses.push_back(address.substr(0, address.find('/')));
            }
        } else if (key == "unicast_peer") {
            out.peers = firstWords(line);
        } else if (isTrack(key)) {
            addTracks(line, out.tracks);
        }
    }
    return out;
}

/// The tracks of a group move each of its instances.
void applyGroup(const Entry& group, std::vector<VrrpInstance>& instances) {
    std::set<std::string> members;
    for (const auto& line : group.block) {
        if (line.words[0] == "group") {
            for (auto& name : firstWords(line)) {
                members.insert(std::move(name));
            }
        }
    }
    for (const auto& line : group.block) {
        for (auto& instance : instances) {
            if (isTrack(line.words[0]) && members.contains(instance.name)) {
                addTracks(line, instance.tracks);
            }
        }
    }
}

void noteUnread(const std::vector<Entry>& entries, std::set<std::string>& unread) {
    for (const auto& entry : entries) {
        const auto& first = entry.words[0];
        if (first.starts_with('@')) {
            unread.insert("keepalived.conf: lines for one host only (" + first + ")");
        }
        const bool parameter = std::any_of(entry.words.begin(), entry.words.end(),
                                           [](const auto& word) { return word.starts_with('$'); });
        // Parameters in a script's command are the shell's.
        if (parameter && first != "script" && !first.starts_with("notify")) {
            unread.insert("keepalived.conf: parameters (" + entry.words.back() + ")");
        }
        noteUnread(entry.block, unread);
    }
}

class Includer {
  public:
    explicit Includer(std::vector<std::string>& unread) : unread_(unread) {}

    /// errno, or 0.
    int add(const std::string& file) {
        std::ifstream in(file);
        if (!in) {
            return errno == 0 ? ENOENT : errno;
        }
        for (std::string line; std::getline(in, line) && text.size() < kMostText;) {
            const auto words = wordsOf(line);
            if (words.size() == 2 && words[0] == "include") {
                include(words[1].starts_with('/') ? words[1]
                                                  : file.substr(0, file.rfind('/') + 1) + words[1]);
            } else {
                text += line + "\n";
            }
        }
        return 0;
    }

    std::string text;

  private:
    void include(const std::string& pattern) {
        const auto files = filesMatching(pattern);
        for (const auto& file : files) {
            if (++count_ > kMostIncludes) {
                unread_.push_back(file + ": too many files are included");
            } else if (const int error = add(file); error != 0) {
                unread_.push_back(file + ": " + std::strerror(error));
            }
        }
        if (files.empty() && pattern.find('*') == std::string::npos) {
            unread_.push_back(pattern + ": no such file");
        }
    }

    std::vector<std::string>& unread_;
    int count_ = 0;
};

}  // namespace

KeepalivedConfig parseKeepalived(std::string_view text) {
    KeepalivedConfig out;
    const auto entries = Tree(text).read();
    for (const auto& entry : entries) {
        if (entry.words[0] == "vrrp_instance") {
            out.instances.push_back(instanceOf(entry));
        }
    }
    for (const auto& entry : entries) {
        if (entry.words[0] == "vrrp_sync_group") {
            applyGroup(entry, out.instances);
        }
    }
    std::set<std::string> unread;
    noteUnread(entries, unread);
    out.unread = {unread.begin(), unread.end()};
    return out;
}

std::string readKeepalived(const std::string& file, int& error, std::vector<std::string>& unread) {
    Includer includer(unread);
    error = includer.add(file);
    return std::move(includer.text);
}

}  // namespace lapwing::agent
