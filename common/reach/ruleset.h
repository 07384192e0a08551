#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"
#include "common/reach/address.h"
#include "common/reach/netfilter.h"

namespace lapwing::reach {

enum class Verdict { must_reach, must_block, may };

/// "must_reach", "must_block", "may".
const char* verdictName(Verdict verdict);
std::optional<Verdict> parseVerdict(std::string_view word);

/// VRRP (RFC 5798) has no ports: it is what moves an address from one load balancer to another.
enum class Protocol { tcp = 6, udp = 17, vrrp = 112 };

/// Where VRRP's advertisements go, unless they are sent to each peer: 224.0.0.18, ff02::12.
Address vrrpGroup(Family family);

/// The first packet of a connection from elsewhere to an address of this host, or of one from this host to
/// an address elsewhere.
struct Packet {
    AddressRange source;  ///< one address, or a range that no rule tells apart (see Ruleset::parts)
    Address destination;  ///< of the same family; of VRRP's, the group or this host's own
    Protocol protocol = Protocol::tcp;
    std::uint16_t port = 0;
    std::string interface;  ///< where it comes in, or goes out; "" if that is not known
    bool outgoing = false;
};

/// What the evaluation has to know of the host on which the rules are, to follow a packet whose destination
/// they change.
struct Host {
    struct Interface {
        std::string name;
        Address address;
        unsigned prefix_length = 0;  ///< of the network to which it is connected
        bool operator==(const Interface&) const = default;
    };
    std::vector<Interface> interfaces;
    std::optional<bool> forwards_ipv4;
    std::optional<bool> forwards_ipv6;
    bool operator==(const Host&) const = default;
};

std::string toJson(const Host& host);
/// Reads what toJson() wrote; whatever is missing stays unknown.
Host hostFromJson(std::string_view json);

/// What a base chain does with a packet; several of these where a match cannot be told.
struct StepOutcome {
    bool accepts = false;
    bool translates = false;  ///< changes the destination
    bool drops = false;
    bool rejects = false;
    bool operator==(const StepOutcome&) const = default;

    /// "accepts", "drops", "accepts or rejects", "sends it elsewhere"
    std::string toString() const;
};

/// One base chain on a packet's path.
struct Step {
    std::string chain;  ///< "inet filter input"
    Hook hook = Hook::input;
    int priority = 0;
    bool answer = false;  ///< the packet is TCP's answer on its way back
    StepOutcome outcome;
    std::vector<std::string> rules;  ///< that decided the outcome
};

struct Result {
    Verdict verdict = Verdict::may;
    bool rejected = false;                 ///< must_block, and the sender is told (reset or ICMP)
    std::vector<std::string> decided_by;   ///< "inet filter input handle 12", "inet filter input policy drop"
    std::vector<std::string> unknowns;     ///< why it is may, or what could not be read on the way
    std::vector<std::string> assumptions;  ///< "within its rate limit: inet filter input handle 7"
    std::vector<Step> path;                ///< in the order in which the packet meets them
    std::string translated_to;  ///< "172.17.0.2:80", where the rules send it elsewhere; "" otherwise
    bool forwarded = false;     ///< it goes on to another host (a container), and never passes input
};

/// From which sources a packet gets through.
struct Sources {
    std::vector<AddressRange> reach;  ///< must_reach
    std::vector<AddressRange> may;
};

/// What `iptables-save` printed of one family.
struct IptablesSave {
    Family family = Family::ipv4;
    bool legacy = false;  ///< tables of their own; otherwise those that nft lists too, with all arguments
    std::string text;
};

/// A listing that Ruleset::parse() takes, of everything that filters on a host: nft's own with what it lacks
/// as further members, and the host. `unread`: why something could not be read.
std::string listingOf(const std::string& nft_json, const std::vector<IptablesSave>& saves,
                      const std::vector<std::string>& unread, const Host& host);

/// A packet filter, and what it does with a packet. The evaluation is three-valued: where a match cannot be
/// told, both ways are followed, so that `must_reach` and `must_block` never contradict the kernel and
/// everything else is `may`. It models connections' first packets through every base chain in the order in
/// which the kernel calls them (ingress, prerouting, then input, or forward and postrouting where the
/// destination was changed to another host's), and TCP's answer on its way back. An accept ends its base
/// chain only, a drop is final. The sender's port is 1024-65535, the mark 0, the conntrack state new.
/// Immutable after parsing but for the functions that add to it; safe from any thread then.
class Ruleset {
  public:
    /// Reads `nft -j list ruleset`, or a listing of listingOf(). Error `invalid` for what is not JSON of that
    /// form. A construct that it does not know is no error: unknown.
    static Expected<Ruleset> parse(std::string_view nft_json);
    Ruleset(Ruleset&&) noexcept;
    Ruleset& operator=(Ruleset&&) noexcept;
    ~Ruleset();

    /// Something else on this host may drop packets too (legacy tables, XDP): turns must_reach into may. If
    /// it may send them elsewhere (`translates`), must_block becomes may as well.
    void addUnknown(std::string reason, bool translates = false);

    /// Without it a packet whose destination the rules change is `may`.
    void describeHost(Host host);
    const Host& host() const;
    /// Who made the rules, as far as the names of tables and chains tell: "ufw", "firewalld", "Docker", ...
    std::vector<std::string> managers() const;
    /// Rules of legacy iptables stand beside rules of nftables.
    bool mixesLegacy() const;
    /// Some chain has a rule, or a policy that drops.
    bool hasRules() const;
    /// The tables of those that have, but for iptables' own: "inet filter".
    std::vector<std::string> nativeTables() const;
    /// Reads the rules' texts out of `nft -a list ruleset`.
    void addTexts(std::string_view listing);
    /// The rule at a place that a Result names, as its author would write it; "" if it is not known.
    std::string textOf(const std::string& place) const;

    Result evaluate(const Packet& packet) const;

    /// The space of sources, split at each bound of an address that a rule or a set names: no rule tells two
    /// addresses of one part apart. Error `exhausted` if there are more than `most` parts.
    Expected<std::vector<AddressRange>> parts(Family family, std::size_t most = 4096) const;
    /// evaluate() for every part; `packet.source` is ignored but for its family.
    Expected<Sources> sources(Packet packet) const;
    /// An address that no rule and no set names (but for the whole space): "anybody".
    Address stranger(Family family) const;
    /// A high port that no rule, map or set names and that is not in `used`: nothing listens there.
    std::uint16_t unusedPort(const std::vector<std::uint16_t>& used) const;

    /// Ports that a rule, a map or a set names one by one; of a range of a few, each.
    std::set<int> namedPorts() const;
    /// Some rule changes destinations.
    bool translates() const;
    /// True if there is a base chain at the input hook that this family passes.
    bool filtersInput(Family family) const;

    struct Model;

  private:
    explicit Ruleset(std::unique_ptr<Model> model);
    std::unique_ptr<Model> model_;
};

}  // namespace lapwing::reach
