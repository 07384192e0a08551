#pragma once

#include <atomic>
#include <cstddef>
#include <deque>
#include <map>
#include <streambuf>
#include <string>

#include "common/mutex.h"

namespace lapwing::api {

/// Bounds the bytes that several holders keep in memory: in all, and each holder. A small piece is always
/// granted. Thread-safe.
class Room {
  public:
    enum class Grant { granted, holder_full, full };

    /// `free_bytes`: what a piece may take whatever the others hold.
    Room(std::size_t total, std::size_t each, std::size_t free_bytes)
        : total_(total), each_(each), free_bytes_(free_bytes) {}

    /// Grows a piece of `holder` from `size` by `more` bytes.
    Grant take(const std::string& holder, std::size_t size, std::size_t more);
    void giveBack(const std::string& holder, std::size_t bytes);
    std::size_t used() const;

  private:
    const std::size_t total_;
    const std::size_t each_;
    const std::size_t free_bytes_;
    mutable Mutex mutex_;
    std::size_t used_ LAPWING_GUARDED_BY(mutex_) = 0;
    std::map<std::string, std::size_t> holders_ LAPWING_GUARDED_BY(mutex_);
};

/// The body of an answer: a stream buffer that keeps what is written, in blocks, so that a long answer is
/// never copied and its memory goes back block by block while the client reads. Not synchronised.
class AnswerBody : public std::streambuf {
  public:
    /// `most`: the largest body. The room must outlive the body.
    AnswerBody(Room& room, std::string holder, std::size_t most);
    ~AnswerBody() override;
    AnswerBody(const AnswerBody&) = delete;
    AnswerBody& operator=(const AnswerBody&) = delete;

    enum class Trouble { none, too_large, no_room };
    /// Why writing has failed: `too_large` also if the thread's QueryLimits leave no memory. The body is then
    /// empty.
    Trouble trouble() const { return trouble_; }
    std::size_t size() const { return size_; }
    bool empty() const { return blocks_.empty(); }

    /// The next bytes to send; empty at the end. Valid until pop().
    const std::string& front() const;
    void pop();

    /// Drops everything and forgets the trouble.
    void reset();

  protected:
    int_type overflow(int_type c) override;
    std::streamsize xsputn(const char* text, std::streamsize count) override;

  private:
    void append(const char* text, std::size_t left);
    void clear();

    Room& room_;
    const std::string holder_;
    const std::size_t most_;
    std::deque<std::string> blocks_;
    std::size_t size_ = 0;
    Trouble trouble_ = Trouble::none;
};

}  // namespace lapwing::api
