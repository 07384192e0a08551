#include "tests/unit/reach/generator.h"

#include <initializer_list>

namespace lapwing::test {

namespace {

class Generator {
  public:
    explicit Generator(std::mt19937& random) : random_(random) {}

    GeneratedRules all() {
        GeneratedRules out;
        unknown_ = oneIn(12);
        out.modelled = !unknown_;
        out.nft = mainTable();
        addRoutes(out);
        if (oneIn(4)) {
            out.nft += marks();
        }
        if (oneIn(8)) {
            out.nft += "table arp a { chain i { type filter hook input priority 0; policy " +
                       pick({"accept; arp operation request drop", "accept; arp operation reply drop",
                             "drop; arp operation request accept", "drop"}) +
                       "; }; }\n";
        }
        if (oneIn(8)) {
            out.nft += "table bridge b { chain i { type filter hook input priority 0; policy drop; }; }\n";
        }
        if (oneIn(3)) {
            out.nft += otherTable("ip", "first");
        }
        if (oneIn(4)) {
            out.nft += otherTable("ip6", "second");
        }
        if (oneIn(2)) {
            out.nft += translations();
        }
        if (oneIn(5)) {
            out.nft +=
                "table netdev n { chain i { type filter hook ingress " +
                pick({"device veth-s", "device veth-i", "devices = { veth-s, veth-i }"}) +
                " priority 0; policy accept; " +
                pick({"tcp dport 22 drop", "ip saddr 10.213.7.3 drop", "meta protocol arp drop",
                      "meta protocol ip6 tcp dport 3306 drop", "icmpv6 type nd-neighbor-advert drop"}) +
                "; }; }\n";
        }
        if (oneIn(2)) {
            out.changes =
                pick({"add element inet f known { 10.213.7.2 }\n",
                      "delete element inet f known { 192.0.2.0/24 }\n", "add element inet f ports { 8080 }\n",
                      "delete element inet f ports { 22 }\n"});
        }
        if (oneIn(4)) {
            out.iptables_nft = save(false, true);
        }
        if (oneIn(4)) {
            out.iptables_legacy = save(false, oneIn(3));
        }
        if (oneIn(5)) {
            out.ip6tables_legacy = save(true, false);
        }
        return out;
    }

  private:
    bool oneIn(int n) { return std::uniform_int_distribution<int>(1, n)(random_) == 1; }

    std::string pick(std::initializer_list<const char*> from) {
        return *(from.begin() + std::uniform_int_distribution<std::size_t>(0, from.size() - 1)(random_));
    }

    void addRoutes(GeneratedRules& out) {
        if (oneIn(6)) {
            out.routes.push_back("route " + pick({"blackhole", "unreachable", "prohibit"}) + " " +
                                 pick({"10.213.7.3", "10.213.7.4/30", "fd13:7::3", "fd13:7::4/126"}));
        }
        if (oneIn(10)) {
            out.routes.push_back(pick({"rule from 10.213.7.1 to 10.213.7.5 unreachable priority 100",
                                       "rule to 10.213.7.4/31 blackhole priority 100",
                                       "-6 rule to fd13:7::5 prohibit priority 100",
                                       "rule fwmark 9 unreachable priority 100"}));
        }
        if (oneIn(10)) {
            // The answers to that address leave by the other interface.
            out.routes.push_back("route unicast 10.213.7.6 via 10.213.8.2");
        }
        out.rp_filter = oneIn(4) ? 1 : oneIn(4) ? 2 : 0;
    }

    /// Statements that the evaluator does not understand.
    std::string strange() {
        return pick({"tcp dport 22 jump { ip saddr 10.213.7.2 accept; drop; }", "numgen inc mod 2 0 drop",
                     "@th,16,16 22 drop", "meta cpu 0 drop", "jump { accept; }",
                     "goto { tcp dport 22 drop; }", "tcp dport 3306 queue num 0 bypass",
                     "jump { meta l4proto udp drop; }"});
    }

    /// Marks of packets and connections, set early and matched later.
    std::string marks() {
        return "table inet m {\n  chain pre {\n    type filter hook prerouting priority " +
               pick({"-150", "-140", "-50"}) + ";\n    " + pick({"", "meta mark set ct mark\n    "}) +
               match() + " " +
               pick({"meta mark set 0x1", "ct mark set 0x1", "meta mark set meta mark | 0x10",
                     "meta mark set 0x1 ct mark set meta mark", "ct mark set ct mark | 0x8"}) +
               "\n    " + pick({"ct mark set meta mark", "meta mark set meta mark & 0xff", "counter"}) +
               "\n  }\n  chain in {\n    type filter hook input priority " + pick({"-5", "20"}) + ";\n    " +
               pick({"meta mark 0x1 drop", "ct mark 0x1 tcp dport 22 drop", "meta mark & 0x10 == 0x10 drop",
                     "meta mark 0 ct mark 0 tcp dport 3306 drop", "ct mark & 0x8 != 0 accept",
                     "ct mark set 0x2 meta mark 0x1 drop"}) +
               "\n  }\n}\n";
    }

    std::string match() {
        return pick({"tcp flags & (fin|syn|rst|psh|ack|urg) == 0x0",
                     "tcp flags & (fin|syn) == (fin|syn)",
                     "tcp flags & (fin|syn|rst|ack) != syn ct state new",
                     "tcp flags & (syn|ack) == (syn|ack)",
                     "tcp flags & psh == psh",
                     "tcp flags & (syn|ack|psh) == ack",
                     "ip frag-off & 0x1fff != 0",
                     "tcp option maxseg size 1-535",
                     "exthdr rt exists",
                     "exthdr frag exists",
                     "ip hdrlength > 5",
                     "ip ttl < 1",
                     "ip6 hoplimit 0",
                     "ip ttl 64",
                     "ip ttl != 64",
                     "ip ttl < 64",
                     "ip ttl set 63",
                     "ip6 hoplimit > 63",
                     "limit name fast",
                     "tcp flags != syn",
                     "tcp flags ! psh",
                     "ct state . tcp dport { new . 22, established . 3306 }",
                     "ip saddr . ip daddr { 10.213.7.2 . 10.213.7.1, 10.213.7.3-10.213.7.4 . 10.213.7.1 }",
                     "ip6 saddr . tcp dport { fd13:7::2 . 22, fd13:7::3-fd13:7::5 . 3306 }",
                     "meta l4proto . th dport { tcp . 22, udp . 8080 }",
                     "iifname . ip saddr { veth-s . 10.213.7.2, veth-i . 10.213.7.3 }",
                     "ip saddr . meta mark { 10.213.7.2 . 0x0, 10.213.7.3 . 0x7 }",
                     "ip saddr != { 10.213.7.3-10.213.7.5, 10.213.7.9 }",
                     "tcp dport != { 22, 8000-9000 }",
                     "ct mark set 0x8",
                     "ip dscp set cs1",
                     "ip6 dscp set cs1",
                     "update @seen { ip saddr limit rate over 1000/second burst 1000 packets }",
                     "add @seen { ip saddr }",
                     "ip saddr @seen",
                     "meta mark set ct mark",
                     "quota name large",
                     "fib saddr . mark . iif oif missing",
                     "fib saddr type local",
                     "fib saddr type { broadcast, multicast }",
                     "fib daddr type != local",
                     "fib daddr . iif type local",
                     "fib daddr . iif type != { local, broadcast, multicast }",
                     "ct original ip daddr 10.213.7.1",
                     "ct original ip saddr 10.213.7.3",
                     "ct original proto-dst 0x16",
                     "ct status seen-reply",
                     "ct status & confirmed == confirmed",
                     "ct direction reply",
                     "ct mark 0",
                     "ct zone 0",
                     "ct state untracked",
                     "udp dport { 22, 8080 }",
                     "udp sport 1-1023",
                     "meta l4proto udp",
                     "quota over 100 mbytes",
                     "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert }",
                     "tcp dport 22",
                     "tcp dport { 22, 3306 }",
                     "tcp dport 3000-9000",
                     "tcp dport != 22",
                     "tcp dport @ports",
                     "tcp dport >= 3306",
                     "th dport 8080",
                     "ip saddr 10.213.7.2",
                     "ip saddr 10.213.7.2/31",
                     "ip saddr { 10.213.7.3, 10.99.0.0/16 }",
                     "ip saddr != 10.213.7.2",
                     "ip saddr @known",
                     "ip saddr != @known",
                     "ip saddr & 0.0.0.1 == 0.0.0.1",
                     "ip6 saddr fd13:7::2",
                     "ip6 saddr fd13:7::/64",
                     "ip6 saddr != fd13:7::3",
                     "ip6 saddr { fd13:7::3-fd13:7::9 }",
                     "meta nfproto ipv6",
                     "meta nfproto ipv4",
                     "meta l4proto tcp",
                     "meta l4proto { icmp, ipv6-icmp }",
                     "ip protocol tcp",
                     "ip6 nexthdr tcp",
                     "ct state new",
                     "ct state established",
                     "ct state != established",
                     "ct state { new, related }",
                     "ct state invalid",
                     "ct status dnat",
                     "ct direction original",
                     "iifname veth-s",
                     "iifname != veth-s",
                     "iifname \"ve*\"",
                     "iif lo",
                     "tcp flags syn / syn,ack",
                     "tcp flags & (syn|ack) == syn",
                     "tcp flags { syn, rst }",
                     "tcp sport 1024-65535",
                     "ip daddr 10.213.7.1",
                     "ip6 daddr fd13:7::9",
                     "fib daddr type local",
                     "fib saddr . iif oif missing",
                     "udp dport 22",
                     "icmp type echo-request",
                     "limit rate 1000/second burst 1000 packets",
                     "limit rate over 1000/second burst 1000 packets",
                     "ct count over 100000",
                     "ip saddr . tcp dport { 10.213.7.2 . 22, 10.213.7.3 . 3306 }",
                     "ip saddr . tcp dport @pairs",
                     "meta mark 0",
                     "meta mark set 7",
                     "meta mark 7",
                     "meta pkttype broadcast",
                     "counter"});
    }

    std::string rule(bool base) {
        std::string out;
        if (base && unknown_ && oneIn(3)) {
            return strange();
        }
        for (int i = std::uniform_int_distribution<int>(0, 2)(random_); i > 0; --i) {
            out += match() + " ";
        }
        return out + (base
                          ? pick({"accept", "drop", "reject with tcp reset",
                                  "meta nfproto ipv6 reject with tcp reset",
                                  "meta nfproto ipv4 tcp dport 22 reject with tcp reset", "reject",
                                  "jump one", "goto two", "continue", "return",
                                  "tcp dport vmap { 22 : accept, 3306 : jump one, 8000-9000 : drop }",
                                  "tcp dport vmap @verdicts",
                                  ("ct state vmap { established : accept, related : accept, invalid : drop, "
                                   "new : jump one }"),
                                  ("meta l4proto . th dport vmap { tcp . 22 : accept, udp . 8080 : drop, tcp "
                                   ". 8000-9000 : goto two }"),
                                  "meta nfproto vmap { ipv4 : jump one, ipv6 : goto two }",
                                  "ip saddr vmap { 10.213.7.3 : drop, 10.213.7.2 : goto two }",
                                  "iifname . tcp dport vmap { veth-s . 22 : accept, lo . 3306 : drop }"})
                          : pick({"accept", "drop", "return", "counter"}));
    }

    std::string rules(bool base, int most) {
        std::string out;
        for (int i = std::uniform_int_distribution<int>(0, most)(random_); i > 0; --i) {
            out += "    " + rule(base) + "\n";
        }
        return out;
    }

    std::string chain(const std::string& name, const std::string& hook, const std::string& priority,
                      const std::string& policy, const std::string& body) {
        // Most rulesets accept the later packets of a connection first. Others drop them.
        return "  chain " + name + " {\n    type filter hook " + hook + " priority " + priority +
               "; policy " + policy + ";\n" + (oneIn(4) ? "" : "    ct state established accept\n") +
               (oneIn(3) ? "" : "    icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept\n") +
               body + "  }\n";
    }

    std::string mainTable() {
        std::string out =
            "table inet f {\n"
            "  set known { type ipv4_addr; flags interval; elements = { 10.213.7.3-10.213.7.9, 192.0.2.0/24 "
            "}; }\n"
            "  set ports { type inet_service; elements = { 22, 3306 }; }\n"
            "  set pairs { type ipv4_addr . inet_service; flags interval; elements = { 10.213.7.0/31 . 22, "
            "10.213.7.2-10.213.7.2 . 3000-4000 }; }\n"
            "  limit fast { rate 1000/second burst 1000 packets; }\n"
            "  quota large { over 100 mbytes; }\n"
            "  set seen { type ipv4_addr; flags dynamic; size 64; }\n"
            "  map verdicts { type inet_service : verdict; elements = { 22 : drop, 8080 : goto two }; }\n";
        out += "  chain one {\n" + rules(false, 4) + "  }\n  chain two {\n" + rules(false, 4) + "  }\n";
        if (oneIn(3)) {
            out += chain("early", "prerouting", pick({"-310", "-150", "-99", "0"}), "accept",
                         "    " + match() + " drop\n");
        }
        out += chain("in", "input", pick({"0", "-10", "filter"}), pick({"accept", "drop"}), rules(true, 4));
        if (oneIn(3)) {
            out += chain("late", "input", pick({"-5", "1", "50"}), "accept", rules(true, 3));
        }
        if (oneIn(2)) {
            out += chain(
                "through", "forward", "0", pick({"accept", "drop"}),
                "    " + pick({"oifname veth-i", "iifname veth-s", "ip daddr 10.213.8.2", "tcp dport 22"}) +
                    " accept\n" + rules(true, 2));
        }
        if (oneIn(3)) {
            // An answer that is dropped: the connection does not come about.
            out += "  chain out {\n    type filter hook output priority 0; policy accept;\n    " +
                   pick({"tcp sport 8080 drop", "ct state established tcp sport 22 drop", "oifname lo drop",
                         "ip daddr 10.213.7.3 drop", "tcp flags syn / fin,syn drop",
                         "icmpv6 type nd-neighbor-advert drop", "icmpv6 type nd-neighbor-solicit drop",
                         "tcp flags & psh == psh tcp sport 22 drop", "udp sport 3306 drop",
                         "tcp dport 8080 drop", "tcp dport 1024-65535 accept", "ct state new drop"}) +
                   "\n  }\n";
        }
        if (oneIn(6)) {
            out += "  chain leaves {\n    type filter hook output priority 10; policy drop;\n    " +
                   pick({"ct state established accept", "tcp flags & (syn|ack) == (syn|ack) accept",
                         "tcp sport 22 accept", "meta l4proto { tcp, udp } accept"}) +
                   "\n    " + pick({"meta l4proto ipv6-icmp accept", "counter"}) + "\n  }\n";
        }
        if (oneIn(8)) {
            out += "  chain raw {\n    type filter hook prerouting priority raw;\n    " +
                   pick({"tcp dport 22 notrack", "udp dport 3306 notrack", "ip saddr 10.213.7.2 notrack",
                         "notrack"}) +
                   "\n  }\n";
        }
        if (oneIn(10)) {
            out += "  chain rawout {\n    type filter hook output priority raw;\n    " +
                   pick({"tcp sport 22 notrack", "notrack", "udp sport 3306 notrack"}) + "\n  }\n";
        }
        return out + "}\n";
    }

    std::string otherTable(const std::string& family, const std::string& name) {
        const bool v6 = family == "ip6";
        return "table " + family + " " + name + " {\n" +
               chain("in", "input", pick({"-1", "0", "10"}), pick({"accept", "accept", "drop"}),
                     std::string("    ") + (v6 ? "ip6 saddr fd13:7::2" : "ip saddr 10.213.7.2") + " " +
                         pick({"accept", "drop", "tcp dport 22 accept",
                               "tcp dport 3306 reject with tcp reset"}) +
                         "\n") +
               "}\n";
    }

    std::string translations() {
        return "table inet nat {\n  map to { type inet_service : ipv4_addr . inet_service; elements = { 22 : "
               "10.213.8.2 . "
               "3306, 3306 : 10.213.7.1 . 8080 }; }\n  chain pre {\n    type nat hook prerouting priority " +
               pick({"dstnat", "0", "-150"}) + ";\n    " + match() + " " +
               pick({"tcp dport 8080 redirect to :22", "meta nfproto ipv4 dnat ip to 10.213.8.2",
                     "tcp dport 22 dnat ip to 10.213.8.2:8080", "meta nfproto ipv6 dnat ip6 to fd13:8::2",
                     "tcp dport 3306 dnat ip6 to [fd13:8::2]:22", "dnat ip to tcp dport map @to",
                     "dnat ip to ip saddr map { 10.213.7.2 : 10.213.8.2 }", "accept"}) +
               "\n  }\n" +
               (oneIn(2)
                    ? "  chain post {\n    type nat hook postrouting priority srcnat;\n    oifname veth-i "
                      "masquerade\n  }\n"
                    : "") +
               "}\n";
    }

    /// The same for iptables, of IPv4 or IPv6.
    std::string save(bool v6, bool nat) {
        std::string out =
            "*filter\n:INPUT " + pick({"ACCEPT", "ACCEPT", "DROP"}) + " [0:0]\n:FORWARD ACCEPT [0:0]\n" +
            ":OUTPUT ACCEPT [0:0]\n:mine - [0:0]\n-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT\n";
        for (const auto* chain : {"INPUT", "INPUT", "INPUT", "mine", "mine"}) {
            const bool base = std::string(chain) == "INPUT";
            out += std::string("-A ") + chain + " " + saveMatch(v6) + " -j " +
                   (base ? pick({"ACCEPT", "DROP", "mine", "LOG", "RETURN", "MARK --set-xmark 0x1/0xff",
                                 "REJECT"})
                         : pick({"ACCEPT", "DROP", "RETURN"})) +
                   "\n";
        }
        out += oneIn(3) ? "-A INPUT -p tcp -m tcp --dport 8080 -j REJECT --reject-with tcp-reset\n" : "";
        out += "COMMIT\n";
        if (nat) {
            out += "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp -m tcp --dport 22 -j " +
                   pick({"DNAT --to-destination 10.213.8.2:3306", "DNAT --to-destination 10.213.8.2",
                         "REDIRECT --to-ports 8080"}) +
                   "\nCOMMIT\n";
        }
        return out;
    }

    std::string saveMatch(bool v6) {
        return v6 ? pick({"-s fd13:7::2/128", "! -s fd13:7::/64", "-p tcp -m tcp --dport 22", "-p ipv6-icmp",
                          "-p tcp -m multiport --dports 22,8080", "-m rt --rt-type 0", "-i veth+"})
                  : pick({"-s 10.213.7.2/32",
                          "! -s 10.213.7.2/31",
                          "-p tcp -m tcp --dport 22",
                          "-p icmp",
                          "-i veth-s",
                          "-i veth+ -p tcp -m tcp ! --dport 22",
                          "-p tcp -m multiport --dports 22,8080:9000",
                          "-m conntrack --ctstate NEW",
                          "-m conntrack --ctstate INVALID",
                          "-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN",
                          "-m addrtype --dst-type LOCAL",
                          "-m limit --limit 1000/sec --limit-burst 1000",
                          "-m iprange --src-range 10.213.7.3-10.213.7.9",
                          "-p tcp -m comment --comment \"one -j DROP\"",
                          "-m pkttype --pkt-type broadcast",
                          "-m connlimit --connlimit-above 100000 --connlimit-mask 32 --connlimit-saddr",
                          "-m conntrack --ctstate DNAT",
                          "-m ttl --ttl-eq 64",
                          "-m conntrack ! --ctstate NEW",
                          "-p tcp -m multiport ! --dports 22,3306",
                          "! -i veth-s",
                          "-m addrtype ! --src-type LOCAL",
                          "-m mark --mark 0x0/0xff",
                          "-p udp -m udp --dport 8080",
                          "-m ttl --ttl-gt 63",
                          "-p tcp -m tcp ! --tcp-flags SYN,ACK SYN",
                          "-d 10.213.7.1/32",
                          "-m pkttype ! --pkt-type unicast",
                          "-p tcp -m tcp --sport 1024:65535 --dport 3306"});
    }

    std::mt19937& random_;
    bool unknown_ = false;
};

}  // namespace

GeneratedRules generateRules(std::mt19937& random) {
    return Generator(random).all();
}

}  // namespace lapwing::test
