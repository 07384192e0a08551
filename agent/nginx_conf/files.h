#pragma once

#include <functional>
#include <string>
#include <vector>

#include "agent/nginx_conf/text.h"
#include "common/error.h"

namespace lapwing::agent {

/// Access to files; replaced in tests.
struct NginxFiles {
    std::function<Expected<std::string>(const std::string& path)> read;
    std::function<std::vector<std::string>(const std::string& pattern)>
        matching;  ///< a shell pattern's files
};

/// The files of this host.
NginxFiles hostFiles();

/// Reads a file of at most 16 MiB. The message of an error is the reason alone.
Expected<std::string> readText(const std::string& path);

/// A configuration of Nginx, with the included files in place of the `include` directives.
struct LoadedNginx {
    std::vector<NginxDirective> directives;
    std::string fault;  ///< the first reason why a part is missing; "" if nothing is
};

/// Follows `include` from the main file, to at most 512 files and 2 MiB. A file beyond that is left out, and
/// is a fault.
LoadedNginx loadNginx(const std::string& main_file, const NginxFiles& files);

}  // namespace lapwing::agent
