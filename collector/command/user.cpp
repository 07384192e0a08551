#include <crypt.h>
#include <fmt/core.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <iostream>
#include <memory>
#include <optional>
#include <sstream>
#include <string>

#include "collector/api/users.h"
#include "collector/command/command.h"
#include "collector/command/kept_files.h"
#include "collector/command/problems.h"
#include "common/files.h"

namespace lapwing::collector {
namespace {

constexpr std::size_t kMostName = 64;
constexpr std::size_t kMostPassword = 256;

/// Keeps the terminal from showing what is typed.
class NoEcho {
  public:
    NoEcho() : is_terminal_(::tcgetattr(STDIN_FILENO, &before_) == 0) {
        if (is_terminal_) {
            auto silent = before_;
            silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
            ::tcsetattr(STDIN_FILENO, TCSANOW, &silent);
        }
    }
    ~NoEcho() {
        if (is_terminal_) {
            ::tcsetattr(STDIN_FILENO, TCSANOW, &before_);
        }
    }
    NoEcho(const NoEcho&) = delete;
    NoEcho& operator=(const NoEcho&) = delete;
    bool isTerminal() const { return is_terminal_; }

  private:
    termios before_{};
    bool is_terminal_;
};

/// The password, or nothing after the reason was printed.
std::optional<std::string> readPassword() {
    const NoEcho silent;
    const auto ask = [&](const char* question) {
        if (silent.isTerminal()) {
            fmt::print(stderr, "{}: ", question);
        }
        std::string line;
        std::getline(std::cin, line);
        if (silent.isTerminal()) {
            fmt::print(stderr, "\n");
        }
        return line;
    };
    auto password = ask("Password");
    if (silent.isTerminal() && ask("Again") != password) {
        fmt::print(stderr, "The two are not the same; nothing was changed.\n");
        return std::nullopt;
    }
    if (password.empty() || password.size() > kMostPassword) {
        fmt::print(stderr, "A password has 1 to {} bytes; nothing was changed.\n", kMostPassword);
        return std::nullopt;
    }
    return password;
}

/// A hash of crypt(5), by yescrypt; "" if libcrypt cannot make it.
std::string hashOf(const std::string& password) {
    char setting[CRYPT_GENSALT_OUTPUT_SIZE];
    if (::crypt_gensalt_rn("$y$", 0, nullptr, 0, setting, sizeof setting) == nullptr) {
        return {};
    }
    const auto data = std::make_unique<crypt_data>();
    const char* hash = ::crypt_r(password.c_str(), setting, data.get());
    return hash == nullptr || *hash == '*' ? "" : hash;
}

/// The file's text, in which the user has that line; other lines stay.
std::string withUser(const std::string& text, const std::string& name, const std::string& line) {
    std::string out;
    std::istringstream lines(text);
    bool replaced = false;
    for (std::string each; std::getline(lines, each);) {
        const bool same = each.starts_with(name + ":");
        out += (same ? line : each) + "\n";
        replaced = replaced || same;
    }
    return replaced ? out : out + line + "\n";
}

bool isName(const std::string& name) {
    return !name.empty() && name.size() <= kMostName && name.front() != '#' &&
           std::all_of(name.begin(), name.end(),
                       [](unsigned char c) { return std::isgraph(c) != 0 && c != ':'; });
}

}  // namespace

int addUser(const std::string& config_file, const std::string& name, const std::string& other_file) {
    const auto config = other_file.empty() ? configOrComplain(config_file) : Config();
    if (!config) {
        return kWrongUsage;
    }
    const auto file = other_file.empty() ? config->http.users_file : other_file;
    if (file.empty()) {
        fmt::print(stderr,
                   "the configuration has no http.users_file; begin one with --file /etc/lapwing/users\n");
        return kWrongUsage;
    }
    if (!isName(name)) {
        fmt::print(stderr, "a user's name has 1 to {} visible characters without a colon\n", kMostName);
        return kWrongUsage;
    }
    const auto known = readKept({file});
    if (!known) {
        fmt::print(stderr, "{}\n", known.error().message);
        return kWrongUsage;
    }
    const auto password = readPassword();
    if (!password) {
        return kWrongUsage;
    }
    auto like =
        known->empty() ? storage::KeptFile{file, "root", "lapwing-collector", 0640, ""} : known->front();
    const auto hash = hashOf(*password);
    const auto changed = withUser(like.content, name, name + ":" + hash);
    if (const auto right = api::Users::parse(changed); hash.empty() || !right) {
        fmt::print(stderr, "{}: {}; nothing was changed\n", file,
                   right ? "the password could not be hashed" : right.error().message);
        return kWrongUsage;
    }
    const auto owner = ownerHere(like);
    const auto written = files::writeFile(file, changed, static_cast<mode_t>(like.mode), &owner);
    if (!written) {
        fmt::print(stderr, "{}\n", written.error().message);
        return kWrongUsage;
    }
    fmt::print("{} may log in now.\n", name);
    return kFine;
}

}  // namespace lapwing::collector
