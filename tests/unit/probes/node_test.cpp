#include "agent/probes/node/node.h"

#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "agent/probes/kind.h"
#include "agent/probes/node/filesystems.h"
#include "agent/probes/node/parse.h"
#include "agent/probes/node/steady_counters.h"
#include "common/config/reader.h"
#include "tests/unit/catch.h"
#include "tests/unit/fixtures.h"
#include "tests/unit/probes/samples.h"

using namespace lapwing;
using namespace lapwing::agent;
using namespace lapwing::agent::node;
using lapwing::test::fixture;
using lapwing::test::Samples;

namespace {

const std::string kRoot = lapwing::test::fixturePath("node");

Roots tree() {
    return {kRoot + "/proc", kRoot + "/sys", kRoot + "/root"};
}

std::string proc(const std::string& name) {
    return fixture("node/proc/" + name);
}

}  // namespace

TEST_CASE("stat: CPU time by mode, and the counters") {
    Families out;
    parseStat(proc("stat"), 100, out);
    const Samples samples(out);
    CHECK(samples.value("node_cpu_seconds_total", {{"cpu", "0"}, {"mode", "user"}}) == 51.63);
    CHECK(samples.value("node_cpu_seconds_total", {{"cpu", "0"}, {"mode", "system"}}) == 26.98);
    CHECK(samples.value("node_cpu_seconds_total", {{"cpu", "0"}, {"mode", "idle"}}) == 1334.93);
    CHECK(samples.value("node_cpu_seconds_total", {{"cpu", "0"}, {"mode", "steal"}}) == 4.19);
    CHECK(samples.count("node_cpu_seconds_total") ==
          16);  // two CPUs, eight modes; the line of the sum is left out
    CHECK(samples.value("node_cpu_guest_seconds_total", {{"cpu", "1"}, {"mode", "nice"}}) == 0);
    CHECK(samples.count("node_cpu_guest_seconds_total") == 4);
    CHECK(samples.value("node_boot_time_seconds") == 1795414232);
    CHECK(samples.value("node_context_switches_total") == 637237);
    CHECK(samples.value("node_intr_total") == 352649);
    CHECK(samples.value("node_forks_total") == 12801);
    CHECK(samples.value("node_procs_running") == 1);
    CHECK(samples.value("node_procs_blocked") == 0);
}

TEST_CASE("stat: a line cut short yields what it has") {
    Families out;
    parseStat("cpu0 1 2 x\nctxt\nbtime 12a\nprocesses 7", 100, out);
    const Samples samples(out);
    CHECK(samples.size() == 3);
    CHECK(samples.value("node_cpu_seconds_total", {{"cpu", "0"}, {"mode", "nice"}}) == 0.02);
    CHECK(samples.value("node_forks_total") == 7);
}

TEST_CASE("meminfo: node_exporter's names and bytes") {
    Families out;
    parseMeminfo(proc("meminfo"), out);
    const Samples samples(out);
    CHECK(samples.value("node_memory_MemTotal_bytes") == 24684096.0 * 1024);
    CHECK(samples.value("node_memory_Active_anon_bytes") == 1568.0 * 1024);
    CHECK(samples.value("node_memory_HugePages_Total") == 0);
    CHECK(samples.value("node_memory_Hugepagesize_bytes") == 2048.0 * 1024);
    CHECK_FALSE(samples.value("node_memory_HugePages_Total_bytes"));
}

TEST_CASE("load, virtual memory, descriptors, pressure") {
    Families out;
    parseLoadavg(proc("loadavg"), out);
    parseVmstat(proc("vmstat"), out);
    parseFileNr(proc("sys/fs/file-nr"), out);
    parsePressure("io", proc("pressure/io"), out);
    parsePressure("cpu", proc("pressure/cpu"), out);
    const Samples samples(out);
    CHECK(samples.value("node_load1") == 0.0);
    CHECK(samples.value("node_load5") == 0.10);
    CHECK(samples.value("node_load15") == 0.12);
    CHECK(samples.value("node_vmstat_pgfault") == 5756949);
    CHECK(samples.value("node_vmstat_oom_kill") == 0);
    CHECK_FALSE(samples.value("node_vmstat_nr_free_pages"));
    CHECK(samples.value("node_filefd_allocated") == 592);
    CHECK(samples.value("node_filefd_maximum") == 2466193);
    CHECK(samples.value("node_pressure_io_waiting_seconds_total") == 19.979500);
    CHECK(samples.value("node_pressure_io_stalled_seconds_total") == 19.158336);
    CHECK(samples.value("node_pressure_cpu_waiting_seconds_total").has_value());
    CHECK_FALSE(samples.value("node_pressure_cpu_stalled_seconds_total"));
}

TEST_CASE("diskstats: units, and the devices left out") {
    Families out;
    parseDiskstats(proc("diskstats"), out);
    const Samples samples(out);
    const Labels vda = {{"device", "vda"}};
    CHECK(samples.value("node_disk_reads_completed_total", vda) == 99112);
    CHECK(samples.value("node_disk_read_bytes_total", vda) == 4924450.0 * 512);
    CHECK(samples.value("node_disk_read_time_seconds_total", vda) == Approx(45.439));
    CHECK(samples.value("node_disk_written_bytes_total", vda) == 3447112.0 * 512);
    CHECK(samples.value("node_disk_io_now", vda) == 0);
    CHECK(samples.value("node_disk_io_time_seconds_total", vda) == Approx(30.096));
    CHECK(samples.value("node_disk_flush_requests_total", vda) == 7193);
    CHECK(samples.count("node_disk_io_now") == 2);  // vda and dm-0; loop0..7 and zram0 are not disks
}

TEST_CASE("diskstats: partitions are left out, whole devices are kept") {
    Families out;
    std::string text;
    for (const char* device :
         {"sda", "sda1", "nvme0n1", "nvme0n1p2", "md0", "dm-0", "xvda", "xvda9", "vdb2", "sr0"}) {
        text +=
            "   8 0 " + std::string(device) + " 1 2 3 4 5 6 7 8 9 10 11\n";  // kernels before 4.18: 11 fields
    }
    parseDiskstats(text, out);
    const Samples samples(out);
    std::string kept;
    for (const auto& series : samples.series()) {
        if (series.labels.metricName() == "node_disk_io_now") {
            kept += std::string(series.labels.get("device")) + " ";
        }
    }
    CHECK(kept == "sda nvme0n1 md0 dm-0 xvda sr0 ");
    CHECK(samples.count("node_disk_discards_completed_total") == 0);
}

TEST_CASE("network: devices, counters, sockets") {
    Families out;
    CHECK(parseNetDev(proc("net/dev"), out) == 4);
    parseNetstat(proc("net/netstat"), out);
    parseNetstat(proc("net/snmp"), out);
    parseSnmp6(proc("net/snmp6"), out);
    parseSockstat(proc("net/sockstat"), 4096, out);
    parseSockstat(proc("net/sockstat6"), 4096, out);
    const Samples samples(out);
    CHECK(samples.value("node_network_receive_bytes_total", {{"device", "eth0"}}) == 184101817);
    CHECK(samples.value("node_network_transmit_bytes_total", {{"device", "eth0"}}) == 139597);
    CHECK(samples.value("node_network_transmit_packets_total", {{"device", "eth0"}}) == 1545);
    CHECK(samples.value("node_netstat_IpExt_InOctets") == 184052900);
    CHECK(samples.value("node_netstat_TcpExt_ListenOverflows") == 0);
    CHECK(samples.value("node_netstat_Tcp_PassiveOpens") == 2);
    CHECK(samples.value("node_netstat_Udp_OutDatagrams") == 30);
    CHECK_FALSE(samples.value("node_netstat_Tcp_MaxConn"));
    CHECK(samples.value("node_sockstat_sockets_used") == 16);
    CHECK(samples.value("node_sockstat_TCP_mem") == 354);
    CHECK(samples.value("node_sockstat_TCP_mem_bytes") == 354 * 4096);
    CHECK(samples.value("node_netstat_Ip6_InOctets") == 70125);
    CHECK(samples.value("node_netstat_Udp6_InErrors") == 7);
    CHECK(samples.value("node_netstat_UdpLite6_InErrors") == 10);
    CHECK(samples.value("node_netstat_UdpLite_InErrors") == 0);
    CHECK_FALSE(samples.value("node_netstat_Ip6_InReceives"));
    CHECK(samples.value("node_sockstat_FRAG6_memory") == 4480);
    CHECK(samples.value("node_sockstat_TCP6_inuse") == 17);
}

TEST_CASE("network: the CPUs' backlogs, and older kernels with fewer columns") {
    Families out;
    parseSoftnet(proc("net/softnet_stat"), out);
    const Samples samples(out);
    CHECK(samples.value("node_softnet_processed_total", {{"cpu", "1"}}) == 158263);
    CHECK(samples.value("node_softnet_dropped_total", {{"cpu", "0"}}) == 3);
    CHECK(samples.value("node_softnet_times_squeezed_total", {{"cpu", "1"}}) == 12);
    CHECK(samples.value("node_softnet_cpu_collision_total", {{"cpu", "0"}}) == 1);
    CHECK(samples.value("node_softnet_received_rps_total", {{"cpu", "1"}}) == 22);
    CHECK(samples.value("node_softnet_flow_limit_count_total", {{"cpu", "0"}}) == 31);
    CHECK(samples.value("node_softnet_backlog_len", {{"cpu", "1"}}) == 42);
    out.clear();
    // Linux 4.18 tells no CPU, 2.6 no flow limit. A CPU that is off has no row.
    parseSoftnet("0000000a 0 1 0 0 0 0 0 0\n0000000b 0 2 0 0 0 0 0 0 0 0 0 00000003\n", out);
    const Samples older(out);
    CHECK(older.value("node_softnet_processed_total", {{"cpu", "0"}}) == 10);
    CHECK(older.value("node_softnet_processed_total", {{"cpu", "3"}}) == 11);
    CHECK_FALSE(older.value("node_softnet_received_rps_total", {{"cpu", "0"}}));
}

TEST_CASE("network: neighbours, queues of UDP, tracked connections") {
    Families out;
    parseArp(proc("net/arp"), out);
    parseUdpQueues(proc("net/udp"), "v4", out);
    parseUdpQueues(proc("net/udp6"), "v6", out);
    parseConntrackStat(proc("net/stat/nf_conntrack"), out);
    const Samples samples(out);
    CHECK(samples.value("node_arp_entries", {{"device", "eth0"}}) == 2);
    CHECK(samples.value("node_arp_entries", {{"device", "bond0"}}) == 1);
    CHECK(samples.value("node_udp_queues", {{"ip", "v4"}, {"queue", "rx"}}) == 0x240);
    CHECK(samples.value("node_udp_queues", {{"ip", "v4"}, {"queue", "tx"}}) == 0x18);
    CHECK(samples.value("node_udp_queues", {{"ip", "v6"}, {"queue", "rx"}}) == 0x300);
    CHECK(samples.value("node_nf_conntrack_stat_found") == 2 + 258);
    CHECK(samples.value("node_nf_conntrack_stat_search_restart") == 16 + 272);
    out.clear();
    parseConntrackStat("entries found\n00000001 zz\n", out);
    parseConntrackStat("", out);
    parseArp("", out);
    CHECK(Samples(out).size() == 0);
}

TEST_CASE("schedstat: seconds and slices of each CPU") {
    Families out;
    parseSchedstat(proc("schedstat"), out);
    const Samples samples(out);
    CHECK(samples.value("node_schedstat_running_seconds_total", {{"cpu", "0"}}) == Approx(51.236782901));
    CHECK(samples.value("node_schedstat_waiting_seconds_total", {{"cpu", "1"}}) == Approx(20.934512234));
    CHECK(samples.value("node_schedstat_timeslices_total", {{"cpu", "1"}}) == 51278);
    CHECK(samples.size() == 6);
}

TEST_CASE("software RAID: complete, degraded, recovering, checked, waiting, inactive arrays") {
    Families out;
    CHECK(parseMdstat(proc("mdstat"), out) == 7);
    const Samples samples(out);
    const auto disks = [&](const char* device, const char* state) {
        return samples.value("node_md_disks", {{"device", device}, {"state", state}});
    };
    const auto of = [&](const char* name, const char* device) {
        return samples.value(name, {{"device", device}});
    };
    const auto in_state = [&](const char* device, const char* state) {
        return samples.value("node_md_state", {{"device", device}, {"state", state}});
    };
    CHECK(disks("md0", "active") == 2);
    CHECK(of("node_md_disks_required", "md0") == 2);
    CHECK(of("node_md_blocks", "md0") == 248896);
    CHECK(of("node_md_blocks_synced", "md0") == 248896);
    CHECK(in_state("md0", "active") == 1);
    CHECK(disks("md1", "active") == 1);
    CHECK(disks("md1", "failed") == 1);
    CHECK(of("node_md_disks_required", "md1") == 2);
    CHECK(of("node_md_blocks_synced", "md1") == 1953382400);  // the numbers of its bitmap are no disks
    CHECK(disks("md2", "active") == 2);
    CHECK(disks("md2", "spare") == 1);
    CHECK(of("node_md_disks_required", "md2") == 3);
    CHECK(of("node_md_blocks_synced", "md2") == 16775552);
    CHECK(in_state("md2", "recovering") == 1);
    CHECK(in_state("md2", "active") == 0);
    CHECK(disks("md3", "active") == 2);
    CHECK(of("node_md_disks_required", "md3") == 2);
    CHECK(in_state("md4", "resync") == 1);
    CHECK(of("node_md_blocks_synced", "md4") == 0);
    CHECK(in_state("md5", "check") == 1);
    CHECK(of("node_md_blocks_synced", "md5") == 771840);
    CHECK(in_state("md6", "inactive") == 1);
    CHECK(disks("md6", "active") == 0);
    CHECK(disks("md6", "spare") == 1);
    CHECK_FALSE(of("node_md_disks_required", "md6"));  // its line does not tell
}

TEST_CASE("software RAID: none, and lines that are cut short") {
    Families out;
    CHECK(parseMdstat("Personalities : \nunused devices: <none>\n", out) == 0);
    CHECK(out.empty());
    CHECK(parseMdstat("md0 : active raid1 sdb1[1]", out) == 1);
    CHECK(parseMdstat("md1 : active raid1 sdb1[1]\n  x blocks [2/\n  recovery\n  check = (1", out) == 1);
    const Samples samples(out);
    CHECK_FALSE(samples.value("node_md_blocks", {{"device", "md1"}}));
    CHECK_FALSE(samples.value("node_md_disks_required", {{"device", "md1"}}));
}

TEST_CASE("xfs: the counters of a file system") {
    Families out;
    parseXfs("vda1", fixture("node/sys/fs/xfs/vda1/stats/stats"), out);
    const Samples samples(out);
    const Labels vda1 = {{"device", "vda1"}};
    CHECK(samples.size() == 39);
    CHECK(samples.value("node_xfs_extent_allocation_blocks_freed_total", vda1) == 103);
    CHECK(samples.value("node_xfs_inode_operation_attribute_changes_total", vda1) == 706);
    CHECK(samples.value("node_xfs_write_calls_total", vda1) == 1100);
    CHECK(samples.value("node_xfs_read_calls_total", vda1) == 1101);
    CHECK(samples.value("node_xfs_vnode_remove_total", vda1) == 1406);
}

TEST_CASE("os-release: quotes, escapes, comments") {
    using Pairs = std::vector<std::pair<std::string, std::string>>;
    CHECK(parseOsRelease("# x=y\nID=debian\nNAME=\"A \\\"B\\\"\"\nV='c\\d'\nnothing\nE=\nQ=\"\n") ==
          Pairs{{"ID", "debian"}, {"NAME", "A \"B\""}, {"V", "c\\d"}, {"E", ""}, {"Q", "\""}});
}

TEST_CASE("network: a name directly followed by its number, as older kernels print it") {
    Families out;
    parseNetDev("x\ny\n  eth0:184 3 0 0 0 0 0 0 13 1 0 0 0 0 0 0\n", out);
    CHECK(Samples(out).value("node_network_receive_bytes_total", {{"device", "eth0"}}) == 184);
}

TEST_CASE("mountinfo: one mount for each real file system") {
    const auto mounts = parseMountinfo(proc("self/mountinfo"), View::self);
    std::string seen;
    for (const auto& m : mounts) {
        seen += m.device + " " + m.fstype + " '" + m.mountpoint + (m.read_only ? "' ro\n" : "' rw\n");
    }
    // /usr is a read-only bind mount of /, /mnt one of /srv/data; /dev/shm and cgroups are under /dev and
    // /sys.
    CHECK(seen ==
          "/dev/vda ext4 '/' rw\n"
          "tmpfs tmpfs '/tmp/lw.E6We' rw\n"
          "tmpfs tmpfs '/srv' rw\n"
          "/dev/loop0 ext4 '/srv/data' rw\n"
          "scratch tmpfs '/srv/with blank' rw\n");
}

TEST_CASE("mountinfo: read-only is the host's state, not the sandbox's") {
    const std::string sandboxed =
        "9 1 8:1 / / ro,nosuid shared:1 master:2 - ext4 /dev/sda1 rw,errors=remount-ro\n";
    CHECK_FALSE(parseMountinfo(sandboxed, View::self).at(0).read_only);
    CHECK(parseMountinfo(sandboxed, View::host).at(0).read_only);
    const std::string broken = "9 1 8:1 / / rw - ext4 /dev/sda1 ro,errors=remount-ro\n";
    CHECK(parseMountinfo(broken, View::self).at(0).read_only);
}

TEST_CASE("fstab: what it names is mounted or not") {
    const std::string mountinfo =
        "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n"
        "2 1 8:2 / /srv/data rw - ext4 /dev/sdb1 rw\n"
        "3 1 0:5 / /srv/with\\040blank rw - nfs4 server:/export rw\n"
        "a line that is no mount\n";
    const std::string fstab =
        "# <file system> <mount point> <type> <options>\n"
        "UUID=1 / ext4 errors=remount-ro 0 1\n"
        "UUID=2\t/srv/data/\text4\tdefaults,noatime 0 2\n"
        "UUID=3 none swap sw 0 0\n"
        "UUID=4 swap swap sw 0 0\n"
        "/dev/sr0 /media/cdrom0 udf,iso9660 user,noauto 0 0\n"
        "nas:/home /mnt/home nfs x-systemd.automount,_netdev 0 0\n"
        "server:/export /srv/with\\040blank nfs4 _netdev\n"
        "LABEL=usb /srv/usb ext4 nofail,noatime 0 2\n"
        "LABEL=tmp /tmp ext4 defaults\n"
        "LABEL=www /srv/link ext4 defaults\n"
        "LABEL=backup /srv/backup xfs\n"
        "LABEL=backup /srv/backup xfs defaults\n"
        "#UUID=9 /srv/old ext4\n"
        "broken\n\n";
    // /srv/link leads to /srv/data.
    const auto canonical = [](const std::string& path) {
        return path == "/srv/link" ? std::string("/srv/data") : path;
    };
    const auto seen = [&](View view) {
        std::string text;
        for (const auto& each : wantedMounts(fstab, mountinfo, view, canonical)) {
            text += each.mountpoint + (each.mounted ? " mounted; " : " missing; ");
        }
        return text;
    };
    CHECK(seen(View::host) ==
          "/ mounted; /srv/data mounted; /srv/with blank mounted; /tmp missing; /srv/link mounted; "
          "/srv/backup missing; ");
    CHECK(seen(View::self) ==
          "/ mounted; /srv/data mounted; /srv/with blank mounted; /srv/link mounted; /srv/backup missing; ");

    Families out;
    addWantedMounts(wantedMounts(fstab, mountinfo, View::host, canonical), out);
    const Samples samples(out);
    CHECK(samples.value("lapwing_fstab_mounted", {{"mountpoint", "/srv/backup"}}) == 0);
    CHECK(samples.value("lapwing_fstab_mounted", {{"mountpoint", "/srv/data"}}) == 1);
    addWantedMounts({}, out);
    CHECK(out.size() == 1);
}

TEST_CASE("mountinfo: file systems that could hang are never asked, hidden mounts do not count") {
    const std::string text =
        "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n"
        "2 1 0:50 / /net rw - nfs4 server:/x rw\n"
        "3 1 0:51 / /cloud rw - fuse.sshfs who@where: rw\n"
        "4 1 8:2 / /data rw - ext4 /dev/sdb1 rw\n"
        "5 1 0:52 / /data rw - nfs server:/y rw\n"
        "garbage\n6 1 8:3 / /cut rw";
    const auto mounts = parseMountinfo(text, View::host);
    REQUIRE(mounts.size() == 1);
    CHECK(mounts[0].mountpoint == "/");
}

TEST_CASE("mountinfo: a file system for containers is one, their own mounts are not") {
    const std::string id(64, 'a');
    int number = 0;
    const auto mounted = [&](const std::vector<std::string>& places) {
        std::string text;
        for (const auto& place : places) {
            ++number;
            text += std::to_string(number) + " 1 8:" + std::to_string(number) + " / " + place +
                    " rw - ext4 /dev/sd rw\n";
        }
        std::vector<std::string> out;
        for (const auto& mount : parseMountinfo(text, View::host)) {
            out.push_back(mount.mountpoint);
        }
        return out;
    };
    const std::vector<std::string> real = {"/",
                                           "/var/lib/docker",
                                           "/var/lib/docker/volumes",
                                           "/var/lib/containers/storage",
                                           "/var/lib/containerd",
                                           "/var/lib/kubelet",
                                           "/var/lib/dockers/a/b",
                                           "/run",
                                           "/run/user/1000",
                                           "/srv/docker",
                                           "/data/containers/storage",
                                           "/home/u/.local/share/containers/storage"};
    CHECK(mounted(real) == real);
    CHECK(mounted({"/var/lib/docker/overlay2/" + id + "/merged",
                   "/var/lib/docker/containers/" + id + "/mounts/shm", "/var/lib/docker/volumes/v/_data",
                   "/var/lib/docker/btrfs/subvolumes/x",
                   "/var/lib/containers/storage/overlay/" + id + "/merged",
                   "/var/lib/containers/storage/overlay-containers/" + id + "/userdata/shm",
                   "/home/u/.local/share/containers/storage/overlay-containers/" + id + "/userdata/shm",
                   "/var/lib/kubelet/pods/0a1b-2c/volumes/kubernetes.io~secret/token",
                   "/run/containerd/io.containerd.runtime.v2.task/k8s.io/x/rootfs",
                   "/run/docker/netns/default", "/run/containers/storage/overlay-containers/x/userdata/shm",
                   "/run/netns/web-01", "/srv/docker/containers/" + id + "/mounts/shm"})
              .empty());
}

TEST_CASE("mountinfo: a mount point that is not UTF-8 is asked for by its bytes, and reported") {
    const auto mounts = parseMountinfo("1 0 8:1 / /mnt/caf\xe9 rw - ext4 /dev/sda1 rw\n", View::host);
    REQUIRE(mounts.size() == 1);
    Families out;
    addFileSystems(
        mounts,
        [](const char* path, struct statvfs* answer) {
            answer->f_frsize = answer->f_blocks = 2;
            return std::string_view(path) == "/mnt/caf\xe9" ? 0 : -1;
        },
        out);
    CHECK(Samples(out).value(
              "node_filesystem_size_bytes",
              {{"device", "/dev/sda1"}, {"fstype", "ext4"}, {"mountpoint", "/mnt/caf\\xe9"}}) == 4);
}

TEST_CASE("counters that the kernel sets back keep their value, and real restarts are passed on") {
    SteadyCounters counters;
    const auto run = [&](const std::string& stat, bool whole = true) {
        Families out;
        parseStat(stat, 100, out);
        counters.apply(out, whole);
        return Samples(out);
    };
    const auto cpu = [](const Samples& samples, const char* mode, const char* number = "0") {
        return samples.value("node_cpu_seconds_total", {{"cpu", number}, {"mode", mode}});
    };
    run("cpu0 100 0 100 90000 18000 0 0 500\ncpu1 100 0 100 90000 18000 0 0 500\nctxt 1000\n");
    auto now = run("cpu0 200 0 200 89950 17200 0 0 499\ncpu1 200 0 200 90100 18010 0 0 510\nctxt 999\n");
    CHECK(cpu(now, "user") == 2);
    CHECK(cpu(now, "idle") == 900);
    CHECK(cpu(now, "iowait") == 180);
    CHECK(cpu(now, "steal") == 5);
    CHECK(cpu(now, "iowait", "1") == 180.1);
    CHECK(now.value("node_context_switches_total") == 1000);
    now = run("cpu0 200 0 200 90100 18100 0 0 501\ncpu1 300 0 200 90200 18010 0 0 510\nctxt 1100\n");
    CHECK(cpu(now, "idle") == 901);
    CHECK(cpu(now, "iowait") == 181);
    CHECK(cpu(now, "steal") == 5.01);
    CHECK(now.value("node_context_switches_total") == 1100);
    // CPU 1 was switched off and on; the counters of everything else restarted, too.
    now = run("cpu0 210 0 200 90200 18100 0 0 501\ncpu1 10 0 5 300 20 0 0 1\nctxt 40\n");
    CHECK(cpu(now, "user") == 2.1);
    CHECK(cpu(now, "user", "1") == 0.1);
    CHECK(cpu(now, "idle", "1") == 3);
    CHECK(cpu(now, "iowait", "1") == 0.2);
    CHECK(now.value("node_context_switches_total") == 40);
    CHECK(now.value("node_procs_running") == std::nullopt);
    // Partial runs forget nothing.
    run("cpu0 211 0 200 90201 18100 0 0 501\n", false);
    CHECK(run("ctxt 39\n").value("node_context_switches_total") == 40);
}

TEST_CASE("the number of active inodes of XFS falls as well, though it is called a counter") {
    SteadyCounters counters;
    for (const char* active : {"100", "60"}) {
        Families out;
        parseXfs("sda1", std::string("vnodes ") + active + " 1 1 1 1 1 1\n", out);
        counters.apply(out, true);
        CHECK(Samples(out).value("node_xfs_vnode_active_total", {{"device", "sda1"}}) == std::stod(active));
    }
}

TEST_CASE("after a run that came too late the sensors are left out for a while") {
    NodeProbe probe(tree());
    REQUIRE(probe.collect(Deadline(std::chrono::milliseconds(0))));
    const auto next = probe.collect(Deadline(std::chrono::seconds(20)));
    REQUIRE(next);
    CHECK_FALSE(next->partial);
    CHECK(next->note.find("the sensors took too long") != std::string::npos);
    const Samples samples(next->families);
    CHECK(samples.count("node_md_state") > 0);
    CHECK(samples.count("node_hwmon_temp_celsius") == 0);
    CHECK(probe.collect(Deadline(std::chrono::seconds(20)))->partial);
}

TEST_CASE("file systems: sizes, and an unreadable file system") {
    const std::vector<Mount> mounts = {{"/dev/sda1", "/", "ext4", "8", "1", false},
                                       {"/dev/sdb1", "/gone", "xfs", "8", "17", true}};
    Families out;
    addFileSystems(
        mounts,
        [](const char* path, struct statvfs* answer) {
            if (std::string_view(path) != "/") {
                errno = EACCES;
                return -1;
            }
            answer->f_frsize = 4096;
            answer->f_blocks = 1000;
            answer->f_bfree = 300;
            answer->f_bavail = 250;
            answer->f_files = 77;
            answer->f_ffree = 11;
            return 0;
        },
        out);
    const Samples samples(out);
    const Labels root = {{"device", "/dev/sda1"}, {"fstype", "ext4"}, {"mountpoint", "/"}};
    const Labels gone = {{"device", "/dev/sdb1"}, {"fstype", "xfs"}, {"mountpoint", "/gone"}};
    CHECK(samples.value("node_filesystem_size_bytes", root) == 4096000);
    CHECK(samples.value("node_filesystem_free_bytes", root) == 1228800);
    CHECK(samples.value("node_filesystem_avail_bytes", root) == 1024000);
    CHECK(samples.value("node_filesystem_files", root) == 77);
    CHECK(samples.value("node_filesystem_files_free", root) == 11);
    CHECK(samples.value("node_filesystem_readonly", root) == 0);
    CHECK(samples.value("node_filesystem_device_error", root) == 0);
    CHECK(samples.value("node_filesystem_mount_info",
                        {{"device", "/dev/sda1"}, {"major", "8"}, {"minor", "1"}, {"mountpoint", "/"}}) == 1);
    CHECK_FALSE(samples.value("node_filesystem_size_bytes", gone));
    CHECK(samples.value("node_filesystem_readonly", gone) == 1);
    CHECK(samples.value("node_filesystem_device_error", gone) == 1);
}

TEST_CASE("the probe reads a tree, and leaves out the files that this kernel lacks") {
    NodeProbe probe(tree());
    const auto result = probe.collect(Deadline(std::chrono::seconds(4)));
    REQUIRE(result);
    CHECK_FALSE(result->partial);
    const Samples samples(result->families);
    CHECK(samples.value("node_load5") == 0.10);
    CHECK(samples.value("node_network_up", {{"device", "eth0"}}) == 1);
    CHECK(samples.value("node_network_up", {{"device", "lo"}}) == 0);
    CHECK(samples.value("node_network_flags", {{"device", "eth0"}}) == 0x1003);
    CHECK(samples.value("node_network_info", {{"address", "02:00:00:00:00:04"},
                                              {"adminstate", "up"},
                                              {"broadcast", "ff:ff:ff:ff:ff:ff"},
                                              {"device", "eth0"},
                                              {"duplex", "unknown"},
                                              {"ifalias", "to the internet"},
                                              {"operstate", "up"}}) == 1);
    CHECK(samples.value("node_network_speed_bytes", {{"device", "bond0"}}) == 2000 * 1e6 / 8);
    CHECK(samples.value("node_bonding_slaves", {{"master", "bond0"}}) == 2);
    CHECK(samples.value("node_bonding_active", {{"master", "bond0"}}) == 1);
    CHECK(samples.value("node_network_mtu_bytes", {{"device", "eth0"}}) == 1400);
    CHECK_FALSE(samples.value("node_network_speed_bytes", {{"device", "eth0"}}));  // -1: it has no speed
    CHECK(samples.value("node_scrape_collector_success", {{"collector", "meminfo"}}) == 1);
    CHECK(samples.value("node_nf_conntrack_entries") == 33);
    CHECK_FALSE(samples.value("node_textfile_scrape_error"));
    CHECK(*samples.value("node_time_seconds") > 1.7e9);
    CHECK_FALSE(samples.label("node_uname_info", "nodename").empty());
}

TEST_CASE("the probe on this host") {
    NodeProbe probe(Roots{});
    for (int run = 0; run < 2; ++run) {
        const auto result = probe.collect(Deadline(std::chrono::seconds(4)));
        REQUIRE(result);
        const Samples samples(result->families);
        CHECK(*samples.value("node_memory_MemTotal_bytes") > 1e6);
        CHECK(samples.count("node_filesystem_size_bytes") >= 1);
        CHECK(samples.count("node_network_receive_bytes_total") >= 1);
        for (const auto& series : samples.series()) {
            CHECK(samples.value(series.labels.metricName(), series.labels));  // each series once
        }
    }
}

TEST_CASE("without /proc/stat there is no result") {
    NodeProbe probe({"/nonexistent", "/sys", ""});
    const auto result = probe.collect(Deadline(std::chrono::seconds(4)));
    REQUIRE_FALSE(result);
    CHECK(result.error().kind == ErrorKind::not_found);
    CHECK(result.error().message == "/nonexistent/stat: No such file or directory");
}

TEST_CASE("a part that cannot be read says so") {
    const auto root = std::filesystem::temp_directory_path() / ("lapwing-node-" + std::to_string(::getpid()));
    std::filesystem::copy(kRoot + "/proc", root, std::filesystem::copy_options::recursive);
    std::filesystem::remove(root / "meminfo");
    std::filesystem::create_directory(root / "meminfo");  // even root cannot read it as a file
    NodeProbe probe({root.string(), kRoot + "/sys", ""});
    const auto result = probe.collect(Deadline(std::chrono::seconds(4)));
    std::filesystem::remove_all(root);
    REQUIRE(result);
    const Samples samples(result->families);
    CHECK_FALSE(samples.value("node_memory_MemTotal_bytes"));
    CHECK(samples.value("node_scrape_collector_success", {{"collector", "meminfo"}}) == 0);
    CHECK(samples.value("node_load5") == 0.10);
}

TEST_CASE("the probe reads disks, sensors and the rest of the hardware") {
    NodeProbe probe(tree());
    const auto result = probe.collect(Deadline(std::chrono::seconds(4)));
    REQUIRE(result);
    CHECK(result->note.empty());
    const Samples samples(result->families);
    CHECK(samples.value("node_disk_info", {{"device", "vda"},
                                           {"major", "254"},
                                           {"minor", "0"},
                                           {"model", "Disk_of_a_test"},
                                           {"path", "pci-0000:00:05.0"},
                                           {"revision", "2.5+"},
                                           {"rotational", "0"},
                                           {"serial", "Z1Z0LABEL"},
                                           {"wwn", "0x5000c500a1b2c3d4"}}) == 1);
    CHECK(samples.value("node_disk_device_mapper_backing_device_info",
                        {{"backing_device", "vda"}, {"device", "dm-0"}}) == 1);
    CHECK(samples.value("node_disk_ata_rotation_rate_rpm", {{"device", "vda"}}) == 7200);
    CHECK(samples.value("node_nvme_info", {{"device", "nvme0"},
                                           {"firmware_revision", "2B2QEXM7"},
                                           {"model", "Disk of a test 500GB"},
                                           {"serial", "S5GXNX0R123456"},
                                           {"state", "live"}}) == 1);
    const Labels package = {{"chip", "platform_coretemp_0"}, {"sensor", "temp1"}};
    CHECK(samples.value("node_hwmon_temp_celsius", package) == 54);
    CHECK(samples.value("node_hwmon_temp_crit_alarm_celsius", package) == 0);
    CHECK(samples.value("node_hwmon_sensor_label",
                        {{"chip", "platform_coretemp_0"}, {"label", "Package id 0"}, {"sensor", "temp1"}}) ==
          1);
    const auto board = [&](const char* name, const char* sensor) {
        return samples.value(name, {{"chip", "platform_nct6775_656"}, {"sensor", sensor}});
    };
    CHECK(board("node_hwmon_temp_celsius", "temp1") == -5.5);
    CHECK(board("node_hwmon_in_volts", "in0") == 1.232);
    CHECK(board("node_hwmon_in_alarm", "in0") == 1);
    CHECK(board("node_hwmon_fan_rpm", "fan1") == 1205);
    CHECK(board("node_hwmon_pwm", "pwm1") == 153);
    CHECK(board("node_hwmon_power_average_watt", "power1") == 4.25);
    CHECK(board("node_hwmon_energy_joule_total", "energy1") == Approx(123.456789));
    CHECK(board("node_hwmon_update_interval_seconds", "update_interval0") == 2);
    CHECK_FALSE(board("node_hwmon_temp_celsius", "temp8"));  // it has no value
    CHECK(samples.value("node_thermal_zone_temp", {{"type", "x86_pkg_temp"}, {"zone", "1"}}) == -1.5);
    CHECK(samples.value("node_cooling_device_max_state", {{"name", "0"}, {"type", "Processor"}}) == 10);
    CHECK(samples.value("node_edac_csrow_correctable_errors_total",
                        {{"controller", "0"}, {"csrow", "unknown"}}) == 2);
    CHECK(samples.value("node_edac_uncorrectable_errors_total", {{"controller", "0"}}) == 1);
    CHECK(samples.value("node_rapl_core_joules_total",
                        {{"index", "1"}, {"path", kRoot + "/sys/class/powercap/intel-rapl:1:0"}}) ==
          Approx(218821.284256));
    CHECK(samples.value("node_power_supply_voltage_volt", {{"power_supply", "BAT0"}}) == Approx(12.229));
    CHECK(samples.value("node_watchdog_timeout_seconds", {{"name", "watchdog0"}}) == 60);
    CHECK(samples.label("node_dmi_info", "product_name") == "Server 6515");
    CHECK(samples.label("node_dmi_info", "product_serial").empty());
    CHECK(samples.value("node_cpu_core_throttles_total", {{"core", "1"}, {"package", "0"}}) == 6);
    CHECK(samples.value("node_cpu_package_throttles_total", {{"package", "0"}}) == 30);
    CHECK(samples.value("node_cpu_isolated", {{"cpu", "1"}}) == 1);
    CHECK(samples.value("node_cpu_scaling_frequency_hertz", {{"cpu", "0"}}) == 1219917e3);
    CHECK(samples.value("node_cpu_scaling_governor", {{"cpu", "1"}, {"governor", "powersave"}}) == 0);
    CHECK(samples.value("node_os_version", {{"id", "debian"}, {"name", "Debian GNU/Linux"}}) == 12);
    CHECK(samples.label("node_os_info", "variant") == "the \"quoted\" one");
    CHECK(samples.value("node_time_clocksource_current_info", {{"clocksource", "tsc"}, {"device", "0"}}) ==
          1);
    CHECK(samples.value("node_entropy_available_bits") == 253);
}

TEST_CASE("parts that are dear are read in the first run, then once a minute") {
    NodeProbe probe(tree());
    const auto first = probe.collect(Deadline(std::chrono::seconds(4)));
    const auto second = probe.collect(Deadline(std::chrono::seconds(4)));
    REQUIRE((first && second));
    CHECK_FALSE(first->partial);
    CHECK(second->partial);
    const Samples whole(first->families);
    const Samples part(second->families);
    for (const char* name : {"node_hwmon_temp_celsius", "node_md_state", "node_os_info", "node_disk_info",
                             "node_network_mtu_bytes"}) {
        CHECK(whole.count(name) > 0);
        CHECK(part.count(name) == 0);
    }
    for (const char* name : {"node_network_up", "node_bonding_active", "node_disk_io_now",
                             "node_nf_conntrack_entries", "node_timex_sync_status"}) {
        CHECK(part.count(name) == whole.count(name));
    }
}

TEST_CASE("a run whose time is over keeps what it has, and says which parts it lacks") {
    NodeProbe probe(tree());
    const auto result = probe.collect(Deadline(std::chrono::milliseconds(0)));
    REQUIRE(result);
    const Samples samples(result->families);
    CHECK(samples.count("node_cpu_seconds_total") == 16);
    CHECK(samples.count("node_hwmon_temp_celsius") == 0);
    for (const char* part : {"meminfo", "hwmon", "os"}) {
        CHECK(samples.value("node_scrape_collector_success", {{"collector", part}}) == 0);
    }
    const auto next = probe.collect(Deadline(std::chrono::seconds(4)));
    REQUIRE(next);
    CHECK(Samples(next->families).value("node_load5") == 0.10);
}

TEST_CASE("a bond whose links' states cannot be read has no number of active links") {
    const auto root = std::filesystem::temp_directory_path() / ("lapwing-bond-" + std::to_string(::getpid()));
    std::filesystem::create_directories(root / "class/net/bond0/bonding");
    std::ofstream(root / "class/net/bonding_masters") << "bond0\n";
    std::ofstream(root / "class/net/bond0/bonding/slaves") << "eth1\n";
    NodeProbe probe({kRoot + "/proc", root.string(), ""});
    const auto result = probe.collect(Deadline(std::chrono::seconds(4)));
    std::filesystem::remove_all(root);
    REQUIRE(result);
    const Samples samples(result->families);
    CHECK(samples.value("node_bonding_slaves", {{"master", "bond0"}}) == 1);
    CHECK(samples.count("node_bonding_active") == 0);
}

// It attacks "devices of a host, of each kind; its CPUs; its sensors".
TEST_CASE("a host with more devices, CPUs or sensors than the limits is told so") {
    const auto root = std::filesystem::temp_directory_path() / ("lapwing-many-" + std::to_string(::getpid()));
    std::filesystem::create_directory(root);
    std::filesystem::copy(kRoot + "/proc", root / "proc", std::filesystem::copy_options::recursive);
    std::string stat;
    std::string net = "\n\n";
    std::string disks;
    std::string arrays = "Personalities : [raid1]\n";
    std::string mounts;
    for (std::size_t i = 0; i <= kMostCpus; ++i) {
        stat += "cpu" + std::to_string(i) + " 1 2 3 4 5 6 7 8 9 10\n";
    }
    for (std::size_t i = 0; i <= kMostDevices; ++i) {
        const auto number = std::to_string(i);
        net += "eth" + number + ": 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n";
        disks.append("8 ").append(number).append(" dm-").append(number).append(" 1 2 3 4 5 6 7 8 9 10 11\n");
        arrays += "md" + number + " : active raid1 sda[0]\n      10 blocks [2/1] [U_]\n";
        mounts.append(number).append(" 1 0:").append(number).append(" / /m").append(number).append(
            " rw - ext4 /dev/x rw\n");
        std::filesystem::create_directories(root / "sys/class/net" / ("eth" + number));
        std::ofstream(root / "sys/class/net" / ("eth" + number) / "operstate") << "up\n";
    }
    const auto chip = root / "sys/class/hwmon";
    for (int i = 0; i < 3; ++i) {
        std::filesystem::create_directories(chip / ("hwmon" + std::to_string(i)));
        for (int sensor = 0; sensor < 400; ++sensor) {
            std::ofstream(chip / ("hwmon" + std::to_string(i)) / ("temp" + std::to_string(sensor) + "_input"))
                << "1\n";
        }
    }
    std::ofstream(root / "proc/stat") << stat;
    std::ofstream(root / "proc/net/dev") << net;
    std::ofstream(root / "proc/diskstats") << disks;
    std::ofstream(root / "proc/mdstat") << arrays;
    std::ofstream(root / "proc/self/mountinfo") << mounts;
    NodeProbe probe({root.string() + "/proc", root.string() + "/sys", ""});
    const auto result = probe.collect(Deadline(std::chrono::seconds(4)));
    const auto partial = probe.collect(Deadline(std::chrono::seconds(4)));
    std::filesystem::remove_all(root);
    REQUIRE((result && partial));
    CHECK(partial->note == result->note);
    const Samples samples(result->families);
    CHECK(samples.count("node_cpu_seconds_total") == 8 * kMostCpus);
    for (const char* name : {"node_network_receive_bytes_total", "node_network_up", "node_disk_io_now",
                             "node_md_blocks", "node_filesystem_device_error"}) {
        CHECK(samples.count(name) == kMostDevices);
    }
    CHECK(samples.count("node_hwmon_temp_celsius") == 1024);
    for (const char* what : {"1024 CPUs", "256 network devices", "256 disks", "256 RAID arrays",
                             "256 file systems", "1024 sensors"}) {
        CHECK(result->note.find(std::string("only ") + what + " are reported") != std::string::npos);
    }
}

TEST_CASE("configuration of node: on by default, off, and nothing else") {
    const auto configure = [](const std::string& yaml, std::vector<std::string>& problems) {
        config::Reader reader;
        const auto root = reader.text(yaml, "agent.yaml");
        std::vector<ProbeSpec> specs;
        ProbeContext context;
        context.host = "web-01";
        nodeProbe().configure(root["probes"]["node"], context, specs);
        for (const auto& problem : reader.problems()) {
            problems.push_back(problem.toString());
        }
        return specs;
    };
    std::vector<std::string> problems;
    const auto specs = configure("{}", problems);
    REQUIRE(specs.size() == 1);
    CHECK(specs[0].job == "node");
    CHECK(specs[0].instance == "web-01");
    CHECK(specs[0].interval == std::chrono::seconds(10));
    CHECK(configure("probes: { node: off }", problems).empty());
    CHECK(configure("probes: { node: on }", problems).size() == 1);
    CHECK(configure("probes: { node: { proc: /host/proc, sys: /host/sys, root: /host } }", problems).size() ==
          1);
    CHECK(problems.empty());
    configure("probes: { node: { root: /host, port: 1 } }", problems);
    configure("probes: { node: [ on ] }", problems);
    CHECK(problems == std::vector<std::string>{
                          "agent.yaml:1:32: unknown key \"port\" in probes.node; did you mean \"root\"?",
                          "agent.yaml:1:17: probes.node must be on or off"});
    problems.clear();
    CHECK(configure("probes: { node: maybe }", problems).empty());
    CHECK(problems == std::vector<std::string>{
                          "agent.yaml:1:17: probes.node must be on, off or a list of what to probe"});
}
