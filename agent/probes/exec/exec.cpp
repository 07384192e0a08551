#include "agent/probes/exec/exec.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <vector>

#include "agent/probes/exec/perfdata.h"
#include "agent/probes/sample_line.h"
#include "agent/probes/textfile/exposition.h"
#include "agent/probes/textfile/textfile.h"
#include "common/memory_budget.h"
#include "common/metric_names.h"
#include "common/model/families.h"
#include "common/text.h"

namespace lapwing::agent::exec {

namespace {

constexpr std::size_t kMostTextBytes = 200;
constexpr std::size_t kMostSeries = 1000;
constexpr std::size_t kMostLabelBytes = 4096;  ///< the collector's `ingest.max_label_length`
constexpr int kUnknown = 3;

/// A connection that is closed with it.
class Connection {
  public:
    Connection() : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {}
    ~Connection() { ::close(fd_); }
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;
    int fd() const { return fd_; }

  private:
    int fd_;
};

tl::unexpected<Error> cannotAsk(const std::string& socket) {
    const auto kind = errno == EACCES   ? ErrorKind::denied
                      : errno == ENOENT ? ErrorKind::not_found
                                        : ErrorKind::unavailable;
    return fail(kind, socket + ": " + std::strerror(errno) +
                          (errno == ENOENT ? " (systemctl enable --now lapwing-exec.socket)" : ""));
}

Expected<std::string> ask(const std::string& socket, const std::string& name, const Deadline& deadline) {
    const Connection connection;
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    socket.copy(address.sun_path, sizeof address.sun_path - 1);
    const auto request = name + "\n";
    if (::connect(connection.fd(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
        ::send(connection.fd(), request.data(), request.size(), MSG_NOSIGNAL) < 0) {
        return cannotAsk(socket);
    }
    std::string out;
    std::array<char, 16384> buffer;
    for (;;) {
        pollfd waited{connection.fd(), POLLIN, 0};
        const int left = static_cast<int>(deadline.budget().count());
        if (left == 0 || ::poll(&waited, 1, left) == 0) {
            return fail(ErrorKind::timeout, "lapwing-exec does not answer");
        }
        const auto got = ::recv(connection.fd(), buffer.data(), buffer.size(), 0);
        if (got == 0) {
            return out;
        }
        if (got < 0 && errno != EAGAIN && errno != EINTR) {
            return cannotAsk(socket);
        }
        out.append(buffer.data(), got < 0 ? 0 : static_cast<std::size_t>(got));
        if (out.size() > kMostOutputBytes + 1000) {
            return fail(ErrorKind::exhausted, "lapwing-exec answers more than 1 MiB");
        }
    }
}

std::string shortened(std::string text) {
    return std::string(utf8Prefix(printable(std::move(text)), kMostTextBytes));
}

void addValues(const std::vector<Value>& values, ProbeResult& out) {
    auto gauges = gauge(metric::kExecValue, "A value of a plugin's performance data");
    auto counters = counter(metric::kExecValueTotal, "A counter of a plugin's performance data");
    for (const auto& each : values) {
        if (each.counter) {
            add(counters, {{"label", each.label}}, each.value);
        } else {
            add(gauges, {{"label", each.label}, {"unit", each.unit}}, each.value);
        }
    }
    for (auto* family : {&gauges, &counters}) {
        if (!family->metric.empty()) {
            out.families.push_back(std::move(*family));
        }
    }
}

Expected<std::vector<prometheus::MetricFamily>> metricsIn(const std::string& output) {
    auto families =
        readWithinBudget(output.size(), "its output", [&] { return textfile::parseExposition(output); });
    if (!families) {
        return families;
    }
    std::size_t series = 0;
    for (auto& family : *families) {
        if (const auto why = textfile::reservedName(family.name); !why.empty()) {
            return fail(ErrorKind::invalid, why);
        }
        for (auto& each : family.metric) {
            series += 1 + each.histogram.bucket.size() + each.summary.quantile.size();
            for (const auto& label : each.label) {
                if (label.name.size() > kMostLabelBytes || label.value.size() > kMostLabelBytes) {
                    return fail(ErrorKind::exhausted, family.name + " has a label of more than 4096 bytes");
                }
            }
            renameReserved(each.label);
        }
    }
    if (series > kMostSeries) {
        return fail(ErrorKind::exhausted, "its output has more than 1000 series");
    }
    return families;
}

}  // namespace

Expected<ProbeResult> ExecProbe::collect(const Deadline& deadline) {
    const auto answer = ask(socket_, command_.name, deadline);
    const auto reply = answer ? decode(*answer) : fail(answer.error());
    if (!reply) {
        return fail(reply.error());
    }
    return report(*reply);
}

ProbeResult ExecProbe::report(const Reply& reply) {
    ProbeResult out;
    auto failure = gauge(metric::kExecFailureInfo, "Why a command has no result");
    if (reply.end != End::exited) {
        add(failure, {{"reason", nameOf(reply.end)}}, 1);
        out.families.push_back(std::move(failure));
        out.failure = Error{reply.end == End::timeout ? ErrorKind::timeout : ErrorKind::unavailable,
                            command_.name + ": " + nameOf(reply.end) +
                                (reply.end == End::failed ? ", " + shortened(reply.output) : "")};
        return out;
    }
    const auto plugin = parsePluginOutput(reply.output);
    const int status = reply.number > kUnknown ? kUnknown : reply.number;
    auto statuses = gauge(metric::kExecStatus, "0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN");
    add(statuses, {}, status);
    out.families.push_back(std::move(statuses));
    if (status != last_status_ || last_text_.empty()) {
        last_text_ = shortened(
            command_.format == Format::nagios ? plugin.text : "exit status " + std::to_string(reply.number));
        last_status_ = status;
    }
    if (status != 0) {
        auto text = gauge(metric::kExecOutputInfo, "What the command said when its status changed");
        add(text, {{"output", last_text_}}, 1);
        out.families.push_back(std::move(text));
        out.note = shortened(plugin.text);
        out.check_failed = true;
    }
    if (command_.format == Format::nagios) {
        addValues(plugin.values, out);
        if (plugin.left_out > 0) {
            out.note += (out.note.empty() ? "" : "; ") + std::to_string(plugin.left_out) +
                        " values of the performance data are left out";
        }
        return out;
    }
    auto families = metricsIn(reply.output);
    if (!families) {
        out.failure = families.error();
        return out;
    }
    for (auto& family : *families) {
        out.families.push_back(std::move(family));
    }
    return out;
}

}  // namespace lapwing::agent::exec
