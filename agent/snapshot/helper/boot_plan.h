#pragma once

#include <string>
#include <vector>

namespace lapwing::agent {

/// What loads packet filter rules at the next boot.
struct BootPlan {
    enum class Tool { nft, iptables, ip6tables };
    struct Source {
        std::string unit;  ///< "nftables.service"
        std::string file;  ///< "/etc/nftables.conf"
        Tool tool = Tool::nft;
    };
    std::vector<Source> sources;          ///< whose files are there, in the order in which they are rehearsed
    std::vector<std::string> makers;      ///< enabled units that make rules by themselves: "ufw.service"
    std::vector<std::string> faults;      ///< why something that is enabled would load nothing
    std::vector<std::string> interfaces;  ///< those of the given ones that the files name
    std::string unknown;                  ///< why it cannot be told, "" if it can
    std::string fingerprint;              ///< changes with any of these and with the files that are loaded
};

/// Reads systemd's directories and the configuration below `root` ("" is this machine). Runs nothing. What is
/// enabled is what some target wants; a unit that is masked is not. A unit that runs nft or iptables in
/// another way than by a file, or a script that names them, makes it unknown.
BootPlan planBoot(const std::string& root, const std::vector<std::string>& interfaces);

}  // namespace lapwing::agent
