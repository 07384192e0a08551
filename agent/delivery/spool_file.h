#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "agent/delivery/database.h"
#include "agent/delivery/spool.h"

namespace lapwing::agent {

/// One spooled remote_write request.
struct SpooledBatch {
    std::int64_t id = 0;
    TimestampMs at = 0;  ///< when it was spooled
    std::size_t samples = 0;
    std::size_t bytes = 0;  ///< of the body
    std::string body;       ///< remote_write, compressed; "" unless it was asked for
};

/// The spool's SQLite file: its tables, and the statements on them. Not synchronised.
class SpoolFile {
  public:
    /// Locks the file for this process (SQLITE_BUSY if another process has it).
    static DatabaseResult<SpoolFile> open(const std::string& path);
    /// Whether the file's content is damaged. Looks at the whole file; no SpoolFile may be open on it. A file
    /// that cannot be read now is not known to be damaged: SQLite reports a failed read as damage, too.
    static bool isDamaged(const std::string& path);
    /// Renames the file and its companions, or removes them where they cannot be renamed. False if it had to
    /// remove them.
    static bool rename(const std::string& from, const std::string& to);
    static void removeFiles(const std::string& path);
    struct Salvaged {
        std::int64_t samples = 0;  ///< that are in the new file
        std::int64_t lost = 0;     ///< samples of batches that were found and cannot be decoded
    };
    /// Copies everything readable of the damaged file `from` into this one, but for the batches up to `done`.
    DatabaseResult<Salvaged> salvage(const std::string& from, std::int64_t done);

    struct Totals {
        std::int64_t batches = 0;
        std::int64_t samples = 0;
        std::int64_t bytes = 0;
        std::int64_t documents = 0;  ///< waiting; only in totals(after)
        std::int64_t last_id = 0;    ///< the greatest id
    };
    DatabaseResult<Totals> totals(std::int64_t after);
    DatabaseResult<Totals> totals(std::int64_t after, std::int64_t up_to);
    DatabaseResult<std::vector<std::string>> digests();
    /// Moves the batches from after one id up to another out of the queue.
    DatabaseResult<void> setAside(std::int64_t after, std::int64_t up_to);
    DatabaseResult<Totals> asideTotals();
    /// Puts them back.
    DatabaseResult<void> restoreAside();
    /// Removes the oldest batch that was set aside and returns its size; nothing if no batch is set aside.
    DatabaseResult<std::optional<SpooledBatch>> dropAside();

    DatabaseResult<void> begin() { return begin_.run(); }
    DatabaseResult<void> commit() { return commit_.run(); }
    void rollback();
    DatabaseResult<void> insert(const SpooledBatch& batch);
    DatabaseResult<void> removeUpTo(std::int64_t id) { return remove(0, id); }
    DatabaseResult<void> remove(std::int64_t first_id, std::int64_t last_id);
    DatabaseResult<void> insertDocument(const SpooledDocument& document);
    /// Forgets the body, remembers the digest.
    DatabaseResult<void> documentDone(const std::string& digest);
    /// Gives free pages back to the file system when there are many, so that an outage's megabytes do not
    /// stay for ever.
    DatabaseResult<void> shrink();

    /// The oldest batch, without its body.
    DatabaseResult<std::optional<SpooledBatch>> oldest(std::int64_t after);
    /// At most `most` batches, and no more than about `most_bytes` of bodies (but at least one batch).
    DatabaseResult<std::vector<SpooledBatch>> read(std::int64_t after, std::size_t most,
                                                   std::size_t most_bytes);
    DatabaseResult<std::optional<SpooledDocument>> nextDocument(const std::vector<std::string>& except);

  private:
    Database database_;
    // Declared after database_, so that they are finalised before it is closed.
    Statement begin_;
    Statement commit_;
    Statement insert_;
    Statement remove_;
    Statement oldest_;
    Statement read_;
    Statement range_;
    Statement free_pages_;
};

}  // namespace lapwing::agent
