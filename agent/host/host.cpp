#include "agent/host/host.h"

#include <sys/stat.h>

#include <fstream>
#include <optional>
#include <utility>

#include "agent/host/interfaces.h"

namespace lapwing::agent {

namespace {

std::optional<bool> readSwitch(const std::string& path) {
    std::ifstream file(path);
    int value = 0;
    return file >> value ? std::optional(value != 0) : std::nullopt;
}

}  // namespace

reach::Host thisHost(const std::string& proc, Neighbours neighbours) {
    reach::Host host;
    host.forwards_ipv4 = readSwitch(proc + "/sys/net/ipv4/ip_forward");
    host.forwards_ipv6 = readSwitch(proc + "/sys/net/ipv6/conf/all/forwarding");
    if (auto addresses = listInterfaceAddresses(InterfaceState::up)) {
        host.interfaces = std::move(*addresses);
    }
    host.network = readNetwork(proc, neighbours);
    return host;
}

std::string bootId(const std::string& proc) {
    std::ifstream file(proc + "/sys/kernel/random/boot_id");
    std::string id;
    std::getline(file, id);
    return id;
}

std::string machineId(const std::string& file) {
    std::string id;
    std::ifstream(file) >> id;
    return id == "uninitialized" ? "" : id;
}

std::uint64_t networkNamespace(const std::string& proc) {
    struct stat about {};
    return stat((proc + "/self/ns/net").c_str(), &about) == 0 ? about.st_ino : 0;
}

}  // namespace lapwing::agent
