#include "agent/join/advice.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "common/json.h"
#include "common/text.h"

namespace lapwing::agent {
namespace {

struct Seen {
    bool runs = false;
    bool works = false;  ///< at least one of them
    std::string lines;
};

/// The probes of one job.
Seen jobOf(const json::Document& status, std::string_view job) {
    Seen out;
    for (const auto& probe : json::items(json::member(status, "probes"))) {
        if (json::text(probe, "job") != job) {
            continue;
        }
        out.runs = true;
        const bool failed = json::text(probe, "state") == "failed";
        out.works = out.works || !failed;
        const auto message = printable(json::text(probe, "message"));
        out.lines += fmt::format("  {:<11}{}{}{}\n", printable(json::text(probe, "job")),
                                 printable(json::text(probe, "instance")),
                                 failed ? ": NOT WATCHED, " + printable(json::text(probe, "reason")) : "",
                                 message.empty() ? "" : ": " + message);
    }
    return out;
}

std::vector<std::string> jobsOf(const json::Document& status) {
    std::vector<std::string> out;
    for (const auto& probe : json::items(json::member(status, "probes"))) {
        const auto job = json::text(probe, "job");
        if (std::find(out.begin(), out.end(), job) == out.end()) {
            out.push_back(job);
        }
    }
    return out;
}

std::string nginxCommands(const std::string& directory) {
    return fmt::format(R"(cat >/etc/nginx/conf.d/lapwing.conf <<'END'
server {{ listen 127.0.0.1:9764; location = /nginx_status {{ stub_status; access_log off; }} }}
END
install -m 0644 /dev/stdin {}/20-nginx.yaml <<'END'
probes: {{ nginx: [ {{ url: http://127.0.0.1:9764/nginx_status }} ] }}
END
nginx -t && systemctl reload nginx && systemctl restart lapwing-agent
)",
                       directory);
}

std::string haproxyCommands(const std::string& directory) {
    return fmt::format(
        R"(sed -i '/^global/a\    stats socket /run/haproxy/lapwing.sock user lapwing mode 600 level operator' /etc/haproxy/haproxy.cfg
install -m 0644 /dev/stdin {}/20-haproxy.yaml <<'END'
probes: {{ haproxy: [ {{ socket: /run/haproxy/lapwing.sock }} ] }}
END
haproxy -c -f /etc/haproxy/haproxy.cfg && systemctl reload haproxy && systemctl restart lapwing-agent
)",
        directory);
}

std::string databaseCommands(bool mariadb) {
    return mariadb ? R"(mariadb <<'END'
CREATE USER IF NOT EXISTS lapwing@localhost IDENTIFIED VIA unix_socket WITH MAX_USER_CONNECTIONS 3;
GRANT SLAVE MONITOR, BINLOG MONITOR, PROCESS ON *.* TO lapwing@localhost;
END
)"
                   : R"(mysql --force <<'END'
INSTALL PLUGIN auth_socket SONAME 'auth_socket.so';
CREATE USER IF NOT EXISTS lapwing@localhost IDENTIFIED WITH auth_socket;
GRANT REPLICATION CLIENT, PROCESS ON *.* TO lapwing@localhost;
GRANT SELECT ON performance_schema.* TO lapwing@localhost;
END
)";
}

std::string section(const std::string& title, const std::string& commands) {
    return "\n" + title + "\n\n" + commands;
}

}  // namespace

Installed Installed::here() {
    const auto runs = [](const char* path) { return ::access(path, X_OK) == 0; };
    return {runs("/usr/sbin/nginx"), runs("/usr/sbin/haproxy"),
            runs("/usr/sbin/mariadbd") || runs("/usr/bin/mariadbd"), runs("/usr/sbin/mysqld")};
}

std::string adviceOf(std::string_view text, const Installed& installed, const std::string& directory) {
    const auto status = json::parse(text);
    std::string out = "It watches:\n";
    for (const auto& job : jobsOf(status)) {
        out += jobOf(status, job).lines;
    }
    const auto nginx = jobOf(status, "nginx");
    const auto haproxy = jobOf(status, "haproxy");
    const auto mysql = jobOf(status, "mysql");
    if (!nginx.runs && !installed.nginx && !haproxy.runs && !installed.haproxy && !mysql.runs) {
        out += "No Nginx, HAProxy, MariaDB or MySQL was found on this server.\n";
    }
    if (installed.nginx && (!nginx.runs || !nginx.works)) {
        out += section("Nginx is installed, and its status page was not found. As root:",
                       nginxCommands(directory));
    }
    if (installed.haproxy && (!haproxy.runs || !haproxy.works)) {
        out += section("HAProxy is installed, and the agent may not read its statistics. As root:",
                       haproxyCommands(directory));
    }
    if ((installed.mariadb || installed.mysql) && mysql.runs && !mysql.works) {
        out += section(
            "The agent may not read the database's status. As root, on the primary (a replica gets the "
            "account by "
            "replication):",
            databaseCommands(installed.mariadb));
    }
    return out;
}

bool hasDelivered(std::string_view text, const std::string& url) {
    const auto status = json::parse(text);
    const auto& collector = json::member(status, "collector");
    return json::text(collector, "url") == url && json::number(collector, "samples_sent").value_or(0) > 0;
}

bool hasProbed(std::string_view text) {
    const auto status = json::parse(text);
    for (const auto& probe : json::items(json::member(status, "probes"))) {
        if (json::text(probe, "state") == "waiting") {
            return false;
        }
    }
    return true;
}

std::string troubleOf(std::string_view text) {
    const auto status = json::parse(text);
    return printable(json::text(json::member(status, "collector"), "trouble"));
}

}  // namespace lapwing::agent
