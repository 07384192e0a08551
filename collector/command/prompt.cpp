#include "collector/command/prompt.h"

#include <fmt/core.h>
#include <termios.h>
#include <unistd.h>

#include <iostream>

namespace lapwing::collector {
namespace {

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

/// At most one byte more than `most`, so that the caller sees that there is more.
std::string readLine(std::size_t most) {
    std::string line;
    for (char c = 0; line.size() <= most && std::cin.get(c) && c != '\n';) {
        line += c;
    }
    return line;
}

}  // namespace

std::optional<std::string> askSecret(const std::string& question, std::size_t most, Ask ask) {
    const NoEcho silent;
    const auto answer = [&](const std::string& asked) {
        if (silent.isTerminal()) {
            fmt::print(stderr, "{}: ", asked);
        }
        auto line = readLine(most);
        if (silent.isTerminal()) {
            fmt::print(stderr, "\n");
        }
        return line;
    };
    auto secret = answer(question);
    if (silent.isTerminal() && ask == Ask::twice && answer("Again") != secret) {
        fmt::print(stderr, "The two are not the same; nothing was changed.\n");
        return std::nullopt;
    }
    if (secret.empty() || secret.size() > most) {
        fmt::print(stderr, "{} has 1 to {} bytes; nothing was changed.\n", question, most);
        return std::nullopt;
    }
    return secret;
}

}  // namespace lapwing::collector
