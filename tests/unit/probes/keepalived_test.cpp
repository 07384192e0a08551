#include "agent/probes/keepalived/keepalived.h"

#include <algorithm>

#include "agent/snapshot/helper/collect.h"
#include "agent/snapshot/helper/keepalived_conf.h"
#include "agent/snapshot/snapshot.h"
#include "tests/unit/catch.h"
#include "tests/unit/probes/samples.h"
#include "tests/unit/probes/server.h"

using namespace lapwing;
using namespace lapwing::agent;
using Texts = std::vector<std::string>;

namespace {

const char* const kConfig = R"(! Configuration File for keepalived
global_defs {
    router_id lb-01            # a comment
    enable_script_security
}
vrrp_script chk_haproxy {
    script "/usr/bin/killall -0 haproxy"
    interval 2
}
vrrp_instance VI_1 {
    state MASTER
    interface eth0
    virtual_router_id 51
    priority 150
    authentication {
        auth_type PASS
        auth_pass "s3cret # not a comment"
    }
    virtual_ipaddress {
        10.77.0.100/24 dev eth0 label eth0:vip
        10.77.0.101
    }
    track_script { chk_haproxy }
}
vrrp_instance VI_6
{
    interface eth0
    virtual_router_id 52
    unicast_src_ip fd00::1
    unicast_peer {
        fd00::2
        fd00::3
    }
    virtual_ipaddress {
        FD00:0::100/64
    }
}
vrrp_sync_group both {
    group {
        VI_1
        VI_6
    }
    track_process {
        nginx
    }
}
virtual_server 10.77.0.100 443 {
    real_server 10.77.0.11 443 { weight 1 }
}
)";

}  // namespace

TEST_CASE("keepalived.conf: the instances, their addresses and their tracks") {
    const auto config = parseKeepalived(kConfig);
    REQUIRE(config.instances.size() == 2);
    CHECK(config.instances[0] == VrrpInstance{"VI_1", "eth0", 51, 150, "MASTER",
                                              Texts{"10.77.0.100", "10.77.0.101"}, Texts{},
                                              Texts{"chk_haproxy", "nginx"}});
    CHECK(config.instances[1] == VrrpInstance{"VI_6", "eth0", 52, 100, "BACKUP", Texts{"FD00:0::100"},
                                              Texts{"fd00::2", "fd00::3"}, Texts{"nginx"}});
    CHECK(config.unread.empty());
}

TEST_CASE("keepalived.conf: unevaluated parts are named, and malformed text gives no instance") {
    const auto config = parseKeepalived(
        "$VIP=10.0.0.1\n@lb-01 priority 100\nvrrp_instance A {\n@^lb-02 priority 90\n"
        "virtual_ipaddress {\n$VIP\n}\n}\n");
    CHECK(config.unread.size() == 4);
    for (const auto* text : {"", "}", "{", "{{{", "vrrp_instance", "vrrp_instance {", "}}} vrrp_instance A",
                             "\"", "vrrp_instance A { virtual_ipaddress { { } } virtual_router_id x }"}) {
        INFO(text);
        CHECK(parseKeepalived(text).instances.size() <= 1);
    }
}

TEST_CASE("includes are followed, and unreadable files are named") {
    const test::TempDir dir;
    dir.write("more-1.conf", "vrrp_instance A {\n}\n");
    dir.write("more-2.conf", "include keepalived.conf\n");
    const auto file = dir.write("keepalived.conf", "include more-*.conf\ninclude /nowhere/x.conf\n");
    int error = 0;
    Texts unread;
    const auto text = readKeepalived(file, error, unread);
    CHECK(error == 0);
    CHECK(!parseKeepalived(text).instances.empty());
    CHECK(std::count(unread.begin(), unread.end(), "/nowhere/x.conf: no such file") >= 1);
    CHECK(std::any_of(unread.begin(), unread.end(),
                      [](const auto& one) { return one.ends_with("too many files are included"); }));
    readKeepalived(dir.path("none"), error, unread);
    CHECK(error == ENOENT);
}

TEST_CASE("the snapshot holds keepalived's configuration, and no password") {
    const test::TempDir dir;
    CollectOptions options;
    options.keepalived = dir.write("keepalived.conf", kConfig);
    const auto snapshot = collectSnapshot(options);
    CHECK(snapshot.keepalived_status == ReadStatus::ok);
    const auto json = toJson(snapshot);
    CHECK(json.find("s3cret") == std::string::npos);
    const auto read = parseSnapshot(json);
    REQUIRE(read);
    CHECK(read->keepalived_status == ReadStatus::ok);
    CHECK(read->keepalived.instances == snapshot.keepalived.instances);
    options.keepalived = dir.path("none");
    CHECK(collectSnapshot(options).keepalived_status == ReadStatus::absent);
}

TEST_CASE("a raw socket of protocol 112 is VRRP's") {
    const std::string head =
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n";
    CHECK(keepalived::hasVrrpSocket(head +
                                    "  112: 00000000:0070 00000000:0000 07 00000000:00000000 00:00000000\n"));
    CHECK(keepalived::hasVrrpSocket(
        head + "  112: 00000000000000000000000000000000:0070 00000000000000000000000000000000:0000 07\n"));
    CHECK_FALSE(
        keepalived::hasVrrpSocket(head + "    1: 00000000:0001 00000000:0000 07 00000000:00000000\n"));
    CHECK_FALSE(keepalived::hasVrrpSocket(head));
    CHECK_FALSE(keepalived::hasVrrpSocket(""));
}

TEST_CASE("the samples of keepalived") {
    const auto config = parseKeepalived(kConfig);
    const test::Samples samples(keepalived::keepalivedFamilies(true, config, {"10.77.0.100", "fd00::100"}));
    CHECK(samples.value("keepalived_up") == 1);
    const auto state = [&](const char* name, const char* id, const char* address) {
        return samples.value("keepalived_vrrp_state",
                             {{"iname", name}, {"intf", "eth0"}, {"vrid", id}, {"ip_address", address}});
    };
    CHECK(state("VI_1", "51", "10.77.0.100") == 2);
    CHECK(state("VI_1", "51", "10.77.0.101") == 1);
    CHECK(state("VI_6", "52", "fd00::100") == 2);
    CHECK(samples.value("lapwing_vrrp_instance_info", {{"vrrp_instance", "VI_1"},
                                                       {"interface", "eth0"},
                                                       {"virtual_router_id", "51"},
                                                       {"priority", "150"},
                                                       {"initial_state", "MASTER"},
                                                       {"tracks", "chk_haproxy nginx"}}) == 1);
    CHECK(samples.count("lapwing_vrrp_instance_info") == 2);
    CHECK(samples.value("lapwing_vrrp_address_info",
                        {{"vrrp_instance", "VI_1"}, {"address", "10.77.0.101"}}) == 1);
    const test::Samples none(keepalived::keepalivedFamilies(false, {}, {}));
    CHECK(none.value("keepalived_up") == 0);
    CHECK(none.size() == 1);
}
