#include "collector/forward/config.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "collector/forward/url.h"
#include "collector/promql/engine.h"
#include "common/config/reader.h"
#include "common/http/credentials.h"
#include "common/text.h"

namespace lapwing::forward {
namespace {

using config::Node;

void readUrl(const Node& owner, Destination& out) {
    const Node node = owner["url"];
    node.read(out.url);
    if (out.url.empty()) {
        owner.problem(owner.path() + " needs a url, such as http://10.77.0.30:9090/api/v1/write");
        return;
    }
    // A URL can hold a secret: no message repeats it.
    const auto authority = splitUrl(out.url).authority;
    if (authority.find('@') != std::string::npos) {
        node.problem(node.path() +
                     " must not hold credentials; use bearer_token_file, or user and password_file");
    } else if (authority.empty() || out.url.find('#') != std::string::npos) {
        node.problem(node.path() + " must be an http:// or https:// URL");
    } else if (out.name.empty()) {
        out.name = authority;
    }
}

void readSecret(const Node& node, std::string& file) {
    node.read(file);
    if (file.empty()) {
        return;
    }
    const auto secret = http::readSecret(file);
    if (!secret) {
        node.problem(node.path() + ": " + secret.error().message);
    } else if (secret->empty()) {
        node.problem(node.path() + ": the first line of " + file + " is empty");
    }
}

void readCredentials(const Node& node, Destination& out) {
    readSecret(node["bearer_token_file"], out.bearer_token_file);
    node["user"].read(out.user);
    readSecret(node["password_file"], out.password_file);
    if (out.user.empty() != out.password_file.empty()) {
        node.problem(node.path() + ": user and password_file go together");
    }
    if (!out.user.empty() && !out.bearer_token_file.empty()) {
        node.problem(node.path() + ": it is either bearer_token_file, or user and password_file");
    }
}

void readTls(const Node& node, Destination& out) {
    node["ca"].read(out.tls.ca_file);
    node["cert"].read(out.tls.cert_file);
    node["key"].read(out.tls.key_file);
    if (out.tls.cert_file.empty() && !out.tls.key_file.empty()) {
        node.problem(node.path() + ": key needs cert");
    }
    const bool named = !out.tls.ca_file.empty() || !out.tls.cert_file.empty();
    if (named && !out.url.starts_with("https://")) {
        node.problem(node.path() + ": ca, cert and key are for an https:// URL");
    } else if (named) {
        // Reads the files, but opens no connection.
        if (const auto client = http::Client::create(out.url, out.tls); !client) {
            node.problem(node.path() + ": " + client.error().message);
        }
    }
}

void readMatch(const Node& node, Destination& out) {
    if (!node.present()) {
        return;
    }
    node.forEach([&](const Node& entry) {
        std::string text;
        entry.read(text);
        auto matchers = promql::parseSelector(text);
        if (matchers) {
            out.match.push_back(std::move(*matchers));
        } else {
            entry.problem(entry.path() + ": " + matchers.error().message);
        }
    });
    if (out.match.empty()) {
        node.problem(node.path() + " selects nothing; leave it out to send everything");
    }
}

void readHeaders(const Node& node, Destination& out) {
    constexpr std::array<std::string_view, 8> ours = {
        "content-type", "content-encoding", "content-length", "x-prometheus-remote-write-version",
        "host",         "user-agent",       "connection",     "transfer-encoding"};
    node.forEachPair([&](const std::string& name, const Node& entry) {
        std::string value;
        entry.read(value);
        const auto token = [](unsigned char c) { return std::isalnum(c) != 0 || c == '-' || c == '_'; };
        const auto printable = [](unsigned char c) { return c >= 0x20 && c != 0x7f; };
        if (name.empty() || !std::all_of(name.begin(), name.end(), token) ||
            !std::all_of(value.begin(), value.end(), printable)) {
            entry.problem(entry.path() + " is not a header that HTTP allows");
        } else if (lower(name) == "authorization") {
            entry.problem(entry.path() + ": use bearer_token_file, or user and password_file");
        } else if (std::find(ours.begin(), ours.end(), lower(name)) != ours.end()) {
            entry.problem(entry.path() + " is set by remote_write itself");
        } else {
            out.headers.emplace_back(name, value);
        }
    });
}

void readExternalLabels(const Node& node, Destination& out) {
    node.forEachPair([&](const std::string& name, const Node& entry) {
        std::string value;
        entry.read(value);
        if (!isValidLabelName(name) || name.starts_with("__")) {
            entry.problem(entry.path() + " is not a label's name");
        } else if (value.empty()) {
            entry.problem(entry.path() + " needs a value");
        } else {
            out.external_labels.set(name, value);
        }
    });
}

}  // namespace

void readConfig(const Node& node, std::vector<Destination>& out) {
    node.forEach([&](const Node& entry) {
        entry.allow({"name", "url", "match", "external_labels", "headers", "bearer_token_file", "user",
                     "password_file", "ca", "cert", "key", "keep", "keep_size"});
        Destination destination;
        entry["name"].read(destination.name);
        readUrl(entry, destination);
        readMatch(entry["match"], destination);
        readExternalLabels(entry["external_labels"], destination);
        readHeaders(entry["headers"], destination);
        readCredentials(entry, destination);
        readTls(entry, destination);
        entry["keep"].readDuration(destination.keep_ms);
        entry["keep_size"].readBytes(destination.keep_bytes);
        if (destination.keep_ms < 60'000) {
            entry["keep"].problem(entry["keep"].path() + " must be at least 1m");
        }
        if (destination.keep_bytes < 1'000'000) {
            entry["keep_size"].problem(entry["keep_size"].path() + " must be at least 1MB");
        }
        const bool twice = std::any_of(
            out.begin(), out.end(), [&](const Destination& other) { return other.name == destination.name; });
        if (twice && !destination.name.empty()) {
            entry.problem(entry.path() + ": another destination is called " + destination.name +
                          " too; give each a name of its own");
        }
        out.push_back(std::move(destination));
    });
}

}  // namespace lapwing::forward
