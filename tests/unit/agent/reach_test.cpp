// `lapwing-agent reach` on the command line.
#include <fstream>

#include "tests/unit/agent/program.h"
#include "tests/unit/catch.h"
#include "tests/unit/common/certificates.h"
#include "tests/unit/fixtures.h"
#include "tests/unit/temporary_folder.h"

using lapwing::test::Program;
using lapwing::test::TemporaryFolder;

namespace {

struct Answer {
    int code;
    std::string out;
    std::string err;
};

Answer reach(const TemporaryFolder& dir, std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {LAPWING_AGENT, "reach"});
    Program program(dir.path(), arguments);
    const int code = program.wait();
    return {code, program.out(), program.err()};
}

std::string firewall(const std::string& name) {
    return lapwing::test::fixturePath("firewall/" + name);
}

bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("reach: the verdicts of an nft listing for one source and for all sources") {
    const TemporaryFolder dir;
    const auto from_peer = reach(dir, {"tcp/3306", "--to", "10.77.0.11", "--interface", "eth0", "--from",
                                       "10.77.0.12", "--snapshot", firewall("plain.json")});
    INFO(from_peer.err);
    CHECK(from_peer.code == 0);
    CHECK(contains(from_peer.out, "MUST-REACH from 10.77.0.12\n"));
    CHECK(contains(from_peer.out, "input inet filter input (priority 0) accepts\n"));
    const auto all = reach(
        dir, {"tcp/3306", "--to", "10.77.0.11", "--interface", "eth0", "--snapshot", firewall("plain.json")});
    CHECK(all.code == 0);
    CHECK(contains(all.out, "MUST-REACH from 10.77.0.12\n"));
    CHECK(contains(all.out, "MUST-BLOCK from 1.0.0.0-10.77.0.11, 10.77.0.13-"));
    CHECK(contains(all.out, "inet filter input policy drop\n"));
    const auto json = reach(dir, {"tcp/3306", "--to", "10.77.0.11", "--from", "10.77.0.13", "--json",
                                  "--snapshot", firewall("plain.json")});
    CHECK(contains(json.out, "\"verdict\":\"must_block\""));
    CHECK(contains(json.out, "\"from\":[\"10.77.0.13\"]"));
}

TEST_CASE("reach: a snapshot has the addresses, the rules' texts, and their managers") {
    const TemporaryFolder dir;
    const auto ufw =
        reach(dir, {"tcp/3306", "--from", "10.77.0.12", "--snapshot", firewall("real/ufw.json")});
    INFO(ufw.out << ufw.err);
    CHECK(ufw.code == 0);
    CHECK(contains(ufw.out, "rules of ufw\n"));
    CHECK(contains(ufw.out, "tcp/3306 on 10.77.0.11 (by eth0, eth0-peer)\n"));
    CHECK(contains(ufw.out, "-A ufw-user-input -s 10.77.0.12/32 -p tcp -m tcp --dport 3306 -j ACCEPT\n"));
    const auto docker = reach(dir, {"tcp/13306", "--from", "192.0.2.1", "--to", "10.77.0.11", "--snapshot",
                                    firewall("real/docker-nft.json")});
    CHECK(contains(docker.out, "sent to 172.17.0.2:3306, past the input hook\n"));
}

TEST_CASE("reach: uncertain answers and malformed questions") {
    const TemporaryFolder dir;
    const auto may =
        reach(dir, {"tcp/22", "--to", "10.77.0.11", "--from", "8.8.8.8", "--snapshot", firewall("xt.json")});
    CHECK(may.code == 1);
    CHECK(contains(may.out, "MAY from 8.8.8.8\n"));
    CHECK(contains(may.out, "not known: ip filter INPUT handle 2: xt match recent"));
    CHECK(reach(dir, {"3306"}).code == 2);
    CHECK(reach(dir, {"tcp/0"}).code == 2);
    CHECK(reach(dir, {"tcp/3306", "--from", "web-02", "--snapshot", firewall("plain.json")}).code == 2);
    const auto gone = reach(dir, {"tcp/3306", "--snapshot", "/nonexistent"});
    CHECK(gone.code == 3);
    CHECK(gone.err == "reading /nonexistent: No such file or directory\n");
    const auto other = dir.path("other.json");
    std::ofstream(other) << "[]";
    CHECK(reach(dir, {"tcp/3306", "--snapshot", other}).code == 3);
}

TEST_CASE("reach: the packet that fails, and the way of each packet") {
    const TemporaryFolder dir;
    const auto file = dir.path("forgets-established.json");
    std::ofstream(file) << R"({"nftables":[
        {"chain":{"family":"inet","table":"f","name":"i","type":"filter","hook":"input","prio":0,"policy":"drop"}},
        {"rule":{"family":"inet","table":"f","chain":"i","handle":5,"expr":[
            {"match":{"op":"in","left":{"ct":{"key":"state"}},"right":"new"}},{"accept":null}]}}]})";
    const auto plain = reach(dir, {"tcp/22", "--to", "10.77.0.11", "--from", "10.77.0.12", "--interface",
                                   "eth0", "--snapshot", file});
    CHECK(plain.code == 0);
    CHECK(contains(plain.out, "MUST-BLOCK from 10.77.0.12\n"));
    CHECK(contains(plain.out, "the third packet (ACK) does not get through\n"));
    const auto explained = reach(dir, {"tcp/22", "--to", "10.77.0.11", "--from", "10.77.0.12", "--interface",
                                       "eth0", "--explain", "--snapshot", file});
    CHECK(contains(explained.out, "    first packet (SYN)\n      input inet f i (priority 0) accepts\n"));
    CHECK(contains(explained.out, "    third packet (ACK)\n      input inet f i (priority 0) drops\n"));
    const auto json = reach(dir, {"tcp/22", "--to", "10.77.0.11", "--from", "10.77.0.12", "--interface",
                                  "eth0", "--json", "--snapshot", file});
    CHECK(json.out.starts_with("{\"version\":1,"));
    CHECK(contains(json.out, "\"failing_packet\":\"ack\""));
    CHECK(contains(json.out, "\"interfaces\":[\"eth0\"]"));
}
