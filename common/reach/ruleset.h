#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"
#include "common/reach/address.h"

namespace lapwing::reach {

enum class Verdict { must_reach, must_block, may };

/// "must_reach", "must_block", "may".
const char* verdictName(Verdict verdict);

enum class Protocol { tcp = 6, udp = 17 };

/// The first packet of a connection from elsewhere to an address of this host.
struct Packet {
    AddressRange source;  ///< one address, or a range that no rule tells apart (see Ruleset::parts)
    Address destination;  ///< of the same family
    Protocol protocol = Protocol::tcp;
    std::uint16_t port = 0;
    std::string interface;  ///< where it comes in; "" if that is not known
};

struct Result {
    Verdict verdict = Verdict::may;
    bool rejected = false;                 ///< must_block, and the sender is told (reset or ICMP)
    std::vector<std::string> decided_by;   ///< "inet filter input handle 12", "inet filter input policy drop"
    std::vector<std::string> unknowns;     ///< why it is may, or what could not be read on the way
    std::vector<std::string> assumptions;  ///< "within its rate limit: inet filter input handle 7"
};

/// From which sources a packet gets through.
struct Sources {
    std::vector<AddressRange> reach;  ///< must_reach
    std::vector<AddressRange> may;
};

/// A packet filter as `nft -j list ruleset` prints it, and what it does with a packet. The evaluation is
/// three-valued: where a match cannot be told, both ways are followed, so that `must_reach` and `must_block`
/// never contradict the kernel and everything else is `may`. It models connections' first packets through
/// ingress, prerouting and input, in the order of the base chains' priorities: an accept ends its base chain
/// only, a drop is final. Where TCP's answer may not get out by output and postrouting, must_reach is may.
/// The sender's port is 1024-65535, the mark 0, the conntrack state new. Immutable after parsing but for
/// addUnknown; safe from any thread then.
class Ruleset {
  public:
    /// Error `invalid` for what is not JSON of that form. A construct that it does not know is no error:
    /// unknown.
    static Expected<Ruleset> parse(std::string_view nft_json);
    Ruleset(Ruleset&&) noexcept;
    Ruleset& operator=(Ruleset&&) noexcept;
    ~Ruleset();

    /// Something else on this host may drop packets too (legacy tables, XDP): turns must_reach into may. If
    /// it may send them elsewhere (`translates`), must_block becomes may as well.
    void addUnknown(std::string reason, bool translates = false);

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

    /// True if there is a base chain at the input hook that this family passes.
    bool filtersInput(Family family) const;

    struct Model;

  private:
    explicit Ruleset(std::unique_ptr<Model> model);
    std::unique_ptr<Model> model_;
};

}  // namespace lapwing::reach
