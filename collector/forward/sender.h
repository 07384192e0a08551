#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <random>
#include <string>

#include "collector/forward/batch.h"
#include "collector/forward/http_post.h"
#include "collector/storage/arrival_log.h"
#include "common/http/retry.h"
#include "common/mutex.h"

namespace lapwing::forward {

/// What a destination's answer means for the request.
enum class Verdict {
    stored,   ///< the destination has the samples
    again,    ///< a passing failure: send the same request again later
    denied,   ///< wrong credentials: send the same request again, after a longer pause
    halve,    ///< some sample is not acceptable: send the halves to find which
    refused,  ///< the destination will never take the request
};
Verdict verdictOf(int status);

/// The state of one destination.
struct Status {
    std::uint64_t sent = 0;  ///< samples that the destination has taken
    /// Samples that the destination will not get: it failed for too long, too many bytes waited, it refused
    /// them, or their series was deleted before they were sent.
    std::uint64_t dropped_age = 0;
    std::uint64_t dropped_size = 0;
    std::uint64_t dropped_refused = 0;
    std::uint64_t dropped_deleted = 0;
    std::uint64_t failed = 0;                    ///< requests without success
    std::optional<std::int64_t> lag_ms;          ///< age of the oldest waiting sample; 0: none waits
    std::optional<std::uint64_t> pending_bytes;  ///< of the arrival log beyond its cursor
    std::string trouble;                         ///< why the last request failed; "" after a success
};

struct SenderOptions {
    RequestLimits limits;
    std::chrono::milliseconds poll{1000};  ///< how often an idle sender reads the log
    TimestampMs (*clock)() = nowMs;
};

/// Sends the entries of the arrival log after one destination's cursor, in order, one request at a time.
/// Moves the cursor on after the destination's final answer. One thread calls step(); status() is safe from
/// any thread.
class Sender {
  public:
    /// A destination without a cursor starts at the log's end. `destination` and `log` must outlive the
    /// sender.
    Sender(const Destination& destination, storage::ArrivalLog& log, Post post, SenderOptions options = {});

    /// Sends one request at most. Returns the pause before the next call.
    std::chrono::milliseconds step();
    Status status() const;

  private:
    /// Consecutive entries of the log that are being sent.
    struct Window {
        std::uint64_t last_seq = 0;
        std::uint64_t bytes = 0;
        TimestampMs received = 0;  ///< when the first entry arrived
        TimestampMs read_at = 0;
        std::size_t deleted = 0;  ///< samples of deleted series
        bool at_end = false;      ///< no later entry existed when the window was read
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
    bool refuses_all_ = false;  ///< the destination took no sample of the last window
    std::optional<std::chrono::steady_clock::time_point> loss_said_at_;

    std::atomic<std::uint64_t> cursor_{0};
    mutable Mutex mutex_;
    Status status_ LAPWING_GUARDED_BY(mutex_);
    /// When status_.trouble was logged.
    std::chrono::steady_clock::time_point said_at_ LAPWING_GUARDED_BY(mutex_){};
    /// Not after the arrival of the first entry beyond the cursor.
    std::optional<TimestampMs> waiting_since_ LAPWING_GUARDED_BY(mutex_);
    /// Pending bytes are this plus the log's written bytes.
    std::optional<std::int64_t> pending_base_ LAPWING_GUARDED_BY(mutex_);
};

}  // namespace lapwing::forward
