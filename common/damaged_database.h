#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"

namespace lapwing {

/// Reads the rows of a damaged SQLite file without SQLite, page by page: a damaged page costs the rows on it,
/// and not those below it in a tree. Format: https://www.sqlite.org/fileformat2.html. It overlays the pages
/// of the write-ahead log (WAL), of which each frame has a checksum of its own. The pointer map of files with
/// auto_vacuum tells which pages are free, and joins overflow chains that a damaged page interrupts. Reads
/// the file only. Not synchronised.
class DamagedDatabase {
  public:
    enum class Type { null, integer, real, text, blob };
    struct Value {
        Type type = Type::null;
        std::int64_t integer = 0;
        std::string_view bytes;  ///< of a text or a blob
    };
    /// The rows of all tables and indexes come in the order of pages; the shape of a row tells its table.
    struct Row {
        std::optional<std::int64_t> rowid;  ///< nothing in an index and in a table WITHOUT ROWID
        std::vector<Value> values;          ///< valid during the call
        bool whole = true;                  ///< false: zeros stand for the bytes that cannot be read
        bool current = true;                ///< false: its page may be free, or have had a newer version
    };
    struct Damage {
        std::size_t pages = 0;   ///< in use, and missing or not readable as such
        std::size_t cells = 0;   ///< rows that cannot be decoded
        std::size_t frames = 0;  ///< of the WAL, before its last commit
        bool any() const { return pages + cells + frames > 0; }
    };

    /// Errors: `not_found`, `denied`, `unavailable`; `invalid` for a file that is too short for a page.
    static Expected<DamagedDatabase> open(const std::string& path);
    DamagedDatabase(DamagedDatabase&&) noexcept;
    DamagedDatabase& operator=(DamagedDatabase&&) noexcept;
    ~DamagedDatabase();

    /// Calls `use` for every row. Ends with its first Error.
    Expected<void> eachRow(const std::function<Expected<void>(const Row&)>& use);
    /// The damage that the last eachRow() met.
    const Damage& damage() const;
    /// "SQLite format 3" and this application_id, or so little damaged that it must have been.
    bool headerIsOf(std::uint32_t application_id) const;

  private:
    struct State;
    explicit DamagedDatabase(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

/// A frame of the WAL of `database` is damaged and a whole commit stands behind it: SQLite would drop that
/// commit without a word. False without a WAL, and while the disk fails to read it.
bool hasDamagedWal(const std::string& database);

}  // namespace lapwing
