#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace lapwing::agent::exec {

/// A value of a plugin's performance data, in base units.
struct Value {
    std::string label;
    std::string unit;  ///< "seconds", "bytes", "ratio", "" or the plugin's own, of letters
    double value = 0;
    bool counter = false;
};

/// The output of a plugin, by the "Monitoring Plugins Development Guidelines".
struct PluginOutput {
    std::string text;  ///< the first line, up to the performance data
    std::vector<Value> values;
    std::size_t left_out = 0;  ///< values beyond the limits, or that are none
};

/// Takes at most 64 values; labels of more than 128 bytes and a second value of one label are left out. KB,
/// MB, GB and TB are powers of 1024, as the monitoring plugins mean them. Thresholds are not read. Pure.
PluginOutput parsePluginOutput(std::string_view output);

}  // namespace lapwing::agent::exec
