#pragma once

#include <compare>
#include <string>
#include <vector>

#include "common/model/sample.h"

namespace lapwing::analysis {

enum class Severity { critical, high, medium, low, info };
enum class Confidence { confirmed, suspected, unknown };

const char* severityName(Severity severity);
const char* confidenceName(Confidence confidence);

struct Evidence {
    std::string source;  ///< "ruleset of web-01", "attempt from web-02", "haproxy statistics of lb-01"
    std::string text;    ///< what the source shows, as a sentence
};

/// One thing that a finding is about. A finding whose parts are not among those of before has become worse.
struct Part {
    std::string what;  ///< "tcp/22", "tcp/3306 (mysql) over IPv4 from anywhere"
    std::string from =
        {};  ///< a range of addresses (reach::AddressRange) to which it is open; "": `what` says all
    auto operator<=>(const Part&) const = default;
};

/// A fault or a risk. `id` and `subject` together identify it.
struct Finding {
    std::string id;       ///< "F1", "R1": docs/findings/ has a page for each
    std::string subject;  ///< "web-01", "mysql@web-02", "haproxy@lb-01"
    Severity severity = Severity::info;
    Confidence confidence = Confidence::unknown;
    TimestampMs since = 0;  ///< its first appearance without a break; set by the book
    std::string title;      ///< one line for a person: "ssh on web-01 is open to anybody"
    std::vector<Evidence> evidence;
    std::string remedy;                     ///< the exact step
    std::vector<std::string> not_assessed;  ///< aspects that the verdict does not cover
    std::vector<Part> parts;                ///< empty: the title says what it is about
};

}  // namespace lapwing::analysis
