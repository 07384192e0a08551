#include "agent/probes/units/choice.h"

#include <fnmatch.h>

#include <algorithm>
#include <array>

namespace lapwing::agent::units {

namespace {

constexpr std::array kWatched{
    "nginx.service",         "haproxy.service",          "keepalived.service", "mariadb*.service",
    "mysql*.service",        "php*-fpm.service",         "gunicorn*.service",  "uwsgi*.service",
    "lapwing-agent.service", "lapwing-collector.service"};

bool matches(const std::string& unit, const std::string& pattern) {
    return ::fnmatch(pattern.c_str(), unit.c_str(), 0) == 0;
}

bool matchesAny(const std::string& unit, const std::vector<std::string>& patterns) {
    return std::any_of(patterns.begin(), patterns.end(),
                       [&](const std::string& pattern) { return matches(unit, pattern); });
}

bool isDigit(char c) {
    return c >= '0' && c <= '9';
}

/// "run-u12.service", "run-r0a1b2c.timer", "run-p12-i34.service": of systemd-run without --unit.
bool isOfSystemdRun(std::string_view unit) {
    constexpr std::string_view beginning = "run-";
    if (!unit.starts_with(beginning)) {
        return false;
    }
    const auto name = unit.substr(beginning.size(), unit.find('.') - beginning.size());
    return name.size() >= 2 && std::string_view("urp").find(name[0]) != std::string_view::npos &&
           name.find_first_not_of("0123456789abcdef-i", 1) == std::string_view::npos &&
           name.find_first_of("0123456789") != std::string_view::npos;
}

}  // namespace

bool watched(const Choice& choice, const std::string& unit) {
    return std::any_of(kWatched.begin(), kWatched.end(),
                       [&](const char* pattern) { return matches(unit, pattern); }) ||
           matchesAny(unit, choice.watch);
}

bool ignored(const Choice& choice, const std::string& unit) {
    return matchesAny(unit, choice.ignore);
}

bool isPassing(std::string_view unit) {
    if (isOfSystemdRun(unit)) {
        return true;
    }
    const auto at = unit.find('@');
    if (at == std::string_view::npos || !unit.ends_with(".service")) {
        return false;
    }
    // "NUMBER-ADDRESS:PORT-ADDRESS:PORT" of a TCP socket; of a Unix socket "NUMBER-PID-UID", and in newer
    // versions of systemd "NUMBER-PID_INODE-UID".
    auto instance = unit.substr(at + 1);
    instance.remove_suffix(std::string_view(".service").size());
    const auto number = std::find_if_not(instance.begin(), instance.end(), isDigit);
    const bool numbers_only = std::all_of(instance.begin(), instance.end(),
                                          [](char c) { return isDigit(c) || c == '-' || c == '_'; });
    return number != instance.begin() && number != instance.end() && *number == '-' &&
           (instance.find(':') != std::string_view::npos ||
            (numbers_only && std::count(instance.begin(), instance.end(), '-') >= 2));
}

}  // namespace lapwing::agent::units
