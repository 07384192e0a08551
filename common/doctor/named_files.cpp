#include "common/doctor/named_files.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <optional>
#include <set>
#include <system_error>
#include <utility>

#include "common/glob.h"

namespace lapwing::doctor {
namespace {

std::optional<Use> useOf(const std::string& key) {
    static const std::set<std::string> secrets{"password_file",    "url_file",     "bearer_token_file",
                                               "routing_key_file", "header_files", "defaults_file"};
    if (secrets.contains(key)) {
        return Use::secret;
    }
    if (key == "ca" || key == "cert" || key == "key" || key.ends_with("_file") || key == "machine_id" ||
        key == "access" || key == "error" || key == "directory") {
        return Use::read;
    }
    return key == "socket" ? std::optional(Use::connect) : std::nullopt;
}

using Each = std::function<void(const config::Node&, const std::string&, Use)>;

void visit(const config::Node& node, const std::string& key, const Each& each) {
    if (node.isMap()) {
        node.forEachPair([&](const std::string& name, const config::Node& child) {
            if (child.path() != "admin" && child.path() != "probes.inventory") {
                // The names of headers are any.
                visit(child, key == "header_files" ? key : name, each);
            }
        });
    } else if (node.isSequence()) {
        node.forEach([&](const config::Node& entry) { visit(entry, key, each); });
    } else if (const auto use = useOf(key)) {
        const auto path = node.text();
        if (path.starts_with('/') && !hasWildcard(path)) {
            each(node, path, *use);
        }
    }
}

}  // namespace

void forEachNamedFile(const config::Node& root, const Each& each) {
    visit(root, "", each);
}

std::string settingFix(const config::Node& place, const std::string& fragment, const std::string& yaml,
                       const std::string& change, const std::string& unit) {
    const auto edit = [&](int line, const std::string& file) {
        return fmt::format("editor +{} {} && systemctl restart {}   # {}\n", line, file, unit, change);
    };
    if (place.present()) {
        return edit(std::max(place.line(), 1), place.file());
    }
    std::error_code error;
    if (std::filesystem::symlink_status(fragment, error).type() != std::filesystem::file_type::not_found) {
        return edit(1, fragment);
    }
    return fmt::format("install -D -m 0644 /dev/stdin {} <<'END'\n{}\nEND\nsystemctl restart {}   # {}\n",
                       fragment, yaml, unit, change);
}

void reportFiles(Report& out, const Account& account, const std::vector<NamedFile>& files) {
    std::set<std::pair<std::string, Use>> tried;
    std::set<std::string> fixes;
    for (const auto& file : files) {
        if (!tried.emplace(file.path, file.use).second) {
            continue;
        }
        const auto what = file.path + " as " + account.user;
        const auto obstacle = tryUse(account, file.path, file.use);
        if (!obstacle) {
            out.unknown("permissions", what, obstacle.error().message);
        } else if (!*obstacle) {
            out.well("permissions", what);
        } else if ((*obstacle)->absent && file.use == Use::connect) {
            out.unknown("permissions", what, (*obstacle)->found + " (its server may be stopped)");
        } else if ((*obstacle)->fix.empty() || fixes.insert((*obstacle)->fix).second) {
            out.wrong("permissions", what, (*obstacle)->found, (*obstacle)->fix);
        }
    }
}

void reportConfiguration(Report& out, const std::string& file, const std::vector<config::Problem>& problems,
                         const std::string& program, const std::string& unit) {
    for (const auto& problem : problems) {
        const auto place = problem.line == 0
                               ? problem.file
                               : fmt::format("{}:{}:{}", problem.file, problem.line, problem.column);
        // Not the service's rights, but those of the person who asks.
        if (::geteuid() != 0 && problem.message.find(std::strerror(EACCES)) != std::string::npos) {
            out.unknown("config", place, problem.message + " (for this user; run doctor as root)");
            continue;
        }
        out.wrong("config", place, problem.message,
                  fmt::format("editor +{} {} && {} check-config && systemctl restart {}",
                              std::max(problem.line, 1), problem.file, program, unit));
    }
    if (problems.empty()) {
        out.well("config", file);
    }
}

bool judgeNamedFiles(const config::Node& root, const Account& account) {
    bool tried = true;
    forEachNamedFile(root, [&](const config::Node& place, const std::string& path, Use use) {
        const auto obstacle = tryUse(account, path, use);
        tried = tried && obstacle.has_value();
        const bool of_server = use == Use::connect || place.path().starts_with("probes.logs");
        if (!obstacle || !*obstacle || ((*obstacle)->absent && of_server)) {
            return;
        }
        place.problem(place.path() + ": " + (*obstacle)->found +
                      ((*obstacle)->fix.empty() ? "" : "; fix: " + (*obstacle)->fix));
    });
    return tried;
}

std::string triedAs(const Expected<Account>& account, bool tried, const std::string& program) {
    if (!account) {
        return "; as whom the " + program + " runs is unknown: --user NAME";
    }
    return tried ? " (as " + account->user + ")"
                 : "; files were not tried as " + account->user + ": run it as root";
}

}  // namespace lapwing::doctor
