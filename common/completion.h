#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace CLI {
class App;
}

namespace lapwing {

enum class Shell { bash, zsh };

/// "bash", "zsh"; nothing for another word.
std::optional<Shell> parseShell(std::string_view word);

/// A script that completes the verbs and options of a command line, from its declaration. Verbs without a
/// group (hidden ones) and values are left out: there the shell completes files. Pure.
std::string completionScript(const CLI::App& app, Shell shell);

}  // namespace lapwing
