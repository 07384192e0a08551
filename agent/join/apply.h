#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agent/join/advice.h"
#include "common/error.h"

namespace lapwing::agent {

/// The programs that changes need: others in tests.
struct ApplyTools {
    std::string nginx = "/usr/sbin/nginx";
    std::string systemctl = "/usr/bin/systemctl";
    std::string mariadb = "/usr/bin/mariadb";
    std::string mysql = "/usr/bin/mysql";
};

/// Where `join --apply` writes.
struct ApplyPlaces {
    std::string record;  ///< "/etc/lapwing/agent.applied": what was changed, for `leave`. Only root writes it
    std::string nginx;   ///< "/etc/nginx/conf.d/lapwing.conf"
    std::string fragment;  ///< "/etc/lapwing/agent.d/20-nginx.yaml"
    ApplyTools tools = {};

    static ApplyPlaces beside(const std::string& config_file);
};

/// A service that the agent does not watch yet, and the change that would let it.
struct Offer {
    std::string job;       ///< "nginx" or "mysql"
    std::string reason;    ///< as of the remedy
    std::string shown;     ///< the change, for the person who is asked
    std::string obstacle;  ///< why it is not made; "" if it can be made
};

/// The changes that would let the agent watch what it does not watch now. HAProxy is never among them: a
/// second statistics socket needs a line in haproxy.cfg, a file that people write. Asks Nginx and the
/// database; changes nothing. Arguments as for remediesOf(); `config_file` tells which probes people have
/// configured.
std::vector<Offer> offersOf(std::string_view status, const Installed& installed, const ApplyPlaces& places,
                            const std::string& config_file);

/// Makes the change of an offer without an obstacle, as root. After a failure everything is as before, or the
/// error says what is not.
Expected<void> apply(const Offer& offer, const Installed& installed, const ApplyPlaces& places);

/// What undoApplied() did and could not do, each a line for a person.
struct Undone {
    std::vector<std::string> done;
    std::vector<std::string> left;
};

/// Takes back what apply() has changed here by the record, and nothing else: a file that was edited since
/// stays, and so does the account on a server that has become a replica. What failed stays in the record, for
/// the next time.
Undone undoApplied(const ApplyPlaces& places);

}  // namespace lapwing::agent
