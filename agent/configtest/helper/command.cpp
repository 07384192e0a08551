#include "agent/configtest/helper/command.h"

#include <algorithm>
#include <cstddef>
#include <set>
#include <string_view>
#include <utility>

namespace lapwing::agent::configtest {

namespace {

using Words = std::vector<std::string>;

bool isNumber(const std::string& word) {
    return !word.empty() &&
           std::all_of(word.begin(), word.end(), [](char c) { return c >= '0' && c <= '9'; });
}

bool isOption(const std::string& word) {
    return word.size() > 1 && word[0] == '-';
}

TestCommand unknownBecause(std::string reason) {
    TestCommand out;
    out.unknown = std::move(reason);
    return out;
}

std::string relative(const std::string& path) {
    return "its command line names " + path + ", a path relative to a directory that is not known";
}

}  // namespace

TestCommand nginxTest(const Words& words) {
    TestCommand out;
    std::string file;
    for (std::size_t at = 0; at < words.size(); ++at) {
        const auto& word = words[at];
        const char option = word.size() > 1 && word[0] == '-' ? word[1] : ' ';
        if (std::string_view("cpge").find(option) == std::string_view::npos) {
            return unknownBecause("its command line has an option that is not known: " + word);
        }
        auto value = word.substr(2);
        while (at + 1 < words.size() && (value.empty() || !isOption(words[at + 1]))) {
            value += (value.empty() ? "" : " ") + words[++at];
        }
        if (value.empty()) {
            return unknownBecause("its command line ends with " + word);
        }
        if (option != 'g' && value[0] != '/' && !(option == 'e' && value == "stderr")) {
            return unknownBecause(relative(value));
        }
        if (option != 'g' && value.find(' ') != std::string::npos) {
            return unknownBecause("its command line has blanks in a path: " + value);
        }
        if (option == 'c') {
            file = value;
        }
        if (option != 'e') {
            out.argv.push_back({'-', option});
            out.argv.push_back(value);
        }
    }
    out.usual_file = file.empty();
    if (!file.empty()) {
        out.files.push_back(file);
    }
    // Without -e the log of errors at /var/log would get those of the test.
    out.argv.insert(out.argv.end(), {"-e", "stderr", "-t"});
    return out;
}

TestCommand haproxyTest(const Words& arguments, const std::string& started_in) {
    static const std::set<std::string> with_value{"-f", "-C", "-L", "-n", "-N", "-m"};
    static const std::set<std::string> kept{"-W", "-Ws"};
    static const std::set<std::string> dropped{"-D", "-q", "-V", "-d", "-db", "-dL", "-dK", "-dKall"};
    static const std::set<std::string> dropped_with_value{"-p", "-x", "-S"};
    TestCommand out;
    auto directory = started_in;
    for (std::size_t at = 0; at < arguments.size(); ++at) {
        const auto& word = arguments[at];
        const bool has_next = at + 1 < arguments.size();
        if (word == "-sf" || word == "-st") {
            while (at + 1 < arguments.size() && isNumber(arguments[at + 1])) {
                ++at;
            }
        } else if (dropped_with_value.contains(word) && has_next) {
            ++at;
        } else if (with_value.contains(word) && has_next) {
            const auto& value = arguments[++at];
            if (word == "-f") {
                out.files.push_back(value);
            } else if (word == "-C") {
                directory = value;
                continue;
            }
            out.argv.insert(out.argv.end(), {word, value});
        } else if (word == "--") {
            for (++at; at < arguments.size(); ++at) {
                out.files.push_back(arguments[at]);
                out.argv.insert(out.argv.end(), {"-f", arguments[at]});
            }
        } else if (kept.contains(word) || (word.starts_with("-d") && !dropped.contains(word))) {
            out.argv.push_back(word);
        } else if (!dropped.contains(word)) {
            return unknownBecause("its command line has an option that is not known: " + word);
        }
    }
    if (out.files.empty()) {
        return unknownBecause("its command line names no configuration");
    }
    if (!directory.starts_with('/')) {
        return unknownBecause(relative(directory));
    }
    for (auto& file : out.files) {
        if (!file.starts_with('/')) {
            file.insert(0, directory + "/");
        }
    }
    out.argv.insert(out.argv.end(), {"-C", directory, "-c"});
    return out;
}

std::string nginxOption(const std::string& output, const std::string& option) {
    const auto key = " " + option + "=";
    const auto at = output.find(key);
    if (at == std::string::npos) {
        return "";
    }
    const auto from = at + key.size();
    return output.substr(from, std::min(output.find_first_of(" \n", from), output.size()) - from);
}

}  // namespace lapwing::agent::configtest
