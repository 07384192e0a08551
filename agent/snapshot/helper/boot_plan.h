#pragma once

#include <string>
#include <vector>

namespace lapwing::agent {

/// The loaders of packet filter rules at the next boot.
struct BootPlan {
    enum class Tool { nft, iptables, ip6tables };
    struct Source {
        std::string unit;  ///< "nftables.service"
        std::string file;  ///< "/etc/nftables.conf"
        Tool tool = Tool::nft;
    };
    std::vector<Source> sources;          ///< those with a file, in the order of the rehearsal
    std::vector<std::string> makers;      ///< enabled units that make rules by themselves: "ufw.service"
    std::vector<std::string> faults;      ///< why an enabled unit would load nothing
    std::vector<std::string> interfaces;  ///< the given interfaces that the files name
    std::string unknown;                  ///< why the plan is uncertain, "" if it is certain
    std::string fingerprint;              ///< changes with any of these and with the loaded files
};

/// Reads systemd's directories and the configuration below `root` ("" is this machine). Runs nothing. A unit
/// is enabled if a target wants it and it is not masked. The plan is unknown if a unit runs nft or iptables
/// without a file, or runs a script that names them.
BootPlan planBoot(const std::string& root, const std::vector<std::string>& interfaces);

}  // namespace lapwing::agent
