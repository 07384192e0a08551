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

/// Addresses of names, sorted; a name without an answer is not in it.
using Resolved = std::map<std::string, std::vector<reach::Address>>;

/// What the names of the site's entries resolve to, asked for again and again in the background, so that a
/// slow resolver delays nobody. An answer stays while the next attempts fail. Thread-safe.
class EntryNames {
  public:
    using Resolver = std::function<Expected<std::vector<reach::Address>>(const std::string& name)>;

    /// Without names no thread is started.
    explicit EntryNames(std::vector<std::string> names,
                        std::chrono::milliseconds interval = std::chrono::minutes(1),
                        Resolver resolver = resolve);
    /// Returns at once; a lookup that is under way ends by itself.
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

/// Of URLs, the hosts that are names.
std::vector<std::string> namesOf(const std::vector<std::string>& urls);

}  // namespace lapwing::analysis::evidence
