#include "agent/join/membership.h"

#include <grp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>

#include "common/config/reader.h"
#include "common/files.h"
#include "common/http/client.h"
#include "common/http/presented.h"
#include "common/json.h"
#include "common/text.h"
#include "common/tls/identity.h"

namespace lapwing::agent {
namespace {

constexpr const char* kJoinPath = "/api/lapwing/v1/join";
constexpr std::chrono::seconds kGreeting{5};
constexpr std::chrono::seconds kPatience{15};
constexpr std::size_t kMostAnswer = 256U << 10;
/// More than both files together.
constexpr std::size_t kRoom = 16U << 10;

/// The CA's certificate in a file, for as long as the request takes.
class CaFile {
  public:
    explicit CaFile(const std::string& pem) {
        std::string name = (std::filesystem::temp_directory_path() / "lapwing-join.XXXXXX").string();
        const int fd = ::mkstemp(name.data());
        if (fd < 0) {
            return;
        }
        ::close(fd);
        if (files::writeFile(name, pem, 0600)) {
            path_ = name;
        } else {
            ::unlink(name.c_str());
        }
    }
    ~CaFile() {
        if (!path_.empty()) {
            ::unlink(path_.c_str());
        }
    }
    CaFile(const CaFile&) = delete;
    CaFile& operator=(const CaFile&) = delete;
    const std::string& path() const { return path_; }  ///< "" if it could not be written

  private:
    std::string path_;
};

/// The answer of one address, or why it gave none.
Expected<http::Response> ask(const std::string& url, const std::string& pin, const std::string& body) {
    const auto chain = http::presentedCertificates(url, tls::kCollectorName, kGreeting);
    if (!chain) {
        return fail(chain.error());
    }
    const auto authority = tls::authorityWithKey(*chain, pin);
    if (authority.empty()) {
        return fail(ErrorKind::tls, url +
                                        ": its CA is not that of the invitation: another collector answers "
                                        "there, and nothing was sent to it");
    }
    const CaFile ca(authority);
    if (ca.path().empty()) {
        return fail(ErrorKind::unavailable, "the directory for temporary files is full or not writable");
    }
    http::ClientTls tls;
    tls.ca_file = ca.path();
    tls.server_name = tls::kCollectorName;
    tls.site_ca = true;
    http::Request request;
    request.method = "POST";
    request.path = kJoinPath;
    request.headers = {{"Content-Type", "application/json"}};
    request.body = body;
    request.max_response_bytes = kMostAnswer;
    Expected<http::Response> answer = fail(ErrorKind::internal, "");
    for (int attempt = 0; attempt < 2; ++attempt) {
        auto client = http::Client::create(url, tls);
        if (!client) {
            return fail(client.error());
        }
        answer = client->request(request, kPatience);
        if (answer || answer.error().kind == ErrorKind::tls) {
            break;
        }
    }
    return answer;
}

tl::unexpected<Error> refusal(const http::Response& answer) {
    const auto line = printable(answer.body.substr(0, answer.body.find('\n')).substr(0, 500));
    const std::string words = line.empty() ? "HTTP " + std::to_string(answer.status) : line;
    switch (answer.status) {
        case 400:
        case 413:
            return fail(ErrorKind::invalid, "the collector refuses: " + words);
        case 403:
            return fail(ErrorKind::denied, "the collector refuses: " + words);
        case 404:
            return fail(ErrorKind::invalid,
                        "the collector does not know how to let a host join: upgrade it, or use "
                        "`lapwing-collector enrol`");
        default:
            return fail(ErrorKind::unavailable, "the collector cannot do it now, try again: " + words);
    }
}

/// The certificate with its key, if it is the one that was asked for.
Expected<std::string> bundleOf(const std::string& answer, const std::string& key, const std::string& host,
                               const std::string& pin) {
    if (!tls::keyBelongs(answer, key) || tls::commonNameOf(answer) != host ||
        tls::authorityWithKey(answer, pin).empty()) {
        return fail(ErrorKind::protocol, "the collector's answer is not the certificate that was asked for");
    }
    return answer + key;
}

/// A list in the fragment would take the place of the one that the configuration has.
bool namesPeers(const JoinFiles& files) {
    config::Reader reader;
    const auto peers = reader.fileAndDirectory(files.config, files.fragment)["peers"];
    return peers.isSequence() || peers.isScalar() || peers.isMap();
}

std::string fragmentText(const JoinFiles& files, const Membership& membership) {
    const auto file = config::quoted(files.certificate);
    const std::string peers = namesPeers(files)
                                  ? ""
                                  : "# The servers that have joined, within the networks of this "
                                    "one: attempts to connect go to these only.\npeers: auto\n";
    return "# `lapwing-agent join` wrote this file, and `lapwing-agent leave` removes it. Settings of your "
           "own belong "
           "into\n# another file of this directory, or into the main one: "
           "/usr/share/doc/lapwing-agent/configuration.md.\nhost: " +
           config::quoted(membership.host) + "\ncollector:\n  url: " + config::quoted(membership.url) +
           "\n  ca: " + file + "\n  cert: " + file + "\n  key: " + file +
           "\n  server_name: " + tls::kCollectorName + "\n" + peers;
}

Expected<void> makeDirectory(const std::string& path) {
    // The agent reads it as another user, whatever the umask of this one.
    if ((::mkdir(path.c_str(), 0755) == 0 && ::chmod(path.c_str(), 0755) == 0) || errno == EEXIST) {
        return {};
    }
    return fail(ErrorKind::unavailable, "make the directory " + path + ": " + std::strerror(errno));
}

/// Signals that would end the program wait while it lives.
class SignalsWait {
  public:
    SignalsWait() {
        sigset_t ending;
        sigemptyset(&ending);
        for (const int each : {SIGHUP, SIGINT, SIGTERM}) {
            sigaddset(&ending, each);
        }
        ::pthread_sigmask(SIG_BLOCK, &ending, &before_);
    }
    ~SignalsWait() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
    SignalsWait(const SignalsWait&) = delete;
    SignalsWait& operator=(const SignalsWait&) = delete;

  private:
    sigset_t before_{};
};

/// Removes a file; returns whether there was one.
Expected<bool> removeFile(const std::string& path) {
    std::error_code error;
    const bool removed = std::filesystem::remove(path, error);
    if (error) {
        return fail(ErrorKind::unavailable, "remove " + path + ": " + error.message());
    }
    return removed;
}

}  // namespace

JoinFiles JoinFiles::beside(const std::string& config_file) {
    const auto config = std::filesystem::absolute(config_file).lexically_normal();
    return {config.string(), (config.parent_path() / "agent.pem").string(),
            config::directoryBeside(config.string()) + "/10-join.yaml"};
}

Expected<void> JoinFiles::tryToWrite() const {
    const auto directory = std::filesystem::path(fragment).parent_path().string();
    const bool existed = std::filesystem::exists(directory);
    auto done = makeDirectory(directory);
    for (const auto& file : {certificate + ".trial", fragment + ".trial"}) {
        if (done) {
            done = files::writeFile(file, std::string(kRoom, '#'), 0600);
            ::unlink(file.c_str());
        }
    }
    if (!existed) {
        ::rmdir(directory.c_str());
    }
    return done;
}

Expected<Membership> requestMembership(const JoinString& join, const std::string& host,
                                       const std::vector<std::string>& addresses) {
    const auto made = tls::newSigningRequest(host);
    if (!made) {
        return fail(made.error());
    }
    json::Writer body;
    body.StartObject();
    json::put(body, "host", host);
    json::put(body, "secret", join.secret);
    json::put(body, "request", made->request);
    body.EndObject();
    std::string failures;
    ErrorKind kind = ErrorKind::tls;
    for (const auto& address : addresses) {
        const std::string url = "https://" + address;
        const auto answer = ask(url, join.pin, body.text());
        if (answer && answer->status != 200) {
            return refusal(*answer);
        }
        if (answer) {
            auto pem = bundleOf(answer->body, made->key, host, join.pin);
            return pem ? Expected<Membership>(Membership{host, url, std::move(*pem)}) : fail(pem.error());
        }
        if (answer.error().kind != ErrorKind::tls) {
            kind = ErrorKind::unreachable;
        }
        failures += (failures.empty() ? "" : "; ") + answer.error().message;
    }
    return fail(kind,
                "the collector cannot be reached, open its port for this server or name another address with "
                "--address HOST:PORT: " +
                    failures);
}

Expected<void> writeMembership(const JoinFiles& files, const Membership& membership) {
    const SignalsWait undivided;
    mode_t mode = 0600;
    files::Owner owner;
    if (const auto* group = ::geteuid() == 0 ? ::getgrnam("lapwing") : nullptr; group != nullptr) {
        owner.gid = group->gr_gid;
        mode = 0640;
    }
    const auto directory = std::filesystem::path(files.fragment).parent_path().string();
    const bool existed = std::filesystem::exists(directory);
    if (auto made = makeDirectory(directory); !made) {
        return made;
    }
    struct stat before {};
    const bool had = ::stat(files.certificate.c_str(), &before) == 0;
    const auto earlier = had ? files::readFile(files.certificate) : Expected<std::string>("");
    if (!earlier) {
        return fail(earlier.error());
    }
    if (auto written = files::writeFile(files.certificate, membership.pem, mode, &owner); !written) {
        return written;
    }
    auto written = files::writeFile(files.fragment, fragmentText(files, membership), 0644);
    if (!written) {
        if (had) {
            const files::Owner same{before.st_uid, before.st_gid};
            static_cast<void>(files::writeFile(files.certificate, *earlier, before.st_mode & 0777, &same));
        } else {
            ::unlink(files.certificate.c_str());
        }
        if (!existed) {
            ::rmdir(directory.c_str());
        }
    }
    return written;
}

Expected<std::vector<std::string>> removeMembership(const JoinFiles& files, const std::string& renewed) {
    std::vector<std::string> out;
    if (!std::filesystem::exists(files.fragment)) {
        return out;
    }
    // The fragment goes last: an interrupted removal can be repeated.
    for (const auto& file : {renewed, files.certificate, files.fragment}) {
        const auto removed = removeFile(file);
        if (!removed) {
            return fail(removed.error());
        }
        if (*removed) {
            out.push_back(file);
        }
    }
    return out;
}

}  // namespace lapwing::agent
