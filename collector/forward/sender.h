#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <random>
#include <string>

#include "collector/forward/batch.h"
#include "collector/forward/http_post.h"
#include "collector/storage/arrival_log.h"
#include "common/http/retry.h"

namespace lapwing::forward {

/// What a destination's answer means for what was sent.
enum class Verdict {
    stored,   ///< it has it
    again,    ///< a passing trouble: the same again, later
    denied,   ///< it does not let us in: the same again when somebody has mended that
    halve,    ///< something of it is not acceptable: what is must be found
    refused,  ///< it will never take this
};
Verdict verdictOf(int status);

/// How one destination fares.
struct Status {
    std::uint64_t sent = 0;  ///< samples that it has taken
    /// Samples that it will not get: it was away for too long, too many waited for it, it refused them, or
    /// their series was deleted before they were sent.
    std::uint64_t dropped_age = 0;
    std::uint64_t dropped_size = 0;
    std::uint64_t dropped_refused = 0;
    std::uint64_t dropped_deleted = 0;
    std::uint64_t failed = 0;                    ///< requests without success
    std::optional<std::int64_t> lag_ms;          ///< since when its oldest waiting sample waits; 0: none does
    std::optional<std::uint64_t> pending_bytes;  ///< of the arrival log beyond its cursor
    std::string trouble;                         ///< why the last request failed; "" after a success
};

struct SenderOptions {
    RequestLimits limits;
    std::chrono::milliseconds poll{1000};  ///< how often an idle sender looks for news
    TimestampMs (*clock)() = nowMs;
};

/// Sends what the arrival log holds beyond one destination's cursor, in order, one request at a time, and
/// moves the cursor on once the destination has answered for good. One thread calls step(); status() is safe
/// from any.
class Sender {
  public:
    /// A destination without a cursor starts at the log's end. `destination` and `log` must outlive the
    /// sender.
    Sender(const Destination& destination, storage::ArrivalLog& log, Post post, SenderOptions options = {});

    /// One request at most. Returns the pause before the next call.
    std::chrono::milliseconds step();
    Status status() const;

  private:
    /// Consecutive entries of the log in hand.
    struct Window {
        std::uint64_t last_seq = 0;
        std::uint64_t bytes = 0;
        TimestampMs received = 0;  ///< of its first entry
        TimestampMs read_at = 0;
        std::size_t deleted = 0;  ///< samples without a series
        bool at_end = false;      ///< it reaches to the end of the log, and could have been larger
        bool stored_any = false;
        std::size_t halvings_left = 0;
        std::deque<Request> requests;
    };

    Expected<bool> fill();
    std::chrono::milliseconds send();
    std::chrono::milliseconds settle();
    std::chrono::milliseconds drop(std::uint64_t Status::*reason, const char* why);
    void refuse(const http::Response& answer);
    void sayLoss(const Request& request, const std::string& why);
    std::chrono::milliseconds failed(const Expected<http::Response>& answer, Verdict verdict);
    void say(const std::string& trouble);
    void countPending();

    const Destination& destination_;
    storage::ArrivalLog& log_;
    const Post post_;
    const SenderOptions options_;
    Gatherer gatherer_;
    std::optional<Window> window_;
    http::Backoff backoff_;
    std::minstd_rand random_{std::random_device{}()};
    bool failing_ = false;
    bool refuses_all_ = false;  ///< of the last window it took nothing
    std::optional<std::chrono::steady_clock::time_point> loss_said_at_;

    std::atomic<std::uint64_t> cursor_{0};
    mutable std::mutex mutex_;  ///< guards what follows
    Status status_;
    std::chrono::steady_clock::time_point said_at_{};  ///< status_.trouble, to the log
    std::optional<TimestampMs> waiting_since_;  ///< no later than the first entry beyond the cursor arrived
    std::optional<std::int64_t> pending_base_;  ///< pending bytes = this + log's written bytes
};

}  // namespace lapwing::forward
