#include "agent/configtest/helper/trust.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/configtest/helper/inputs.h"
#include "common/files.h"
#include "common/glob.h"

namespace lapwing::agent::configtest {

namespace {

constexpr std::size_t kMostFiles = 4000;
constexpr std::size_t kMostText = 16U << 20;
constexpr std::size_t kMostBytes = 64U << 20;
/// Where a relative path of load_module leads, beside the main file's directory: the prefixes of Debian's and
/// nginx.org's builds.
constexpr std::array kNginxPrefixes{"/usr/share/nginx/", "/etc/nginx/", "/usr/local/nginx/"};

bool exists(const std::string& path) {
    struct stat about {};
    return stat(path.c_str(), &about) == 0;
}

std::string directoryOf(const std::string& path) {
    return path.substr(0, path.rfind('/') + 1);
}

std::vector<std::string> wordsOf(std::string_view text) {
    constexpr std::string_view ends = " \t\r\n;{}";
    std::vector<std::string> out;
    while (true) {
        const auto from = text.find_first_not_of(ends);
        if (from == std::string_view::npos) {
            return out;
        }
        text.remove_prefix(from);
        const auto size = std::min(text.find_first_of(ends), text.size());
        std::string word(text.substr(0, size));
        std::erase_if(word, [](char c) { return c == '"' || c == '\''; });
        out.push_back(std::move(word));
        text.remove_prefix(size);
    }
}

class Search {
  public:
    explicit Search(std::string directory) : directory_(std::move(directory)) {}

    void nginx(const std::string& path) {
        each(path, [this](const std::string& word, const std::string& value) {
            if (word == "include") {
                include(value);
            } else if (word == "load_module") {
                module(value);
            } else if (word.find("_by_lua") != std::string::npos || word.starts_with("lua_package_") ||
                       word.starts_with("perl_") || word.starts_with("js_")) {
                refuse("it runs code of others (" + word + ")");
            }
        });
    }

    void haproxy(const std::string& path) {
        each(path, [this](const std::string& word, const std::string& value) {
            if (word == "lua-load" || word == "lua-load-per-thread") {
                if (!value.starts_with('/') || files::othersMayChange(value)) {
                    refuse("others than root may change " + value + ", whose code it runs");
                }
            } else if (word == "lua-prepend-path" || word.starts_with("module-")) {
                refuse("it runs code of others (" + word + ")");
            }
        });
    }

    Named take() { return std::move(out_); }

  private:
    void refuse(const std::string& why) {
        if (out_.refused.empty()) {
            out_.refused = why + ", so root must not test it unasked";
        }
    }

    /// Hands out each word of a file, and the one behind it.
    void each(const std::string& path,
              const std::function<void(const std::string& word, const std::string& next)>& take) {
        const auto words = textOf(path);
        for (std::size_t at = 0; at < words.size(); ++at) {
            take(words[at], at + 1 < words.size() ? words[at + 1] : "");
        }
    }

    /// The words of a file that is looked at for the first time and that root alone may change.
    std::vector<std::string> textOf(const std::string& path) {
        if (!out_.files.insert(path).second || !exists(path)) {
            return {};
        }
        std::error_code error;
        if (out_.files.size() > kMostFiles) {
            refuse("it has more than 4000 files");
        } else if (files::othersMayChange(path)) {
            refuse("others than root may change " + path);
        } else if (std::filesystem::is_directory(path, error)) {
            return {};  // its files are searched by name
        } else if (!std::filesystem::is_regular_file(path, error)) {
            refuse(path + " is no regular file");
        } else if (const auto text = files::readFile(path, kMostText);
                   !text || (bytes_ += text->size()) > kMostBytes) {
            refuse(text ? "it has more than 64 MiB" : text.error().message);
        } else {
            return wordsOf(*text);
        }
        return {};
    }

    void include(const std::string& value) {
        const auto pattern = value.starts_with('/') ? value : directory_ + value;
        if (!hasWildcard(pattern)) {
            nginx(pattern);
            return;
        }
        const auto fixed = directoryOf(pattern.substr(0, pattern.find_first_of("*?[")));
        if (exists(fixed) && files::othersMayChange(fixed)) {
            refuse("others than root may add files to " + fixed);
            return;
        }
        for (const auto& path : filesMatching(pattern)) {
            nginx(path);
        }
    }

    void module(const std::string& value) {
        std::vector<std::string> places{value};
        if (!value.starts_with('/')) {
            places = {directory_ + value};
            for (const auto* prefix : kNginxPrefixes) {
                places.push_back(prefix + value);
            }
        }
        std::erase_if(places, [](const auto& place) { return !exists(place); });
        if (places.empty() || std::any_of(places.begin(), places.end(), files::othersMayChange)) {
            refuse("others than root may change " + value + ", whose code it runs");
        }
    }

    std::string directory_;
    std::size_t bytes_ = 0;
    Named out_;
};

}  // namespace

Named namedByNginx(const std::string& main_file) {
    Search search(directoryOf(main_file));
    search.nginx(main_file);
    return search.take();
}

Named namedByHaproxy(const std::string& path) {
    Search search("");
    for (const auto& file : filesOfHaproxy(path)) {
        search.haproxy(file);
    }
    return search.take();
}

}  // namespace lapwing::agent::configtest
