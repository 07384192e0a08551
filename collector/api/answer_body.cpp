#include "collector/api/answer_body.h"

#include <algorithm>
#include <new>
#include <utility>

namespace lapwing::api {
namespace {

/// malloc gives blocks of this size a mapping of their own (M_MMAP_THRESHOLD), which goes back at once.
constexpr std::size_t kBlock = 256U << 10;

}  // namespace

Room::Grant Room::take(const std::string& holder, std::size_t size, std::size_t more) {
    const MutexLock lock(mutex_);
    const auto found = holders_.find(holder);
    const std::size_t held = found == holders_.end() ? 0 : found->second;
    const bool free = size + more <= free_bytes_;
    if (!free && held + more > each_) {
        return Grant::holder_full;
    }
    if (!free && used_ + more > total_) {
        return Grant::full;
    }
    holders_[holder] = held + more;
    used_ += more;
    return Grant::granted;
}

void Room::giveBack(const std::string& holder, std::size_t bytes) {
    const MutexLock lock(mutex_);
    used_ -= bytes;
    const auto found = holders_.find(holder);
    if (found == holders_.end()) {
        return;
    }
    found->second -= bytes;
    if (found->second == 0) {
        holders_.erase(found);
    }
}

std::size_t Room::used() const {
    const MutexLock lock(mutex_);
    return used_;
}

AnswerBody::AnswerBody(Room& room, std::string holder, std::size_t most)
    : room_(room), holder_(std::move(holder)), most_(most) {}

AnswerBody::~AnswerBody() {
    clear();
}

const std::string& AnswerBody::front() const {
    static const std::string nothing;
    return blocks_.empty() ? nothing : blocks_.front();
}

void AnswerBody::pop() {
    const std::size_t bytes = blocks_.front().size();
    blocks_.pop_front();
    size_ -= bytes;
    room_.giveBack(holder_, bytes);
}

void AnswerBody::reset() {
    clear();
    trouble_ = Trouble::none;
}

void AnswerBody::clear() {
    blocks_.clear();
    if (size_ != 0) {
        room_.giveBack(holder_, std::exchange(size_, 0));
    }
}

AnswerBody::int_type AnswerBody::overflow(int_type c) {
    if (traits_type::eq_int_type(c, traits_type::eof())) {
        return traits_type::not_eof(c);
    }
    const char byte = traits_type::to_char_type(c);
    return xsputn(&byte, 1) == 1 ? c : traits_type::eof();
}

std::streamsize AnswerBody::xsputn(const char* text, std::streamsize count) {
    const auto left = static_cast<std::size_t>(count);
    if (trouble_ == Trouble::none && size_ + left > most_) {
        trouble_ = Trouble::too_large;
    } else if (trouble_ == Trouble::none && room_.take(holder_, size_, left) != Room::Grant::granted) {
        trouble_ = Trouble::no_room;
    }
    if (trouble_ != Trouble::none) {
        clear();
        return 0;
    }
    try {
        append(text, left);
    } catch (const std::bad_alloc&) {
        // A stream would hide it.
        room_.giveBack(holder_, left);
        trouble_ = Trouble::too_large;
        clear();
        return 0;
    }
    size_ += left;
    return count;
}

void AnswerBody::append(const char* text, std::size_t left) {
    while (left > 0) {
        if (blocks_.empty() || blocks_.back().size() >= kBlock) {
            blocks_.emplace_back();
            if (blocks_.size() > 1) {
                blocks_.back().reserve(kBlock);
            }
        }
        auto& block = blocks_.back();
        const std::size_t part = std::min(left, kBlock - block.size());
        block.append(text, part);
        text += part;
        left -= part;
    }
}

}  // namespace lapwing::api
