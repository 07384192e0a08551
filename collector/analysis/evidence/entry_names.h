#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/error.h"
#include "common/reach/address.h"

namespace lapwing::analysis::evidence {

/// The sorted addresses of each name; a name without an answer is absent.
using Resolved = std::map<std::string, std::vector<reach::Address>>;

/// Resolves the names of the site's entries at an interval, in the background, so that a slow resolver delays
/// no round. An answer stays while later attempts fail. Thread-safe.
class EntryNames {
  public:
    using Resolver = std::function<Expected<std::vector<reach::Address>>(const std::string& name)>;

    /// Starts a thread if there are names.
    explicit EntryNames(std::vector<std::string> names,
                        std::chrono::milliseconds interval = std::chrono::minutes(1),
                        Resolver resolver = resolve);
    /// Returns at once; a lookup under way ends on its own.
    ~EntryNames();
    EntryNames(const EntryNames&) = delete;
    EntryNames& operator=(const EntryNames&) = delete;

    Resolved current() const;

    /// The machine's own resolver (getaddrinfo). Errors: `not_found`, `unavailable`.
    static Expected<std::vector<reach::Address>> resolve(const std::string& name);

  private:
    struct State;
    std::shared_ptr<State> state_;
};

/// The hosts of the URLs that are names, not addresses.
std::vector<std::string> namesOf(const std::vector<std::string>& urls);

}  // namespace lapwing::analysis::evidence
