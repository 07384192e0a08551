#pragma once

#include <memory>
#include <string>
#include <vector>

#include "collector/storage/block_table.h"
#include "common/mutex.h"

namespace lapwing::storage {

/// A reading connection with its statements. `blocks` is destroyed before `connection`.
struct Reader {
    Connection connection;
    BlockTable blocks;
};

/// A few reading connections, so that reads never wait for writes. While all are in use, a caller waits until
/// one is given back. Thread-safe.
class ReaderPool {
  public:
    explicit ReaderPool(std::string path) : path_(std::move(path)) {}

    class Lease {
      public:
        Lease(ReaderPool& pool, std::unique_ptr<Reader> reader) : pool_(&pool), reader_(std::move(reader)) {}
        Lease(Lease&&) = default;
        Lease& operator=(Lease&&) = delete;
        ~Lease();
        Reader* operator->() { return reader_.get(); }
        Reader& operator*() { return *reader_; }

      private:
        ReaderPool* pool_;
        std::unique_ptr<Reader> reader_;
    };

    Expected<Lease> acquire();

  private:
    void giveBack(std::unique_ptr<Reader> reader);
    Expected<std::unique_ptr<Reader>> openOne() const;

    std::string path_;
    Mutex mutex_;
    ConditionVariable returned_;
    std::vector<std::unique_ptr<Reader>> idle_ LAPWING_GUARDED_BY(mutex_);
    unsigned in_use_ LAPWING_GUARDED_BY(mutex_) = 0;
};

}  // namespace lapwing::storage
