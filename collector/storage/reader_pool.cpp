#include "collector/storage/reader_pool.h"

#include "collector/storage/schema.h"

namespace lapwing::storage {
namespace {

/// As many as read at a time: the queries of people and of rules, and the collector's own judges. A slow
/// query must not make the others wait for a connection.
constexpr unsigned kMostReaders = 32;

}  // namespace

ReaderPool::Lease::~Lease() {
    if (reader_) {
        pool_->giveBack(std::move(reader_));
    }
}

Expected<ReaderPool::Lease> ReaderPool::acquire() {
    {
        MutexLock lock(mutex_);
        returned_.wait(lock, [this]() LAPWING_REQUIRES(mutex_) { return in_use_ < kMostReaders; });
        ++in_use_;
        if (!idle_.empty()) {
            auto reader = std::move(idle_.back());
            idle_.pop_back();
            return Lease(*this, std::move(reader));
        }
    }
    auto reader = openOne();
    if (!reader) {
        const MutexLock lock(mutex_);
        --in_use_;
        returned_.notifyOne();
        return tl::unexpected(reader.error());
    }
    return Lease(*this, std::move(*reader));
}

void ReaderPool::giveBack(std::unique_ptr<Reader> reader) {
    reader->blocks.release();
    reader->connection.rollback();
    const MutexLock lock(mutex_);
    --in_use_;
    idle_.push_back(std::move(reader));
    returned_.notifyOne();
}

Expected<std::unique_ptr<Reader>> ReaderPool::openOne() const {
    auto connection = openReader(path_);
    if (!connection) {
        return tl::unexpected(connection.error());
    }
    auto reader = std::make_unique<Reader>(Reader{std::move(*connection), BlockTable()});
    auto blocks = BlockTable::open(reader->connection);
    if (!blocks) {
        return tl::unexpected(blocks.error());
    }
    reader->blocks = std::move(*blocks);
    return reader;
}

}  // namespace lapwing::storage
