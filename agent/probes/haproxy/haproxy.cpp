#include "agent/probes/haproxy/haproxy.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <string_view>
#include <utility>

#include "agent/probes/haproxy/parse.h"
#include "agent/probes/haproxy/workers.h"
#include "common/http/timed_socket.h"
#include "common/memory_budget.h"
#include "common/metric_names.h"
#include "common/model/families.h"

namespace lapwing::agent::haproxy {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::size_t kMostBytes = 16U << 20;

/// Waits until the descriptor is ready. 0 at the deadline.
int await(int fd, short events, Clock::time_point until) {
    while (true) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now()).count();
        if (left <= 0) {
            return 0;
        }
        pollfd wait = {fd, events, 0};
        const int ready = ::poll(&wait, 1, static_cast<int>(std::min<std::int64_t>(left, 60'000)));
        if (ready < 0 && errno == EINTR) {
            continue;
        }
        return ready;
    }
}

/// Sends one line of commands and reads until HAProxy ends the connection, as it does after each line.
Expected<std::string> ask(const std::string& path, std::string_view line, Clock::time_point until) {
    const auto connected = http::connectTo(path, until);
    if (!connected) {
        return tl::unexpected(connected.error());
    }
    const int fd = *connected;
    const auto failed = [&](ErrorKind kind, const std::string& what) {
        ::close(fd);
        return fail(kind, "unix:" + path + ": " + what);
    };
    while (!line.empty()) {
        const auto sent = ::send(fd, line.data(), line.size(), MSG_NOSIGNAL);
        if (sent > 0) {
            line.remove_prefix(static_cast<std::size_t>(sent));
        } else if (errno == EAGAIN) {
            if (await(fd, POLLOUT, until) == 0) {
                return failed(ErrorKind::timeout, "no answer within the deadline");
            }
        } else if (errno != EINTR) {
            return failed(ErrorKind::protocol, std::strerror(errno));
        }
    }
    std::string answer;
    std::array<char, 32'768> buffer;
    while (true) {
        const auto got = ::recv(fd, buffer.data(), buffer.size(), 0);
        if (got == 0) {
            break;
        }
        if (got > 0) {
            MemoryBudget::received(static_cast<std::size_t>(got));
            answer.append(buffer.data(), static_cast<std::size_t>(got));
            if (answer.size() > kMostBytes) {
                return failed(ErrorKind::exhausted, "the answer is too large");
            }
        } else if (errno == EAGAIN) {
            if (await(fd, POLLIN, until) == 0) {
                return failed(ErrorKind::timeout, "no answer within the deadline");
            }
        } else if (errno != EINTR) {
            return failed(ErrorKind::protocol, std::strerror(errno));
        }
    }
    ::close(fd);
    return answer;
}

ProbeResult withUp(bool up) {
    ProbeResult result;
    result.families.push_back(gauge(exporter::kHaproxyUp, "1 if HAProxy answered."));
    add(result.families.back(), {}, up ? 1 : 0);
    return result;
}

/// HAProxy answered, and gave no statistics.
ProbeResult refused(Error error) {
    auto result = withUp(true);
    result.families.push_back(refusalFamily(error.message));
    result.failure = std::move(error);
    return result;
}

/// A failure with a value, so that rules on haproxy_up fire. A socket or a file that we may not open says
/// nothing about HAProxy.
Expected<ProbeResult> orFailed(Expected<ProbeResult> result) {
    if (result) {
        return result;
    }
    auto failed = result.error().kind == ErrorKind::denied ? ProbeResult() : withUp(false);
    failed.failure = std::move(result.error());
    return failed;
}

void addFamilies(Stats stats, ProbeResult& out) {
    const auto shared = std::make_shared<Stats>(std::move(stats));
    out.more = [shared](prometheus::MetricFamily& family) { return shared->next(family); };
}

/// The run's memory is bounded by what HAProxy sends.
Expected<ProbeResult> withinBudget(const std::function<Expected<ProbeResult>()>& run) {
    return readWithinBudget(0, "HAProxy's statistics", run);
}

}  // namespace

Expected<ProbeResult> SocketProbe::collect(const Deadline& deadline) {
    return orFailed(withinBudget([&] { return run(deadline); }));
}

Expected<ProbeResult> SocketProbe::run(const Deadline& deadline) {
    const auto until = Clock::now() + deadline.budget();
    auto text = ask(path_,
                    std::string("show info;show resolvers;show stat") +
                        (wants_addresses_ ? ";show servers state\n" : "\n"),
                    until);
    if (!text) {
        return tl::unexpected(text.error());
    }
    const auto answers = splitAnswers(*text);
    if (answers.stats.empty()) {
        const auto kind =
            text->find("Permission denied") == std::string::npos ? ErrorKind::protocol : ErrorKind::denied;
        Error error{kind, "unix:" + path_ + ": HAProxy did not answer \"show stat\""};
        return text->empty() ? Expected<ProbeResult>(tl::unexpected(std::move(error)))
                             : refused(std::move(error));
    }
    auto result = withUp(true);
    parseInfo(answers.info, result.families);
    parseResolvers(answers.info, result.families);
    if (const auto pid = pidOf(answers.info)) {
        if (const auto old = oldWorkers(proc_, *pid)) {
            result.families.push_back(gauge(metric::kHaproxyOldWorkers,
                                            "Workers from before a reload that still serve connections."));
            add(result.families.back(), {}, static_cast<double>(*old));
        }
    }
    auto known = parseServersState(answers.state);
    // The statistics are the largest part of the answer: only they stay.
    std::string csv(answers.stats);
    text = Expected<std::string>(std::string());
    auto stats = Stats::parse(std::move(csv), std::move(known), most_rows_);
    if (!stats) {
        return refused(std::move(stats.error()));
    }
    // From the next run on, also ask for the servers' addresses, which "show stat" lacks here.
    wants_addresses_ = wants_addresses_ || !stats->addressesKnown();
    addFamilies(std::move(*stats), result);
    return result;
}

Expected<ProbeResult> PageProbe::collect(const Deadline& deadline) {
    return orFailed(withinBudget([&] { return run(deadline); }));
}

Expected<ProbeResult> PageProbe::run(const Deadline& deadline) {
    if (!client_) {
        auto client = http::Client::create(target_.base, target_.tls());
        if (!client) {
            return tl::unexpected(client.error());
        }
        client_.emplace(std::move(*client));
    }
    auto request = target_.request();
    if (!request) {
        return tl::unexpected(request.error());
    }
    if (!request->path.ends_with(";csv")) {
        request->path += ";csv";
    }
    request->max_response_bytes = kMostBytes;
    auto response = client_->request(*request, deadline.budget());
    if (!response) {
        return provesServer(response.error()) ? refused(response.error())
                                              : Expected<ProbeResult>(tl::unexpected(response.error()));
    }
    // Every answer here comes from HAProxy: also those of its backends, and its 503 without any.
    if (response->status != 200) {
        return refused({kindOfStatus(response->status), target_.url + ": " + unexpectedStatus(*response)});
    }
    auto stats = Stats::parse(std::move(response->body), {}, most_rows_);
    if (!stats) {
        return refused({stats.error().kind, target_.url + ": " + stats.error().message});
    }
    auto result = withUp(true);
    addFamilies(std::move(*stats), result);
    return result;
}

}  // namespace lapwing::agent::haproxy
