#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/probes/mysql/connection.h"
#include "agent/probes/text.h"

namespace lapwing::agent::mysql {

/// One row of a table, read by column names: the first of `names` that the table has (the names differ
/// between versions). Nothing where there is no such column, or it is NULL. Must not outlive its table.
class Row {
  public:
    Row(const Table& table, const std::vector<std::optional<std::string>>& row) : table_(table), row_(row) {}

    std::optional<std::string_view> get(std::initializer_list<std::string_view> names) const {
        for (const auto name : names) {
            const auto at = table_.find(name);
            if (at && *at < row_.size()) {
                return row_[*at] ? std::optional<std::string_view>(*row_[*at]) : std::nullopt;
            }
        }
        return std::nullopt;
    }
    std::optional<double> number(std::initializer_list<std::string_view> names) const {
        const auto text = get(names);
        return text ? toNumber(*text) : std::nullopt;
    }
    /// Like get(), but "" where that has no value.
    std::string text(std::initializer_list<std::string_view> names) const {
        return std::string(get(names).value_or(std::string_view()));
    }

  private:
    const Table& table_;
    const std::vector<std::optional<std::string>>& row_;
};

/// The number of a binary log: 3 of "binlog.000003".
inline std::optional<double> logNumber(std::string_view file) {
    const auto dot = file.rfind('.');
    return dot == std::string_view::npos ? std::nullopt : toNumber(file.substr(dot + 1));
}

}  // namespace lapwing::agent::mysql
