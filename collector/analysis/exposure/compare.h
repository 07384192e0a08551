#pragma once

#include "collector/analysis/exposure/exposed.h"
#include "collector/analysis/exposure/remedy.h"

namespace lapwing::analysis::exposure {

/// Something that one ruleset blocks and another lets in.
struct Opening {
    reach::Family family = reach::Family::ipv4;
    int port = 0;  ///< TCP; 0: one that no rule names and on which nothing listens
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

/// What `after` lets in and `before` blocks of the host's listeners and of a port that no rule names, from
/// anybody and from each address that is known to belong to the site. An address counts by itself only where
/// not everybody was let in before: that a ban of fail2ban's ends opens nothing.
Openings openings(const Context& context, const evidence::Host& host, const reach::Ruleset& before,
                  const reach::Ruleset& after);

/// What becomes of the opening in yet another ruleset: of the same port and the same source.
std::optional<reach::Verdict> verdictOf(const evidence::Host& host, const reach::Ruleset& ruleset,
                                        const Opening& opening);

/// A flow that the site needs, that `before` lets in and `after` does not.
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

/// The command that loads again what the boot loads: "systemctl restart nftables.service".
std::string loadAgain(const evidence::Host& host);

}  // namespace lapwing::analysis::exposure
