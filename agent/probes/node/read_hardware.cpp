#include <array>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/probes/node/collectors.h"
#include "agent/probes/node/metrics.h"
#include "agent/probes/text.h"
#include "common/characters.h"

namespace lapwing::agent::node {
namespace {

/// "mc12" -> "12"; nothing for another name.
std::optional<std::string> numberAfter(std::string_view prefix, std::string_view name) {
    name.remove_prefix(prefix.size());
    const bool digits = !name.empty() && name.find_first_not_of("0123456789") == std::string_view::npos;
    return digits ? std::optional<std::string>(name) : std::nullopt;
}

/// Errors of a memory controller's row: csrowN, or those that no row is known for.
void addRow(const std::string& correctable, const std::string& uncorrectable, const Metrics::Labels& labels,
            Files& files, Metrics& metrics) {
    if (const auto value = files.number(correctable)) {
        metrics.counter("node_edac_csrow_correctable_errors_total", "Corrected memory errors of the row.",
                        *value, labels);
    }
    if (const auto value = files.number(uncorrectable)) {
        metrics.counter("node_edac_csrow_uncorrectable_errors_total",
                        "Memory errors of the row that could not be corrected.", *value, labels);
    }
}

/// "package-0" -> package, 0; other names are counted.
struct ZoneName {
    std::string name;
    std::string index;
};

ZoneName zoneName(const std::string& text, const std::map<std::string, int>& seen) {
    const auto dash = text.find('-');
    if (dash != std::string::npos && text.find('-', dash + 1) == std::string::npos) {
        const auto number = toNumber(std::string_view(text).substr(dash + 1));
        if (number) {
            return {text.substr(0, dash), text.substr(dash + 1)};
        }
    }
    const auto found = seen.find(text);
    return {text, std::to_string(found == seen.end() ? 0 : found->second)};
}

/// A part of a metric's name.
std::string asName(std::string_view text) {
    std::string out;
    for (const char c : text) {
        out += isWordPart(c) ? c : '_';
    }
    return out;
}

}  // namespace

// Documentation/admin-guide/RAS/main.rst
Expected<void> collectEdac(Files& files, Families& out) {
    const auto folder = files.sys("/devices/system/edac/mc/");
    const auto names = files.list(folder, "mc", kMostDevices, "memory controllers");
    if (!names) {
        return fail(names.error());
    }
    Metrics metrics(out);
    for (const auto& name : *names) {
        const auto controller = numberAfter("mc", name);
        if (!controller) {
            continue;
        }
        const auto path = folder + name;
        if (const auto value = files.number(path + "/ce_count")) {
            metrics.counter("node_edac_correctable_errors_total", "Corrected memory errors.", *value,
                            {{"controller", *controller}});
        }
        if (const auto value = files.number(path + "/ue_count")) {
            metrics.counter("node_edac_uncorrectable_errors_total",
                            "Memory errors that could not be corrected.", *value,
                            {{"controller", *controller}});
        }
        addRow(path + "/ce_noinfo_count", path + "/ue_noinfo_count",
               {{"controller", *controller}, {"csrow", "unknown"}}, files, metrics);
        const auto rows = files.list(path, "csrow", kMostDevices, "rows of a memory controller");
        for (const auto& row : rows.value_or(std::vector<std::string>())) {
            if (const auto number = numberAfter("csrow", row)) {
                auto counts = path + "/";
                counts += row;
                addRow(counts + "/ce_count", counts + "/ue_count",
                       {{"controller", *controller}, {"csrow", *number}}, files, metrics);
            }
        }
    }
    return {};
}

// Documentation/driver-api/thermal/sysfs-api.rst
Expected<void> collectThermalZones(Files& files, Families& out) {
    const auto folder = files.sys("/class/thermal/");
    const auto zones = files.list(folder, "thermal_zone", kMostDevices, "thermal zones");
    if (!zones) {
        return fail(zones.error());
    }
    Metrics metrics(out);
    for (const auto& name : *zones) {
        const auto path = folder + name;
        const auto zone = numberAfter("thermal_zone", name);
        const auto temperature = files.number(path + "/temp");
        if (zone && temperature) {
            metrics.gauge("node_thermal_zone_temp", "Degrees Celsius.", *temperature * 1e-3,
                          {{"type", files.text(path + "/type").value_or("")}, {"zone", *zone}});
        }
    }
    const auto devices = files.list(folder, "cooling_device", kMostDevices, "cooling devices");
    for (const auto& name : devices.value_or(std::vector<std::string>())) {
        const auto path = folder + name;
        const auto number = numberAfter("cooling_device", name);
        if (!number) {
            continue;
        }
        const Metrics::Labels labels = {{"name", *number}, {"type", files.text(path + "/type").value_or("")}};
        if (const auto value = files.number(path + "/cur_state")) {
            metrics.gauge("node_cooling_device_cur_state", "How much the device cools.", *value, labels);
        }
        if (const auto value = files.number(path + "/max_state")) {
            metrics.gauge("node_cooling_device_max_state", "How much it can cool.", *value, labels);
        }
    }
    return {};
}

// Documentation/power/powercap/powercap.rst
Expected<void> collectRapl(Files& files, Families& out) {
    const auto folder = files.sys("/class/powercap/");
    const auto names = files.list(folder, "", kMostDevices, "zones of power");
    if (!names) {
        return fail(names.error());
    }
    Metrics metrics(out);
    std::map<std::string, int> seen;
    for (const auto& entry : *names) {
        const auto path = folder + entry;
        const auto text = files.text(path + "/name");
        if (!text) {
            continue;
        }
        const auto zone = zoneName(*text, seen);
        ++seen[zone.name];
        const auto energy = files.read(path + "/energy_uj");
        if (!energy) {
            // Since Linux 5.10 only root may read it (CVE-2020-8694). That is no fault of the host.
            continue;
        }
        if (const auto value = toNumber(trimmed(*energy))) {
            auto name = "node_rapl_" + asName(zone.name);
            name += "_joules_total";
            metrics.counter(name, "Energy that the zone used.", *value * 1e-6,
                            {{"index", zone.index}, {"path", path}});
        }
    }
    return {};
}

// Documentation/ABI/testing/sysfs-class-watchdog
Expected<void> collectWatchdogs(Files& files, Families& out) {
    struct Attribute {
        const char* file;
        const char* name;
        const char* help;
    };
    constexpr std::array<Attribute, 7> attributes = {{
        {"/access_cs0", "node_watchdog_access_cs0", "1 if the device has booted from its second flash."},
        {"/bootstatus", "node_watchdog_bootstatus", "Flags of the last boot: not 0 after a reset by it."},
        {"/fw_version", "node_watchdog_fw_version", "The version of its firmware."},
        {"/nowayout", "node_watchdog_nowayout", "1 if it cannot be stopped."},
        {"/pretimeout", "node_watchdog_pretimeout_seconds", "Before the timeout, when it warns."},
        {"/timeleft", "node_watchdog_timeleft_seconds", "Until it resets the host."},
        {"/timeout", "node_watchdog_timeout_seconds", "From the last sign of life to the reset."},
    }};
    const auto folder = files.sys("/class/watchdog/");
    const auto names = files.list(folder, "watchdog", kMostDevices, "watchdogs");
    if (!names) {
        return fail(names.error());
    }
    Metrics metrics(out);
    for (const auto& name : *names) {
        const auto path = folder + name;
        for (const auto& attribute : attributes) {
            if (const auto value = files.number(path + attribute.file)) {
                metrics.gauge(attribute.name, attribute.help, *value, {{"name", name}});
            }
        }
        const auto text = [&](const char* file) { return files.text(path + file).value_or(""); };
        metrics.info("node_watchdog_info", "What the watchdog is.",
                     {{"identity", text("/identity")},
                      {"name", name},
                      {"options", text("/options")},
                      {"pretimeout_governor", text("/pretimeout_governor")},
                      {"state", text("/state")},
                      {"status", text("/status")}});
    }
    return {};
}

// Documentation/ABI/testing/sysfs-firmware-dmi-entries. Serial numbers are for root only.
Expected<void> collectDmi(Files& files, Families& out) {
    constexpr std::array<const char*, 19> ids = {
        "bios_date",      "bios_release",   "bios_vendor",     "bios_version",   "board_asset_tag",
        "board_name",     "board_serial",   "board_vendor",    "board_version",  "chassis_asset_tag",
        "chassis_serial", "chassis_vendor", "chassis_version", "product_family", "product_name",
        "product_serial", "product_sku",    "product_uuid",    "product_version"};
    const auto folder = files.sys("/class/dmi/id/");
    if (!files.exists(folder)) {
        return fail(ErrorKind::not_found, "this host has no DMI");
    }
    Metrics::Labels labels;
    for (const char* id : ids) {
        labels.push_back({id, files.text(folder + id).value_or("")});
    }
    labels.push_back({"system_vendor", files.text(folder + "sys_vendor").value_or("")});
    Metrics(out).info("node_dmi_info", "What the firmware tells of the machine.", std::move(labels));
    return {};
}

}  // namespace lapwing::agent::node
