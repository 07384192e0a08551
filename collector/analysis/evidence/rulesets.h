#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>

#include "collector/analysis/evidence/network.h"
#include "collector/storage/store.h"
#include "common/reach/ruleset.h"

namespace lapwing::analysis::evidence {

/// Cache of the hosts' parsed rulesets. Not synchronised.
class Rulesets {
  public:
    /// `store` must outlive it.
    explicit Rulesets(const storage::Store& store) : store_(store) {}

    /// Drops rulesets that were not used since the last call; pointers to them end.
    void beginRound();

    /// Why the host's present ruleset, whose document has arrived, could not be read; "" if it could.
    std::string faultOf(const Host& host);
    /// The host's present ruleset; null if it is unknown, has a fault, or its document has not arrived.
    const reach::Ruleset* of(const Host& host);
    /// Another ruleset of the host, likewise. A ruleset without a description of its host (a rehearsal's)
    /// gets this host's.
    const reach::Ruleset* of(const Host& host, const std::string& digest);

  private:
    struct Known {
        bool read = false;  ///< the document has arrived; it may come later than the samples that name it
        bool asked = false;
        bool of_no_host = false;
        std::string fault;
        std::optional<reach::Ruleset> ruleset;
    };
    /// Null without a digest.
    Known* known(const std::string& host, const std::string& digest);
    void read(const std::string& digest, Known& known) const;
    /// Null without a ruleset.
    Known* find(const std::string& host, const std::string& digest);

    const storage::Store& store_;
    std::map<std::pair<std::string, std::string>, Known> known_;  ///< by host and digest
};

}  // namespace lapwing::analysis::evidence
