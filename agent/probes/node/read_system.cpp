#include <sys/timex.h>
#include <sys/utsname.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/probes/node/collectors.h"
#include "agent/probes/node/metrics.h"
#include "agent/probes/text.h"

namespace lapwing::agent::node {
namespace {

/// The value of a pair of an os-release file, without quotes and escapes.
std::string unquoted(std::string_view text) {
    const bool quoted =
        text.size() >= 2 && (text.front() == '"' || text.front() == '\'') && text.back() == text.front();
    if (!quoted) {
        return std::string(text);
    }
    const bool escapes = text.front() == '"';
    text = text.substr(1, text.size() - 2);
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        i += escapes && text[i] == '\\' && i + 1 < text.size() ? 1 : 0;
        out += text[i];
    }
    return out;
}

/// "12", "12.1" and "12.1.3" as a number: 12, 12.1, 12.1
std::optional<double> versionNumber(std::string_view text) {
    auto end = text.find_first_not_of("0123456789");
    if (end != std::string_view::npos && end > 0 && text[end] == '.') {
        end = text.find_first_not_of("0123456789", end + 1);
    }
    auto number = text.substr(0, end);
    if (!number.empty() && number.back() == '.') {
        number.remove_suffix(1);
    }
    return toNumber(number);
}

/// The start of the day "2028-06-30" in UTC.
std::optional<double> dayOf(const std::string& text) {
    tm day = {};
    const char* const end = ::strptime(text.c_str(), "%Y-%m-%d", &day);
    return end != nullptr && *end == '\0' ? std::optional<double>(static_cast<double>(::timegm(&day)))
                                          : std::nullopt;
}

}  // namespace

std::vector<std::pair<std::string, std::string>> parseOsRelease(std::string_view text) {
    std::vector<std::pair<std::string, std::string>> out;
    for (std::string_view line; nextLine(text, line);) {
        line = trimmed(line);
        const auto equals = line.find('=');
        if (line.starts_with('#') || equals == std::string_view::npos) {
            continue;
        }
        out.emplace_back(line.substr(0, equals), unquoted(line.substr(equals + 1)));
    }
    return out;
}

Expected<void> collectTime(Files& /*files*/, Families& out) {
    using namespace std::chrono;
    Metrics metrics(out);
    metrics.gauge("node_time_seconds", "The system's time, in seconds since 1970.",
                  duration<double>(system_clock::now().time_since_epoch()).count());
    ::tzset();
    const auto now = ::time(nullptr);
    tm local = {};
    if (::localtime_r(&now, &local) != nullptr) {
        metrics.gauge("node_time_zone_offset_seconds", "The time zone's time minus UTC.",
                      static_cast<double>(local.tm_gmtoff), {{"time_zone", local.tm_zone}});
    }
    return {};
}

Expected<void> collectTimex(Files& /*files*/, Families& out) {
    timex answer = {};
    const int state = ::adjtimex(&answer);
    if (state < 0) {
        return fail(ErrorKind::denied, "adjtimex");
    }
    // adjtimex(2): parts per million with 16 bits after the point.
    constexpr double ppm = 1e6 * 65536;
    constexpr double microsecond = 1e-6;
    const double unit = (answer.status & STA_NANO) != 0 ? 1e-9 : microsecond;
    const auto number = [](auto value) { return static_cast<double>(value); };
    Metrics metrics(out);
    metrics.gauge("node_timex_sync_status", "1 if the clock is synchronised with a reliable server.",
                  (answer.status & STA_UNSYNC) != 0 || state == TIME_ERROR ? 0 : 1);
    metrics.gauge("node_timex_offset_seconds", "Between the local system and the reference clock.",
                  number(answer.offset) * unit);
    metrics.gauge("node_timex_frequency_adjustment_ratio", "The factor of the local clock's frequency.",
                  1 + number(answer.freq) / ppm);
    metrics.gauge("node_timex_maxerror_seconds", "The largest error possible.",
                  number(answer.maxerror) * microsecond);
    metrics.gauge("node_timex_estimated_error_seconds", "The estimated error.",
                  number(answer.esterror) * microsecond);
    metrics.gauge("node_timex_status", "The flags STA_*.", number(answer.status));
    metrics.gauge("node_timex_loop_time_constant", "The time constant of the phase-locked loop.",
                  number(answer.constant));
    metrics.gauge("node_timex_tick_seconds", "Between ticks of the clock.",
                  number(answer.tick) * microsecond);
    metrics.gauge("node_timex_pps_frequency_hertz", "The frequency of the pulse per second.",
                  number(answer.ppsfreq) / ppm);
    metrics.gauge("node_timex_pps_jitter_seconds", "The jitter of the pulse per second.",
                  number(answer.jitter) * unit);
    metrics.gauge("node_timex_pps_shift_seconds", "The length of the pulse's interval.",
                  number(answer.shift));
    metrics.gauge("node_timex_pps_stability_hertz", "The stability of the pulse per second.",
                  number(answer.stabil) / ppm);
    metrics.counter("node_timex_pps_jitter_total", "Times that the jitter was too large.",
                    number(answer.jitcnt));
    metrics.counter("node_timex_pps_calibration_total", "Intervals of calibration.", number(answer.calcnt));
    metrics.counter("node_timex_pps_error_total", "Errors of calibration.", number(answer.errcnt));
    metrics.counter("node_timex_pps_stability_exceeded_total", "Times that the stability was too bad.",
                    number(answer.stbcnt));
    metrics.gauge("node_timex_tai_offset_seconds", "International Atomic Time minus UTC.",
                  number(answer.tai));
    return {};
}

Expected<void> collectClockSources(Files& files, Families& out) {
    const auto folder = files.sys("/devices/system/clocksource/");
    const auto names = files.list(folder, "clocksource", kMostDevices, "clock sources");
    if (!names) {
        return fail(names.error());
    }
    Metrics metrics(out);
    for (const auto& name : *names) {
        const auto path = folder + name;
        const auto device = name.substr(std::string_view("clocksource").size());
        const auto add = [&](const char* file, const char* metric, const char* help) {
            const auto sources = files.text(path + file).value_or("");
            std::string_view rest = sources;
            for (auto source = nextField(rest); !source.empty(); source = nextField(rest)) {
                metrics.info(metric, help, {{"clocksource", std::string(source)}, {"device", device}});
            }
        };
        add("/available_clocksource", "node_time_clocksource_available_info",
            "A source that the clock can have.");
        add("/current_clocksource", "node_time_clocksource_current_info", "The source that the clock has.");
    }
    return {};
}

Expected<void> collectUname(Files& /*files*/, Families& out) {
    utsname name = {};
    if (::uname(&name) != 0) {
        return fail(ErrorKind::unavailable, "uname");
    }
    Metrics(out).info("node_uname_info", "What uname(2) tells.",
                      {{"domainname", name.domainname},
                       {"machine", name.machine},
                       {"nodename", name.nodename},
                       {"release", name.release},
                       {"sysname", name.sysname},
                       {"version", name.version}});
    return {};
}

Expected<void> collectOs(Files& files, Families& out) {
    auto text = files.read(files.root("/etc/os-release"));
    if (!text) {
        text = files.read(files.root("/usr/lib/os-release"));
    }
    if (!text) {
        return fail(text.error());
    }
    const auto pairs = parseOsRelease(*text);
    const auto value = [&](std::string_view key) {
        const auto found =
            std::find_if(pairs.rbegin(), pairs.rend(), [&](const auto& pair) { return pair.first == key; });
        return found == pairs.rend() ? std::string() : found->second;
    };
    Metrics metrics(out);
    metrics.info("node_os_info", "What os-release tells.",
                 {{"build_id", value("BUILD_ID")},
                  {"id", value("ID")},
                  {"id_like", value("ID_LIKE")},
                  {"image_id", value("IMAGE_ID")},
                  {"image_version", value("IMAGE_VERSION")},
                  {"name", value("NAME")},
                  {"pretty_name", value("PRETTY_NAME")},
                  {"variant", value("VARIANT")},
                  {"variant_id", value("VARIANT_ID")},
                  {"version", value("VERSION")},
                  {"version_codename", value("VERSION_CODENAME")},
                  {"version_id", value("VERSION_ID")}});
    if (const auto version = versionNumber(value("VERSION_ID"))) {
        Metrics::Labels labels = {
            {"id", value("ID")}, {"id_like", value("ID_LIKE")}, {"name", value("NAME")}};
        std::erase_if(labels, [](const auto& label) { return label.value.empty(); });
        metrics.gauge("node_os_version", "The first two numbers of the version.", *version,
                      std::move(labels));
    }
    if (const auto end = dayOf(value("SUPPORT_END"))) {
        metrics.gauge("node_os_support_end_timestamp_seconds", "When support ends, in seconds since 1970.",
                      *end);
    }
    return {};
}

Expected<void> collectSelinux(Files& files, Families& out) {
    Metrics metrics(out);
    const auto enforcing = files.number(files.sys("/fs/selinux/enforce"));
    metrics.gauge("node_selinux_enabled", "1 if SELinux is on.", enforcing ? 1 : 0);
    if (!enforcing) {
        return {};
    }
    metrics.gauge("node_selinux_current_mode", "1 if SELinux enforces its rules, 0 if it only logs.",
                  *enforcing);
    const auto text = files.read(files.root("/etc/selinux/config"));
    if (!text) {
        return {};
    }
    for (const auto& [key, mode] : parseOsRelease(*text)) {
        if (key != "SELINUX") {
            continue;
        }
        metrics.gauge("node_selinux_config_mode", "The configured mode: 1 enforcing, 0 permissive, -1 off.",
                      mode == "enforcing"    ? 1
                      : mode == "permissive" ? 0
                                             : -1);
    }
    return {};
}

}  // namespace lapwing::agent::node
