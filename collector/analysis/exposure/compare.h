#pragma once

#include "collector/analysis/exposure/exposed.h"
#include "collector/analysis/exposure/flows.h"

namespace lapwing::analysis::exposure {

/// A packet that one ruleset blocks and another lets in.
struct Opening {
    reach::Family family = reach::Family::ipv4;
    int port = 0;  ///< TCP; 0 for a port that no rule names and on which nothing listens
    const evidence::Listener* listener = nullptr;
    std::string what;  ///< "tcp/3306 (mysql) over IPv4 from anywhere"
    reach::AddressRange source;
    bool from_anybody = false;  ///< `source` stands for every address that no rule names
    reach::Result before;
    reach::Result after;
};

struct Openings {
    std::vector<Opening> list;
    bool known = true;  ///< no verdict that counts was uncertain
};

/// Packets to the host's listeners and to a port that no rule names that `after` lets in and `before` blocks:
/// from anybody, and from each known address of the site. A single address counts only where neither ruleset
/// lets in everybody: the end of a fail2ban ban opens nothing.
Openings openings(const Context& context, const evidence::Host& host, const reach::Ruleset& before,
                  const reach::Ruleset& after);

/// The verdict of a third ruleset on the same port and source.
std::optional<reach::Verdict> verdictOf(const evidence::Host& host, const reach::Ruleset& ruleset,
                                        const Opening& opening);

/// A flow that the site needs, and that `before` lets in and `after` blocks.
struct LostFlow {
    std::string what;  ///< "tcp/80 from 10.77.0.10 (the load balancer)"
    std::vector<std::string> rules;
};
struct LostFlows {
    std::vector<LostFlow> list;
    bool known = true;
};

LostFlows lostFlows(const Context& context, const evidence::Host& host, const reach::Ruleset& before,
                    const reach::Ruleset& after);

/// The command that loads the rules of the boot again: "systemctl restart nftables.service".
std::string loadAgain(const evidence::Host& host);

}  // namespace lapwing::analysis::exposure
