#include "common/completion.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>
#include <vector>

namespace lapwing {
namespace {

struct Word {
    std::string text;
    std::string description;
};

/// A verb, with the verbs before it: "silence list"; "" for the program itself.
struct Verb {
    std::string path;
    std::vector<Word> words;  ///< that may follow it
};

std::vector<const CLI::App*> verbsOf(const CLI::App& app) {
    return app.get_subcommands([](const CLI::App* verb) { return !verb->get_group().empty(); });
}

void addOptions(const CLI::App& app, std::vector<Word>& out) {
    for (const auto* option : app.get_options()) {
        for (const auto& name : option->get_lnames()) {
            out.push_back({"--" + name, option->get_description()});
        }
    }
}

void collect(const CLI::App& app, const std::string& path, const std::vector<Word>& inherited,
             std::vector<Verb>& out) {
    Verb verb{path, {}};
    for (const auto* each : verbsOf(app)) {
        verb.words.push_back({each->get_name(), each->get_description()});
    }
    addOptions(app, verb.words);
    verb.words.insert(verb.words.end(), inherited.begin(), inherited.end());
    out.push_back(std::move(verb));
    for (const auto* each : verbsOf(app)) {
        collect(*each, path.empty() ? each->get_name() : path + " " + each->get_name(), inherited, out);
    }
}

std::vector<Verb> verbsWithWords(const CLI::App& app) {
    // Options of the program may stand behind its verbs; each verb has a --help of its own.
    std::vector<Word> inherited;
    addOptions(app, inherited);
    std::erase_if(inherited,
                  [](const Word& word) { return word.text == "--help" || word.text == "--version"; });
    std::vector<Verb> out;
    collect(app, "", inherited, out);
    for (auto& verb : out) {
        std::vector<Word> once;
        for (auto& word : verb.words) {
            if (std::none_of(once.begin(), once.end(),
                             [&](const Word& other) { return other.text == word.text; })) {
                once.push_back(std::move(word));
            }
        }
        verb.words = std::move(once);
    }
    return out;
}

std::string functionOf(const CLI::App& app) {
    std::string out = "_" + app.get_name();
    std::replace_if(
        out.begin(), out.end(), [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
    return out;
}

/// In single quotes.
std::string inQuotes(const std::string& text) {
    std::string out = "'";
    for (const char c : text) {
        out += c == '\'' ? std::string("'\\''") : std::string(1, c == '\n' ? ' ' : c);
    }
    return out + "'";
}

/// The case of a shell that follows the verbs of the words before the cursor.
std::string followCase(const std::vector<Verb>& verbs) {
    // Not `path`, which is zsh's list of the directories with programs.
    std::string out = "        case \"$verbs/$word\" in\n";
    for (const auto& verb : verbs) {
        if (verb.path.empty()) {
            continue;
        }
        const auto space = verb.path.rfind(' ');
        const auto before = space == std::string::npos ? "" : verb.path.substr(0, space);
        const auto last = space == std::string::npos ? verb.path : verb.path.substr(space + 1);
        const auto word = inQuotes(fmt::format("{}/{}", before, last));
        out += fmt::format("            {}) verbs={} ;;\n", word, inQuotes(verb.path));
    }
    return out + "        esac\n";
}

std::string bashScript(const CLI::App& app, const std::vector<Verb>& verbs) {
    const auto name = functionOf(app);
    std::string out = name +
                      "() {\n    local verbs='' word choices=''\n"
                      "    for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n" +
                      followCase(verbs) + "    done\n    case \"$verbs\" in\n";
    for (const auto& verb : verbs) {
        std::string words;
        for (const auto& word : verb.words) {
            words += (words.empty() ? "" : " ") + word.text;
        }
        out += "        " + inQuotes(verb.path) + ") choices=" + inQuotes(words) + " ;;\n";
    }
    return out +
           "    esac\n    mapfile -t COMPREPLY < <(compgen -W \"$choices\" -- "
           "\"${COMP_WORDS[COMP_CWORD]}\")\n}\n"
           "complete -o default -F " +
           name + " " + app.get_name() + "\n";
}

std::string zshScript(const CLI::App& app, const std::vector<Verb>& verbs) {
    const auto name = functionOf(app);
    std::string out = "#compdef " + app.get_name() + "\n" + name +
                      "() {\n    local verbs='' word\n    local -a choices\n"
                      "    for word in \"${(@)words[2,CURRENT-1]}\"; do\n";
    out += followCase(verbs) + "    done\n    case \"$verbs\" in\n";
    for (const auto& verb : verbs) {
        out += "        " + inQuotes(verb.path) + ") choices=(\n";
        for (const auto& word : verb.words) {
            out += "            " + inQuotes(word.text + ":" + word.description) + "\n";
        }
        out += "        ) ;;\n";
    }
    return out + "    esac\n    _describe -o 'verb or option' choices || _files\n}\n" + name + " \"$@\"\n";
}

}  // namespace

std::optional<Shell> parseShell(std::string_view word) {
    return word == "bash"  ? std::optional(Shell::bash)
           : word == "zsh" ? std::optional(Shell::zsh)
                           : std::nullopt;
}

std::string completionScript(const CLI::App& app, Shell shell) {
    const auto verbs = verbsWithWords(app);
    return shell == Shell::bash ? bashScript(app, verbs) : zshScript(app, verbs);
}

}  // namespace lapwing
