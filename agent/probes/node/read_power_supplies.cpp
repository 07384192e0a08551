#include <array>
#include <string>

#include "agent/probes/node/collectors.h"
#include "agent/probes/node/metrics.h"

namespace lapwing::agent::node {
namespace {

struct Attribute {
    const char* file;
    const char* name;
    double factor;
};

// Documentation/ABI/testing/sysfs-class-power: microvolts, microamperes, tenths of a degree. The names are
// node_exporter's.
constexpr double kMicro = 1e-6;
constexpr std::array<Attribute, 49> kAttributes = {{
    {"authentic", "authentic", 1},
    {"calibrate", "calibrate", 1},
    {"capacity", "capacity", 1},
    {"capacity_alert_max", "capacity_alert_max", 1},
    {"capacity_alert_min", "capacity_alert_min", 1},
    {"charge_control_limit", "charge_control_limit", kMicro},
    {"charge_control_limit_max", "charge_control_limit_max", kMicro},
    {"charge_counter", "charge_counter", kMicro},
    {"charge_empty", "charge_empty", kMicro},
    {"charge_empty_design", "charge_empty_design", kMicro},
    {"charge_full", "charge_full", kMicro},
    {"charge_full_design", "charge_full_design", kMicro},
    {"charge_now", "charge_ampere", kMicro},
    {"charge_term_current", "charge_term_current", kMicro},
    {"constant_charge_current", "constant_charge_current", kMicro},
    {"constant_charge_current_max", "constant_charge_current_max", kMicro},
    {"constant_charge_voltage", "constant_charge_voltage", kMicro},
    {"constant_charge_voltage_max", "constant_charge_voltage_max", kMicro},
    {"current_boot", "current_boot", kMicro},
    {"current_max", "current_max", kMicro},
    {"current_now", "current_ampere", kMicro},
    {"cycle_count", "cyclecount", 1},
    {"energy_empty", "energy_empty", kMicro},
    {"energy_empty_design", "energy_empty_design", kMicro},
    {"energy_full", "energy_full", kMicro},
    {"energy_full_design", "energy_full_design", kMicro},
    {"energy_now", "energy_watthour", kMicro},
    {"input_current_limit", "input_current_limit", kMicro},
    {"online", "online", 1},
    {"power_now", "power_watt", kMicro},
    {"precharge_current", "precharge_current", kMicro},
    {"present", "present", 1},
    {"temp", "temp_celsius", 0.1},
    {"temp_alert_max", "temp_alert_max_celsius", 0.1},
    {"temp_alert_min", "temp_alert_min_celsius", 0.1},
    {"temp_ambient", "temp_ambient_celsius", 0.1},
    {"temp_ambient_max", "temp_ambient_max_celsius", 0.1},
    {"temp_ambient_min", "temp_ambient_min_celsius", 0.1},
    {"temp_max", "temp_max_celsius", 0.1},
    {"temp_min", "temp_min_celsius", 0.1},
    {"time_to_empty_now", "time_to_empty_seconds", 1},
    {"time_to_full_now", "time_to_full_seconds", 1},
    {"voltage_boot", "voltage_boot", kMicro},
    {"voltage_max", "voltage_max", kMicro},
    {"voltage_max_design", "voltage_max_design", kMicro},
    {"voltage_min", "voltage_min", kMicro},
    {"voltage_min_design", "voltage_min_design", kMicro},
    {"voltage_now", "voltage_volt", kMicro},
    {"voltage_ocv", "voltage_ocv", kMicro},
}};

constexpr std::array<const char*, 11> kTexts = {
    "capacity_level", "charge_type", "health",     "manufacturer", "model_name", "scope",
    "serial_number",  "status",      "technology", "type",         "usb_type"};

}  // namespace

Expected<void> collectPowerSupplies(Files& files, Families& out) {
    const auto folder = files.sys("/class/power_supply/");
    const auto names = files.list(folder, "", kMostDevices, "power supplies");
    if (!names) {
        return fail(names.error());
    }
    Metrics metrics(out);
    for (const auto& supply : *names) {
        auto path = folder + supply;
        path += '/';
        for (const auto& attribute : kAttributes) {
            if (const auto value = files.number(path + attribute.file)) {
                metrics.gauge("node_power_supply_" + std::string(attribute.name),
                              "Of the power supply in /sys/class/power_supply.", *value * attribute.factor,
                              {{"power_supply", supply}});
            }
        }
        Metrics::Labels labels = {{"power_supply", supply}};
        for (const char* text : kTexts) {
            labels.push_back({text, files.text(path + text).value_or("")});
        }
        metrics.info("node_power_supply_info", "What the power supply is.", std::move(labels));
    }
    return {};
}

}  // namespace lapwing::agent::node
