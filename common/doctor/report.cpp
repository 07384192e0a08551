#include "common/doctor/report.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/json.h"
#include "common/text.h"

namespace lapwing::doctor {
namespace {

const char* wordOf(Report::Result result) {
    switch (result) {
        case Report::Result::well:
            return "ok";
        case Report::Result::wrong:
            return "WRONG";
        case Report::Result::unknown:
            return "unknown";
    }
    return "unknown";
}

}  // namespace

void Report::well(const std::string& area, const std::string& tried, const std::string& found) {
    checks_.push_back({area, printable(tried), Result::well, printable(found), ""});
}

void Report::wrong(const std::string& area, const std::string& tried, const std::string& found,
                   const std::string& fix) {
    checks_.push_back({area, printable(tried), Result::wrong, printable(found), fix});
}

void Report::unknown(const std::string& area, const std::string& tried, const std::string& why) {
    checks_.push_back({area, printable(tried), Result::unknown, printable(why), ""});
}

std::size_t Report::count(Result result) const {
    return static_cast<std::size_t>(std::count_if(checks_.begin(), checks_.end(),
                                                  [&](const Check& each) { return each.result == result; }));
}

bool Report::allWell() const {
    return count(Result::wrong) == 0;
}

std::string Report::text() const {
    std::string out;
    for (const auto& check : checks_) {
        out += fmt::format("{:<8} {:<12} {}{}{}\n", wordOf(check.result), check.area, check.tried,
                           check.found.empty() ? "" : ": ", check.found);
        if (!check.fix.empty()) {
            out += fmt::format("\n{}{}\n", check.fix, check.fix.ends_with('\n') ? "" : "\n");
        }
    }
    const auto wrong = count(Result::wrong);
    const auto unknown = count(Result::unknown);
    out += wrong == 0 ? "nothing to fix" : counted(wrong, "thing", "things") + " to fix";
    out += unknown == 0 ? "\n" : "; " + counted(unknown, "thing", "things") + " could not be seen\n";
    return out;
}

std::string Report::json() const {
    json::Writer out;
    out.StartObject();
    json::put(out, "wrong", count(Result::wrong));
    json::put(out, "unknown", count(Result::unknown));
    json::key(out, "checks");
    out.StartArray();
    for (const auto& check : checks_) {
        out.StartObject();
        json::put(out, "area", check.area);
        json::put(out, "tried", check.tried);
        json::put(out, "result", lower(wordOf(check.result)));
        json::put(out, "found", check.found);
        json::put(out, "fix", check.fix);
        out.EndObject();
    }
    out.EndArray();
    out.EndObject();
    return out.text();
}

}  // namespace lapwing::doctor
