#include "agent/join/advice.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <initializer_list>
#include <vector>

#include "common/doctor/machine.h"
#include "common/json.h"
#include "common/text.h"

namespace lapwing::agent {
namespace {

constexpr std::string_view kUser = "CREATE USER";

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
{}END
install -m 0644 /dev/stdin {}/20-nginx.yaml <<'END'
{}END
nginx -t && systemctl reload nginx && systemctl restart lapwing-agent
)",
                       kNginxServer, directory, kNginxProbe);
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
    auto account = accountStatement(mariadb);
    account.insert(account.find(kUser) + kUser.size(), " IF NOT EXISTS");
    return (mariadb ? "mariadb <<'END'\n"
                    : "mysql --force <<'END'\nINSTALL PLUGIN auth_socket SONAME 'auth_socket.so';\n") +
           account + rightsStatements(mariadb) + "END\n";
}

}  // namespace

std::string accountStatement(bool mariadb) {
    return fmt::format("{} lapwing@localhost IDENTIFIED {};\n", kUser,
                       mariadb ? "VIA unix_socket WITH MAX_USER_CONNECTIONS 3" : "WITH auth_socket");
}

std::string rightsStatements(bool mariadb) {
    return mariadb ? "GRANT SLAVE MONITOR, BINLOG MONITOR, PROCESS ON *.* TO lapwing@localhost;\n"
                   : "GRANT REPLICATION CLIENT, PROCESS ON *.* TO lapwing@localhost;\n"
                     "GRANT SELECT ON performance_schema.* TO lapwing@localhost;\n";
}

Installed Installed::here() {
    const auto has = [](const char* path) { return ::access(path, X_OK) == 0; };
    const auto stopped = [](bool installed, std::initializer_list<const char*> names) {
        return installed && std::none_of(names.begin(), names.end(), doctor::runsProgram);
    };
    Installed out;
    out.nginx = has("/usr/sbin/nginx");
    out.haproxy = has("/usr/sbin/haproxy");
    out.mariadb = has("/usr/sbin/mariadbd") || has("/usr/bin/mariadbd");
    out.mysql = has("/usr/sbin/mysqld");
    out.nginx_stopped = stopped(out.nginx, {"nginx"});
    out.haproxy_stopped = stopped(out.haproxy, {"haproxy"});
    out.database_stopped = stopped(out.mariadb || out.mysql, {"mariadbd", "mysqld"});
    return out;
}

std::vector<Remedy> remediesOf(std::string_view text, const Installed& installed,
                               const std::string& directory) {
    const auto status = json::parse(text);
    const auto is_watched = [&](std::string_view job) {
        const auto seen = jobOf(status, job);
        return seen.runs && seen.works;
    };
    std::vector<Remedy> out;
    if (installed.nginx && !is_watched("nginx")) {
        out.push_back(installed.nginx_stopped
                          ? Remedy{"nginx", "Nginx is installed, and does not run.",
                                   "nginx -t && systemctl start nginx\n"}
                          : Remedy{"nginx", "Nginx is installed, and its status page was not found.",
                                   nginxCommands(directory)});
    }
    if (installed.haproxy && !is_watched("haproxy")) {
        out.push_back(installed.haproxy_stopped
                          ? Remedy{"haproxy", "HAProxy is installed, and does not run.",
                                   "haproxy -c -f /etc/haproxy/haproxy.cfg && systemctl start haproxy\n"}
                          : Remedy{"haproxy",
                                   "HAProxy is installed, and the agent may not read its statistics.",
                                   haproxyCommands(directory)});
    }
    if ((installed.mariadb || installed.mysql) && installed.database_stopped && !is_watched("mysql")) {
        out.push_back({"mysql", "The database is installed, and does not run.",
                       fmt::format("systemctl start {}\n", installed.mariadb ? "mariadb" : "mysql")});
    } else if ((installed.mariadb || installed.mysql) && jobOf(status, "mysql").runs &&
               !is_watched("mysql")) {
        out.push_back(
            {"mysql",
             "The agent may not read the database's status. A replica gets the account by replication: "
             "run this on the primary.",
             databaseCommands(installed.mariadb)});
    }
    return out;
}

std::string adviceOf(std::string_view text, const Installed& installed, const std::string& directory) {
    const auto status = json::parse(text);
    std::string out = "It watches:\n";
    for (const auto& job : jobsOf(status)) {
        out += jobOf(status, job).lines;
    }
    const auto runs = [&](std::string_view job) { return jobOf(status, job).runs; };
    if (!runs("nginx") && !installed.nginx && !runs("haproxy") && !installed.haproxy && !runs("mysql")) {
        out += "No Nginx, HAProxy, MariaDB or MySQL was found on this server.\n";
    }
    for (const auto& remedy : remediesOf(text, installed, directory)) {
        out += "\n" + remedy.reason + " As root:\n\n" + remedy.commands;
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
