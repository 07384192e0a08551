#pragma once

#include <sstream>
#include <string>
#include <utility>

#include "agent/probes/mysql/connection.h"
#include "tests/unit/fixtures.h"
#include "tests/unit/probes/samples.h"

namespace lapwing::test {

/// An output of `mariadb --batch`: tabs between columns, NULL as that word, "\\n" for a newline.
inline agent::mysql::Table table(const std::string& name) {
    agent::mysql::Table out;
    std::istringstream lines(fixture("mysql/" + name));
    for (std::string line; std::getline(lines, line);) {
        std::vector<std::optional<std::string>> row;
        std::istringstream fields(line + "\t");
        for (std::string field; std::getline(fields, field, '\t');) {
            for (auto at = field.find("\\n"); at != std::string::npos; at = field.find("\\n", at)) {
                field.replace(at, 2, "\n");
            }
            const bool null = !out.columns.empty() && field == "NULL";
            row.push_back(null ? std::nullopt : std::optional<std::string>(field));
        }
        if (out.columns.empty()) {
            for (const auto& field : row) {
                out.columns.push_back(*field);
            }
        } else {
            out.rows.push_back(std::move(row));
        }
    }
    return out;
}

}  // namespace lapwing::test
