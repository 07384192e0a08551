#pragma once

#include <array>
#include <string>
#include <vector>

#include "collector/analysis/finding.h"
#include "collector/analysis/site.h"
#include "collector/analysis/topology/model.h"
#include "common/enum_names.h"

namespace lapwing::analysis::topology {

/// The part of the site that an assumption is about, in the order in which requests pass.
enum class SitePart { entry, load_balancer, web, application, database, replication, host };

/// As the API names them.
inline constexpr std::array kSitePartNames{
    EnumName<SitePart>{SitePart::entry, "entry"},
    EnumName<SitePart>{SitePart::load_balancer, "load_balancer"},
    EnumName<SitePart>{SitePart::web, "web"},
    EnumName<SitePart>{SitePart::application, "application"},
    EnumName<SitePart>{SitePart::database, "database"},
    EnumName<SitePart>{SitePart::replication, "replication"},
    EnumName<SitePart>{SitePart::host, "host"},
};

/// From what an assumption is taken.
enum class Basis {
    configured,  ///< `site` of the configuration declares it
    seen,        ///< an agent or a server says it
    concluded,   ///< nothing says it: the other evidence leaves no other choice
};

/// As the API names them.
inline constexpr std::array kBasisNames{
    EnumName<Basis>{Basis::configured, "configured"},
    EnumName<Basis>{Basis::seen, "seen"},
    EnumName<Basis>{Basis::concluded, "concluded"},
};

/// One thing that the analysis takes for true about the site.
struct Assumption {
    SitePart part = SitePart::entry;
    std::string subject;  ///< "http://10.77.0.10/", "haproxy@lb-01", "web-01 -> web-02" (primary -> replica)
    std::string text;     ///< "received by haproxy@lb-01", "primary"
    Basis basis = Basis::seen;
    std::vector<Evidence> evidence;  ///< also of a configured one, where something confirms it
};

/// What the analysis does not know of the site.
struct Gap {
    SitePart part = SitePart::entry;
    std::string text;  ///< with what is not judged for that reason
    std::string step;  ///< what a person can do
};

/// A value for `site` that evidence shows and no declaration is needed to find.
struct Proposal {
    std::string value;  ///< a URL, or "PRIMARY -> REPLICA"
    Site::Pair pair;    ///< of a replication
    std::vector<Evidence> evidence;
};

struct Assumptions {
    std::vector<Assumption> list;  ///< by part
    std::vector<Gap> missing;
    std::vector<Conflict> contradictions;
    /// Whether or not `site` declares others.
    std::vector<Proposal> entries;
    std::vector<Proposal> replication;
};

/// What the model of the moment assumes about the site, and from what. A proposal is made only where one
/// choice is left: of several addresses, or of two databases that follow each other, none is proposed. Pure.
Assumptions assumptionsOf(const Moment& moment);

}  // namespace lapwing::analysis::topology
