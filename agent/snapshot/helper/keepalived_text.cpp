#include "agent/snapshot/helper/keepalived_text.h"

#include <cerrno>
#include <cstring>
#include <fstream>
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

    std::vector<ConfigEntry> read() {
        std::vector<ConfigEntry> out;
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
        if (text.size() >= kMostText) {
            unread_.push_back(file + ": the configuration is too long");
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

std::vector<ConfigEntry> keepalivedEntries(std::string_view text) {
    return Tree(text).read();
}

std::string readKeepalived(const std::string& file, int& error, std::vector<std::string>& unread) {
    Includer includer(unread);
    error = includer.add(file);
    return std::move(includer.text);
}

}  // namespace lapwing::agent
