#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>

#include "collector/analysis/evidence/network.h"
#include "collector/storage/store.h"
#include "common/reach/ruleset.h"

namespace lapwing::analysis::evidence {

/// Parsed rulesets of hosts, as long as somebody asks for them. Not synchronised.
class Rulesets {
  public:
    /// `store` must outlive it.
    explicit Rulesets(const storage::Store& store) : store_(store) {}

    /// What nobody has asked for since the last call is let go. Pointers from before may end here.
    void beginRound();

    /// The host's present ruleset; null if it is not known, does not parse, or its document has not come yet.
    const reach::Ruleset* of(const Host& host);
    /// Another one, likewise. One that does not say on what host it is (a rehearsal's) is taken to be on
    /// this.
    const reach::Ruleset* of(const Host& host, const std::string& digest);

  private:
    struct Known {
        bool read = false;  ///< the document; it may come later than the samples that name it
        bool asked = false;
        bool of_no_host = false;
        std::optional<reach::Ruleset> ruleset;
    };
    Known* find(const std::string& host, const std::string& digest);

    const storage::Store& store_;
    std::map<std::pair<std::string, std::string>, Known> known_;  ///< by host and digest
};

}  // namespace lapwing::analysis::evidence
