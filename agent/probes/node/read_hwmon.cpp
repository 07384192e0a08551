#include <stdlib.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/probes/node/collectors.h"
#include "agent/probes/node/metrics.h"
#include "agent/probes/text.h"
#include "common/characters.h"

// Documentation/hwmon/sysfs-interface.rst: /sys/class/hwmon/hwmonN has a file TYPE[NUMBER][_ELEMENT] for each
// value: temp1_input is in thousandths of a degree, in0_input in millivolts, power1_average in microwatts.

namespace lapwing::agent::node {
namespace {

constexpr std::size_t kMostFiles = 512;     // of one chip
constexpr std::size_t kMostSensors = 1024;  // of the host

constexpr std::array<std::string_view, 14> kTypes = {
    "vrm",  "beep_enable", "update_interval", "in",     "cpu",      "fan",       "pwm",
    "temp", "curr",        "power",           "energy", "humidity", "intrusion", "freq"};

using Elements = std::map<std::string, std::string>;
struct Sensor {
    std::string type;
    Elements elements;
};
using Sensors = std::map<std::string, Sensor>;  ///< by type and number: "temp1"

/// Lower case; other characters than [a-z0-9:_] become "_", none of them at an end.
std::string cleaned(std::string_view text) {
    std::string out;
    for (const char c : text) {
        const char lower = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
        out += isWordPart(lower) || lower == ':' ? lower : '_';
    }
    const auto first = out.find_first_not_of('_');
    return first == std::string::npos ? std::string()
                                      : out.substr(first, out.find_last_not_of('_') - first + 1);
}

struct FileName {
    std::string_view type;
    std::string number;  ///< without leading zeros; "0" without a number
    std::string_view element;
};

/// "temp1_crit_alarm" -> temp, 1, crit_alarm
std::optional<FileName> split(std::string_view name) {
    for (const auto type : kTypes) {
        if (!name.starts_with(type)) {
            continue;
        }
        auto rest = name.substr(type.size());
        const auto digits = std::min(rest.find_first_not_of("0123456789"), rest.size());
        auto number = rest.substr(0, digits);
        rest.remove_prefix(digits);
        number.remove_prefix(std::min(number.find_first_not_of('0'), number.size()));
        if (rest.empty() || (rest.front() == '_' && rest.size() > 1)) {
            return FileName{type, number.empty() ? "0" : std::string(number),
                            rest.substr(rest.empty() ? 0 : 1)};
        }
    }
    return std::nullopt;
}

void readSensors(const std::string& folder, Files& files, Sensors& sensors) {
    const auto names = files.list(folder, "", kMostFiles, "files of a sensors' chip");
    const auto path = folder + "/";
    for (const auto& name : names.value_or(std::vector<std::string>())) {
        const auto parts = split(name);
        if (!parts) {
            continue;
        }
        if (auto value = files.text(path + name)) {
            auto& sensor = sensors[std::string(parts->type) + parts->number];
            sensor.type = parts->type;
            sensor.elements[std::string(parts->element)] = std::move(*value);
        }
    }
}

std::optional<std::string> realPath(const std::string& path) {
    const std::unique_ptr<char, decltype(&::free)> real(::realpath(path.c_str(), nullptr), &::free);
    return real ? std::optional<std::string>(real.get()) : std::nullopt;
}

/// The bus and the name of the device, which stay when modules load in another order: "platform_coretemp_0".
std::string chipName(const std::string& folder, Files& files) {
    if (const auto device = realPath(folder + "/device")) {
        const auto slash = device->rfind('/');
        const auto before = device->rfind('/', slash - 1);
        const auto bus = cleaned(std::string_view(*device).substr(before + 1, slash - before - 1));
        const auto name = cleaned(std::string_view(*device).substr(slash + 1));
        if (!name.empty()) {
            return bus.empty() ? name : bus + "_" + name;
        }
    }
    if (const auto name = files.text(folder + "/name")) {
        if (auto clean = cleaned(*name); !clean.empty()) {
            return clean;
        }
    }
    const auto real = realPath(folder).value_or(folder);
    return cleaned(std::string_view(real).substr(real.rfind('/') + 1));
}

struct Unit {
    std::string suffix;
    double factor = 1;
    bool counts = false;
};

/// The unit of an element in node_exporter's names, and the factor from the kernel's unit.
Unit unitOf(std::string_view type, std::string_view element) {
    constexpr double milli = 1e-3;
    constexpr double micro = 1e-6;
    if (element == "fault" || element == "alarm") {
        return {};
    }
    if (element == "beep") {
        return {"_enabled"};
    }
    if (type == "in" || type == "cpu") {
        return {"_volts", milli};
    }
    if (type == "temp" && element != "type") {
        return {"_celsius", milli};
    }
    if (type == "curr") {
        return {"_amps", milli};
    }
    if (type == "energy") {
        return {"_joule_total", micro, true};
    }
    if (type == "power") {
        const bool interval = element == "average_interval" || element == "average_interval_min" ||
                              element == "average_interval_max";
        return element == "accuracy" ? Unit{"", micro}
               : interval            ? Unit{"_seconds", milli}
                                     : Unit{"_watt", micro};
    }
    if (type == "humidity") {
        return {"", micro};
    }
    if (type == "fan" &&
        (element == "input" || element == "min" || element == "max" || element == "target")) {
        return {"_rpm"};
    }
    if (type == "freq" && element == "input") {
        return {"_freq_mhz", micro};
    }
    return {};
}

void addElements(const std::string& chip, const std::string& name, const Sensor& sensor, Metrics& metrics) {
    const auto plain = sensor.elements.find("");
    for (const auto& [element, text] : sensor.elements) {
        const auto value = toNumber(text);
        if (element == "label" || !value) {
            continue;
        }
        auto full = "node_hwmon_" + sensor.type;
        if (element == "input") {
            full += plain != sensor.elements.end() ? "_input" : "";
        } else if (!element.empty()) {
            full += "_" + cleaned(element);
        }
        const auto unit = unitOf(sensor.type, element);
        // As node_exporter has it, a clock of a graphics card goes by its label.
        const auto label = sensor.elements.find("label");
        const bool by_label = sensor.type == "freq" && element == "input" && label != sensor.elements.end();
        metrics.add(full + unit.suffix, "Of a sensor in /sys/class/hwmon.",
                    unit.counts ? prometheus::MetricType::Counter : prometheus::MetricType::Gauge,
                    *value * unit.factor,
                    {{"chip", chip}, {"sensor", by_label ? cleaned(label->second) : name}});
    }
}

void addSensor(const std::string& chip, const std::string& name, const Sensor& sensor, Metrics& metrics) {
    const Metrics::Labels labels = {{"chip", chip}, {"sensor", name}};
    if (const auto label = sensor.elements.find("label"); label != sensor.elements.end()) {
        metrics.info("node_hwmon_sensor_label", "The label of the sensor.",
                     {{"chip", chip}, {"label", label->second}, {"sensor", name}});
    }
    const auto plain = sensor.elements.find("");
    const auto value = plain != sensor.elements.end() ? toNumber(plain->second) : std::nullopt;
    if (sensor.type == "beep_enable") {
        metrics.gauge("node_hwmon_beep_enabled", "1 if the chip may beep.", value == 1 ? 1 : 0, labels);
    } else if (sensor.type == "vrm" && value) {
        metrics.gauge("node_hwmon_voltage_regulator_version", "The version of the regulator.", *value,
                      labels);
    } else if (sensor.type == "update_interval" && value) {
        metrics.gauge("node_hwmon_update_interval_seconds", "Between the chip's measurements.", *value * 1e-3,
                      labels);
    } else if (sensor.type != "vrm" && sensor.type != "update_interval") {
        addElements(chip, name, sensor, metrics);
    }
}

}  // namespace

Expected<void> collectHwmon(Files& files, Families& out) {
    const auto folder = files.sys("/class/hwmon/");
    const auto names = files.list(folder, "", kMostDevices, "sensors' chips");
    if (!names) {
        return fail(names.error());
    }
    Metrics metrics(out);
    std::set<std::string> chips;
    std::size_t count = 0;
    for (const auto& entry : *names) {
        const auto path = folder + entry;
        auto chip = chipName(path, files);
        if (!chips.insert(chip).second) {
            chip += "_" + entry;  // several without a device have one name
        }
        Sensors sensors;
        readSensors(path, files, sensors);
        // Old drivers put the values beside the class's folder.
        readSensors(path + "/device", files, sensors);
        if (const auto name = files.text(path + "/name")) {
            if (auto clean = cleaned(*name); !clean.empty()) {
                metrics.info("node_hwmon_chip_names", "The name of the chip.",
                             {{"chip", chip}, {"chip_name", std::move(clean)}});
            }
        }
        for (const auto& [name, sensor] : sensors) {
            if (++count > kMostSensors) {
                files.noteCut(kMostSensors, "sensors");
                return {};
            }
            addSensor(chip, name, sensor, metrics);
        }
    }
    return {};
}

}  // namespace lapwing::agent::node
