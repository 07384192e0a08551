#pragma once

#include <map>
#include <string>
#include <vector>

#include "agent/nginx_conf/files.h"
#include "agent/probes/logs/access_line.h"
#include "common/error.h"

namespace lapwing::agent::logs {

/// How the lines of an access log look.
struct LogFormat {
    bool json = false;
    std::string text = kCombined;       ///< in the syntax of `log_format`; unused for JSON
    std::map<Field, std::string> keys;  ///< of JSON
    bool operator==(const LogFormat&) const = default;
};

Expected<AccessReader> readerOf(const LogFormat& format);

/// A log to follow.
struct LogSource {
    std::string path;
    bool is_error = false;
    LogFormat format;      ///< of an access log
    bool expected = true;  ///< false: it may not exist yet
};

/// The logs to follow now.
struct LogSources {
    std::vector<LogSource> logs;       ///< each path once
    std::vector<std::string> ignored;  ///< logs that cannot be followed, each with the reason
    std::string fault;                 ///< why a part is unknown
};

/// The logs that Nginx's configuration names: `access_log` within `http`, with its `log_format`, and
/// `error_log`.
LogSources logsOfNginx(const std::string& main_file, const NginxFiles& files);

}  // namespace lapwing::agent::logs
