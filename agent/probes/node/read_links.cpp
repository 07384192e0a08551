#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "agent/probes/node/collectors.h"
#include "agent/probes/node/metrics.h"
#include "agent/probes/text.h"

namespace lapwing::agent::node {
namespace {

constexpr const char* kFolder = "/class/net/";
constexpr unsigned kInterfaceUp = 0x1;  // IFF_UP of netdevice(7)

struct Attribute {
    const char* file;
    const char* name;
    const char* help;
    bool counts;
};

// Documentation/ABI/testing/sysfs-class-net
constexpr std::array<Attribute, 2> kLink = {{
    {"/carrier", "node_network_carrier", "1 if the link is physically up.", false},
    {"/carrier_changes", "node_network_carrier_changes_total", "Times that the link went up or down.", true},
}};

constexpr std::array<Attribute, 15> kSettings = {{
    {"/addr_assign_type", "node_network_address_assign_type",
     "Whence the address is: 0 permanent, 1 random, 2 stolen, 3 set.", false},
    {"/carrier_down_count", "node_network_carrier_down_changes_total", "Times that the link went down.",
     true},
    {"/carrier_up_count", "node_network_carrier_up_changes_total", "Times that the link went up.", true},
    {"/dev_id", "node_network_device_id", "Tells devices that share an address from each other.", false},
    {"/dormant", "node_network_dormant", "1 if the device waits for something such as a login.", false},
    {"/flags", "node_network_flags", "The flags of netdevice(7).", false},
    {"/ifindex", "node_network_iface_id", "The index of the device.", false},
    {"/iflink", "node_network_iface_link", "The index of the device below, or the device's own.", false},
    {"/link_mode", "node_network_iface_link_mode", "0 by default, 1 if the link waits for user space.",
     false},
    {"/mtu", "node_network_mtu_bytes", "The largest packet.", false},
    {"/name_assign_type", "node_network_name_assign_type",
     "Whence the name is: 1 kernel, 2 predictable, 3 user, 4 renamed.", false},
    {"/netdev_group", "node_network_net_dev_group", "The group of the device.", false},
    {"/statistics/rx_nohandler", "node_network_receive_nohandler_total", "Packets that nobody handled.",
     true},
    {"/tx_queue_len", "node_network_transmit_queue_length", "Packets that the queue holds.", false},
    {"/type", "node_network_protocol_type", "The ARPHRD number of the protocol.", false},
}};

/// "1" or "0x1003"
std::optional<double> numberIn(Files& files, const std::string& path) {
    const auto text = files.text(path);
    if (!text) {
        return std::nullopt;
    }
    std::int64_t value = 0;
    const bool hex = text->starts_with("0x");
    const char* const begin = text->data() + (hex ? 2 : 0);
    const char* const end = text->data() + text->size();
    const auto [stop, error] = std::from_chars(begin, end, value, hex ? 16 : 10);
    if (error != std::errc() || stop != end) {
        return std::nullopt;
    }
    return static_cast<double>(value);
}

template <class Attributes>
void addAttributes(const Attributes& attributes, const std::string& device, Files& files, Metrics& metrics) {
    const auto folder = files.sys(kFolder) + device;
    for (const auto& attribute : attributes) {
        if (const auto value = numberIn(files, folder + attribute.file)) {
            metrics.add(attribute.name, attribute.help,
                        attribute.counts ? prometheus::MetricType::Counter : prometheus::MetricType::Gauge,
                        *value, {{"device", device}});
        }
    }
}

Expected<std::vector<std::string>> devices(Files& files) {
    auto names = files.list(files.sys(kFolder), "", kMostDevices, "network devices");
    if (names) {
        // A file that the driver of bonds puts beside the devices.
        std::erase(*names, "bonding_masters");
    }
    return names;
}

/// The state of the link of a bond's device: "up" or "down".
std::optional<std::string> linkState(const std::string& bond, const std::string& slave, Files& files) {
    // Kernels before 3.17 name the folder slave_NAME.
    for (const char* prefix : {"/lower_", "/slave_"}) {
        auto path = bond + prefix;
        path += slave;
        if (auto state = files.text(path + "/bonding_slave/mii_status")) {
            return state;
        }
    }
    return std::nullopt;
}

}  // namespace

Expected<void> collectLinks(Files& files, Families& out) {
    const auto names = devices(files);
    if (!names) {
        return fail(names.error());
    }
    Metrics metrics(out);
    for (const auto& device : *names) {
        const auto folder = files.sys(kFolder) + device;
        if (const auto state = files.text(folder + "/operstate")) {
            metrics.gauge("node_network_up", "1 if the operational state is up.", *state == "up" ? 1 : 0,
                          {{"device", device}});
        }
        addAttributes(kLink, device, files, metrics);
    }
    return {};
}

Expected<void> collectLinkSettings(Files& files, Families& out) {
    const auto names = devices(files);
    if (!names) {
        return fail(names.error());
    }
    Metrics metrics(out);
    for (const auto& device : *names) {
        const auto folder = files.sys(kFolder) + device;
        const auto text = [&](const char* file) { return files.text(folder + file).value_or(""); };
        addAttributes(kSettings, device, files, metrics);
        // Megabits; -1 or an error where a device has no speed (virtual ones, a link that is down).
        if (const auto speed = files.number(folder + "/speed"); speed && *speed > 0) {
            metrics.gauge("node_network_speed_bytes", "Bytes a second.", *speed * 1e6 / 8,
                          {{"device", device}});
        }
        const auto flags = numberIn(files, folder + "/flags");
        const char* admin = !flags ? "" : (static_cast<unsigned>(*flags) & kInterfaceUp) != 0 ? "up" : "down";
        metrics.info("node_network_info", "What the device is.",
                     {{"address", text("/address")},
                      {"adminstate", admin},
                      {"broadcast", text("/broadcast")},
                      {"device", device},
                      {"duplex", text("/duplex")},
                      {"ifalias", text("/ifalias")},
                      {"operstate", text("/operstate")}});
    }
    return {};
}

Expected<void> collectBonding(Files& files, Families& out) {
    const auto folder = files.sys(kFolder);
    const auto masters = files.text(folder + "bonding_masters");
    if (!masters) {
        return files.exists(folder + "bonding_masters")
                   ? Expected<void>()
                   : fail(ErrorKind::not_found, "this host has no bonds");
    }
    Metrics metrics(out);
    std::string_view rest = *masters;
    std::size_t count = 0;
    for (auto master = nextField(rest); !master.empty(); master = nextField(rest)) {
        if (++count > kMostDevices) {
            files.noteCut(kMostDevices, "bonds");
            break;
        }
        const auto bond = folder + std::string(master);
        const auto slaves = files.text(bond + "/bonding/slaves").value_or("");
        double all = 0;
        std::optional<double> active = 0;
        std::string_view names = slaves;
        for (auto slave = nextField(names); !slave.empty(); slave = nextField(names)) {
            ++all;
            const auto state = linkState(bond, std::string(slave), files);
            // A link whose state is unknown is not one that is down.
            active =
                state && active ? std::optional<double>(*active + (*state == "up" ? 1 : 0)) : std::nullopt;
        }
        const Metrics::Labels labels = {{"master", std::string(master)}};
        metrics.gauge("node_bonding_slaves", "Devices of the bond.", all, labels);
        if (active) {
            metrics.gauge("node_bonding_active", "Devices of the bond whose links are up.", *active, labels);
        }
    }
    return {};
}

}  // namespace lapwing::agent::node
