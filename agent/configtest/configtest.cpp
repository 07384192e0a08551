#include "agent/configtest/configtest.h"

#include <sys/stat.h>

#include <cstddef>
#include <filesystem>
#include <string>
#include <system_error>

#include "common/files.h"
#include "common/json.h"
#include "common/time_text.h"

namespace lapwing::agent::configtest {

namespace {

constexpr int kFormat = 1;
constexpr std::size_t kMostBytes = 1U << 20;
constexpr const char* kTimer = "lapwing-configtest.timer";

}  // namespace

std::string toJson(const Tests& tests) {
    json::Writer out;
    out.StartObject();
    json::put(out, "format", kFormat);
    json::put(out, "time_ms", tests.time);
    json::key(out, "tests");
    out.StartArray();
    for (const auto& test : tests.tests) {
        out.StartObject();
        json::put(out, "program", test.program);
        json::put(out, "configuration", test.configuration);
        json::put(out, "result", nameOf(kResultNames, test.result));
        json::put(out, "words", test.words);
        json::put(out, "place", test.place);
        json::put(out, "tested_ms", test.tested);
        json::put(out, "unresolved_since_ms", test.unresolved_since);
        json::put(out, "command", test.command);
        json::put(out, "inputs", test.inputs);
        out.EndObject();
    }
    out.EndArray();
    json::key(out, "leaves");
    out.StartArray();
    for (const auto& leaf : tests.certificates.leaves) {
        out.String(leaf.c_str());
    }
    out.EndArray();
    json::key(out, "changed");
    out.StartArray();
    for (const auto& changed : tests.certificates.changed) {
        out.StartObject();
        json::put(out, "program", changed.program);
        json::put(out, "file", changed.file);
        json::put(out, "address", changed.address);
        json::put(out, "name", changed.name);
        out.EndObject();
    }
    out.EndArray();
    out.EndObject();
    return out.text();
}

Expected<Tests> parseTests(std::string_view text) {
    const auto document = json::parse(text);
    const auto time = json::integer(document, "time_ms");
    if (json::integer(document, "format") != kFormat || !time) {
        return fail(ErrorKind::protocol,
                    "reading the tests of configurations: not in the form that this version writes");
    }
    Tests out;
    out.time = *time;
    for (const auto& test : json::items(json::member(document, "tests"))) {
        out.tests.push_back({json::text(test, "program"), json::text(test, "configuration"),
                             valueOf(kResultNames, json::text(test, "result")).value_or(Result::unknown),
                             json::text(test, "words"), json::text(test, "place"),
                             json::integer(test, "tested_ms").value_or(0),
                             json::integer(test, "unresolved_since_ms").value_or(0),
                             json::text(test, "command"), json::text(test, "inputs")});
    }
    for (const auto& leaf : json::items(json::member(document, "leaves"))) {
        out.certificates.leaves.insert(json::text(leaf));
    }
    for (const auto& changed : json::items(json::member(document, "changed"))) {
        out.certificates.changed.push_back({json::text(changed, "program"), json::text(changed, "file"),
                                            json::text(changed, "address"), json::text(changed, "name")});
    }
    return out;
}

Expected<Tests> readTests(const std::string& path, TimestampMs now, std::int64_t max_age_ms) {
    const auto text = files::readFile(path, kMostBytes);
    if (!text) {
        return tl::unexpected(text.error());
    }
    auto tests = parseTests(*text);
    if (tests && now - tests->time > max_age_ms) {
        return fail(ErrorKind::unavailable, "configuration tests have not run since " + rfc3339(tests->time));
    }
    return tests;
}

bool isSwitchedOff(const std::vector<std::string>& unit_directories) {
    namespace fs = std::filesystem;
    bool enabled = false;
    for (const auto& directory : unit_directories) {
        std::error_code none;
        if (fs::read_symlink(directory + "/" + kTimer, none) == "/dev/null") {
            return true;
        }
        struct stat link {};
        enabled = enabled || ::lstat((directory + "/timers.target.wants/" + kTimer).c_str(), &link) == 0;
    }
    return !enabled;
}

}  // namespace lapwing::agent::configtest
