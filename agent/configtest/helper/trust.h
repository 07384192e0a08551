#pragma once

#include <set>
#include <string>

namespace lapwing::agent::configtest {

/// The files that a configuration names, and why root must not test it.
struct Named {
    std::set<std::string> files;  ///< the main files and what they include
    std::string refused;          ///< "" if root may test them
};

/// Of Nginx's main file, or of a file or directory of HAProxy. The text is searched for words, not parsed: a
/// file with an error of syntax is searched as well, and a comment counts. Refused:
/// * a file that others than root may change, or a directory in which others may add one to a pattern
/// * a file that is no regular file
/// * directives that load code of others: Lua, Perl, JavaScript; modules and Lua files that root alone may
/// change pass
/// * more than 4000 files, or 64 MiB
Named namedByNginx(const std::string& main_file);
Named namedByHaproxy(const std::string& path);

}  // namespace lapwing::agent::configtest
