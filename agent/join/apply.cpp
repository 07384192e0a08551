#include "agent/join/apply.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <map>
#include <optional>
#include <sstream>
#include <system_error>
#include <thread>

#include "common/config/reader.h"
#include "common/digest.h"
#include "common/doctor/unit.h"
#include "common/files.h"
#include "common/http/client.h"
#include "common/run_tool.h"
#include "common/text.h"

namespace lapwing::agent {
namespace {

using Clock = std::chrono::steady_clock;

constexpr const char* kAccount = "lapwing@localhost";
constexpr std::chrono::seconds kPatience{30};
/// Nginx tries five times in 2.5 s to listen on a port that is taken.
constexpr std::chrono::seconds kPagePatience{6};
constexpr std::chrono::milliseconds kLook{250};
constexpr std::size_t kMostOutput = 1U << 20;
constexpr std::size_t kMostRecord = 16U << 10;

// Kinds of lines of the record.
constexpr const char* kNginxFile = "nginx";
constexpr const char* kNginxFragment = "nginx-fragment";
constexpr const char* kAccountLine = "account";

/// Kind of change to the SHA-256 of the file, or the program of the account's server.
using Record = std::map<std::string, std::string>;

Record readRecord(const std::string& path) {
    Record out;
    const auto text = files::readFile(path, kMostRecord);
    std::istringstream lines(text ? *text : "");
    for (std::string kind, value; lines >> kind >> value;) {
        out[kind] = value;
    }
    return out;
}

Expected<void> writeRecord(const std::string& path, const Record& record) {
    if (record.empty()) {
        ::unlink(path.c_str());
        return {};
    }
    std::string text;
    for (const auto& [kind, value] : record) {
        text += fmt::format("{} {}\n", kind, value);
    }
    return files::writeFile(path, text, 0600);
}

Expected<void> remember(const std::string& path, const std::string& kind, const std::string& value) {
    auto record = readRecord(path);
    record[kind] = value;
    return writeRecord(path, record);
}

void forgetLine(const std::string& path, const std::string& kind) {
    auto record = readRecord(path);
    record.erase(kind);
    static_cast<void>(writeRecord(path, record));
}

bool exists(const std::string& path) {
    std::error_code error;
    return std::filesystem::symlink_status(path, error).type() != std::filesystem::file_type::not_found;
}

/// The beginning of a tool's words, for one line of ours.
std::string words(const ToolOutput& tool) {
    const auto text = tool.error.empty() ? tool.output : tool.error;
    return printable(text.substr(0, text.find_last_not_of(" \n") + 1).substr(0, 500));
}

Expected<void> runs(const std::vector<std::string>& argv) {
    const auto done = runTool(argv, kPatience, kMostOutput);
    if (done.status == ReadStatus::ok) {
        return {};
    }
    return fail(ErrorKind::unavailable, fmt::format("{}: {}", fmt::join(argv, " "), words(done)));
}

// Nginx

/// Whether the status page answers, after a moment.
bool pageAnswers() {
    http::Request request;
    request.path = "/nginx_status";
    for (const auto end = Clock::now() + kPagePatience; Clock::now() < end;
         std::this_thread::sleep_for(kLook)) {
        auto client = http::Client::create(kNginxStatusUrl);
        const auto answer = client ? client->request(request, kLook * 4) : fail(client.error());
        if (answer && answer->status == 200 && answer->body.starts_with("Active connections:")) {
            return true;
        }
    }
    return false;
}

/// Whether systemd knows that Nginx does not run.
bool isStopped(const ApplyTools& tools) {
    const auto shown =
        runTool({tools.systemctl, "show", "--property=ActiveState", "--value", "nginx.service"}, kPatience,
                kMostOutput);
    const auto state = shown.output.substr(0, shown.output.find('\n'));
    return state == "inactive" || state == "failed";
}

Expected<void> reloadNginx(const ApplyTools& tools) {
    if (auto valid = runs({tools.nginx, "-t"}); !valid) {
        return valid;
    }
    return runs({tools.systemctl, "--quiet", "reload", "nginx.service"});
}

std::string nginxObstacle(const ApplyPlaces& places, const std::string& config_file) {
    for (const auto& file : {places.nginx, places.fragment}) {
        if (exists(file)) {
            return file + " exists already";
        }
    }
    if (!std::filesystem::is_directory(std::filesystem::path(places.nginx).parent_path())) {
        return "there is no directory for " + places.nginx;
    }
    config::Reader reader;
    const auto configured = reader.fileAndDirectory(config_file)["probes"]["nginx"];
    if (configured.isSequence() || configured.isScalar() || configured.isMap()) {
        return "the configuration names a page of Nginx, which does not answer";
    }
    const auto valid = runs({places.tools.nginx, "-t"});
    return valid ? "" : "Nginx's configuration has an error already: " + valid.error().message;
}

void removeNginx(const ApplyPlaces& places) {
    ::unlink(places.nginx.c_str());
    ::unlink(places.fragment.c_str());
    forgetLine(places.record, kNginxFile);
    forgetLine(places.record, kNginxFragment);
}

Expected<void> applyNginx(const ApplyPlaces& places) {
    auto done = remember(places.record, kNginxFile, sha256(kNginxServer));
    if (done) {
        done = remember(places.record, kNginxFragment, sha256(kNginxProbe));
    }
    if (done) {
        done = files::writeFile(places.nginx, kNginxServer, 0644);
    }
    if (done) {
        done = reloadNginx(places.tools);
    }
    if (done && !pageAnswers()) {
        done =
            fail(ErrorKind::unavailable,
                 std::string(kNginxStatusUrl) +
                     " answers with no status page: another program may use the port, or nginx.conf does not "
                     "include conf.d");
    }
    if (done) {
        done = files::writeFile(places.fragment, kNginxProbe, 0644);
    }
    if (!done) {
        removeNginx(places);
        if (const auto back = reloadNginx(places.tools); !back) {
            return fail(
                done.error().kind,
                done.error().message + "; the files are removed, and Nginx says: " + back.error().message);
        }
    }
    return done;
}

// The database

std::string clientOf(const ApplyTools& tools, bool mariadb) {
    return mariadb && ::access(tools.mariadb.c_str(), X_OK) == 0 ? tools.mariadb : tools.mysql;
}

/// The answer of the server to root, lines of columns.
Expected<std::string> sql(const std::string& client, const std::string& statements) {
    const auto done = runTool({client, "--batch", "--skip-column-names", "--execute=" + statements},
                              kPatience, kMostOutput);
    if (done.status != ReadStatus::ok) {
        return fail(ErrorKind::unavailable, words(done));
    }
    return done.output.substr(0, done.output.find_last_not_of(" \n") + 1);
}

/// Why a statement that writes has no place here; "" if it has.
std::string writeObstacle(const std::string& client, bool mariadb) {
    const auto channels = sql(client, mariadb ? "SHOW ALL SLAVES STATUS"
                                              : "SELECT CHANNEL_NAME, HOST FROM "
                                                "performance_schema.replication_connection_configuration");
    if (!channels) {
        return "the database does not answer root: " + channels.error().message;
    }
    if (!channels->empty()) {
        return "this server is a replica, and gets the account by replication: run `join --apply` on its "
               "primary";
    }
    const auto read_only = sql(client, "SELECT @@GLOBAL.read_only");
    return read_only && *read_only == "0" ? "" : "this server is read-only";
}

std::string accountObstacle(const std::string& client, bool mariadb) {
    if (auto obstacle = writeObstacle(client, mariadb); !obstacle.empty()) {
        return obstacle;
    }
    const auto accounts =
        sql(client, "SELECT COUNT(*) FROM mysql.user WHERE User = 'lapwing' AND Host = 'localhost'");
    if (!accounts || *accounts != "0") {
        return std::string("the account ") + kAccount + " exists already, with other rights";
    }
    if (!mariadb) {
        const auto plugin = sql(
            client, "SELECT PLUGIN_STATUS FROM information_schema.PLUGINS WHERE PLUGIN_NAME = 'auth_socket'");
        if (!plugin || *plugin != "ACTIVE") {
            return "the plugin auth_socket is not installed";
        }
    }
    return "";
}

Expected<void> applyAccount(bool mariadb, const ApplyPlaces& places) {
    const auto client = clientOf(places.tools, mariadb);
    if (auto noted = remember(places.record, kAccountLine, mariadb ? "mariadb" : "mysql"); !noted) {
        return noted;
    }
    // The first statement alone: where it fails, the account is somebody else's.
    if (const auto made = sql(client, accountStatement(mariadb)); !made) {
        forgetLine(places.record, kAccountLine);
        return fail(made.error());
    }
    if (const auto rights = sql(client, rightsStatements(mariadb)); !rights) {
        if (const auto dropped = sql(client, std::string("DROP USER ") + kAccount); !dropped) {
            return fail(rights.error().kind, rights.error().message + "; the account " + kAccount +
                                                 " is left, for `leave`: " + dropped.error().message);
        }
        forgetLine(places.record, kAccountLine);
        return fail(rights.error());
    }
    return {};
}

std::string indented(const std::string& text) {
    std::string out;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        out += "    " + line + "\n";
    }
    return out;
}

// Undoing

/// Whether the file is gone afterwards, or was none of ours.
bool removeOurs(const std::string& file, const std::string& digest, Undone& out) {
    if (!exists(file)) {
        return true;
    }
    const auto text = files::readFile(file);
    if (!text || sha256(*text) != digest) {
        out.left.push_back(file + " was changed since `join --apply` wrote it, and stays");
        return true;
    }
    if (::unlink(file.c_str()) != 0) {
        out.left.push_back("remove " + file + ": " + std::strerror(errno));
        return false;
    }
    out.done.push_back("removed " + file);
    return true;
}

void undoNginx(Record& record, const ApplyPlaces& places, Undone& out) {
    for (const auto& [kind, file] : {std::pair<std::string, std::string>{kNginxFragment, places.fragment},
                                     std::pair<std::string, std::string>{kNginxFile, places.nginx}}) {
        const auto line = record.find(kind);
        if (line == record.end()) {
            continue;
        }
        const bool served = kind == kNginxFile && exists(file);
        if (!removeOurs(file, line->second, out)) {
            continue;
        }
        record.erase(line);
        if (!served || exists(file) || ::access(places.tools.nginx.c_str(), X_OK) != 0 ||
            isStopped(places.tools)) {
            continue;
        }
        if (const auto reloaded = reloadNginx(places.tools); !reloaded) {
            out.left.push_back("Nginx serves the status page until its next reload: " +
                               reloaded.error().message);
        }
    }
}

void undoAccount(Record& record, const ApplyPlaces& places, Undone& out) {
    const auto line = record.find(kAccountLine);
    if (line == record.end()) {
        return;
    }
    const bool mariadb = line->second == "mariadb";
    const auto client = clientOf(places.tools, mariadb);
    const auto statement = std::string("DROP USER IF EXISTS ") + kAccount;
    auto obstacle = writeObstacle(client, mariadb);
    if (obstacle.empty()) {
        const auto dropped = sql(client, statement);
        obstacle = dropped ? "" : dropped.error().message;
    }
    if (!obstacle.empty()) {
        out.left.push_back(
            fmt::format("the account {} stays ({}). On the primary: {}; or here, once the cause is "
                        "gone: lapwing-agent leave",
                        kAccount, obstacle, statement));
        return;
    }
    out.done.push_back(
        fmt::format("dropped the account {}; replicas of this server lose it as well", kAccount));
    record.erase(line);
}

}  // namespace

ApplyPlaces ApplyPlaces::beside(const std::string& config_file) {
    const auto config = std::filesystem::absolute(config_file).lexically_normal();
    return {(config.parent_path() / "agent.applied").string(),
            "/etc/nginx/conf.d/lapwing.conf",
            config::directoryBeside(config.string()) + "/20-nginx.yaml",
            {}};
}

std::vector<Offer> offersOf(std::string_view status, const Installed& installed, const ApplyPlaces& places,
                            const std::string& config_file) {
    const auto directory = std::filesystem::path(places.fragment).parent_path().string();
    std::vector<Offer> out;
    for (const auto& remedy : remediesOf(status, installed, directory)) {
        Offer offer{remedy.job, remedy.reason, "", ""};
        if (remedy.job == "nginx" && !installed.nginx_stopped) {
            offer.shown = fmt::format(
                "  new file {}:\n{}  new file {}:\n{}  then: nginx -t && systemctl reload nginx\n",
                places.nginx, indented(kNginxServer), places.fragment, indented(kNginxProbe));
            offer.obstacle = nginxObstacle(places, config_file);
        } else if (remedy.job == "mysql" && !installed.database_stopped) {
            offer.shown = "  statements, as root of the database:\n" +
                          indented(accountStatement(installed.mariadb) + rightsStatements(installed.mariadb));
            offer.obstacle = accountObstacle(clientOf(places.tools, installed.mariadb), installed.mariadb);
        } else {
            continue;
        }
        out.push_back(std::move(offer));
    }
    return out;
}

Expected<void> apply(const Offer& offer, const Installed& installed, const ApplyPlaces& places) {
    return offer.job == "nginx" ? applyNginx(places) : applyAccount(installed.mariadb, places);
}

Undone undoApplied(const ApplyPlaces& places) {
    Undone out;
    auto record = readRecord(places.record);
    if (record.empty()) {
        return out;
    }
    undoNginx(record, places, out);
    undoAccount(record, places, out);
    if (const auto written = writeRecord(places.record, record); !written) {
        out.left.push_back(written.error().message);
    }
    return out;
}

}  // namespace lapwing::agent
