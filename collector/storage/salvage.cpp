#include "collector/storage/salvage.h"

#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <map>
#include <set>
#include <sstream>
#include <system_error>
#include <utility>

#include "collector/storage/block_table.h"
#include "collector/storage/schema.h"
#include "collector/storage/series_row.h"
#include "collector/storage/sqlite_store.h"
#include "common/damaged_database.h"
#include "common/digest.h"
#include "common/model/documents.h"
#include "common/time_text.h"

namespace lapwing::storage {
namespace {

using Row = DamagedDatabase::Row;
using Type = DamagedDatabase::Type;

constexpr std::size_t kMostNamed = 8;
constexpr std::int64_t kRowsPerCommit = 2000;
constexpr std::size_t kDigestLength = 64;

std::string counted(std::size_t count, const std::string& noun) {
    return std::to_string(count) + " " + noun + (count == 1 ? "" : "s");
}

// The tables of a row, by its shape. Those of our tables differ from each other.

bool has(const Row& row, bool rowid, std::initializer_list<Type> types) {
    if (row.rowid.has_value() != rowid || row.values.size() != types.size()) {
        return false;
    }
    return std::equal(types.begin(), types.end(), row.values.begin(),
                      [](Type type, const auto& value) { return value.type == type; });
}

bool isGroup(const Row& row) {
    return has(row, true, {Type::null, Type::text, Type::text}) || has(row, true, {Type::null, Type::text});
}

bool isSeries(const Row& row) {
    return has(row, true, {Type::null, Type::integer, Type::integer, Type::integer, Type::blob}) ||
           has(row, true, {Type::null, Type::integer, Type::null, Type::null, Type::blob});
}

bool isArchived(const Row& row) {
    constexpr auto number = Type::integer;
    return has(row, true, {Type::null, number, number, number, number, number, Type::null, Type::blob}) ||
           has(row, true, {Type::null, number, number, number, number, number, Type::text, Type::blob});
}

bool isLogEntry(const Row& row) {
    return has(row, true, {Type::null, Type::integer, Type::blob});
}

bool isBlock(const Row& row) {
    return has(row, true, {Type::null, Type::blob});
}

bool isDocument(const Row& row) {
    return has(row, true, {Type::text, Type::text, Type::text, Type::integer, Type::blob});
}

bool isState(const Row& row) {
    return has(row, false, {Type::text, Type::blob});
}

/// The other indexes with a text and a number are those of digests.
bool isMeta(const Row& row) {
    return has(row, false, {Type::text, Type::integer}) &&
           (row.values[0].bytes == "compacted_seq" || row.values[0].bytes == "next_series" ||
            row.values[0].bytes.starts_with("cursor/"));
}

/// The statement of one of our tables, in the schema.
bool isOurTable(const Row& row) {
    return has(row, true, {Type::text, Type::text, Type::text, Type::integer, Type::text}) &&
           (row.values[4].bytes.starts_with("CREATE TABLE series(id INTEGER PRIMARY KEY, group_id") ||
            row.values[4].bytes.starts_with("CREATE TABLE chunks(id INTEGER PRIMARY KEY, data BLOB") ||
            row.values[4].bytes.starts_with("CREATE TABLE log(seq INTEGER PRIMARY KEY, received"));
}

/// Copies rows into a new database and mends what they say about each other.
class Salvager {
  public:
    Salvager(DamagedDatabase& source, Connection& target) : source_(source), target_(target) {}

    Expected<void> run() {
        auto done = copyRows(true);
        if (done && others_ > 0) {
            done = copyRows(false);
        }
        for (auto step : {&Salvager::mendSeries, &Salvager::mendLog, &Salvager::checkBlocks,
                          &Salvager::mendGroups, &Salvager::mendMeta}) {
            if (done) {
                done = inTransaction([&] { return (this->*step)(); });
            }
        }
        return done;
    }
    /// Our own tables or rows were found.
    bool isOurs() const { return ours_; }
    std::vector<std::string> losses() const;

  private:
    Expected<void> inTransaction(const std::function<Expected<void>()>& work);
    Expected<void> copyRows(bool current);
    Expected<void> copy(const Row& row);
    Expected<void> insert(const char* sql, std::initializer_list<std::size_t> columns, const Row& row);
    Expected<void> mendSeries();
    Expected<void> mendLog();
    Expected<void> checkBlocks();
    Expected<void> checkBlock(BlockTable& blocks, std::int64_t row);
    Expected<void> mendGroups();
    Expected<void> mendMeta();
    void miss(SeriesId id, std::int64_t group);
    Expected<std::set<std::int64_t>> numbers(const char* sql);

    DamagedDatabase& source_;
    Connection& target_;
    std::map<std::string, Statement> statements_;
    std::int64_t copied_ = 0;
    std::size_t others_ = 0;  ///< rows that are not current
    bool ours_ = false;
    std::set<std::int64_t> known_;                        ///< series
    std::int64_t last_series_ = 0;                        ///< the highest id anywhere
    std::map<std::int64_t, std::set<SeriesId>> missing_;  ///< series without labels, by group (0: unknown)
    std::size_t bad_series_ = 0;
    std::size_t bad_documents_ = 0;
    std::size_t bad_states_ = 0;
    std::size_t bad_entries_ = 0;
    std::size_t entry_gap_ = 0;
    std::vector<std::string> bad_blocks_;
    std::map<std::int64_t, std::string> groups_;
};

Expected<void> Salvager::inTransaction(const std::function<Expected<void>()>& work) {
    auto done = target_.exec("BEGIN");
    if (done) {
        done = work();
    }
    if (done) {
        done = target_.exec("COMMIT");
    }
    return done;
}

Expected<void> Salvager::copyRows(bool current) {
    copied_ = 0;
    auto done = target_.exec("BEGIN");
    if (done) {
        done = source_.eachRow([&](const Row& row) -> Expected<void> {
            if (row.current != current) {
                ++others_;
                return {};
            }
            if (++copied_ % kRowsPerCommit == 0) {
                if (auto committed = target_.exec("COMMIT; BEGIN"); !committed) {
                    return committed;
                }
            }
            return copy(row);
        });
    }
    if (done) {
        done = target_.exec("COMMIT");
    }
    return done;
}

/// `columns` are those of the row that follow its rowid, as parameters.
Expected<void> Salvager::insert(const char* sql, std::initializer_list<std::size_t> columns, const Row& row) {
    auto found = statements_.find(sql);
    if (found == statements_.end()) {
        auto prepared = target_.prepare(sql);
        if (!prepared) {
            return tl::unexpected(prepared.error());
        }
        found = statements_.emplace(sql, std::move(*prepared)).first;
    }
    Statement& statement = found->second;
    int parameter = 1;
    if (row.rowid && columns.size() > 0 && *columns.begin() != 0) {
        statement.bind(parameter++, *row.rowid);
    }
    for (const auto column : columns) {
        const auto& value = row.values[column];
        switch (value.type) {
            case Type::integer:
                statement.bind(parameter, value.integer);
                break;
            case Type::text:
                statement.bindText(parameter, value.bytes);
                break;
            case Type::blob:
                statement.bindBlob(parameter, value.bytes);
                break;
            default:
                statement.bindNull(parameter);
        }
        ++parameter;
    }
    return statement.run();
}

Expected<void> Salvager::copy(const Row& row) {
    std::vector<LabelView> labels;
    if (isGroup(row)) {
        return row.values.size() == 3
                   ? insert("INSERT OR IGNORE INTO groups(id, name, sender) VALUES(?1, ?2, ?3)", {1, 2}, row)
                   : insert("INSERT OR IGNORE INTO groups(id, name, sender) VALUES(?1, ?2, ?3)", {1, 1}, row);
    }
    if (isSeries(row) || isArchived(row)) {
        if (!row.whole || *row.rowid <= 0 || *row.rowid > INT32_MAX ||
            !decodeLabels(row.values.back().bytes, labels)) {
            ++bad_series_;
            return {};
        }
        ours_ = true;
        if (isSeries(row)) {
            return insert(
                "INSERT OR IGNORE INTO series(id, group_id, oldest, newest, labels)"
                " VALUES(?1, ?2, ?3, ?4, ?5)",
                {1, 2, 3, 4}, row);
        }
        // The hashes follow from the labels: those in the file may be damaged.
        Row mended = row;
        const auto name = std::find_if(labels.begin(), labels.end(),
                                       [](const LabelView& label) { return label.name == "__name__"; });
        const auto metric = name == labels.end() ? std::string_view() : name->value;
        mended.values[4].integer = static_cast<std::int64_t>(fnv1a(row.values.back().bytes));
        mended.values[5].integer = static_cast<std::int64_t>(fnv1a(metric));
        return insert(
            "INSERT OR IGNORE INTO archived(id, group_id, oldest, newest, labels_hash, metric_hash, digest,"
            " labels) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            {1, 2, 3, 4, 5, 6, 7}, mended);
    }
    if (isLogEntry(row)) {
        return insert("INSERT OR IGNORE INTO log(seq, received, payload) VALUES(?1, ?2, ?3)", {1, 2}, row);
    }
    if (isBlock(row)) {
        return insert("INSERT OR IGNORE INTO chunks(id, data) VALUES(?1, ?2)", {1}, row);
    }
    if (isDocument(row)) {
        const auto digest = row.values[0].bytes;
        const auto computed = digestOfPacked(row.values[4].bytes);
        if (!row.whole || (digest.size() == kDigestLength && (!computed || *computed != digest))) {
            ++bad_documents_;
            return {};
        }
        return insert(
            "INSERT OR IGNORE INTO documents(digest, kind, host, received, body)"
            " VALUES(?1, ?2, ?3, ?4, ?5)",
            {0, 1, 2, 3, 4}, row);
    }
    if (isState(row)) {
        if (!row.whole) {
            ++bad_states_;
            return {};
        }
        return insert("INSERT OR IGNORE INTO states(name, value) VALUES(?1, ?2)", {0, 1}, row);
    }
    if (isMeta(row)) {
        return insert("INSERT OR IGNORE INTO meta(name, value) VALUES(?1, ?2)", {0, 1}, row);
    }
    ours_ = ours_ || isOurTable(row);
    return {};
}

Expected<std::set<std::int64_t>> Salvager::numbers(const char* sql) {
    auto query = target_.prepare(sql, false);
    if (!query) {
        return tl::unexpected(query.error());
    }
    std::set<std::int64_t> out;
    return query
        ->eachRow([&]() -> Expected<void> {
            out.insert(query->integer(0));
            return {};
        })
        .map([&] { return std::move(out); });
}

Expected<void> Salvager::mendSeries() {
    auto done = target_.exec("DELETE FROM archived WHERE id IN (SELECT id FROM series)");
    if (!done) {
        return done;
    }
    auto known = numbers("SELECT id FROM series UNION SELECT id FROM archived");
    if (!known) {
        return tl::unexpected(known.error());
    }
    known_ = std::move(*known);
    last_series_ = known_.empty() ? 0 : *known_.rbegin();
    auto query = target_.prepare("SELECT id, name FROM groups", false);
    if (!query) {
        return tl::unexpected(query.error());
    }
    return query->eachRow([&]() -> Expected<void> {
        groups_[query->integer(0)] = query->bytes(1);
        return {};
    });
}

void Salvager::miss(SeriesId id, std::int64_t group) {
    last_series_ = std::max<std::int64_t>(last_series_, id);
    if (!known_.contains(id)) {
        missing_[group].insert(id);
    }
}

/// Drops entries that do not decode, and the samples of series whose labels are lost: a start would refuse
/// them.
Expected<void> Salvager::mendLog() {
    auto entries = numbers("SELECT seq FROM log");
    if (!entries) {
        return tl::unexpected(entries.error());
    }
    if (!entries->empty()) {
        entry_gap_ = static_cast<std::size_t>(*entries->rbegin() - *entries->begin()) + 1 - entries->size();
    }
    auto read = target_.prepare("SELECT payload FROM log WHERE seq = ?1", false);
    auto change = target_.prepare("UPDATE log SET payload = ?2 WHERE seq = ?1", false);
    auto erase = target_.prepare("DELETE FROM log WHERE seq = ?1", false);
    if (!read || !change || !erase) {
        return fail(ErrorKind::internal, "salvage: the log cannot be mended");
    }
    LogEntry entry;
    for (const auto seq : *entries) {
        const auto row = read->bind(1, seq).step();
        if (!row) {
            return tl::unexpected(row.error());
        }
        Expected<void> done;
        if (!entry.decode(read->bytes(0))) {
            ++bad_entries_;
            read->reset();
            done = erase->bind(1, seq).run();
        } else {
            std::vector<SeriesBatch> kept;
            for (const auto& series : entry.series()) {
                miss(series.id, 0);
                if (known_.contains(series.id)) {
                    kept.push_back(series);
                }
            }
            read->reset();
            if (kept.size() < entry.series().size()) {
                const auto payload = encodeLogEntry(kept);
                done = change->bind(1, seq).bindBlob(2, payload).run();
            }
        }
        if (!done) {
            return done;
        }
    }
    return {};
}

/// Sets aside the blocks that cannot be read as a whole, as compaction does (damaged_blocks.h).
Expected<void> Salvager::checkBlocks() {
    auto rows = numbers("SELECT id FROM chunks");
    if (!rows) {
        return tl::unexpected(rows.error());
    }
    auto blocks = BlockTable::open(target_);
    if (!blocks) {
        return tl::unexpected(blocks.error());
    }
    for (const auto row : *rows) {
        if (auto done = checkBlock(*blocks, row); !done) {
            return done;
        }
    }
    return {};
}

Expected<void> Salvager::checkBlock(BlockTable& blocks, std::int64_t row) {
    const auto group = static_cast<std::int64_t>(groupOfRow(std::abs(row)));
    auto loaded = blocks.load(row);
    bool whole = loaded.has_value();
    if (whole) {
        std::vector<Sample> samples;
        // A copy: reading changes the directory.
        const auto entries = blocks.directory().entries();
        for (const auto& entry : entries) {
            miss(entry.id, group);
            samples.clear();
            whole = whole && blocks.read(entry, INT64_MIN, INT64_MAX, samples).has_value();
        }
    }
    blocks.release();
    if (whole) {
        groups_.try_emplace(group);
        return {};
    }
    const auto name = groups_.find(group);
    bad_blocks_.push_back(
        "the block of " +
        (name == groups_.end() || name->second.empty() ? "group " + std::to_string(group) : name->second) +
        " for the two hours from " + rfc3339(windowOfRow(std::abs(row)) * kWindowMs) +
        ": series of it may be unreadable");
    if (row < 0) {
        return {};
    }
    auto move = target_.prepare("UPDATE OR REPLACE chunks SET id = -id WHERE id = ?1", false);
    if (!move) {
        return tl::unexpected(move.error());
    }
    return move->bind(1, row).run();
}

/// A group whose row is lost gets the sender and host that its series tell.
Expected<void> Salvager::mendGroups() {
    auto orphans = target_.prepare(
        "SELECT group_id, labels FROM (SELECT group_id, labels FROM series UNION ALL"
        " SELECT group_id, labels FROM archived) WHERE group_id NOT IN (SELECT id FROM groups)"
        " GROUP BY group_id",
        false);
    if (!orphans) {
        return tl::unexpected(orphans.error());
    }
    std::map<std::int64_t, std::pair<std::string, std::string>> made;  // sender and host
    std::vector<LabelView> labels;
    auto read = orphans->eachRow([&]() -> Expected<void> {
        if (auto decoded = decodeLabels(orphans->bytes(1), labels); !decoded) {
            return decoded;
        }
        std::string agent;
        std::string instance;
        for (const auto& label : labels) {
            if (label.name == "agent") {
                agent = label.value;
            } else if (label.name == "instance") {
                instance = label.value;
            }
        }
        made[orphans->integer(0)] =
            agent.empty() ? std::pair(kLocalSender, instance) : std::pair(agent, agent);
        return {};
    });
    if (!read) {
        return read;
    }
    auto insert_group = target_.prepare("INSERT INTO groups(id, name, sender) VALUES(?1, ?2, ?3)", false);
    if (!insert_group) {
        return tl::unexpected(insert_group.error());
    }
    for (const auto& [id, names] : made) {
        auto done = insert_group->bind(1, id).bindText(2, names.second).bindText(3, names.first).run();
        if (!done) {
            return done;
        }
    }
    // New groups must not get the numbers of those that only blocks name: their old samples would be mixed.
    for (const auto& [id, name] : groups_) {
        auto reserve =
            target_.prepare("INSERT OR IGNORE INTO groups(id, name, sender) VALUES(?1, '', ?2)", false);
        if (!reserve) {
            return tl::unexpected(reserve.error());
        }
        if (auto done = reserve->bind(1, id).bindText(2, kLocalSender).run(); !done) {
            return done;
        }
    }
    return {};
}

/// New series must not get the numbers of lost ones, whose samples are still in blocks.
Expected<void> Salvager::mendMeta() {
    auto next = target_.prepare(
        "INSERT INTO meta(name, value) VALUES('next_series', ?1)"
        " ON CONFLICT(name) DO UPDATE SET value = max(value, excluded.value)",
        false);
    if (!next) {
        return tl::unexpected(next.error());
    }
    if (auto done = next->bind(1, last_series_ + 1).run(); !done) {
        return done;
    }
    // Without this row and without entries the log would begin at 1 again, before the cursors of its readers.
    return target_.exec(
        "INSERT OR IGNORE INTO meta(name, value) SELECT 'compacted_seq', max(value) FROM meta"
        " WHERE name LIKE 'cursor/%' AND NOT EXISTS (SELECT 1 FROM log) HAVING max(value) IS NOT NULL");
}

std::vector<std::string> Salvager::losses() const {
    std::vector<std::string> out;
    const auto& damage = source_.damage();
    if (damage.pages > 0) {
        out.push_back(counted(damage.pages, "page") + " of the file cannot be read as a whole");
    }
    if (damage.frames > 0) {
        out.push_back(counted(damage.frames, "frame") + " of the write-ahead log cannot be read");
    }
    if (damage.cells > 0) {
        out.push_back(counted(damage.cells, "row") + " cannot be decoded");
    }
    std::size_t missing = 0;
    for (const auto& [group, ids] : missing_) {
        const auto name = groups_.find(group);
        missing += name == groups_.end() || name->second.empty() ? ids.size() : 0;
        if (name != groups_.end() && !name->second.empty()) {
            out.push_back("the labels of " + std::to_string(ids.size()) + " series of " + name->second +
                          ": their samples cannot be found");
        }
    }
    if (missing + bad_series_ > 0) {
        out.push_back("the labels of " + std::to_string(std::max(missing, bad_series_)) +
                      " series: their samples cannot be found");
    }
    if (bad_entries_ + entry_gap_ > 0) {
        out.push_back(counted(bad_entries_ + entry_gap_, "write") + " of the newest samples");
    }
    for (std::size_t i = 0; i < std::min(bad_blocks_.size(), kMostNamed); ++i) {
        out.push_back(bad_blocks_[i]);
    }
    if (bad_blocks_.size() > kMostNamed) {
        out.push_back("and " + counted(bad_blocks_.size() - kMostNamed, "block") + " more");
    }
    if (bad_documents_ > 0) {
        out.push_back(counted(bad_documents_, "document") +
                      " (rulesets, inventories): agents send them again");
    }
    if (bad_states_ > 0) {
        out.push_back(counted(bad_states_, "state") + " of rules or notifications");
    }
    return out;
}

void removeDatabase(const std::string& path) {
    for (const char* suffix : {"", "-wal", "-shm", "-journal"}) {
        ::unlink((path + suffix).c_str());
    }
}

std::string markOf(const std::string& path) {
    return path + ".check";
}

bool exists(const std::string& path) {
    struct stat status {};
    return ::lstat(path.c_str(), &status) == 0;
}

Expected<void> finish(Connection& target, const std::string& path) {
    auto done = target.exec("PRAGMA synchronous=FULL; PRAGMA journal_mode=WAL");
    if (!done) {
        return done;
    }
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    const bool synced = fd >= 0 && ::fsync(fd) == 0;
    if (fd >= 0) {
        ::close(fd);
    }
    return synced
               ? Expected<void>()
               : fail(ErrorKind::unavailable, "sync " + path + ": " + std::system_category().message(errno));
}

/// Whether SQLite finds no damage in the whole file, and all labels can be read. Blocks and log entries have
/// checksums of their own.
bool isWhole(const std::string& path) {
    auto db = openReader(path);
    auto check = db ? db->prepare("PRAGMA integrity_check(1)", false) : tl::unexpected(db.error());
    if (!check || !check->step().value_or(false) || check->bytes(0) != "ok") {
        return false;
    }
    auto rows = db->prepare("SELECT labels FROM series UNION ALL SELECT labels FROM archived", false);
    std::vector<LabelView> labels;
    return rows && rows->eachRow([&] { return decodeLabels(rows->bytes(0), labels); }).has_value();
}

/// An Error that damage may cause: not those of locks, of the disk and of permissions.
bool mayBeDamage(const Error& error) {
    return error.kind == ErrorKind::internal || error.kind == ErrorKind::invalid;
}

Expected<void> move(const std::string& from, const std::string& to) {
    if (std::rename(from.c_str(), to.c_str()) == 0) {
        return {};
    }
    return fail(ErrorKind::unavailable, "rename " + from + ": " + std::system_category().message(errno));
}

std::string salvagedOf(const std::string& path) {
    return path + ".salvaged";
}

/// Puts the complete new file in place of the damaged one, which has been moved away.
Expected<void> place(const std::string& path, const std::string& old_wal) {
    Expected<void> done;
    if (exists(path + "-wal")) {
        done = move(path + "-wal", old_wal);
    }
    ::unlink((path + "-shm").c_str());
    return done ? move(salvagedOf(path), path) : done;
}

Expected<Salvaged> replace(const std::string& path) {
    Salvaged out;
    out.at = nowMs();
    std::string time = rfc3339(out.at);
    std::erase_if(time, [](char c) { return c == '-' || c == ':'; });
    out.file = path + ".damaged-" + time.substr(0, 15) + "Z";
    const std::string fresh = salvagedOf(path);
    removeDatabase(fresh);
    auto losses = salvage(path, fresh);
    if (!losses) {
        removeDatabase(fresh);
        return tl::unexpected(losses.error());
    }
    out.losses = std::move(*losses);
    auto target = Connection::open(fresh, SQLITE_OPEN_READWRITE);
    auto put = target ? target->prepare("INSERT OR REPLACE INTO states(name, value) VALUES(?1, ?2)", false)
                      : tl::unexpected(target.error());
    if (!put) {
        return tl::unexpected(put.error());
    }
    const auto text = toText(out);
    if (auto done = put->bindText(1, kSalvagedState).bindBlob(2, text).run(); !done) {
        return tl::unexpected(done.error());
    }
    *put = Statement();
    if (auto done = target->exec("PRAGMA wal_checkpoint(TRUNCATE)"); !done) {
        return tl::unexpected(done.error());
    }
    target = fail(ErrorKind::internal, "");  // closes it
    if (auto moved = move(path, out.file); !moved) {
        return tl::unexpected(moved.error());
    }
    if (auto placed = place(path, out.file + "-wal"); !placed) {
        return tl::unexpected(placed.error());
    }
    ::unlink(markOf(path).c_str());
    if (auto synced = syncDirectoryOf(path); !synced) {
        return tl::unexpected(synced.error());
    }
    return out;
}

}  // namespace

void markDamaged(const std::string& path) {
    const int fd = ::open(markOf(path).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0640);
    if (fd >= 0) {
        ::close(fd);
    }
}

bool isMarkedDamaged(const std::string& path) {
    return exists(markOf(path));
}

std::string toText(const Salvaged& salvaged) {
    std::string out = std::to_string(salvaged.at) + "\n" + salvaged.file + "\n";
    for (const auto& loss : salvaged.losses) {
        out += loss + "\n";
    }
    return out;
}

std::optional<Salvaged> salvagedFromText(const std::string& text) {
    Salvaged out;
    std::istringstream lines(text);
    std::string line;
    if (!(lines >> out.at) || !std::getline(lines, line) || !std::getline(lines, out.file) ||
        !exists(out.file)) {
        return std::nullopt;
    }
    while (std::getline(lines, line)) {
        out.losses.push_back(line);
    }
    return out;
}

Expected<std::vector<std::string>> salvage(const std::string& source, const std::string& target) {
    if (exists(target)) {
        return fail(ErrorKind::invalid, target + ": exists already");
    }
    auto damaged = DamagedDatabase::open(source);
    if (!damaged) {
        return tl::unexpected(damaged.error());
    }
    if (auto made = ensureFile(target); !made) {
        return tl::unexpected(made.error());
    }
    auto db = Connection::open(target, SQLITE_OPEN_READWRITE);
    if (!db) {
        return tl::unexpected(db.error());
    }
    auto done = db->exec("PRAGMA journal_mode=DELETE; PRAGMA synchronous=OFF; PRAGMA cache_size=-8192");
    Salvager salvager(*damaged, *db);
    if (done) {
        done = salvager.run();
    }
    if (done && !salvager.isOurs() && !damaged->headerIsOf(kApplicationId)) {
        done = fail(ErrorKind::invalid, source + ": has no row that Lapwing wrote");
    }
    if (done) {
        done = finish(*db, target);
    }
    if (!done) {
        removeDatabase(target);
        return tl::unexpected(done.error());
    }
    return salvager.losses();
}

Expected<std::vector<std::string>> findDamage(const std::string& path) {
    auto db = openReader(path);
    if (!db) {
        return tl::unexpected(db.error());
    }
    std::vector<std::string> out;
    const auto note = [&out](const Error& error) -> Expected<void> {
        if (error.kind != ErrorKind::internal) {
            return tl::unexpected(error);
        }
        out.push_back(error.message);
        return {};
    };
    // One moment for all that follows.
    if (auto begun = db->exec("BEGIN"); !begun) {
        return tl::unexpected(begun.error());
    }
    const auto read = [&](const char* sql, const std::function<Expected<void>(Statement&)>& use) {
        auto query = db->prepare(sql, false);
        if (!query) {
            return note(query.error());
        }
        const auto done = query->eachRow([&] { return use(*query); });
        return done ? done : note(done.error());
    };
    auto done = read("PRAGMA integrity_check(10)", [&](Statement& row) -> Expected<void> {
        if (row.bytes(0) != "ok") {
            out.emplace_back(row.bytes(0));
        }
        return {};
    });
    std::vector<LabelView> labels;
    LogEntry entry;
    const std::pair<const char*, std::function<Expected<void>(Statement&)>> checks[] = {
        {"SELECT labels FROM series UNION ALL SELECT labels FROM archived",
         [&](Statement& row) { return decodeLabels(row.bytes(0), labels); }},
        {"SELECT payload FROM log", [&](Statement& row) { return entry.decode(row.bytes(0)); }},
        {"SELECT digest, body FROM documents", [&](Statement& row) -> Expected<void> {
             const std::string digest(row.bytes(0));
             const auto computed = digestOfPacked(row.bytes(1));
             if (digest.size() == kDigestLength && (!computed || *computed != digest)) {
                 out.push_back("the document " + digest + " is damaged");
             }
             return {};
         }}};
    for (const auto& [sql, use] : checks) {
        if (done) {
            done = read(sql, use);
        }
    }
    auto blocks = BlockTable::open(*db);
    if (!blocks) {
        done = done ? note(blocks.error()) : done;
        return done ? Expected<std::vector<std::string>>(std::move(out)) : tl::unexpected(done.error());
    }
    if (done) {
        std::vector<std::int64_t> rows;
        done = read("SELECT id FROM chunks", [&](Statement& row) -> Expected<void> {
            rows.push_back(row.integer(0));
            return {};
        });
        std::vector<Sample> samples;
        for (const auto row : rows) {
            const auto loaded = blocks->load(row);
            auto whole = loaded ? Expected<void>() : tl::unexpected(loaded.error());
            const auto entries =
                loaded ? blocks->directory().entries() : std::vector<BlockDirectory::Entry>();
            for (const auto& each : entries) {
                samples.clear();
                whole = whole ? blocks->read(each, INT64_MIN, INT64_MAX, samples) : whole;
            }
            if (done && !whole) {
                done = note(whole.error());
            }
        }
    }
    if (!done) {
        return tl::unexpected(done.error());
    }
    return out;
}

Expected<std::unique_ptr<Store>> openOrSalvage(const StoreOptions& options) {
    const auto& path = options.path;
    // A crash in the middle of replace().
    if (!exists(path) && exists(salvagedOf(path))) {
        if (auto placed = place(path, path + ".damaged-wal"); !placed) {
            return tl::unexpected(placed.error());
        }
    }
    const bool marked = isMarkedDamaged(path);
    const bool suspect = exists(path) && (hasDamagedWal(path) || (marked && !isWhole(path)));
    std::string why = "SQLite met damage in it";
    if (!suspect) {
        auto store = Store::open(options);
        if (store && marked) {
            ::unlink(markOf(path).c_str());
        }
        if (store || !mayBeDamage(store.error())) {
            return store;
        }
        // One failed read may look like damage.
        auto again = Store::open(options);
        if (again || !mayBeDamage(again.error())) {
            return again;
        }
        why = again.error().message;
    }
    {
        const auto lock = FileLock::take(path);
        if (!lock) {
            return tl::unexpected(lock.error());
        }
    }
    const auto source = DamagedDatabase::open(path);
    if (!source) {
        return fail(ErrorKind::invalid,
                    why + "; move it away, and the collector starts with an empty database");
    }
    spdlog::error("the database is damaged ({}): reading what can be read of it", why);
    const auto salvaged = replace(path);
    if (!salvaged) {
        return fail(salvaged.error().kind,
                    why + "; nothing was changed (" + salvaged.error().message +
                        "); if it is Lapwing's, run: lapwing-collector check --salvage FILE");
    }
    spdlog::error("the database was damaged and is rebuilt; the damaged file is {}", salvaged->file);
    for (const auto& loss : salvaged->losses) {
        spdlog::error("lost or unreadable: {}", loss);
    }
    return Store::open(options);
}

}  // namespace lapwing::storage
