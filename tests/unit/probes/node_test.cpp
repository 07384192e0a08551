#include "agent/probes/node/node.h"

#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "agent/probes/kind.h"
#include "agent/probes/node/filesystems.h"
#include "agent/probes/node/parse.h"
#include "agent/probes/node/steady_counters.h"
#include "common/config/reader.h"
#include "tests/unit/catch.h"
#include "tests/unit/probes/samples.h"

using namespace lapwing;
using namespace lapwing::agent;
using namespace lapwing::agent::node;
using lapwing::test::fixture;
using lapwing::test::Samples;

namespace {

const std::string kRoot = std::string(LAPWING_FIXTURES) + "/node";

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
    CHECK(samples.count("node_disk_io_now") == 1);  // loop0..7 and zram0 are not disks
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
    const auto devices = parseNetDev(proc("net/dev"), out);
    CHECK(devices == std::vector<std::string>{"lo", "ifb0", "ifb1", "eth0"});
    parseNetstat(proc("net/netstat"), out);
    parseNetstat(proc("net/snmp"), out);
    parseSockstat(proc("net/sockstat"), 4096, out);
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
    const auto run = [&](const std::string& stat) {
        Families out;
        parseStat(stat, 100, out);
        counters.apply(out);
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
}

TEST_CASE("file systems: sizes, and an unreadable file system") {
    const std::vector<Mount> mounts = {{"/dev/sda1", "/", "ext4", false},
                                       {"/dev/sdb1", "/gone", "xfs", true}};
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
    CHECK_FALSE(samples.value("node_filesystem_size_bytes", gone));
    CHECK(samples.value("node_filesystem_readonly", gone) == 1);
    CHECK(samples.value("node_filesystem_device_error", gone) == 1);
}

TEST_CASE("the probe reads a tree, and leaves out the files that this kernel lacks") {
    NodeProbe probe(kRoot + "/proc", kRoot + "/sys");
    const auto result = probe.collect(Deadline(std::chrono::seconds(4)));
    REQUIRE(result);
    CHECK_FALSE(result->partial);
    const Samples samples(result->families);
    CHECK(samples.value("node_load5") == 0.10);
    CHECK(samples.value("node_network_up", {{"device", "eth0"}}) == 1);
    CHECK(samples.value("node_network_up", {{"device", "lo"}}) == 0);
    CHECK(samples.value("node_network_mtu_bytes", {{"device", "eth0"}}) == 1400);
    CHECK_FALSE(samples.value("node_network_speed_bytes", {{"device", "eth0"}}));  // -1: it has no speed
    CHECK(samples.value("node_scrape_collector_success", {{"collector", "meminfo"}}) == 1);
    CHECK_FALSE(samples.value("node_nf_conntrack_entries"));
    CHECK(*samples.value("node_time_seconds") > 1.7e9);
    CHECK_FALSE(samples.label("node_uname_info", "nodename").empty());
}

TEST_CASE("the probe on this host") {
    NodeProbe probe("/proc", "/sys");
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
    NodeProbe probe("/nonexistent", "/sys");
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
    NodeProbe probe(root.string(), kRoot + "/sys");
    const auto result = probe.collect(Deadline(std::chrono::seconds(4)));
    std::filesystem::remove_all(root);
    REQUIRE(result);
    const Samples samples(result->families);
    CHECK_FALSE(samples.value("node_memory_MemTotal_bytes"));
    CHECK(samples.value("node_scrape_collector_success", {{"collector", "meminfo"}}) == 0);
    CHECK(samples.value("node_load5") == 0.10);
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
    CHECK(problems.empty());
    CHECK(configure("probes: { node: maybe }", problems).empty());
    CHECK(problems == std::vector<std::string>{
                          "agent.yaml:1:17: probes.node must be on, off or a list of what to probe"});
}
