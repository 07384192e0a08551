#pragma once

#include <array>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/enum_names.h"
#include "common/error.h"
#include "common/model/sample.h"

namespace lapwing::agent::configtest {

enum class Result {
    good,     ///< the program would load its configuration
    broken,   ///< it would not
    unknown,  ///< the test could not run as the service does
};

inline constexpr std::array<EnumName<Result>, 3> kResultNames{{
    {Result::good, "good"},
    {Result::broken, "broken"},
    {Result::unknown, "unknown"},
}};

/// The test of one program's configuration.
struct Test {
    std::string program;        ///< "nginx", "haproxy"
    std::string configuration;  ///< its main files, with blanks between them; "" if unknown
    Result result = Result::unknown;
    std::string words;  ///< broken: the program's own; unknown: the reason; else ""
    std::string place;  ///< "/etc/nginx/nginx.conf:12", or "" if the program names no line
    /// When the test last ran; 0 if it never did.
    TimestampMs tested = 0;
    /// Since when a name has not resolved; 0 if every name resolves.
    TimestampMs unresolved_since = 0;
    std::string command;  ///< the digest of the command line and the program's file
    std::string inputs;   ///< the digest of the files
    bool operator==(const Test&) const = default;
};

/// A certificate's file that changed after its program had loaded it.
struct ChangedCertificate {
    std::string program;  ///< "nginx", "haproxy"
    std::string file;
    std::string address;  ///< where the program presents it: "127.0.0.1:443", "[::1]:443"
    std::string name;     ///< the name to ask for; "" for none
    bool operator==(const ChangedCertificate&) const = default;
};

struct Certificates {
    /// SHA-256 of the DER form, in lower-case hexadecimal, of each server's certificate on the disk that the
    /// configurations name.
    std::set<std::string> leaves;
    std::vector<ChangedCertificate> changed;
    bool operator==(const Certificates&) const = default;
};

/// The content of the file that lapwing-configtest writes.
struct Tests {
    TimestampMs time = 0;
    std::vector<Test> tests;
    Certificates certificates = {};
    bool operator==(const Tests&) const = default;
};

std::string toJson(const Tests& tests);
/// Error `protocol` for any text that toJson() did not write.
Expected<Tests> parseTests(std::string_view json);

/// Reads the file of lapwing-configtest. Errors: `not_found` (it has not run), `denied`, `protocol`, and
/// `unavailable` for a file that is older than `max_age_ms` (its message says since when no test has run).
Expected<Tests> readTests(const std::string& path, TimestampMs now, std::int64_t max_age_ms);

/// Whether somebody has masked or disabled lapwing-configtest.timer, as the links of systemctl in its
/// directories ("/etc/systemd/system") say.
bool isSwitchedOff(const std::vector<std::string>& unit_directories);

}  // namespace lapwing::agent::configtest
