#include <cstdlib>
#include <string>

#include "collector/api/discovery.h"
#include "collector/api/parameters.h"
#include "collector/api/status.h"

using namespace lapwing;
using namespace lapwing::api;

// Passes the parameters of a URL or a form through every function with which the API reads them.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string text(reinterpret_cast<const char*>(data), size);
    const auto form = parseForm(text);
    for (const auto& [name, value] : form.values) {
        const Parameters parameters{{"limit", value}, {"match[]", value}, {"time", value}};
        const auto time = timeParameter(parameters, "time", 0);
        if (time && (*time < -9'000'000'000'000'001 || *time > 9'000'000'000'000'001)) {
            std::abort();
        }
        if (const auto limit = limitParameter(parameters); limit && *limit > INT32_MAX) {
            std::abort();
        }
        if (const auto any = matchParameters(parameters); any && any->size() != 1) {
            std::abort();
        }
        if (!parseDurationNs(value) && value == "1s") {
            std::abort();
        }
        if (value == "1" && first(form.values, name).empty() && all(form.values, name).empty()) {
            std::abort();
        }
    }
    if (const auto path = decodePath(text)) {
        const std::string label = unescapeName(*path);
        if (!path->starts_with("U__") && label != *path) {
            std::abort();
        }
        if (isValidUtf8(*path) && !isValidUtf8(label)) {
            std::abort();
        }
    }
    if (publicUrl(text).find('@') != std::string::npos && text.find('@') == std::string::npos &&
        text.find("%40") == std::string::npos) {
        std::abort();
    }
    return 0;
}
