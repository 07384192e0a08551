// bench-replay: writes captures of exporters by remote_write, for many hosts, with timestamps that end now.
#include <signal.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <barrier>
#include <chrono>
#include <cstdio>
#include <memory>
#include <thread>

#include "common/http/client.h"
#include "common/model/remote_write.h"
#include "tests/bench/replay/target.h"

using namespace lapwing;
using namespace lapwing::bench;

namespace {

struct Options {
    std::string url;
    std::string captures;
    std::vector<std::string> mix;
    std::size_t hosts = 2;
    TimestampMs from = 0;
    TimestampMs until = INT64_MAX;
    std::int64_t interval_ms = 15'000;
    int connections = 2;
    pid_t kill = 0;
};

std::vector<std::string> split(const std::string& text, char at) {
    std::vector<std::string> parts(1);
    for (const char c : text) {
        if (c == at) {
            parts.emplace_back();
        } else {
            parts.back() += c;
        }
    }
    return parts;
}

/// The feed: every target of every host, each once an interval, by several connections side by side. A round
/// is one interval; nobody begins the next before all have ended theirs, as engines expect samples roughly in
/// order of time.
class Feed {
  public:
    explicit Feed(const Options& options) : options_(options), round_(options.connections) {}

    Expected<void> load() {
        for (const auto& kind : options_.mix) {
            for (const auto& name : split(kind, '+')) {
                const auto known = std::find_if(captures_.begin(), captures_.end(),
                                                [&](const auto& capture) { return capture->name == name; });
                if (known != captures_.end()) continue;
                auto capture = loadCapture(options_.captures, name);
                if (!capture) return tl::unexpected(capture.error());
                captures_.push_back(std::make_unique<Capture>(std::move(*capture)));
            }
        }
        for (std::size_t host = 0; host < options_.hosts; ++host) {
            char instance[32];
            std::snprintf(instance, sizeof instance, "host-%03zu", host);
            for (const auto& name : split(options_.mix[host % options_.mix.size()], '+')) {
                const auto capture = std::find_if(captures_.begin(), captures_.end(),
                                                  [&](const auto& one) { return one->name == name; });
                const auto seed = static_cast<std::uint32_t>(targets_.size() + 1);
                targets_.emplace_back(**capture, instance, seed);
                series_ += (*capture)->series.size();
            }
        }
        return {};
    }

    /// Returns when `until` is reached, a signal came, or something went wrong.
    Expected<void> run() {
        began_ = std::chrono::steady_clock::now();
        std::vector<std::thread> threads;
        threads.reserve(static_cast<std::size_t>(options_.connections));
        for (int i = 0; i < options_.connections; ++i) threads.emplace_back([this, i] { work(i); });
        for (auto& thread : threads) thread.join();
        if (failed_) return tl::unexpected(error_);
        return {};
    }

    void stop() { stopping_ = true; }

    void report(const char* event) const {
        const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - began_;
        std::printf(
            "{\"event\": \"%s\", \"series\": %zu, \"samples\": %llu, \"requests\": %llu, \"retries\": %llu, "
            "\"seconds\": %.3f, \"newest_ms\": %lld}\n",
            event, series_, static_cast<unsigned long long>(samples_),
            static_cast<unsigned long long>(requests_), static_cast<unsigned long long>(retries_),
            elapsed.count(), static_cast<long long>(newest_));
        std::fflush(stdout);
    }

  private:
    void work(int connection) {
        auto client = http::Client::create(options_.url.substr(0, options_.url.find('/', 8)));
        if (!client) giveUp(client.error());
        for (TimestampMs at = options_.from; at < options_.until && !stopping_; at += options_.interval_ms) {
            for (std::size_t i = static_cast<std::size_t>(connection); i < targets_.size() && !stopping_;
                 i += static_cast<std::size_t>(options_.connections)) {
                // Evenly over the interval, as scrapers do.
                const TimestampMs due = at + static_cast<std::int64_t>(i) * options_.interval_ms /
                                                 static_cast<std::int64_t>(targets_.size());
                waitFor(due);
                send(*client, targets_[i], due);
            }
            round_.arrive_and_wait();
        }
        round_.arrive_and_drop();
    }

    void waitFor(TimestampMs due) {
        TimestampMs now = nowMs();
        if (now < due && !caught_up_.exchange(true)) report("caught_up");
        for (; now < due && !stopping_; now = nowMs()) {
            std::this_thread::sleep_for(std::chrono::milliseconds(std::min<TimestampMs>(due - now, 100)));
        }
    }

    void send(http::Client& client, Target& target, TimestampMs due) {
        const auto& series = target.scrape(due);
        http::Request request;
        request.method = "POST";
        request.path = options_.url.substr(options_.url.find('/', 8));
        request.headers = {{"Content-Type", "application/x-protobuf"},
                           {"Content-Encoding", "snappy"},
                           {"X-Prometheus-Remote-Write-Version", "0.1.0"}};
        request.body = encodeRemoteWrite(series);
        while (!stopping_) {
            const auto response = client.request(request, std::chrono::seconds(60));
            if (!response) return giveUp(response.error());
            if (response->status / 100 == 2) {
                samples_ += series.size();
                ++requests_;
                newest_ = std::max<TimestampMs>(newest_, due);
                return;
            }
            if (response->status != 429 && response->status / 100 != 5) {
                return giveUp({ErrorKind::protocol, std::to_string(response->status) + " " + response->body});
            }
            ++retries_;
            std::this_thread::sleep_for(std::chrono::milliseconds(100));
        }
    }

    void giveUp(const Error& error) {
        if (!failed_.exchange(true)) error_ = error;
        stopping_ = true;
    }

    const Options& options_;
    std::vector<std::unique_ptr<Capture>> captures_;
    std::vector<Target> targets_;
    std::size_t series_ = 0;
    std::barrier<> round_;
    std::chrono::steady_clock::time_point began_;
    std::atomic<bool> stopping_{false};
    std::atomic<bool> caught_up_{false};
    std::atomic<bool> failed_{false};
    std::atomic<std::uint64_t> samples_{0};
    std::atomic<std::uint64_t> requests_{0};
    std::atomic<std::uint64_t> retries_{0};
    std::atomic<TimestampMs> newest_{0};
    Error error_;
};

}  // namespace

int main(int argc, char** argv) {
    Options options;
    CLI::App app(
        "Writes captures of exporters by remote_write, for many hosts, each with every sample's own time: as "
        "fast as they are taken until now is reached, at the real pace from then on, until SIGTERM.");
    app.add_option("--url", options.url, "where to: http://HOST:PORT/PATH")->required();
    app.add_option("--captures", options.captures, "directory of the captures")->required();
    app.add_option("--mix", options.mix, "captures of a host, as A+B; hosts take these in turn")->required();
    app.add_option("--hosts", options.hosts, "how many hosts");
    app.add_option("--from", options.from, "the first scrape, milliseconds since 1970")->required();
    app.add_option("--until", options.until, "end before this time");
    app.add_option("--interval", options.interval_ms, "milliseconds between two scrapes")
        ->check(CLI::PositiveNumber);
    app.add_option("--connections", options.connections, "requests in flight")->check(CLI::Range(1, 64));
    app.add_option("--kill", options.kill, "after the last acknowledgement, SIGKILL to this process at once");
    CLI11_PARSE(app, argc, argv);

    // Blocked in every thread; one waits for them.
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);

    Feed feed(options);
    auto done = feed.load();
    if (!done) {
        std::fprintf(stderr, "bench-replay: %s\n", done.error().message.c_str());
        return 2;
    }
    std::thread stopper([&] {
        int number = 0;
        sigwait(&signals, &number);
        feed.stop();
    });
    done = feed.run();
    if (done && options.kill != 0) ::kill(options.kill, SIGKILL);
    ::kill(::getpid(), SIGTERM);
    stopper.join();
    feed.report("done");
    if (!done) std::fprintf(stderr, "bench-replay: %s\n", done.error().message.c_str());
    return done ? 0 : 1;
}
