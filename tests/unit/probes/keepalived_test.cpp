#include "agent/probes/keepalived/keepalived.h"

#include <sys/stat.h>

#include <algorithm>

#include "agent/snapshot/helper/check_command.h"
#include "agent/snapshot/helper/collect.h"
#include "agent/snapshot/helper/keepalived_conf.h"
#include "agent/snapshot/snapshot.h"
#include "tests/unit/catch.h"
#include "tests/unit/probes/samples.h"
#include "tests/unit/probes/server.h"
#include "tests/unit/temporary_folder.h"

using namespace lapwing;
using namespace lapwing::agent;
using vrrp::Watched;
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

TEST_CASE("keepalived.conf: the instances, their addresses and their checks") {
    const auto config = parseKeepalived(kConfig);
    REQUIRE(config.instances.size() == 2);
    const auto& first = config.instances[0];
    CHECK(first.name == "VI_1");
    CHECK(first.interface == "eth0");
    CHECK(first.virtual_router_id == 51);
    CHECK(first.priority == 150);
    CHECK(first.initial_state == "MASTER");
    CHECK(first.addresses == Texts{"10.77.0.100/24", "10.77.0.101"});
    CHECK(first.peers.empty());
    CHECK(first.version == 2);
    CHECK(first.interval == "1");
    CHECK(first.authentication.size() == std::string("PASS 123").size());
    CHECK(first.group == "both");
    CHECK(first.tracks ==
          std::vector<vrrp::Check>{
              {"script", "chk_haproxy", 0, false, Watched::program, "haproxy", ""},
              {"process", "nginx", 0, false, Watched::unknown, "", "keepalived.conf does not define it"}});
    const auto& second = config.instances[1];
    CHECK(second.initial_state == "BACKUP");
    CHECK(second.priority == 100);
    CHECK(second.addresses == Texts{"FD00:0::100/64"});
    CHECK(second.peers == Texts{"fd00::2", "fd00::3"});
    CHECK(second.source == "fd00::1");
    CHECK(second.version == 3);
    CHECK(second.tracks.size() == 1);
    CHECK(first.unread.empty());
    CHECK(config.unread.empty());
}

TEST_CASE("keepalived.conf: weights, and what keepalived does with them") {
    const auto track = [](const std::string& script, const std::string& instance, const std::string& tracks) {
        const auto config = parseKeepalived("vrrp_script c {\nscript \"pidof haproxy\"\n" + script +
                                            "\n}\nvrrp_instance v {\n" + instance + "\ntrack_script {\n" +
                                            tracks + "\n}\n}\nvrrp_sync_group g {\ngroup { w }\n}\n");
        REQUIRE(config.instances.size() == 1);
        REQUIRE(config.instances[0].tracks.size() == 1);
        return config.instances[0].tracks[0];
    };
    CHECK(track("weight -60", "", "c").weight == -60);
    CHECK(track("weight +2", "", "c").weight == 2);
    CHECK(track("weight 2", "", "c weight -30 reverse").weight == -30);
    CHECK(track("weight 2", "", "c weight -30 reverse").reverse);
    CHECK(track("weight 2 reverse", "", "c weight -30").reverse == false);
    CHECK(track("weight 2 reverse", "", "c").reverse);
    CHECK(track("weight -60", "priority 255", "c").ignored ==
          "keepalived ignores a check with a weight if the priority is 255");
    CHECK(track("", "priority 255", "c").ignored.empty());
}

TEST_CASE("keepalived.conf: nopreempt does not go with MASTER") {
    const auto of = [](const std::string& text) {
        return parseKeepalived("vrrp_instance v {\n" + text + "\n}\n").instances.at(0);
    };
    CHECK(of("state BACKUP\nnopreempt").nopreempt);
    CHECK_FALSE(of("state MASTER\nnopreempt").nopreempt);
    CHECK(of("preempt_delay 300").preempt_delay == "300");
    CHECK(of("state MASTER\npreempt_delay 300").preempt_delay.empty());
    CHECK(of("use_vmac\nnotify_master /x\ngarp_master_delay 1").unread == Texts{"use_vmac"});
    CHECK(of("track_bfd {\nx\n}").unread == Texts{"track_bfd"});
    CHECK(parseKeepalived("global_defs {\nvrrp_strict\n}\n").unread == Texts{"keepalived.conf: vrrp_strict"});
    // Only the first eight characters of a password count, and version 3 has none.
    const auto auth = [&](const std::string& password, const std::string& more = "") {
        return of(more + "authentication {\nauth_type PASS\nauth_pass " + password + "\n}").authentication;
    };
    CHECK(auth("12345678a") == auth("12345678b"));
    CHECK(auth("secret") != auth("other"));
    CHECK(auth("secret", "version 3\n").empty());
}

TEST_CASE("a script that keepalived would not run") {
    const test::TemporaryFolder dir;
    const auto file = dir.write("check", "#!/bin/sh\n");
    CHECK(scriptFault(file, false) == file + " is not executable");
    REQUIRE(::chmod(file.c_str(), 0755) == 0);
    CHECK(scriptFault(file + " argument", false).empty());
    // The folder of temporary files is anybody's.
    CHECK(scriptFault(file, true) ==
          "others than root may change " + file + ", and enable_script_security is set");
    CHECK(scriptFault("/bin/true", true).empty());
    CHECK(scriptFault("true", true).empty());
    CHECK(scriptFault("/nowhere/check", false) == "/nowhere/check does not exist");
    CHECK(scriptFault("no-such-program-here", false) == "no-such-program-here does not exist");
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
    const test::TemporaryFolder dir;
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
    const test::TemporaryFolder dir;
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
                                                       {"tracks", "chk_haproxy nginx"},
                                                       {"version", "2"},
                                                       {"interval", "1"},
                                                       {"authentication", config.instances[0].authentication},
                                                       {"group", "both"}}) == 1);
    CHECK(samples.value("lapwing_vrrp_check_info", {{"vrrp_instance", "VI_1"},
                                                    {"kind", "script"},
                                                    {"check", "chk_haproxy"},
                                                    {"weight", "0"},
                                                    {"watches", "program"},
                                                    {"target", "haproxy"}}) == 1);
    CHECK(samples.count("lapwing_vrrp_instance_info") == 2);
    CHECK(samples.value("lapwing_vrrp_address_info",
                        {{"vrrp_instance", "VI_1"}, {"address", "10.77.0.101"}, {"advertised", "yes"}}) == 1);
    const test::Samples none(keepalived::keepalivedFamilies(false, {}, {}));
    CHECK(none.value("keepalived_up") == 0);
    CHECK(none.size() == 1);
}
