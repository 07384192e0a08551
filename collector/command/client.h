#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "collector/config/config.h"
#include "common/error.h"
#include "common/http/client.h"
#include "common/json.h"

namespace lapwing::collector {

/// Asks the running collector, at its admin socket or else at a loopback listener.
class Collector {
  public:
    explicit Collector(const Config& config);

    /// Any answer; an Error if no address could be reached.
    Expected<http::Response> get(const std::string& path) const;

    /// A request at the admin socket; `body` is JSON.
    Expected<http::Response> administer(const std::string& path, const std::string& method = "POST",
                                        const std::string& body = "") const;

  private:
    std::string admin_;  ///< "" without a socket
    std::vector<std::string> bases_;
};

/// Whether the collector has answered so. Sets the exit code; if not, prints the reason.
bool isAnswered(const Expected<http::Response>& answer, int status, int& code);

/// The name of the user who runs the program, also through sudo.
std::string userName();

/// A text or a number of an object as text; "" for any other member.
std::string member(const json::Value& object, const char* name);
/// The same, printable().
std::string shown(const json::Value& object, const char* name);

/// An answer in Prometheus' envelope; `document` has `data`.
struct Answer {
    std::string body;
    json::Document document;
};

/// Asks for a path. After any failure, prints it, sets the exit code and returns nothing.
std::optional<Answer> ask(const Collector& collector, const std::string& path, int& code);

/// Fetches a list and prints it: unchanged with --json, otherwise by `print`. Returns the exit code that
/// `print` returns; with --json it prints nothing (`quiet`).
int show(const std::string& config_file, bool as_json, const std::string& path,
         const std::function<int(const json::Value& data, bool quiet)>& print);

/// The finding, as the API answers it, is accepted and no worse.
bool isAccepted(const json::Value& finding);

/// printable() of a text of several lines, which keeps them: the collector's answers may contain text from a
/// compromised host. Each line ends with a newline.
std::string plainLines(const std::string& text);

}  // namespace lapwing::collector
