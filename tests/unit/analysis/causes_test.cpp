#include <array>
#include <fstream>
#include <set>
#include <sstream>
#include <utility>

#include "collector/analysis/replication/cause.h"
#include "collector/analysis/replication/lag.h"
#include "collector/analysis/replication/stated_causes.h"
#include "tests/unit/catch.h"
#include "tests/unit/fixtures.h"

namespace {

using namespace lapwing::analysis::replication;
namespace database = lapwing::database;
using NamePair = std::pair<std::string, std::string>;

/// The lines of docs/replication.md between a heading and the next heading.
std::vector<std::string> section(const std::string& heading) {
    std::ifstream file(lapwing::test::fixturePath("../../docs/replication.md"));
    REQUIRE(file);
    std::vector<std::string> lines;
    bool inside = false;
    for (std::string line; std::getline(file, line);) {
        if (line.starts_with("## ")) {
            inside = line == heading;
        } else if (inside) {
            lines.push_back(line);
        }
    }
    return lines;
}

/// The texts in backquotes.
std::vector<std::string> quoted(const std::string& text) {
    std::vector<std::string> out;
    std::istringstream parts(text);
    int index = 0;
    for (std::string part; std::getline(parts, part, '`'); ++index) {
        if (index % 2 == 1) {
            out.push_back(part);
        }
    }
    return out;
}

/// The cells of each row of the section's table, without the header.
std::vector<std::vector<std::string>> table(const std::string& heading) {
    std::vector<std::vector<std::string>> rows;
    for (const auto& line : section(heading)) {
        if (!line.starts_with("| `")) {
            continue;
        }
        std::istringstream cells(line.substr(1));
        rows.emplace_back();
        for (std::string cell; std::getline(cells, cell, '|');) {
            rows.back().push_back(cell);
        }
    }
    return rows;
}

}  // namespace

TEST_CASE("docs/replication.md lists every cause with its states") {
    std::set<NamePair> documented;
    for (const auto& row : table("## State and cause")) {
        REQUIRE(row.size() == 2);
        for (const auto& cause : quoted(row[1])) {
            documented.insert({quoted(row[0]).front(), cause});
        }
    }
    std::set<NamePair> known;
    for (const auto& row : kCauses) {
        known.insert({stateName(row.state), row.name});
        if (row.stops_receiver) {
            known.insert({stateName(State::broken), row.name});
        }
    }
    CHECK(documented == known);
}

TEST_CASE("docs/replication.md lists every estimator") {
    std::set<std::string> documented;
    for (const auto& row : table("## The lag")) {
        documented.insert(quoted(row.front()).front());
    }
    std::set<std::string> known;
    for (const auto& row : kLagSourceNames) {
        known.insert(row.name);
    }
    CHECK(documented == known);
}

TEST_CASE("docs/replication.md lists every phrase of an error with its cause, in order") {
    std::vector<NamePair> documented;
    for (const auto& row : table("## Error texts")) {
        REQUIRE(row.size() == 2);
        documented.emplace_back(quoted(row[0]).front(), quoted(row[1]).front());
    }
    std::vector<NamePair> known;
    for (const auto& row : kStatedPhrases) {
        known.emplace_back(std::string(row.phrase), causeName(row.cause));
    }
    CHECK(documented == known);
}

TEST_CASE("docs/replication.md lists every error number with its class and cause") {
    std::set<std::array<std::string, 3>> documented;
    for (const auto& row : table("## Error numbers")) {
        REQUIRE(row.size() == 4);
        const auto cause = quoted(row[3]);
        for (const auto& number : quoted(row[1])) {
            documented.insert({number, quoted(row[0]).front(), cause.empty() ? "" : cause.front()});
        }
    }
    std::set<std::array<std::string, 3>> known;
    unsigned before = 0;
    for (const auto& row : database::kKnownErrors) {
        CHECK(row.number > before);  // knownError() searches by halves
        before = row.number;
        CHECK(database::knownError(row.number) == &row);
        const auto cause = causeOfClass(row.kind);
        known.insert(
            {std::to_string(row.number), database::errorClassName(row.kind), cause ? causeName(*cause) : ""});
    }
    CHECK(documented == known);
    CHECK(database::knownError(0) == nullptr);
    CHECK(database::knownError(1064) == nullptr);
}

TEST_CASE("docs/replication.md lists every state with its reason and cause") {
    std::set<std::array<std::string, 3>> documented;
    for (const auto& row : table("## Thread states")) {
        REQUIRE(row.size() == 3);
        documented.insert({quoted(row[0]).front(), quoted(row[1]).front(), quoted(row[2]).front()});
    }
    std::set<std::array<std::string, 3>> known;
    for (const auto& row : database::kKnownStates) {
        CHECK(database::knownState(row.text) == &row);
        known.insert({std::string(row.text), database::waitReasonName(row.reason),
                      causeName(causeOfWait(row.reason).value_or(Cause::unknown))});
    }
    CHECK(documented == known);
}

TEST_CASE("Every class of errors and every reason to wait has a name") {
    for (const auto& row : database::kErrorClassNames) {
        CHECK(database::errorClassName(row.value) == std::string(row.name));
    }
    CHECK(database::isRefusal(database::ErrorClass::credentials));
    CHECK(database::isRefusal(database::ErrorClass::offline_mode));
    CHECK_FALSE(database::isRefusal(database::ErrorClass::unreachable));
}

TEST_CASE("Printed names of causes and states parse back") {
    for (const auto& row : kCauses) {
        CHECK(parseCause(causeName(row.cause)) == row.cause);
    }
    for (const auto& row : kStateNames) {
        CHECK(parseState(stateName(row.value)) == row.value);
    }
    CHECK(parseCause("") == std::nullopt);
    CHECK(parseState("lost") == std::nullopt);
}
