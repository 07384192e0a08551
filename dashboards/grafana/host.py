"""Host: processors, memory, disks and network of each server."""

from .model import GREEN, ORANGE, RED, Bars, Dashboard, Query, Series, Stat, Steps, bad_from
from .parts import DEVICES, DISKS, HOST, MARKS, busy, memory

LINKS = f'device!~"lo|veth.*|docker.*|br-.*",{HOST}'


def pressure(what: str) -> str:
    return f"max by (instance) (rate(node_pressure_{what}_seconds_total{{{HOST}}}[$__rate_interval]))"


UPTIME = Stat(
    "Runs for",
    "How long the host has run. Good: as long as you think. Bad: minutes, if nobody restarted it.",
    (Query(f"time() - max by (instance) (node_boot_time_seconds{{{HOST}}})", "{{instance}}"),),
    "s",
    steps=Steps(ORANGE, ((3600, GREEN),)),
    width=9,
)

KILLS = Stat(
    "Programs killed for memory",
    (
        "How many programs the kernel has killed within the last hour because memory ran out. Good: 0. Bad: from 1 on: a program was "
        "ended in the middle of its work."
    ),
    (Query(f"max by (instance) (increase(node_vmstat_oom_kill{{{HOST}}}[1h]))", "{{instance}}"),),
    "none",
    steps=Steps(GREEN, ((0.5, RED),)),
    decimals=0,
    width=8,
)

READ_ONLY = Stat(
    "File systems that are read-only",
    (
        "How many disks of the host cannot be written. Good: 0, or those that you mounted so. Bad: one more: the kernel does so after "
        "errors of the disk."
    ),
    (Query(f"sum by (instance) (max by (instance, mountpoint) (node_filesystem_readonly{{{DISKS},{HOST}}}))", "{{instance}}"),),
    "none",
    steps=Steps(GREEN, ((1, ORANGE),)),
    width=7,
)

MODES = Series(
    "What the processors do",
    (
        "Processors in use, by kind of work. user: programs. system: the kernel. iowait: idle while a disk works. steal: the machine "
        "beneath gives the time to others; good: 0. Bad: iowait or steal above a tenth of the processors."
    ),
    (
        Query(
            (
                "sum by (instance, mode) (max by (instance, cpu, mode) "
                f'(rate(node_cpu_seconds_total{{mode!="idle",{HOST}}}[$__rate_interval])))'
            ),
            "{{instance}} {{mode}}",
        ),
    ),
    "none",
    8,
    stacked=True,
)

LOAD = Series(
    "Load",
    "Programs that run or wait, on average of a minute, by processor. Good: below 1. Bad: above 2 for minutes.",
    (
        Query(
            (
                f"max by (instance) (node_load1{{{HOST}}}) / (count by (instance) (max by (instance, cpu) "
                f'(node_cpu_seconds_total{{mode="idle",{HOST}}})) > 0)'
            ),
            "{{instance}}",
        ),
    ),
    "none",
    8,
    line=Steps("transparent", ((2, ORANGE),)),
    host="instance",
)

PRESSURE = Series(
    "Programs that wait",
    (
        "The share of the time in which some program waits for a processor, for the disk, for memory. Good: near 0. Bad: above 30 %: "
        "visitors feel it."
    ),
    (
        Query(pressure("cpu_waiting"), "{{instance}} processor"),
        Query(pressure("io_waiting"), "{{instance}} disk"),
        Query(pressure("memory_waiting"), "{{instance}} memory"),
    ),
    "percentunit",
    8,
    line=Steps("transparent", ((0.3, RED),)),
)

USES = Series(
    "What the memory is used for",
    "programs: in use. cache: files that the kernel may give up at any time. Good: some cache is left. Bad: cache near 0.",
    (
        Query(
            f"max by (instance) (node_memory_MemTotal_bytes{{{HOST}}} - node_memory_MemAvailable_bytes{{{HOST}}})", "{{instance}} programs"
        ),
        Query(f"max by (instance) (node_memory_Cached_bytes{{{HOST}}})", "{{instance}} cache"),
    ),
    "bytes",
    8,
)

SWAP = Series(
    "Swapping",
    (
        "Pages per second that are read back from (in) and written to (out) the swap. Good: 0. Bad: both at once, for long: the programs "
        "in use do not fit."
    ),
    (
        Query(f"max by (instance) (rate(node_vmstat_pswpin{{{HOST}}}[$__rate_interval]))", "{{instance}} in"),
        Query(f"max by (instance) (rate(node_vmstat_pswpout{{{HOST}}}[$__rate_interval]))", "{{instance}} out"),
    ),
    "none",
    8,
)

SPACE = Bars(
    "Disks",
    "The used share of each file system. Good: below 90 %. Bad: red: programs that cannot write stop working.",
    (
        Query(
            (
                f"max by (instance, mountpoint) (1 - node_filesystem_avail_bytes{{{DISKS},{HOST}}} / (node_filesystem_size_bytes{{{HOST}}}"
                " > 0))"
            ),
            "{{instance}} {{mountpoint}}",
        ),
    ),
    "percentunit",
    8,
    steps=bad_from(0.9, 0.97),
)

INODES = Bars(
    "Inodes",
    "The used share of the files that each file system can hold. Good: below 90 %. Bad: red: no file can be made though there is space.",
    (
        Query(
            f"max by (instance, mountpoint) (1 - node_filesystem_files_free{{{DISKS},{HOST}}} / (node_filesystem_files{{{HOST}}} > 0))",
            "{{instance}} {{mountpoint}}",
        ),
    ),
    "percentunit",
    8,
    steps=bad_from(0.9, 0.97),
)

FREE = Series(
    "Free space",
    "Bytes that are left on each file system. Good: steady. Bad: a line that falls to 0: see when it gets there.",
    (Query(f"min by (instance, mountpoint) (node_filesystem_avail_bytes{{{DISKS},{HOST}}})", "{{instance}} {{mountpoint}}"),),
    "bytes",
    8,
)

DISK_BUSY = Series(
    "Busy disks",
    "The share of the time in which a disk works. Good: below 80 %. Bad: 100 % for minutes while programs wait for it.",
    (
        Query(
            f"max by (instance, device) (rate(node_disk_io_time_seconds_total{{{DEVICES},{HOST}}}[$__rate_interval]))",
            "{{instance}} {{device}}",
        ),
    ),
    "percentunit",
    8,
)

DISK_TIME = Series(
    "Time of a disk access",
    (
        "How long a read and a write take. Good: below 10 ms. Bad: it climbs while the work does not: the disk, or what it is shared "
        "with. A gap: no access."
    ),
    (
        Query(
            (
                f"max by (instance, device) (rate(node_disk_read_time_seconds_total{{{DEVICES},{HOST}}}[$__rate_interval]) / "
                f"(rate(node_disk_reads_completed_total{{{DEVICES},{HOST}}}[$__rate_interval]) > 0))"
            ),
            "{{instance}} {{device}} read",
        ),
        Query(
            (
                f"max by (instance, device) (rate(node_disk_write_time_seconds_total{{{DEVICES},{HOST}}}[$__rate_interval]) / "
                f"(rate(node_disk_writes_completed_total{{{DEVICES},{HOST}}}[$__rate_interval]) > 0))"
            ),
            "{{instance}} {{device}} write",
        ),
    ),
    "s",
    8,
)

DISK_BYTES = Series(
    "Disk traffic",
    "Bytes per second that are read from and written to each disk. Good: the usual shape. Bad: a flat top: the disk is at its end.",
    (
        Query(
            f"max by (instance, device) (rate(node_disk_read_bytes_total{{{DEVICES},{HOST}}}[$__rate_interval]))",
            "{{instance}} {{device}} read",
        ),
        Query(
            f"max by (instance, device) (rate(node_disk_written_bytes_total{{{DEVICES},{HOST}}}[$__rate_interval]))",
            "{{instance}} {{device}} written",
        ),
    ),
    "Bps",
    8,
)

NETWORK = Series(
    "Network",
    (
        "Bytes per second of each interface. Good: far below what the interface can carry. Bad: a flat top: the interface or the "
        "provider's line is full."
    ),
    (
        Query(
            f"max by (instance, device) (rate(node_network_receive_bytes_total{{{LINKS}}}[$__rate_interval]))", "{{instance}} {{device}} in"
        ),
        Query(
            f"max by (instance, device) (rate(node_network_transmit_bytes_total{{{LINKS}}}[$__rate_interval]))",
            "{{instance}} {{device}} out",
        ),
    ),
    "Bps",
    8,
)

LOST = Series(
    "Lost packets",
    (
        "Packets per second with errors, or dropped, at each interface; and TCP segments that had to be sent again. Good: 0, a few sent "
        "again. Bad: a steady stream: cable, card, or a network that is full."
    ),
    (
        Query(
            (
                f"max by (instance, device) (rate(node_network_receive_errs_total{{{LINKS}}}[$__rate_interval]) + "
                f"rate(node_network_transmit_errs_total{{{LINKS}}}[$__rate_interval]))"
            ),
            "{{instance}} {{device}} errors",
        ),
        Query(
            (
                f"max by (instance, device) (rate(node_network_receive_drop_total{{{LINKS}}}[$__rate_interval]) + "
                f"rate(node_network_transmit_drop_total{{{LINKS}}}[$__rate_interval]))"
            ),
            "{{instance}} {{device}} dropped",
        ),
        Query(f"max by (instance) (rate(node_netstat_Tcp_RetransSegs{{{HOST}}}[$__rate_interval]))", "{{instance}} sent again"),
    ),
    "pps",
    8,
)

LIMITS = Bars(
    "Limits of the kernel",
    (
        "The used share of the connections that the kernel can track, and of the files that may be open. Good: below 60 %. Bad: from 80 % "
        "on: at 100 % every new connection is "
        'dropped, and no file can be opened. No bar "connections": the kernel tracks none.'
    ),
    (
        Query(
            f"max by (instance) (node_nf_conntrack_entries{{{HOST}}} / (node_nf_conntrack_entries_limit{{{HOST}}} > 0))",
            "{{instance}} connections",
        ),
        Query(f"max by (instance) (node_filefd_allocated{{{HOST}}} / (node_filefd_maximum{{{HOST}}} > 0))", "{{instance}} files"),
    ),
    "percentunit",
    12,
    steps=bad_from(0.6, 0.8),
)

RAID = Series(
    "Disks that arrays lack",
    (
        "How many disks each software RAID array has too few, and how many links each bond. Good: 0. Bad: 1: the next failure loses data, "
        "or the network. "
        '"no data": the host has neither.'
    ),
    (
        Query(
            f'max by (instance, device) (node_md_disks_required{{{HOST}}} - ignoring (state) node_md_disks{{state="active",{HOST}}})',
            "{{instance}} {{device}}",
        ),
        Query(f"max by (instance, master) (node_bonding_slaves{{{HOST}}} - node_bonding_active{{{HOST}}})", "{{instance}} {{master}}"),
    ),
    "none",
    12,
    none="No array and no bond is known.",
)

BOARD = Dashboard(
    "lapwing-host",
    "host",
    "Has each server enough processor, memory, disk and network?",
    (
        (UPTIME, KILLS, READ_ONLY),
        (busy(8, HOST), MODES, LOAD),
        (memory(8, HOST), USES, SWAP),
        (SPACE, INODES, FREE),
        (DISK_BUSY, DISK_TIME, DISK_BYTES),
        (NETWORK, LOST, PRESSURE),
        (LIMITS, RAID),
    ),
    hosts=True,
    marks=MARKS,
)
