#include "collector/forward/sender.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "common/model/remote_write.h"

namespace lapwing::forward {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kNoPause{0};
constexpr milliseconds kDeniedPause{15'000};
constexpr std::chrono::minutes kSayAgain{10};
/// The most samples that are read for one window, wanted or not.
constexpr std::size_t kReadSamples = 20'000;
/// To find one refused sample among 2000 takes eleven halvings. After a destination rejects every sample of a
/// window, its next window is bisected less deeply.
constexpr std::size_t kHalvings = 400;
constexpr std::size_t kHalvingsOfRefuser = 24;

}  // namespace

Verdict verdictOf(int status) {
    if (status >= 200 && status < 300) {
        return Verdict::stored;
    }
    switch (status) {
        case 408:
        case 425:
        case 429:
            return Verdict::again;
        case 401:
        case 403:
        case 407:
            return Verdict::denied;
        case 400:  // Prometheus: nothing of the request is stored then
        case 409:  // Thanos
        case 413:
        case 422:
            return Verdict::halve;
        default:
            return status >= 400 && status < 500 ? Verdict::refused : Verdict::again;
    }
}

Sender::Sender(const Destination& destination, storage::ArrivalLog& log, Post post, SenderOptions options)
    : destination_(destination),
      log_(log),
      post_(std::move(post)),
      options_(options),
      gatherer_(destination) {
    const auto end = log_.logEnd().seq;
    const auto cursors = log_.logCursors();
    const auto known = cursors.find(destination.name);
    if (known != cursors.end()) {
        cursor_ = std::min(known->second, end);
        return;
    }
    cursor_ = end;
    spdlog::info("forward {}: new destination, starts with samples that arrive from now on",
                 destination.name);
    if (const auto put = log_.putLogCursor(destination.name, end); !put) {
        say(put.error().message);
    }
}

milliseconds Sender::step() {
    countPending();
    if (!window_) {
        const auto filled = fill();
        if (!filled) {
            say(filled.error().message);
            return backoff_.next(std::uniform_real_distribution<double>(0, 1)(random_));
        }
        if (!*filled) {
            return options_.poll;
        }
    }
    const auto pending = status().pending_bytes;
    if (pending && *pending > static_cast<std::uint64_t>(destination_.keep_bytes)) {
        return drop(&Status::dropped_size, "more than keep_size waits");
    }
    // A destination that answers gets older samples too: the collector itself may have been down.
    if (failing_ && window_->received < options_.clock() - destination_.keep_ms) {
        return drop(&Status::dropped_age, "it is older than keep");
    }
    return window_->requests.empty() ? settle() : send();
}

/// Counts the waiting bytes here and not in the constructor, because it can take a while.
void Sender::countPending() {
    {
        const MutexLock lock(mutex_);
        if (pending_base_) {
            return;
        }
    }
    const auto end = log_.logEnd();
    const std::uint64_t cursor = cursor_;
    const auto bytes = log_.logBytes(cursor, end.seq);
    if (!bytes) {
        return;
    }
    const MutexLock lock(mutex_);
    pending_base_ = static_cast<std::int64_t>(*bytes) - static_cast<std::int64_t>(end.bytes);
}

/// Reads the next window. False at the end of the log.
Expected<bool> Sender::fill() {
    Window window;
    window.last_seq = cursor_;
    window.read_at = options_.clock();
    std::size_t read = 0;
    bool full = false;
    while (!full && !window.at_end && read < kReadSamples) {
        auto batches = log_.readLog(window.last_seq, options_.limits.samples - gatherer_.samples());
        if (!batches) {
            gatherer_.take(options_.limits);
            return tl::unexpected(batches.error());
        }
        window.at_end = batches->empty();
        for (auto& batch : *batches) {
            // One request a window if possible: then the cursor moves on with every answer.
            const auto sum = gatherer_.samples() + gatherer_.wanted(batch);
            full = sum >= options_.limits.samples;
            if (gatherer_.samples() > 0 && sum > options_.limits.samples) {
                break;
            }
            if (window.received == 0) {
                window.received = batch.received;
            }
            window.last_seq = batch.seq;
            window.bytes += batch.bytes;
            for (const auto& series : batch.series) {
                read += series.samples.size();
            }
            gatherer_.add(std::move(batch));
            if (full) {
                break;
            }
        }
    }
    const MutexLock lock(mutex_);
    waiting_since_ = window.last_seq == cursor_ ? window.read_at : window.received;
    if (window.last_seq == cursor_) {
        return false;
    }
    window.deleted = gatherer_.deleted();
    window.requests = gatherer_.take(options_.limits);
    window.halvings_left = refuses_all_ ? kHalvingsOfRefuser : kHalvings;
    window_ = std::move(window);
    return true;
}

milliseconds Sender::send() {
    Request& request = window_->requests.front();
    const auto answer = post_(encodeRemoteWrite(request.series));
    const Verdict verdict = answer ? verdictOf(answer->status) : Verdict::again;
    if (verdict == Verdict::again || verdict == Verdict::denied) {
        return failed(answer, verdict);
    }
    if (failing_) {
        spdlog::info("forward {}: the destination accepts samples again", destination_.name);
    }
    failing_ = false;
    backoff_.reset();
    {
        const MutexLock lock(mutex_);
        status_.trouble.clear();
        (verdict == Verdict::stored ? status_.sent : status_.failed) +=
            verdict == Verdict::stored ? request.samples : 1;
    }
    if (verdict == Verdict::stored) {
        window_->stored_any = true;
        window_->requests.pop_front();
    } else if (verdict == Verdict::halve && request.samples > 1 && window_->halvings_left > 0) {
        --window_->halvings_left;
        auto halves = halve(std::move(request));
        window_->requests.front() = std::move(halves.second);
        window_->requests.push_front(std::move(halves.first));
    } else {
        refuse(*answer);
    }
    return window_->requests.empty() ? settle() : kNoPause;
}

void Sender::refuse(const http::Response& answer) {
    const Request& request = window_->requests.front();
    sayLoss(request, "it answered " + std::to_string(answer.status) + " " + http::firstLine(answer.body));
    {
        const MutexLock lock(mutex_);
        status_.dropped_refused += request.samples;
    }
    window_->requests.pop_front();
}

milliseconds Sender::failed(const Expected<http::Response>& answer, Verdict verdict) {
    failing_ = true;
    auto pause = backoff_.next(std::uniform_real_distribution<double>(0, 1)(random_));
    std::string reason;
    if (answer) {
        reason = "it answered " + std::to_string(answer->status) + " " + http::firstLine(answer->body);
        const auto wanted = http::retryAfter(answer->header("Retry-After"), nowMs() / 1000);
        if (wanted) {
            pause = std::max(pause, *wanted);
        }
    } else {
        reason = answer.error().message;
    }
    if (verdict == Verdict::denied) {
        pause = std::max(pause, kDeniedPause);
    }
    {
        const MutexLock lock(mutex_);
        ++status_.failed;
    }
    say(reason);
    return pause;
}

/// The window is finished: moves the cursor on.
milliseconds Sender::settle() {
    refuses_all_ = !window_->stored_any && window_->halvings_left < kHalvingsOfRefuser;
    cursor_ = window_->last_seq;
    {
        const MutexLock lock(mutex_);
        status_.dropped_deleted += window_->deleted;
        if (window_->at_end) {
            waiting_since_ = window_->read_at;
        }
        if (pending_base_) {
            *pending_base_ -= static_cast<std::int64_t>(window_->bytes);
        }
    }
    const bool at_end = window_->at_end;
    window_.reset();
    // If this fails, the next window's cursor stands for this one too. Until then a crash would send it
    // again.
    if (const auto put = log_.putLogCursor(destination_.name, cursor_); !put) {
        say(put.error().message);
    }
    return at_end ? options_.poll : kNoPause;
}

milliseconds Sender::drop(std::uint64_t Status::*reason, const char* why) {
    std::size_t samples = 0;
    for (const auto& request : window_->requests) {
        samples += request.samples;
    }
    if (samples > 0) {
        sayLoss(window_->requests.front(), why);
    }
    {
        const MutexLock lock(mutex_);
        status_.*reason += samples;
    }
    window_->requests.clear();
    settle();
    return kNoPause;
}

void Sender::sayLoss(const Request& request, const std::string& why) {
    const auto now = steady_clock::now();
    if (loss_said_at_ && now - *loss_said_at_ < kSayAgain) {
        return;
    }
    loss_said_at_ = now;
    spdlog::error("forward {}: samples are dropped, for example of {}: {}", destination_.name,
                  request.series.front().labels.toString(), why);
}

void Sender::say(const std::string& trouble) {
    const auto now = steady_clock::now();
    const MutexLock lock(mutex_);
    if (trouble != status_.trouble || now - said_at_ > kSayAgain) {
        spdlog::warn("forward {}: {}; samples are kept and sent again later", destination_.name, trouble);
        said_at_ = now;
    }
    status_.trouble = trouble;
}

Status Sender::status() const {
    const auto end = log_.logEnd();
    const MutexLock lock(mutex_);
    Status status = status_;
    if (cursor_ >= end.seq) {
        status.lag_ms = 0;
    } else if (waiting_since_) {
        status.lag_ms = std::max<std::int64_t>(0, options_.clock() - *waiting_since_);
    }
    if (pending_base_) {
        const auto bytes = *pending_base_ + static_cast<std::int64_t>(end.bytes);
        status.pending_bytes = static_cast<std::uint64_t>(std::max<std::int64_t>(0, bytes));
    }
    return status;
}

}  // namespace lapwing::forward
