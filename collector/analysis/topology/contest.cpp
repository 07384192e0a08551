#include "collector/analysis/topology/contest.h"

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <set>
#include <utility>
#include <vector>

#include "common/endpoint.h"

namespace lapwing::analysis::topology {

namespace {

using lapwing::vrrp::Watched;
using vrrp::Contender;
using vrrp::Router;

/// Both outcomes of so many checks are tried.
constexpr std::size_t kMostUnsure = 8;
/// An address that moves later than this does not count as moving.
constexpr double kMostDelaySeconds = 10;

bool healthy(const evidence::VrrpCheck& /*check*/) {
    return false;
}

/// A program that stops, as the checks of its host see it.
class Stopped {
  public:
    Stopped(const evidence::Network& network, std::string host, std::string program)
        : network_(network), host_(std::move(host)), program_(std::move(program)) {}

    Truth fails(const evidence::VrrpCheck& check) const {
        switch (check.watched) {
            case Watched::unknown:
                return Truth::unknown;
            case Watched::program:
                return program_.empty() ? Truth::unknown : truthOf(check.target == program_);
            case Watched::pattern:
                return pattern(check.target);
            case Watched::port:
                return port(check.target);
            case Watched::other:
                break;
        }
        return Truth::no;
    }

  private:
    Truth pattern(const std::string& text) const {
        if (program_.find(text) == std::string::npos) {
            return program_.empty() ? Truth::unknown : Truth::no;
        }
        // Another program of that name would keep the check happy.
        const auto* host = known();
        const bool other =
            host != nullptr &&
            std::any_of(host->listeners.begin(), host->listeners.end(), [&](const auto& listener) {
                return listener.process != program_ && listener.process.find(text) != std::string::npos;
            });
        return other ? Truth::unknown : Truth::yes;
    }

    Truth port(const std::string& place) const {
        const auto* host = known();
        const auto endpoint = Endpoint::parse(place);
        if (host == nullptr || !host->listeners_known || !endpoint) {
            return Truth::unknown;
        }
        if (!endpoint->loopback()) {
            const auto address = endpoint->address();
            const bool own =
                address && std::any_of(host->addresses.begin(), host->addresses.end(),
                                       [&](const auto& each) { return each.address == *address; });
            if (!own) {
                return address ? Truth::no : Truth::unknown;
            }
        }
        bool serves = false;
        bool others = false;
        for (const auto& listener : host->listeners) {
            if (listener.isTcp() && listener.port == endpoint->port) {
                (listener.process == program_ ? serves : others) = true;
            }
        }
        const bool unsure = program_.empty() || (serves && others);
        return unsure ? Truth::unknown : truthOf(serves);
    }

    const evidence::Host* known() const {
        const auto found = network_.hosts.find(host_);
        return found == network_.hosts.end() ? nullptr : &found->second;
    }

    const evidence::Network& network_;
    std::string host_;
    std::string program_;
};

std::string quoted(const evidence::VrrpCheck& check) {
    return "check \"" + check.name + "\"";
}

/// What a check that does not notice the program looks at.
std::string subjectOf(const evidence::VrrpCheck& check) {
    switch (check.watched) {
        case Watched::unknown:
            return check.target.empty() ? "something that Lapwing cannot read"
                                        : "something that Lapwing cannot read (" + check.target + ")";
        case Watched::program:
        case Watched::pattern:
        case Watched::port:
            return check.target;
        case Watched::other:
            break;
    }
    return check.kind == "interface" ? "the interface " + check.name : "nothing on this host";
}

class ContestAfterStop {
  public:
    ContestAfterStop(const evidence::Network& network, const Router& active, const Router& standby,
                     const StoppedProgram& program, const vrrp::Hears& hears)
        : active_(active),
          standby_(standby),
          hears_(hears),
          stopped_(network, active.host, program.process),
          title_(program.title.empty() ? "the load balancer" : program.title) {
        for (const auto* instance : active.group) {
            for (const auto& check : instance->checks) {
                if (!check.ignored.empty()) {
                    ignored_.push_back(&check);
                    continue;
                }
                const auto fails = stopped_.fails(check);
                auto& list = fails == Truth::yes ? failing_ : fails == Truth::no ? others_ : unsure_;
                list.push_back(&check);
            }
        }
    }

    Contest run() const {
        if (unsure_.size() > kMostUnsure) {
            return {Truth::unknown, unsureText()};
        }
        const bool first = moves(0);
        for (std::size_t answers = 1; answers < (std::size_t{1} << unsure_.size()); ++answers) {
            if (moves(answers) != first) {
                return {Truth::unknown, unsureText()};
            }
        }
        return first ? Contest{Truth::yes, ""} : Contest{Truth::no, stayText()};
    }

  private:
    /// Whether the standby alone holds the address in the end. `answers`: a bit for each unsure check, set if
    /// it fails.
    bool moves(std::size_t answers) const {
        const auto fails = [&](const evidence::VrrpCheck& check) {
            const auto at = std::find(unsure_.begin(), unsure_.end(), &check);
            return at == unsure_.end()
                       ? contains(failing_, check)
                       : (answers >> static_cast<std::size_t>(at - unsure_.begin()) & 1U) != 0;
        };
        return std::all_of(active_.group.begin(), active_.group.end(),
                           [&](const auto* instance) { return moves(*instance, fails); });
    }

    bool moves(const evidence::VrrpInstance& instance, const vrrp::Fails& fails) const {
        auto from = active_;
        auto to = standby_;
        from.instance = &instance;
        to.instance = counterpart(instance);
        if (to.instance == nullptr) {
            return false;
        }
        const std::vector<Contender> contenders{{&from, vrrp::priorityOf(from, fails)},
                                                {&to, vrrp::priorityOf(to, healthy)}};
        const bool late = contenders[0].priority && delayOf(*to.instance) > kMostDelaySeconds;
        return !late && vrrp::holdersAfter(contenders, from.host, hears_) == std::set{to.host};
    }

    static double delayOf(const evidence::VrrpInstance& instance) {
        return std::strtod(instance.preempt_delay.c_str(), nullptr);
    }

    /// The instance of the standby's group that moves the same addresses.
    const evidence::VrrpInstance* counterpart(const evidence::VrrpInstance& instance) const {
        const auto found = std::find_if(standby_.group.begin(), standby_.group.end(), [&](const auto* each) {
            return each->addresses == instance.addresses || standby_.group.size() == 1;
        });
        return found == standby_.group.end() ? nullptr : *found;
    }

    using Checks = std::vector<const evidence::VrrpCheck*>;

    static bool contains(const Checks& checks, const evidence::VrrpCheck& check) {
        return std::find(checks.begin(), checks.end(), &check) != checks.end();
    }

    static std::string subjects(const Checks& checks) {
        std::string out;
        for (const auto* check : checks) {
            out += (out.empty() ? "its " : ", its ") + quoted(*check) + " looks at " + subjectOf(*check);
        }
        return out;
    }

    std::string unsureText() const {
        return subjects(unsure_) + ": whether the address moves if " + title_ + " alone stops is not known";
    }

    std::string stayText() const {
        if (!failing_.empty()) {
            return arithmetic();
        }
        const std::string stays = ": if " + title_ + " alone stops, the address stays";
        std::string out = subjects(others_);
        for (const auto* check : ignored_) {
            out += (out.empty() ? "" : "; ") + std::string("keepalived ignores its ") + quoted(*check) +
                   " (" + check->ignored + ")";
        }
        return (out.empty() ? "it tracks no script and no process" : out) + stays;
    }

    std::string arithmetic() const {
        const auto fails = [&](const evidence::VrrpCheck& check) { return contains(failing_, check); };
        const auto before = vrrp::priorityOf(active_, healthy);
        const auto after = vrrp::priorityOf(active_, fails);
        const auto other = vrrp::priorityOf(standby_, healthy);
        const auto& standby = standby_.host;
        if (!before || !after || !other) {
            return active_.host + " gives the address up, but " + standby +
                   " has no instance in its vrrp_sync_group for each address of the group";
        }
        const auto own = std::to_string(*after);
        const auto theirs = std::to_string(*other);
        std::string out = active_.host + " has priority " + std::to_string(*before) + ". When its " +
                          (failing_.size() == 1 ? quoted(*failing_.front()) + " fails" : "checks fail") +
                          " it ";
        if (*after > *other) {
            return out + "still has " + own + ", more than " + standby + "'s " + theirs +
                   ", so the address stays";
        }
        if (*after == *other) {
            return out + "has " + own + ", as much as " + standby +
                   ", which takes the address only from a lower priority. So the address stays";
        }
        out += "has " + own + ", less than " + standby + "'s " + theirs + ", but " + standby;
        if (standby_.instance->nopreempt) {
            return out +
                   " has `nopreempt` and takes the address from no running keepalived. So the address stays";
        }
        return out + " waits " + standby_.instance->preempt_delay +
               " s before it takes the address (preempt_delay)";
    }

    const Router& active_;
    const Router& standby_;
    const vrrp::Hears& hears_;
    Stopped stopped_;
    std::string title_;
    Checks failing_;  ///< when the program stops
    Checks others_;   ///< that do not notice it
    Checks unsure_;
    Checks ignored_;  ///< by keepalived
};

}  // namespace

Contest contestAfterStop(const evidence::Network& network, const Router& active, const Router& standby,
                         const StoppedProgram& program, const vrrp::Hears& hears) {
    return ContestAfterStop(network, active, standby, program, hears).run();
}

}  // namespace lapwing::analysis::topology
