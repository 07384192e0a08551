#pragma once

#include <string>
#include <vector>

namespace lapwing::agent::configtest {

/// How a program tests the configuration that one of its processes was started with.
struct TestCommand {
    std::vector<std::string> argv;   ///< of the test, without the program
    std::vector<std::string> files;  ///< the main files or directories, as absolute paths
    bool usual_file = false;         ///< the command line names no file: the program has one compiled in
    std::string unknown;             ///< why the command line cannot be tested; "" if it can
};

/// From the words behind Nginx's name. A word of several arguments may come in pieces: Nginx's title, and a
/// unit's line without its quotes, have blanks between them. Pure.
TestCommand nginxTest(const std::vector<std::string>& words);

/// From the arguments behind HAProxy's name. Those of a start are left out: the daemon mode, the file of its
/// process id, the processes that a reload replaces, the master's socket. `directory`: where the process was
/// started, to which its configuration's paths may be relative. Pure.
TestCommand haproxyTest(const std::vector<std::string>& arguments, const std::string& directory);

/// The value of an option in the output of `nginx -V`: "/etc/nginx/nginx.conf" of "--conf-path"; or "".
std::string nginxOption(const std::string& output, const std::string& option);

}  // namespace lapwing::agent::configtest
