#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "collector/command/command.h"
#include "collector/command/fragment.h"
#include "collector/command/listeners.h"
#include "collector/command/problems.h"
#include "common/config/reader.h"
#include "common/endpoint.h"
#include "common/reach/address.h"
#include "common/text.h"

namespace lapwing::collector {
namespace {

namespace fs = std::filesystem;

/// The longest name of DNS.
constexpr std::size_t kMostName = 253;

Fragment fragmentOf(const std::string& config_file) {
    return Fragment(config_file, "10-http.yaml", "http enable");
}

/// The machine's addresses that are not its loopback.
std::vector<std::string> outerAddresses() {
    auto out = machineAddresses();
    std::erase_if(out, [](const auto& each) {
        const auto address = reach::Address::parse(each);
        return !address || address->isLoopback();
    });
    return out;
}

/// The asked listeners, or the machine's only address; nothing after the reason was printed.
std::vector<Endpoint> listenersOf(const HttpRequest& request, std::uint16_t port) {
    auto asked = request.listen;
    if (asked.empty()) {
        asked = outerAddresses();
        if (asked.size() != 1) {
            fmt::print(stderr, "name the address with --listen: this machine has {}\n",
                       asked.empty() ? "none but its loopback" : joined(asked));
            return {};
        }
    }
    std::vector<Endpoint> out;
    for (const auto& each : asked) {
        const auto bare = reach::Address::parse(each);
        const auto text = bare ? Endpoint{bare->toString(), port}.toString() : each;
        auto listener = parseListener(text);
        const bool wildcard = listener && (listener->host == "0.0.0.0" || listener->host == "::");
        if (!listener || wildcard || listener->loopback()) {
            fmt::print(stderr, "--listen: {}\n",
                       !listener ? listener.error().message
                                 : each +
                                       " must be one address of this machine, and not its loopback, which "
                                       "keeps a listener of its own");
            return {};
        }
        out.push_back(std::move(*listener));
    }
    return out;
}

/// A name or an address, as it stands in a certificate and in the header Host.
bool isServerName(const std::string& text) {
    if (reach::Address::parse(text)) {
        return true;
    }
    const bool plain = std::all_of(text.begin(), text.end(), [](unsigned char c) {
        return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.';
    });
    return plain && !text.empty() && text.size() <= kMostName && text.front() != '.' &&
           text.find("..") == std::string::npos;
}

/// Prints the first of the names that is none.
bool areServerNames(const std::vector<std::string>& names) {
    const auto wrong = std::find_if_not(names.begin(), names.end(), &isServerName);
    if (wrong == names.end()) {
        return true;
    }
    fmt::print(stderr, "--name \"{}\" must be a host name or an address, without scheme, port and path\n",
               printable(*wrong));
    return false;
}

/// The keys of `http` that other files set, with the place; they would be replaced, so they are left.
bool listensElsewhere(const config::Node& others) {
    const auto listen = others["http"]["listen"];
    if (!listen.isScalar() && !listen.isSequence()) {
        return false;
    }
    fmt::print(stderr,
               "http.listen stands in {}:{}: add the address there, with http.tls and "
               "http.users_file. Nothing was changed.\n",
               listen.file(), listen.line());
    return true;
}

std::string contentOf(const Config& config, const config::Node& others,
                      const std::vector<Endpoint>& listeners, const std::string& users_file,
                      const std::vector<std::string>& names) {
    std::string listen;
    const auto add = [&](const Endpoint& each) {
        listen += (listen.empty() ? "" : ", ") + config::quoted(each.toString());
    };
    std::for_each(config.http.listen.begin(), config.http.listen.end(), [&](const auto& each) {
        if (each.loopback()) {
            add(each);
        }
    });
    std::for_each(listeners.begin(), listeners.end(), add);
    std::string out = "http:\n  listen: [ " + listen + " ]\n";
    if (!others["http"]["tls"].present()) {
        out += "  tls: auto\n";
    }
    if (!others["http"]["users_file"].present()) {
        out += "  users_file: " + config::quoted(users_file) + "\n";
    }
    if (!names.empty()) {
        std::string list;
        for (const auto& each : names) {
            list += (list.empty() ? "" : ", ") + config::quoted(each);
        }
        out += "  names: [ " + list + " ]\n";
    }
    return out;
}

/// A file with a user, for a trial before there is a real one.
class TrialUsers {
  public:
    TrialUsers() : descriptor_(::mkstemp(path_.data())) {}
    ~TrialUsers() {
        if (descriptor_ >= 0) {
            ::close(descriptor_);
            ::unlink(path_.c_str());
        }
    }
    TrialUsers(const TrialUsers&) = delete;
    TrialUsers& operator=(const TrialUsers&) = delete;
    bool write() const {
        constexpr std::string_view line = "trial:$6$trial$trial\n";
        return descriptor_ >= 0 &&
               ::write(descriptor_, line.data(), line.size()) == static_cast<ssize_t>(line.size());
    }
    const std::string& path() const { return path_; }

  private:
    std::string path_ = (fs::temp_directory_path() / "lapwing-users-XXXXXX").string();
    int descriptor_;
};

}  // namespace

int enableHttp(const std::string& config_file, const HttpRequest& request) {
    const auto config = configOrComplain(config_file);
    if (!config || !areServerNames(request.names)) {
        return kWrongUsage;
    }
    const auto fragment = fragmentOf(config_file);
    if (const auto before = fragment.content(); !before) {
        return notWritten(before.error());
    }
    config::Reader reader;
    const auto others = fragment.others(reader);
    if (listensElsewhere(others)) {
        return kWrongUsage;
    }
    const auto& now = config->http.listen;
    const auto loopback =
        std::find_if(now.begin(), now.end(), [](const auto& each) { return each.loopback(); });
    const auto listeners = listenersOf(
        request, static_cast<std::uint16_t>(loopback == now.end() ? now.front().port : loopback->port));
    if (listeners.empty()) {
        return kWrongUsage;
    }
    const auto users_file =
        config->http.users_file.empty()
            ? (fs::absolute(config_file).lexically_normal().parent_path() / "users").string()
            : config->http.users_file;
    std::error_code ignored;
    const bool has_users = fs::file_size(users_file, ignored) > 0 && !ignored;
    if (request.user.empty() && !has_users) {
        fmt::print(stderr, "name the first user, who may log in, with --user NAME\n");
        return kWrongUsage;
    }
    const TrialUsers trial;
    if (!has_users && !trial.write()) {
        fmt::print(stderr, "{} cannot be written. Nothing was changed.\n", trial.path());
        return kWrongUsage;
    }
    const auto changed = fragment.tried(
        contentOf(*config, others, listeners, has_users ? users_file : trial.path(), request.names));
    if (!changed) {
        fmt::print(stderr, "Nothing was changed.\n");
        return kWrongUsage;
    }
    if (!request.user.empty()) {
        if (const int code = addUser(config_file, request.user, users_file); code != kFine) {
            return code;
        }
    }
    const auto content = contentOf(*config, others, listeners, users_file, request.names);
    if (const auto written = fragment.put(content); !written && !request.user.empty()) {
        fmt::print(stderr, "{}\n{} has the user; nothing else was changed.\n", written.error().message,
                   users_file);
        return kWrongUsage;
    } else if (!written) {
        return notWritten(written.error());
    }
    fmt::print("{}:\n\n{}\nThe page is {} after:\n\n{}\n", fragment.path(), content, changed->externalUrl(),
               restartCommand());
    if (changed->http.tls_auto) {
        fmt::print(
            "\nIts certificate is of the collector's own CA, which a browser does not know: import "
            "{}/ca/ca.crt there.\n",
            changed->directory());
    }
    return kFine;
}

int disableHttp(const std::string& config_file) {
    const auto fragment = fragmentOf(config_file);
    const auto before = fragment.content();
    if (!before) {
        return notWritten(before.error());
    }
    if (!*before) {
        fmt::print("{} does not exist: there is nothing to take back.\n", fragment.path());
        return kFine;
    }
    if (!fragment.tried("")) {
        fmt::print(stderr, "Nothing was changed.\n");
        return kWrongUsage;
    }
    if (const auto removed = fragment.put(""); !removed) {
        return notWritten(removed.error());
    }
    fmt::print("{} is removed; the file of users stays. The page is at the loopback only after:\n\n{}\n",
               fragment.path(), restartCommand());
    return kFine;
}

}  // namespace lapwing::collector
