#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace lapwing::agent {

/// Where Nginx serves its status page to the agent: the content of conf.d/lapwing.conf, and of the fragment
/// of the agent's configuration that names the page.
inline constexpr const char* kNginxServer =
    "server { listen 127.0.0.1:9764; location = /nginx_status { stub_status; access_log off; } }\n";
inline constexpr const char* kNginxProbe =
    "probes: { nginx: [ { url: http://127.0.0.1:9764/nginx_status } ] }\n";
inline constexpr const char* kNginxStatusUrl = "http://127.0.0.1:9764";

/// The statements that make the agent's account in the database, and give it its rights.
std::string accountStatement(bool mariadb);
std::string rightsStatements(bool mariadb);

/// The programs of this host.
struct Installed {
    bool nginx = false;
    bool haproxy = false;
    bool mariadb = false;
    bool mysql = false;
    bool nginx_stopped = false;  ///< installed, and no process of it runs
    bool haproxy_stopped = false;
    bool database_stopped = false;

    static Installed here();
};

/// What is to be done so that a service is watched.
struct Remedy {
    std::string job;       ///< "nginx"
    std::string reason;    ///< "Nginx is installed, and its status page was not found."
    std::string commands;  ///< to be run as root
};

/// A remedy for each service of this host whose data the agent cannot read. Arguments as for adviceOf().
/// Pure. The only source of such advice: `join` and `doctor` print it.
std::vector<Remedy> remediesOf(std::string_view status, const Installed& installed,
                               const std::string& directory);

/// What a running agent watches and what it cannot, for a person who has just joined: one line a probe, and
/// for each service whose data it cannot read the commands that change this, to be run as root. `status` is
/// the answer of the status socket, `directory` that of the configuration's fragments. Pure.
std::string adviceOf(std::string_view status, const Installed& installed, const std::string& directory);

/// Whether the status says that the collector at `url` has acknowledged samples of the agent.
bool hasDelivered(std::string_view status, const std::string& url);
/// Whether each probe has run once.
bool hasProbed(std::string_view status);
/// What hinders the delivery, in the agent's words; "" for nothing.
std::string troubleOf(std::string_view status);

}  // namespace lapwing::agent
