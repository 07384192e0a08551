#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"
#include "common/reach/address.h"
#include "common/reach/host.h"
#include "common/reach/netfilter.h"

namespace lapwing::reach {

enum class Verdict { must_reach, must_block, may };

/// "must_reach", "must_block", "may".
const char* verdictName(Verdict verdict);
std::optional<Verdict> parseVerdict(std::string_view word);

/// IP protocols that the evaluation knows. VRRP (RFC 5798), which moves addresses between hosts, has no
/// ports.
enum class Protocol { tcp = 6, udp = 17, vrrp = kVrrp };

/// The multicast group of VRRP's advertisements: 224.0.0.18, ff02::12. Unicast advertisements go to each
/// peer.
Address vrrpGroup(Family family);

/// A packet of an exchange, in the order in which they are sent. TCP: SYN, SYN-ACK, ACK, then data and its
/// acknowledgement both ways. UDP: request and answer. VRRP: one advertisement.
enum class PacketKind {
    solicitation,  ///< neighbour discovery (RFC 4861) or ARP: who has this address?
    resolution,    ///< its answer
    syn,
    syn_ack,
    ack,
    data,
    answer_ack,
    answer_data,
    request,
    answer,
    advertisement,
};

/// "syn", "syn_ack", ...
const char* packetKindName(PacketKind kind);
/// As a person would say it: "SYN-ACK", "client's data".
const char* packetTitle(PacketKind kind);
/// Whether the packet goes back to the sender of the first.
bool isReply(PacketKind kind);

/// The first packet of a connection from another host to an address of this host, or of an outgoing
/// connection.
struct Packet {
    AddressRange source;  ///< one address, or a range: where a rule tells its addresses apart, it is unknown
    Address destination;  ///< of the same family; for VRRP, the group or an address of this host
    Protocol protocol = Protocol::tcp;
    std::uint16_t port = 0;
    std::string interface;  ///< by which it comes in, or goes out; "" if unknown
    bool outgoing = false;
};

/// The effect of a base chain on a packet; several are possible where a match is unknown.
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
    PacketKind packet = PacketKind::syn;
    StepOutcome outcome;
    std::vector<std::string> rules;  ///< that decided the outcome
};

struct Result {
    Verdict verdict = Verdict::may;
    bool rejected = false;                 ///< must_block, with a reset or an ICMP error to the sender
    std::vector<std::string> decided_by;   ///< "inet filter input handle 12", "inet filter input policy drop"
    std::vector<std::string> unknowns;     ///< the reasons for `may`, and constructs that could not be read
    std::vector<std::string> assumptions;  ///< "within its rate limit: inet filter input handle 7"
    std::vector<Step> path;                ///< packet by packet, each in the kernel's order
    std::optional<PacketKind> failing_packet;  ///< the first packet that is dropped, or that may be
    std::string translated_to;  ///< the changed destination, "172.17.0.2:80"; "" where rules change none
    bool forwarded = false;  ///< the packet is forwarded to another host (a container) and never passes input
};

/// The sources from which a packet gets through.
struct Sources {
    std::vector<AddressRange> reach;  ///< must_reach
    std::vector<AddressRange> may;
    bool operator==(const Sources&) const = default;
};

/// Sources with equal results.
struct SourceClass {
    std::vector<AddressRange> from;
    Result result;
};

/// The output of `iptables-save` for one family.
struct IptablesSave {
    Family family = Family::ipv4;
    bool legacy = false;  ///< legacy tables; otherwise tables that nft lists too, here with all arguments
    std::string text;
};

/// The names of the tables in the output of `iptables-save`.
std::vector<std::string> tablesOfSave(std::string_view save);

/// A listing of everything that filters on a host, for Ruleset::parse(): nft's, with the saves, the host, the
/// reasons why something could not be read (`unread`) and the output of `ipset save` as further members.
/// Returns `nft_json` itself if it is not JSON.
std::string listingOf(const std::string& nft_json, const std::vector<IptablesSave>& saves,
                      const std::vector<std::string>& unread, const Host& host,
                      const std::string& ipsets = "");

/// Each class of sources costs an evaluation.
inline constexpr std::size_t kMostSourceClasses = 4096;

/// A packet filter. The evaluation is three-valued: where a match is unknown, it follows both ways, so that
/// `must_reach` and `must_block` never contradict the kernel; everything else is `may`. It follows each
/// packet of the exchange (see PacketKind) through every base chain in the kernel's order: ingress,
/// prerouting, then input, or forward and postrouting after a change of the destination to another host;
/// answers take the way back. An accept ends its base chain only; a drop is final. The sender's port is
/// 1024-65535, its mark 0, the conntrack state of the first packet new. `must_reach`: every packet passes.
/// `must_block`: the first packet, its answer, or the data of one side certainly does not. After parsing,
/// only addUnknown(), describeHost() and addTexts() change it; the rest is safe from any thread.
class Ruleset {
  public:
    /// Reads `nft -j list ruleset`, or a listing of listingOf(). Error `invalid` for any other text. An
    /// unknown construct is no error: it makes verdicts `may`.
    static Expected<Ruleset> parse(std::string_view nft_json);
    Ruleset(Ruleset&&) noexcept;
    Ruleset& operator=(Ruleset&&) noexcept;
    ~Ruleset();

    /// Something else on this host (legacy tables, XDP) may drop packets too: must_reach becomes may. If it
    /// may also change destinations (`translates`), must_block becomes may as well.
    void addUnknown(std::string reason, bool translates = false);

    /// Without a description of the host, a packet whose destination the rules change is `may`.
    void describeHost(Host host);
    const Host& host() const;
    /// Programs that made the rules, by the names of tables and chains: "ufw", "firewalld", "Docker", ...
    std::vector<std::string> managers() const;
    /// Rules of legacy iptables stand beside rules of nftables.
    bool mixesLegacy() const;
    /// Some chain has a rule, or a policy that drops.
    bool hasRules() const;
    /// The tables that restrict something, without those of iptables: "inet filter".
    std::vector<std::string> nativeTables() const;
    /// Reads the rules' texts out of `nft -a list ruleset`.
    void addTexts(std::string_view listing);
    /// The rule at a place that a Result names, as its author would write it; "" if unknown.
    std::string textOf(const std::string& place) const;

    Result evaluate(const Packet& packet) const;

    /// evaluate() for every source in `within`, grouped by the verdict and the rules that decide. Sources
    /// that no rule tells apart for this packet are evaluated once. Where rules in a row differ in their
    /// addresses alone, the first that decides stands for all of them. Error `exhausted` where the rules tell
    /// more than kMostSourceClasses kinds of sources apart.
    Expected<std::vector<SourceClass>> classes(Packet packet, const AddressRange& within) const;
    /// The verdicts for all sources; of `packet.source` only the family counts. Errors as classes().
    Expected<std::shared_ptr<const Sources>> sources(const Packet& packet) const;
    /// An address that stands for "anybody": no rule and no set names it, other than the whole space.
    Address stranger(Family family) const;
    /// A high port that no rule, map or set names and that is not in `used`: nothing listens there.
    std::uint16_t unusedPort(const std::vector<std::uint16_t>& used) const;

    /// Ports that rules, maps and sets name, by themselves or in ranges of at most 16.
    std::set<int> namedPorts() const;
    /// Some rule changes destinations.
    bool translates() const;
    /// A base chain at the input hook filters this family.
    bool filtersInput(Family family) const;

    struct Model;

  private:
    explicit Ruleset(std::unique_ptr<Model> model);
    std::unique_ptr<Model> model_;
};

}  // namespace lapwing::reach
