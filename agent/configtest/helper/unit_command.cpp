#include "agent/configtest/helper/unit_command.h"

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <sstream>
#include <string_view>
#include <utility>

namespace lapwing::agent::configtest {

namespace {

constexpr std::size_t kMostEnvironment = 1U << 16;
/// With these the service sees other files or has other rights than a test by root.
constexpr const char* kElsewhere[] = {"RootDirectory", "RootImage", "DynamicUser", "User",
                                      "WorkingDirectory"};

using Variables = std::map<std::string, std::string>;

/// The words of a value of a unit: blanks separate, quotes join.
std::vector<std::string> quotedWords(const std::string& text) {
    std::vector<std::string> out;
    std::string word;
    bool inside = false;
    char quote = 0;
    for (std::size_t at = 0; at < text.size(); ++at) {
        const char c = text[at];
        if (quote != 0 ? c == quote : c == '"' || c == '\'') {
            quote = quote != 0 ? '\0' : c;
            inside = true;
        } else if (c == '\\' && at + 1 < text.size()) {
            word += text[++at];
            inside = true;
        } else if (quote == 0 && (c == ' ' || c == '\t')) {
            if (inside) {
                out.push_back(std::move(word));
            }
            word.clear();
            inside = false;
        } else {
            word += c;
            inside = true;
        }
    }
    if (inside) {
        out.push_back(std::move(word));
    }
    return out;
}

void assign(const std::string& assignment, Variables& out) {
    const auto equals = assignment.find('=');
    if (equals != std::string::npos && equals > 0) {
        out[assignment.substr(0, equals)] = assignment.substr(equals + 1);
    }
}

std::vector<std::string> valuesOf(const std::map<std::string, std::vector<std::string>>& settings,
                                  const std::string& key) {
    const auto found = settings.find(key);
    return found == settings.end() ? std::vector<std::string>{} : found->second;
}

bool isOfName(char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
}

std::string valueOf(const Variables& variables, const std::string& name) {
    const auto found = variables.find(name);
    return found == variables.end() ? "" : found->second;
}

}  // namespace

Variables environmentOf(const Units& units, const std::string& service, const std::string& root) {
    const auto settings = units.settingsOf(service);
    Variables out;
    for (const auto& value : valuesOf(settings, "Environment")) {
        for (const auto& assignment : quotedWords(value)) {
            assign(assignment, out);
        }
    }
    // The files win over Environment=.
    for (auto path : valuesOf(settings, "EnvironmentFile")) {
        path.erase(0, path.starts_with('-') ? 1 : 0);
        std::istringstream in(textOfFile(root + path, kMostEnvironment));
        for (std::string line; std::getline(in, line);) {
            const auto from = line.find_first_not_of(" \t");
            const auto equals = line.find('=');
            if (from == std::string::npos || line[from] == '#' || line[from] == ';' ||
                equals == std::string::npos) {
                continue;
            }
            const auto words = quotedWords(line.substr(equals + 1));
            std::string value;
            for (const auto& word : words) {
                value += (value.empty() ? "" : " ") + word;
            }
            assign(line.substr(from, equals - from) + "=" + value, out);
        }
    }
    return out;
}

std::vector<std::string> assignmentsOf(const Variables& environment) {
    std::vector<std::string> out;
    for (const auto& [name, value] : environment) {
        out.push_back(name);
        out.back().append("=").append(value);
    }
    return out;
}

std::vector<std::string> expanded(const std::vector<std::string>& words, const Variables& environment) {
    std::vector<std::string> out;
    for (const auto& word : words) {
        const bool whole =
            word.size() > 1 && word[0] == '$' && std::all_of(word.begin() + 1, word.end(), &isOfName);
        if (whole) {
            for (auto& each : quotedWords(valueOf(environment, word.substr(1)))) {
                out.push_back(std::move(each));
            }
            continue;
        }
        std::string text;
        std::size_t at = 0;
        for (auto open = word.find("${"); open != std::string::npos; open = word.find("${", at)) {
            const auto close = word.find('}', open);
            if (close == std::string::npos) {
                break;
            }
            text +=
                word.substr(at, open - at) + valueOf(environment, word.substr(open + 2, close - open - 2));
            at = close + 1;
        }
        out.push_back(text + word.substr(at));
    }
    return out;
}

UnitCommand unitCommand(const Units& units, const std::string& service, const std::string& program,
                        const std::string& root) {
    UnitCommand out;
    const auto environment = environmentOf(units, service, root);
    for (const auto& words : units.commandsOf(service)) {
        if (words[0] != program && !words[0].ends_with("/" + program)) {
            continue;
        }
        const auto has = [&](const char* option) {
            return std::find(words.begin(), words.end(), option) != words.end();
        };
        // Units test the configuration before they start, too.
        const bool starts = program == "nginx" ? !has("-t") && !has("-s") : !has("-c");
        if (!starts) {
            continue;
        }
        out.words = expanded(words, environment);
    }
    out.environment = assignmentsOf(environment);
    const auto settings = units.settingsOf(service);
    for (const auto* key : kElsewhere) {
        if (!valuesOf(settings, key).empty()) {
            out.unknown = service + " has " + key + "=, so a test by root would say nothing about it";
        }
    }
    const bool has_specifier = std::any_of(out.words.begin(), out.words.end(), [](const auto& word) {
        return word.find('%') != std::string::npos;
    });
    if (has_specifier) {
        out.unknown = service + " has a command with specifiers of systemd, which are not evaluated";
    }
    return out;
}

}  // namespace lapwing::agent::configtest
