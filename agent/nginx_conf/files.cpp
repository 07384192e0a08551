#include "agent/nginx_conf/files.h"

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <fstream>
#include <iterator>
#include <set>
#include <utility>

#include "common/glob.h"

namespace lapwing::agent {

namespace {

constexpr int kMostIncludes = 16;  ///< nested
constexpr std::size_t kMostFiles = 512;
constexpr std::streamoff kMostTextBytes = 16 << 20;
/// Of all files together. Directives take about ten times the memory of their text.
constexpr std::size_t kMostBytes = 2U << 20;

using Directives = std::vector<NginxDirective>;

/// The directives of the main file, with the included files in place of the include directives.
class Loader {
  public:
    Loader(const std::string& main_file, const NginxFiles& files)
        : files_(files), prefix_(main_file.substr(0, main_file.rfind('/') + 1)) {
        directives_ = load(main_file, 0);
    }

    LoadedNginx take() { return {std::move(directives_), std::move(fault_)}; }

  private:
    Directives load(const std::string& path, int depth) {
        if (depth > kMostIncludes || ++loaded_ > kMostFiles) {
            note(path + ": too many files include one another");
            return {};
        }
        const auto text = files_.read(path);
        if (!text) {
            note(path + ": " + text.error().message);
            return {};
        }
        if (bytes_ + text->size() > kMostBytes) {
            note(path + ": with it the configuration has more than 2 MiB");
            return {};
        }
        bytes_ += text->size();
        auto parsed = parseNginx(*text);
        if (!parsed) {
            note(path + ": " + parsed.error().message);
            return {};
        }
        return expanded(std::move(*parsed), depth);
    }

    /// The lists of `map` and `geo`, which may be long, are not followed.
    static bool mayPass(const std::string& block) {
        static const std::set<std::string> known{"http",         "server",   "location", "if",
                                                 "limit_except", "upstream", "stream",   "mail"};
        return known.contains(block);
    }

    Directives expanded(Directives given, int depth) {
        Directives out;
        for (auto& directive : given) {
            if (directive.name() != "include" || directive.words.size() != 2) {
                if (mayPass(directive.name())) {
                    directive.block = expanded(std::move(directive.block), depth);
                }
                out.push_back(std::move(directive));
                continue;
            }
            const auto pattern =
                directive.words[1].starts_with('/') ? directive.words[1] : prefix_ + directive.words[1];
            const auto paths =
                hasWildcard(pattern) ? files_.matching(pattern) : std::vector<std::string>{pattern};
            for (const auto& path : paths) {
                auto more = load(path, depth + 1);
                std::move(more.begin(), more.end(), std::back_inserter(out));
            }
        }
        return out;
    }

    void note(const std::string& text) { fault_ = fault_.empty() ? text : fault_; }

    const NginxFiles& files_;
    std::string prefix_;
    std::size_t loaded_ = 0;
    std::size_t bytes_ = 0;
    Directives directives_;
    std::string fault_;
};

}  // namespace

Expected<std::string> readText(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) {
        return fail(ErrorKind::not_found, std::strerror(errno));
    }
    file.seekg(0, std::ios::end);
    const auto size = static_cast<std::streamoff>(file.tellg());
    if (size < 0 || size > kMostTextBytes) {
        return fail(ErrorKind::exhausted, "larger than 16 MiB");
    }
    file.seekg(0);
    std::string text(static_cast<std::size_t>(size), '\0');
    file.read(text.data(), size);
    text.resize(static_cast<std::size_t>(file.gcount()));
    return text;
}

NginxFiles hostFiles() {
    return {readText, filesMatching};
}

LoadedNginx loadNginx(const std::string& main_file, const NginxFiles& files) {
    return Loader(main_file, files).take();
}

}  // namespace lapwing::agent
