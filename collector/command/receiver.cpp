#include <fmt/core.h>
#include <unistd.h>

#include <filesystem>
#include <sstream>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "collector/command/command.h"
#include "collector/command/fragment.h"
#include "collector/command/problems.h"
#include "collector/command/prompt.h"
#include "collector/notify/dispatcher.h"
#include "collector/notify/http_delivery.h"
#include "common/config/reader.h"
#include "common/doctor/account.h"
#include "common/doctor/unit.h"
#include "common/files.h"
#include "common/text.h"

namespace lapwing::collector {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostSecret = 4096;
constexpr int kMostSecretFiles = 1000;

Fragment fragmentOf(const std::string& config_file) {
    return Fragment(config_file, "10-notify.yaml", "notify add");
}

/// The receivers of the fragment, each as its line of YAML: lists below `webhook` and `email`.
struct Receivers {
    std::vector<std::string> webhook;
    std::vector<std::string> email;

    static Receivers of(const std::string& content) {
        Receivers out;
        std::istringstream lines(content);
        auto* list = &out.webhook;
        for (std::string line; std::getline(lines, line);) {
            if (line == "  email:") {
                list = &out.email;
            } else if (line.starts_with("    - ")) {
                list->push_back(line);
            }
        }
        return out;
    }
    std::string content() const {
        std::string out;
        for (const auto& [name, list] : {std::pair("webhook", &webhook), std::pair("email", &email)}) {
            out += list->empty() ? "" : fmt::format("  {}:\n", name);
            for (const auto& line : *list) {
                out += line + "\n";
            }
        }
        return out.empty() ? "" : "notify:\n" + out;
    }
};

/// The question for the secret of a kind; nullptr for a mail without a login.
const char* secretOf(const ReceiverRequest& request) {
    if (request.kind == "mail") {
        return request.username.empty() ? nullptr : "Password of the mail server";
    }
    return request.kind == "pagerduty" ? "Integration key" : "URL";
}

const char* endingOf(const std::string& kind) {
    return kind == "mail" ? "password" : kind == "pagerduty" ? "key" : "url";
}

/// The account of the service: a secret is for it alone. Another user than root makes files for itself.
Expected<files::Owner> ownerOfSecrets(const Config& config, const std::string& config_file) {
    if (::geteuid() != 0) {
        return files::Owner{::geteuid(), ::getegid()};
    }
    auto account = doctor::Account::ofService(
        config.admin.socket,
        doctor::unitOf("lapwing-collector.service", fs::absolute(config_file).lexically_normal().string()));
    if (!account) {
        account = doctor::Account::named("lapwing-collector");
    }
    return account ? Expected<files::Owner>(files::Owner{account->uid, account->gid}) : fail(account.error());
}

/// The first free name beside the configuration: "/etc/lapwing/notify-slack-1.url".
std::string secretFile(const std::string& config_file, const std::string& kind) {
    const auto directory = fs::absolute(config_file).lexically_normal().parent_path();
    for (int i = 1; i <= kMostSecretFiles; ++i) {
        auto path = directory / fmt::format("notify-{}-{}.{}", kind, i, endingOf(kind));
        std::error_code ignored;
        if (!fs::exists(fs::symlink_status(path, ignored))) {
            return path.string();
        }
    }
    return "";
}

/// The files of secrets that a line names: only those that secretFile() names can be ours.
std::string ownSecretOf(const std::string& line, const std::string& config_file) {
    const auto prefix = (fs::absolute(config_file).lexically_normal().parent_path() / "notify-").string();
    const auto begin = line.find(prefix);
    const auto end = begin == std::string::npos ? begin : line.find('"', begin);
    const auto path = end == std::string::npos ? std::string() : line.substr(begin, end - begin);
    return path.find('/', prefix.size()) == std::string::npos ? path : "";
}

std::string lineOf(const ReceiverRequest& request, const std::string& secret_file) {
    const auto file = config::quoted(secret_file);
    if (request.kind != "mail") {
        std::string out = "    - { ";
        out += request.kind == "webhook" ? "" : "format: " + request.kind + ", ";
        out += (request.kind == "pagerduty" ? "routing_key_file: " : "url_file: ") + file;
        out += request.chat.empty() ? "" : ", chat: " + config::quoted(request.chat);
        return out + " }";
    }
    std::string to;
    for (const auto& each : request.to) {
        to += (to.empty() ? "" : ", ") + config::quoted(each);
    }
    std::string out = "    - { to: [ " + to + " ], from: " + config::quoted(request.from) +
                      ", smtp: " + config::quoted(request.smtp);
    out += request.security.empty() ? "" : ", security: " + request.security;
    out += request.username.empty()
               ? ""
               : ", username: " + config::quoted(request.username) + ", password_file: " + file;
    return out + " }";
}

/// Another file that has this list: the fragment's would take its place, or be replaced.
bool isListedElsewhere(const Fragment& fragment, const char* list, const std::string& line) {
    config::Reader reader;
    const auto other = fragment.others(reader)["notify"][list];
    if (!other.isSequence() && !other.isMap() && !other.isScalar()) {
        return false;
    }
    fmt::print(stderr,
               "notify.{} stands in {}:{}: two files do not add up, so add the receiver there, as\n\n{}\n\n"
               "Nothing was changed.\n",
               list, other.file(), other.line(), line);
    return true;
}

/// Whether a route would lead elsewhere after this place of the list is removed, because it names that place
/// or one behind it, which moves up. Prints each.
bool isNamedByRoute(const Fragment& fragment, const std::string& list, std::size_t place, std::size_t size) {
    config::Reader reader;
    const auto notify = fragment.others(reader)["notify"];
    bool found = false;
    const auto judge = [&](const config::Node& entry) {
        for (auto at = place; at < size; ++at) {
            if (const auto name = fmt::format("{}[{}]", list, at); entry.text() == name) {
                fmt::print(stderr, "{}:{}: {} names {}, {}.\n", entry.file(), entry.line(), entry.path(),
                           name,
                           at == place ? "which is to be removed"
                                       : fmt::format("which would become {}[{}]", list, at - 1));
                found = true;
            }
        }
    };
    notify["routes"].forEach([&](const config::Node& route) {
        route["to"].forEach(judge);
        route["alternative"].forEach(judge);
    });
    return found;
}

/// The new receiver alone, which is the last of its list.
int testNew(const Config& config, bool mail) {
    notify::Config alone;
    alone.external_url = config.externalUrl();
    if (mail) {
        alone.email = {config.notify.email.back()};
    } else {
        alone.webhook = {config.notify.webhook.back()};
    }
    for (const auto& outcome : notify::sendTest(alone)) {
        if (!outcome.result) {
            fmt::print(stderr,
                       "The test message was not taken: {}\nThe receiver stays. Try again: "
                       "sudo lapwing-collector notify test\n",
                       printable(outcome.result.error().message));
            return kUnreachable;
        }
    }
    fmt::print("The test message was accepted.\n");
    return kFine;
}

/// Removes the file again unless all went well.
class NewSecret {
  public:
    explicit NewSecret(std::string path) : path_(std::move(path)) {}
    ~NewSecret() {
        if (!kept_ && !path_.empty()) {
            ::unlink(path_.c_str());
        }
    }
    NewSecret(const NewSecret&) = delete;
    NewSecret& operator=(const NewSecret&) = delete;
    void keep() { kept_ = true; }

  private:
    std::string path_;
    bool kept_ = false;
};

}  // namespace

int addReceiver(const std::string& config_file, const ReceiverRequest& request) {
    const auto config = configOrComplain(config_file);
    if (!config) {
        return kWrongUsage;
    }
    const bool mail = request.kind == "mail";
    const bool has_mail_options = !request.to.empty() || !request.from.empty() || !request.smtp.empty() ||
                                  !request.security.empty() || !request.username.empty();
    if (has_mail_options && !mail) {
        fmt::print(stderr, "--to, --from, --smtp, --security and --username belong to mail\n");
        return kWrongUsage;
    }
    const auto fragment = fragmentOf(config_file);
    const auto before = fragment.content();
    if (!before) {
        return notWritten(before.error());
    }
    const char* question = secretOf(request);
    const auto file = question == nullptr ? "" : secretFile(config_file, request.kind);
    const auto line = lineOf(request, file);
    if (isListedElsewhere(fragment, mail ? "email" : "webhook", line)) {
        return kWrongUsage;
    }
    NewSecret fresh(file);
    if (question != nullptr) {
        const auto owner = ownerOfSecrets(*config, config_file);
        if (!owner) {
            return notWritten(owner.error());
        }
        const auto secret = askSecret(question, kMostSecret, Ask::once);
        if (!secret) {
            return kWrongUsage;
        }
        const bool is_url = std::string_view(endingOf(request.kind)) == "url";
        if (const auto usable = is_url ? notify::checkUrl(*secret) : Expected<void>(); !usable) {
            fmt::print(stderr, "The URL {}; nothing was changed.\n", usable.error().message);
            return kWrongUsage;
        }
        if (const auto written = files::writeFile(file, *secret + "\n", 0600, &*owner); !written) {
            return notWritten(written.error());
        }
    }
    auto receivers = Receivers::of(before->value_or(""));
    (mail ? receivers.email : receivers.webhook).push_back(line);
    const auto changed = fragment.tried(receivers.content());
    if (!changed) {
        fmt::print(stderr, "Nothing was changed.\n");
        return kWrongUsage;
    }
    if (const auto written = fragment.put(receivers.content()); !written) {
        return notWritten(written.error());
    }
    fresh.keep();
    fmt::print("{} has the receiver '{}[{}]'{}. It counts after:\n\n{}\n\n", fragment.path(),
               mail ? "email" : "webhook", (mail ? receivers.email : receivers.webhook).size() - 1,
               file.empty() ? "" : ", and " + file + " its secret", restartCommand());
    return request.test ? testNew(*changed, mail) : kFine;
}

int removeReceiver(const std::string& config_file, const std::string& name) {
    const auto fragment = fragmentOf(config_file);
    const auto before = fragment.content();
    if (!before) {
        return notWritten(before.error());
    }
    auto receivers = Receivers::of(before->value_or(""));
    std::vector<std::string> known;
    std::string removed;
    for (auto& [list_name, list] :
         {std::pair("webhook", &receivers.webhook), std::pair("email", &receivers.email)}) {
        auto found = list->end();
        for (auto each = list->begin(); each != list->end(); ++each) {
            known.push_back(fmt::format("{}[{}]", list_name, each - list->begin()));
            found = known.back() == name ? each : found;
        }
        if (found != list->end()) {
            const auto place = static_cast<std::size_t>(found - list->begin());
            if (isNamedByRoute(fragment, list_name, place, list->size())) {
                fmt::print(stderr, "Take it out of the routes first. Nothing was changed.\n");
                return kWrongUsage;
            }
            removed = *found;
            list->erase(found);
        }
    }
    if (removed.empty()) {
        fmt::print(stderr, "{} has no receiver {}; it has {}.\n", fragment.path(), printable(name),
                   known.empty() ? "none" : joined(known));
        return kWrongUsage;
    }
    if (!fragment.tried(receivers.content())) {
        fmt::print(stderr, "Nothing was changed.\n");
        return kWrongUsage;
    }
    if (const auto written = fragment.put(receivers.content()); !written) {
        return notWritten(written.error());
    }
    const auto secret = ownSecretOf(removed, config_file);
    const bool unlinked = !secret.empty() && ::unlink(secret.c_str()) == 0;
    fmt::print("Removed from {}{}:\n{}\nThe others of its list move up. It counts after:\n\n{}\n",
               fragment.path(), unlinked ? ", and " + secret : "", removed, restartCommand());
    return kFine;
}

}  // namespace lapwing::collector
