#pragma once

#include <prometheus/metric_family.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/probes/mysql/connection.h"

namespace lapwing::agent::mysql {

/// SHOW GLOBAL STATUS and SHOW GLOBAL VARIABLES as mysqld_exporter's families. Pure functions.

enum class VariableSource { status, variables };

/// Asks for all of them.
const char* allVariablesStatement(VariableSource source);
/// Asks for those that tell of health, load or limits.
const std::string& chosenVariablesStatement(VariableSource source);

/// A number; ON, Yes and Primary as 1, and OFF, No, Disabled, Connecting, non-Primary and Disconnected as 0;
/// a time ("2026-11-25 16:00:00" or "Nov 25 16:00:00 2026 GMT") as Unix seconds. Nothing for other texts.
std::optional<double> variableValue(std::string_view text);

/// The text of a variable; "" without it. Part of the answer.
std::string_view variable(const Table& answer, std::string_view name);
/// The same for a label: at most 256 bytes, and "" where it is not UTF-8.
std::string variableText(const Table& answer, std::string_view name);

/// The families of an answer's numeric variables, one with each call of next().
class VariableFamilies {
  public:
    /// Longer names are left out: no server has any (VARIABLE_NAME is a varchar(64)).
    static constexpr std::size_t kLongestName = 64;
    static constexpr std::size_t kMostVariables = 2000;

    VariableFamilies(VariableSource source, const Table& answer);

    /// False after the last.
    bool next(prometheus::MetricFamily& out);
    /// The numeric variables without a series: their names are longer, make the same metric as another's, or
    /// there are more of them.
    std::size_t leftOut() const { return left_out_; }

  private:
    struct Entry {
        std::uint8_t group = 0;  ///< of the families below
        std::string name;        ///< without the group's prefix
        double value = 0;
    };
    std::vector<Entry> entries_;
    std::size_t next_ = 0;
    std::size_t left_out_ = 0;
};

}  // namespace lapwing::agent::mysql
