#include "agent/probes/logs/sources.h"

#include <algorithm>
#include <utility>

namespace lapwing::agent::logs {

namespace {

// As Debian and nginx.org build it (`nginx -V`: --http-log-path, --error-log-path).
constexpr const char* kAccessLog = "/var/log/nginx/access.log";
constexpr const char* kErrorLog = "/var/log/nginx/error.log";

using Directives = std::vector<NginxDirective>;

class Collector {
  public:
    explicit Collector(LogSources& out) : out_(out) {}

    void main(const Directives& directives) {
        for (const auto& directive : directives) {
            if (directive.name() == "http") {
                formats(directive.block);
                bool named = false;
                accessLogs(directive.block, named);
                if (!named) {
                    add({kAccessLog, false, {}, false});
                }
            }
        }
        const bool named = std::any_of(directives.begin(), directives.end(),
                                       [](const auto& each) { return each.name() == "error_log"; });
        if (!named && !directives.empty()) {
            add({kErrorLog, true, {}, false});
        }
        errorLogs(directives);
    }

  private:
    void formats(const Directives& http) {
        for (const auto& directive : http) {
            if (directive.name() != "log_format" || directive.words.size() < 3) {
                continue;
            }
            LogFormat format;
            format.text.clear();
            for (std::size_t i = 2; i < directive.words.size(); ++i) {
                const bool option = i == 2 && directive.words[i].starts_with("escape=");
                format.text += option ? "" : directive.words[i];
            }
            formats_[directive.words[1]] = std::move(format);
        }
    }

    void accessLogs(const Directives& block, bool& named) {
        for (const auto& directive : block) {
            if (directive.name() == "access_log" && directive.words.size() > 1) {
                named = true;
                accessLog(directive.words);
            }
            accessLogs(directive.block, named);
        }
    }

    void accessLog(const std::vector<std::string>& words) {
        const auto& path = words[1];
        if (path == "off" || !isFile(path)) {
            return;
        }
        const bool has_format = words.size() > 2 && words[2].find('=') == std::string::npos;
        const auto name = has_format ? words[2] : "combined";
        const auto known = formats_.find(name);
        const bool compressed = std::any_of(words.begin() + 2, words.end(),
                                            [](const auto& word) { return word.starts_with("gzip"); });
        if (compressed) {
            ignore(path + ": Nginx compresses it (gzip)");
        } else if (known == formats_.end() && name != "combined") {
            ignore(path + ": there is no log_format " + name);
        } else {
            add({path, false, known == formats_.end() ? LogFormat() : known->second, false});
        }
    }

    void errorLogs(const Directives& block) {
        for (const auto& directive : block) {
            if (directive.name() == "error_log" && directive.words.size() > 1 &&
                directive.words[1] != "stderr" && !directive.words[1].starts_with("memory:") &&
                isFile(directive.words[1])) {
                add({directive.words[1], true, {}, false});
            }
            errorLogs(directive.block);
        }
    }

    bool isFile(const std::string& path) {
        if (path == "/dev/null") {
            return false;
        }
        const char* why = path.starts_with("syslog:")           ? "Nginx sends it to syslog"
                          : path.starts_with("/dev/")           ? "it is no file"
                          : path.find('$') != std::string::npos ? "its name has a variable"
                          : path.starts_with('/')               ? nullptr
                                                                : "its path is relative";
        if (why != nullptr) {
            ignore(path + ": " + why);
        }
        return why == nullptr;
    }

    void ignore(std::string text) {
        if (std::find(out_.ignored.begin(), out_.ignored.end(), text) == out_.ignored.end()) {
            out_.ignored.push_back(std::move(text));
        }
    }

    void add(LogSource source) {
        const auto same = std::find_if(out_.logs.begin(), out_.logs.end(),
                                       [&](const LogSource& each) { return each.path == source.path; });
        if (same == out_.logs.end()) {
            if (const auto reader = readerOf(source.format); !reader) {
                ignore(source.path + ": " + reader.error().message);
                return;
            }
            out_.logs.push_back(std::move(source));
        } else if (same->is_error != source.is_error || same->format != source.format) {
            ignore(source.path + ": a second log_format in one file");
        }
    }

    LogSources& out_;
    std::map<std::string, LogFormat> formats_;
};

}  // namespace

Expected<AccessReader> readerOf(const LogFormat& format) {
    return format.json ? AccessReader::ofJson(format.keys) : AccessReader::ofFormat(format.text);
}

LogSources logsOfNginx(const std::string& main_file, const NginxFiles& files) {
    LogSources out;
    auto loaded = loadNginx(main_file, files);
    out.fault = std::move(loaded.fault);
    Collector(out).main(loaded.directives);
    return out;
}

}  // namespace lapwing::agent::logs
