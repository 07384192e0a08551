#include "common/damaged_database.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

namespace lapwing {
namespace {

using Page = std::string;

constexpr std::size_t kDefaultPage = 4096;
constexpr std::size_t kWalHeader = 32;
constexpr std::size_t kFrameHeader = 24;
constexpr std::uint32_t kWalMagic = 0x377f0682;
constexpr std::uint64_t kLockByte = 0x40000000;
// Kinds of pages in the pointer map.
constexpr unsigned kRoot = 1;
constexpr unsigned kFree = 2;
constexpr unsigned kFirstOverflow = 3;
constexpr unsigned kNextOverflow = 4;
constexpr unsigned kTree = 5;
// Kinds of pages of trees.
constexpr unsigned kIndexInterior = 2;
constexpr unsigned kTableInterior = 5;
constexpr unsigned kIndexLeaf = 10;
constexpr unsigned kTableLeaf = 13;

unsigned byteAt(std::string_view text, std::size_t at) {
    return static_cast<unsigned char>(text[at]);
}

std::uint32_t u16(std::string_view text, std::size_t at) {
    return byteAt(text, at) << 8 | byteAt(text, at + 1);
}

std::uint32_t u32(std::string_view text, std::size_t at) {
    return u16(text, at) << 16 | u16(text, at + 2);
}

bool isPageSize(std::size_t size) {
    return size >= 512 && size <= 65536 && std::has_single_bit(size);
}

/// A file that may be missing, short, or unreadable in parts.
class File {
  public:
    explicit File(const std::string& path) : fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)), error_(errno) {
        struct stat status {};
        if (fd_ >= 0 && ::fstat(fd_, &status) == 0) {
            size_ = static_cast<std::uint64_t>(status.st_size);
        }
    }
    ~File() {
        if (fd_ >= 0) {
            ::close(fd_);
        }
    }
    File(const File&) = delete;
    File& operator=(const File&) = delete;

    bool isOpen() const { return fd_ >= 0; }
    int error() const { return error_; }
    std::uint64_t size() const { return size_; }
    /// False if not all of it can be read.
    bool read(std::uint64_t offset, std::size_t length, std::string& out) const {
        out.assign(length, '\0');
        for (std::size_t done = 0; done < length;) {
            const auto got =
                ::pread(fd_, out.data() + done, length - done, static_cast<off_t>(offset + done));
            if (got < 0 && errno == EINTR) {
                continue;
            }
            if (got <= 0) {
                return false;
            }
            done += static_cast<std::size_t>(got);
        }
        return true;
    }

  private:
    int fd_;
    int error_;
    std::uint64_t size_ = 0;
};

struct Sum {
    std::uint32_t first = 0;
    std::uint32_t second = 0;
    bool operator==(const Sum&) const = default;
};

/// The checksum of the WAL, continued.
Sum checksum(std::string_view data, Sum sum, bool big_endian) {
    const auto word = [&](std::size_t at) {
        const auto big = u32(data, at);
        return big_endian ? big : __builtin_bswap32(big);
    };
    for (std::size_t i = 0; i + 8 <= data.size(); i += 8) {
        sum.first += word(i) + sum.second;
        sum.second += word(i + 4) + sum.first;
    }
    return sum;
}

/// The frames of a WAL.
struct Wal {
    struct Version {
        std::uint64_t offset = 0;  ///< of the page, in the WAL
        std::size_t frame = 0;
    };
    std::map<std::uint32_t, Version> newest;    ///< whole versions
    std::map<std::uint32_t, std::size_t> lost;  ///< the newest damaged frame of a page
    std::size_t damaged = 0;                    ///< frames before the last commit
    bool unreadable = false;                    ///< the disk fails to read a part of it
    std::uint32_t pages = 0;                    ///< of the database, after the last commit; 0: no commit
    std::size_t page_size = 0;
};

struct FrameHead {
    std::uint32_t page = 0;
    std::uint32_t commit = 0;
    Sum salt;
    Sum sum;
};

FrameHead frameHead(std::string_view text) {
    return {u32(text, 0), u32(text, 4), {u32(text, 8), u32(text, 12)}, {u32(text, 16), u32(text, 20)}};
}

/// The salts that most frames have.
Sum commonSalt(const std::vector<FrameHead>& heads, Sum declared) {
    std::map<std::pair<std::uint32_t, std::uint32_t>, std::size_t> counts;
    for (const auto& head : heads) {
        ++counts[{head.salt.first, head.salt.second}];
    }
    if (heads.empty() || counts.contains({declared.first, declared.second})) {
        return declared;
    }
    // The header's salts are in no frame: either the log has begun anew, or the header is damaged. Old frames
    // of a log that has begun anew are in the database already.
    const auto most = std::max_element(counts.begin(), counts.end(),
                                       [](const auto& a, const auto& b) { return a.second < b.second; });
    return {most->first.first, most->first.second};
}

Wal readWal(const std::string& path) {
    Wal out;
    const File file(path);
    std::string header;
    if (!file.isOpen() || file.size() < kWalHeader || !file.read(0, kWalHeader, header)) {
        return out;
    }
    const bool header_whole = (u32(header, 0) & ~1U) == kWalMagic;
    const bool big_endian = header_whole && (u32(header, 0) & 1U) != 0;
    const Sum declared_sum{u32(header, 24), u32(header, 28)};
    const bool trusted =
        header_whole && checksum(std::string_view(header).substr(0, 24), {}, big_endian) == declared_sum;
    out.page_size = isPageSize(u32(header, 8)) ? u32(header, 8) : kDefaultPage;
    const auto frame_size = kFrameHeader + out.page_size;
    const auto count = (file.size() - kWalHeader) / frame_size;
    std::vector<FrameHead> heads;
    std::vector<bool> whole;
    std::string frame;
    Sum before = declared_sum;
    for (std::uint64_t i = 0; i < count; ++i) {
        const bool read = file.read(kWalHeader + i * frame_size, frame_size, frame);
        out.unreadable = out.unreadable || !read;
        heads.push_back(frameHead(frame));
        const std::string_view text(frame);
        const auto sum =
            checksum(text.substr(kFrameHeader), checksum(text.substr(0, 8), before, big_endian), big_endian);
        whole.push_back(read && sum == heads.back().sum);
        before = heads.back().sum;
    }
    const Sum salt = trusted ? Sum{u32(header, 16), u32(header, 20)}
                             : commonSalt(heads, {u32(header, 16), u32(header, 20)});
    std::size_t end = 0;  // one more than the last commit
    for (std::size_t i = 0; i < heads.size(); ++i) {
        if (heads[i].salt == salt && whole[i] && heads[i].commit != 0) {
            end = i + 1;
            out.pages = heads[i].commit;
        }
    }
    // The checksum of the first frame continues that of the header.
    if (end > 0 && !trusted) {
        ++out.damaged;
    }
    for (std::size_t i = 0; i < end; ++i) {
        const auto page = heads[i].page;
        if (heads[i].salt == salt && whole[i]) {
            out.newest[page] = {kWalHeader + i * frame_size + kFrameHeader, i};
        } else {
            ++out.damaged;
            out.lost[page] = i;
        }
    }
    return out;
}

/// A variable-length integer of 1 to 9 bytes; false beyond the end.
bool takeVarint(std::string_view& text, std::uint64_t& out) {
    out = 0;
    for (std::size_t i = 0; i < 9; ++i) {
        if (text.empty()) {
            return false;
        }
        const auto byte = byteAt(text, 0);
        text.remove_prefix(1);
        if (i == 8) {
            out = out << 8 | byte;
            return true;
        }
        out = out << 7 | (byte & 0x7f);
        if ((byte & 0x80) == 0) {
            return true;
        }
    }
    return true;
}

/// The part of a cell that is on its page.
struct Cell {
    std::optional<std::int64_t> rowid;
    std::uint64_t payload = 0;  ///< bytes in all
    std::string_view local;
    std::uint32_t overflow = 0;  ///< the first page of the rest; 0: there is no rest
    std::size_t size = 0;        ///< on the page
};

class TreePage {
  public:
    TreePage(std::string_view text, std::size_t base, std::size_t usable, std::uint32_t pages)
        : text_(text), base_(base), usable_(usable), pages_(pages) {
        read();
    }

    /// The header and all cells agree with each other.
    bool isWhole() const { return whole_; }
    /// Of the tables' leaves and the indexes' pages; empty for interior pages of tables.
    const std::vector<Cell>& cells() const { return cells_; }

  private:
    std::optional<Cell> cellAt(unsigned type, std::size_t at) const {
        std::string_view rest = text_.substr(at);
        Cell cell;
        if (type == kTableInterior || type == kIndexInterior) {
            if (rest.size() < 4) {
                return std::nullopt;
            }
            const auto child = u32(rest, 0);
            if (child == 0 || child > pages_) {
                return std::nullopt;
            }
            rest.remove_prefix(4);
        }
        std::uint64_t number = 0;
        if (!takeVarint(rest, number)) {
            return std::nullopt;
        }
        if (type == kTableInterior) {
            cell.size = text_.size() - at - rest.size();
            return cell;
        }
        cell.payload = number;
        if (type == kTableLeaf) {
            if (!takeVarint(rest, number)) {
                return std::nullopt;
            }
            cell.rowid = static_cast<std::int64_t>(number);
        }
        const std::size_t most = type == kTableLeaf ? usable_ - 35 : (usable_ - 12) * 64 / 255 - 23;
        const std::size_t least = (usable_ - 12) * 32 / 255 - 23;
        std::size_t local = cell.payload;
        if (cell.payload > most) {
            const auto wanted = least + (cell.payload - least) % (usable_ - 4);
            local = wanted <= most ? wanted : least;
        }
        const bool overflows = local < cell.payload;
        if (cell.payload < 2 || cell.payload > std::uint64_t{pages_} * usable_ ||
            rest.size() < local + (overflows ? 4 : 0)) {
            return std::nullopt;
        }
        cell.local = rest.substr(0, local);
        rest.remove_prefix(local);
        if (overflows) {
            cell.overflow = u32(rest, 0);
            rest.remove_prefix(4);
        }
        cell.size = std::max<std::size_t>(text_.size() - at - rest.size(), 4);
        return cell;
    }

    /// The bytes in free blocks and fragments; nothing if their chain is damaged.
    std::optional<std::size_t> freeBytes() const {
        std::size_t sum = byteAt(text_, base_ + 7);
        std::size_t at = u16(text_, base_ + 1);
        for (std::size_t last = 0; at != 0; last = at, at = u16(text_, at)) {
            if (at <= last || at + 4 > usable_) {
                return std::nullopt;
            }
            sum += u16(text_, at + 2);
        }
        return sum;
    }

    /// The cells of the first pointers, as many as make the page's bytes add up; those that can be read if no
    /// number does.
    std::vector<Cell> cellsAs(unsigned type, bool& adds_up) const {
        const std::size_t pointers = base_ + (type == kTableInterior || type == kIndexInterior ? 12 : 8);
        const std::size_t declared = u16(text_, base_ + 3);
        const std::size_t start = u16(text_, base_ + 5) == 0 ? 65536 : u16(text_, base_ + 5);
        const auto free_bytes = freeBytes();
        const std::size_t most = (usable_ - pointers) / 2;
        std::vector<Cell> cells;
        std::size_t bytes = 0;
        std::optional<std::size_t> count;  // the number of pointers that adds up
        std::size_t kept = 0;
        for (std::size_t i = 0; i <= most; ++i) {
            const bool balanced =
                free_bytes && pointers + 2 * i <= start &&
                start - pointers - 2 * i + bytes + *free_bytes + pointers + 2 * i == usable_;
            if (balanced && (!count || i == declared)) {
                count = i;
                kept = cells.size();
            }
            if (i == most || (count && i >= declared)) {
                break;
            }
            const auto at = u16(text_, pointers + 2 * i);
            if (at < pointers || at >= usable_) {
                if (i >= declared) {
                    break;
                }
                continue;
            }
            if (auto cell = cellAt(type, at)) {
                bytes += cell->size;
                cells.push_back(*cell);
            } else if (i >= declared) {
                break;
            }
        }
        adds_up = count.has_value();
        if (count) {
            cells.resize(kept);
        } else if (cells.size() > declared && declared > 0) {
            cells.resize(declared);
        }
        return cells;
    }

    void read() {
        const auto declared = byteAt(text_, base_);
        std::vector<unsigned> types = {declared, kTableLeaf, kIndexLeaf, kIndexInterior, kTableInterior};
        for (const auto type : types) {
            if (type != kTableLeaf && type != kIndexLeaf && type != kIndexInterior &&
                type != kTableInterior) {
                continue;
            }
            bool adds_up = false;
            auto cells = cellsAs(type, adds_up);
            if (adds_up && (type == declared || !cells.empty())) {
                whole_ = type == declared && cells.size() == u16(text_, base_ + 3);
                cells_ = type == kTableInterior ? std::vector<Cell>() : std::move(cells);
                return;
            }
            if (type == declared && cells_.empty()) {
                cells_ = type == kTableInterior ? std::vector<Cell>() : std::move(cells);
            }
        }
    }

    const std::string_view text_;
    const std::size_t base_;
    const std::size_t usable_;
    const std::uint32_t pages_;
    bool whole_ = false;
    std::vector<Cell> cells_;
};

/// The values of a record; false if it is not one.
bool decodeRecord(std::string_view payload, std::vector<DamagedDatabase::Value>& out) {
    using Type = DamagedDatabase::Type;
    constexpr std::size_t most_values = 64;
    out.clear();
    std::string_view rest = payload;
    std::uint64_t length = 0;
    if (!takeVarint(rest, length) || length > payload.size() || length < payload.size() - rest.size()) {
        return false;
    }
    std::string_view header =
        payload.substr(payload.size() - rest.size(), length - (payload.size() - rest.size()));
    std::string_view body = payload.substr(length);
    while (!header.empty()) {
        std::uint64_t serial = 0;
        if (!takeVarint(header, serial) || serial == 10 || serial == 11 || out.size() == most_values) {
            return false;
        }
        constexpr std::array<std::size_t, 10> sizes = {0, 1, 2, 3, 4, 6, 8, 8, 0, 0};
        const std::uint64_t size = serial >= 12 ? (serial - 12) / 2 : sizes[serial];
        if (size > body.size()) {
            return false;
        }
        const auto bytes = body.substr(0, size);
        body.remove_prefix(size);
        DamagedDatabase::Value value;
        if (serial >= 12) {
            value.type = serial % 2 == 0 ? Type::blob : Type::text;
            value.bytes = bytes;
        } else if (serial == 7) {
            value.type = Type::real;
        } else if (serial != 0) {
            value.type = Type::integer;
            std::uint64_t number = serial == 9 ? 1 : 0;
            for (std::size_t i = 0; i < bytes.size(); ++i) {
                if (i == 0 && byteAt(bytes, 0) >= 0x80) {
                    number = ~std::uint64_t{0};
                }
                number = number << 8 | byteAt(bytes, i);
            }
            value.integer = static_cast<std::int64_t>(number);
        }
        out.push_back(value);
    }
    return body.empty();
}

}  // namespace

struct DamagedDatabase::State {
    explicit State(const std::string& path) : file(path), wal(readWal(path + "-wal")) {}

    File file;
    Wal wal;
    std::string header;
    std::size_t page_size = kDefaultPage;
    std::uint32_t pages = 0;
    std::uint32_t missing = 0;  ///< pages beyond the end of the file
    bool has_map = false;
    std::set<std::uint32_t> free_pages;
    bool knows_free_pages = false;
    std::optional<std::map<std::uint32_t, std::uint32_t>> next_overflow;  ///< by the page before
    std::uint32_t map_page = 0;                                           ///< the one in map_text
    Page map_text;
    Damage damage;

    /// False if it cannot be read.
    bool page(std::uint32_t number, Page& out) const {
        const auto version = wal.newest.find(number);
        if (version != wal.newest.end() && wal.page_size == page_size) {
            return walPage(version->second.offset, out);
        }
        return file.read(std::uint64_t{number - 1} * page_size, page_size, out);
    }
    bool walPage(std::uint64_t offset, Page& out) const { return wal_file->read(offset, page_size, out); }
    std::unique_ptr<File> wal_file;

    void measure(const std::string& path);
    std::uint32_t mapPageOf(std::uint32_t number) const;
    struct MapEntry {
        unsigned kind = 0;
        std::uint32_t parent = 0;
    };
    /// Kind 0 where there is no map, or it is damaged here.
    MapEntry mapEntry(std::uint32_t number);
    bool looksLikeMap();
    void readFreePages();
    bool isCurrent(std::uint32_t number, const MapEntry& entry) const;
    /// Appends the rest of a payload. False if zeros stand for a part of it.
    bool readOverflow(std::uint32_t tree_page, const Cell& cell, std::string& out);
    std::uint32_t overflowAfter(std::uint32_t page, std::uint32_t declared, unsigned kind);
};

void DamagedDatabase::State::measure(const std::string& path) {
    wal_file = std::make_unique<File>(path + "-wal");
    static_cast<void>(file.read(0, std::min<std::size_t>(100, file.size()), header));
    header.resize(100);
    if (!wal.newest.empty()) {
        page_size = wal.page_size;
    } else if (const std::size_t declared = u16(header, 16) == 1 ? 65536 : u16(header, 16);
               isPageSize(declared) && file.size() % declared == 0) {
        page_size = declared;
    }
    Page first;
    if (wal.newest.contains(1) && page(1, first)) {
        header = first.substr(0, 100);
    }
    pages = static_cast<std::uint32_t>(file.size() / page_size);
    if (!wal.newest.empty()) {
        pages = std::max({pages, wal.pages, wal.newest.rbegin()->first});
    }
    const auto declared = wal.pages != 0                          ? wal.pages
                          : header.starts_with("SQLite format 3") ? u32(header, 28)
                                                                  : 0;
    missing = declared > pages ? declared - pages : 0;
    has_map = looksLikeMap();
    readFreePages();
}

std::uint32_t DamagedDatabase::State::mapPageOf(std::uint32_t number) const {
    const auto group = static_cast<std::uint32_t>(page_size / 5 + 1);
    const auto lock_page = static_cast<std::uint32_t>(kLockByte / page_size + 1);
    const auto out = 2 + (number - 2) / group * group;
    return out == lock_page ? out + 1 : out;
}

DamagedDatabase::State::MapEntry DamagedDatabase::State::mapEntry(std::uint32_t number) {
    if (!has_map || number < 3) {
        return number == 1 ? MapEntry{kRoot, 0} : MapEntry{};
    }
    const auto map = mapPageOf(number);
    if (map == number) {
        return {kFree, 0};
    }
    if (map != map_page) {
        map_page = map;
        static_cast<void>(page(map, map_text));
    }
    const auto at = std::size_t{5} * (number - map - 1);
    if (number < map || at + 5 > map_text.size()) {
        return {};
    }
    const MapEntry entry{byteAt(map_text, at), u32(map_text, at + 1)};
    const bool childless = entry.kind == kRoot || entry.kind == kFree;
    const bool sane = entry.kind >= kRoot && entry.kind <= kTree &&
                      (childless ? entry.parent == 0 : entry.parent > 0 && entry.parent <= pages);
    return sane ? entry : MapEntry{};
}

/// Files of this program have a map; very old ones have none.
bool DamagedDatabase::State::looksLikeMap() {
    has_map = true;
    std::size_t good = 0;
    std::size_t seen = 0;
    for (std::uint32_t number = 3; number <= std::min<std::uint32_t>(pages, page_size / 5); ++number) {
        ++seen;
        good += mapEntry(number).kind != 0 ? 1 : 0;
    }
    map_page = 0;
    return u32(header, 52) != 0 ? good * 4 >= seen : good * 2 > seen && seen > 0;
}

void DamagedDatabase::State::readFreePages() {
    auto trunk = u32(header, 32);
    const auto count = u32(header, 36);
    Page text;
    while (trunk > 1 && trunk <= pages && free_pages.insert(trunk).second && page(trunk, text)) {
        const auto leaves = u32(text, 4);
        if (leaves > page_size / 4) {
            return;
        }
        for (std::uint32_t i = 0; i < leaves; ++i) {
            free_pages.insert(u32(text, 8 + std::size_t{4} * i));
        }
        trunk = u32(text, 0);
    }
    knows_free_pages = trunk == 0 && free_pages.size() == count;
}

bool DamagedDatabase::State::isCurrent(std::uint32_t number, const MapEntry& entry) const {
    const auto lost = wal.lost.find(number);
    const auto newest = wal.newest.find(number);
    if (lost != wal.lost.end() && (newest == wal.newest.end() || newest->second.frame < lost->second)) {
        return false;
    }
    return entry.kind != 0 || (knows_free_pages && !free_pages.contains(number));
}

/// The page that continues a chain behind `page`, by its own word or else by the map's.
std::uint32_t DamagedDatabase::State::overflowAfter(std::uint32_t page_before, std::uint32_t declared,
                                                    unsigned kind) {
    const auto fits = [&](std::uint32_t number) {
        if (number < 2 || number > pages) {
            return false;
        }
        const auto entry = mapEntry(number);
        return entry.kind == 0 || (entry.kind == kind && entry.parent == page_before);
    };
    if (fits(declared) || !has_map || kind != kNextOverflow) {
        return declared >= 2 && declared <= pages ? declared : 0;
    }
    if (!next_overflow) {
        next_overflow.emplace();
        for (std::uint32_t number = 3; number <= pages; ++number) {
            if (const auto entry = mapEntry(number); entry.kind == kNextOverflow) {
                (*next_overflow)[entry.parent] = number;
            }
        }
    }
    const auto found = next_overflow->find(page_before);
    return found == next_overflow->end() ? 0 : found->second;
}

bool DamagedDatabase::State::readOverflow(std::uint32_t tree_page, const Cell& cell, std::string& out) {
    auto number = overflowAfter(tree_page, cell.overflow, kFirstOverflow);
    bool whole = true;
    Page text;
    while (out.size() < cell.payload) {
        const auto wanted = std::min<std::uint64_t>(cell.payload - out.size(), page_size - 4);
        if (number == 0) {
            out.append(cell.payload - out.size(), '\0');
            return false;
        }
        const bool read = page(number, text);
        whole = whole && read;
        text.resize(page_size);
        out.append(text, 4, wanted);
        if (out.size() < cell.payload) {
            number = overflowAfter(number, u32(text, 0), kNextOverflow);
        }
    }
    return whole;
}

DamagedDatabase::DamagedDatabase(std::unique_ptr<State> state) : state_(std::move(state)) {}
DamagedDatabase::DamagedDatabase(DamagedDatabase&&) noexcept = default;
DamagedDatabase& DamagedDatabase::operator=(DamagedDatabase&&) noexcept = default;
DamagedDatabase::~DamagedDatabase() = default;

Expected<DamagedDatabase> DamagedDatabase::open(const std::string& path) {
    auto state = std::make_unique<State>(path);
    if (!state->file.isOpen()) {
        const int error = state->file.error();
        const auto kind = error == ENOENT                     ? ErrorKind::not_found
                          : error == EACCES || error == EPERM ? ErrorKind::denied
                                                              : ErrorKind::unavailable;
        return fail(kind, "open " + path + ": " + std::system_category().message(error));
    }
    state->measure(path);
    if (state->pages == 0) {
        return fail(ErrorKind::invalid, path + ": is too short to be a SQLite database");
    }
    return DamagedDatabase(std::move(state));
}

Expected<void> DamagedDatabase::eachRow(const std::function<Expected<void>(const Row&)>& use) {
    auto& state = *state_;
    state.damage = {};
    state.damage.frames = state.wal.damaged;
    state.damage.pages = state.missing;
    const auto lock_page = static_cast<std::uint32_t>(kLockByte / state.page_size + 1);
    Page text;
    std::string payload;
    Row row;
    for (std::uint32_t number = 1; number <= state.pages; ++number) {
        const auto entry = state.mapEntry(number);
        if (entry.kind == kFree || entry.kind == kFirstOverflow || entry.kind == kNextOverflow ||
            number == lock_page || (entry.kind == 0 && state.free_pages.contains(number))) {
            continue;
        }
        const bool read = state.page(number, text);
        text.resize(state.page_size);
        const TreePage tree(text, number == 1 ? 100 : 0, state.page_size, state.pages);
        const bool is_tree = entry.kind == kRoot || entry.kind == kTree;
        if (is_tree && (!read || !tree.isWhole())) {
            ++state.damage.pages;
        }
        row.current = state.isCurrent(number, entry);
        for (const auto& cell : tree.cells()) {
            payload = cell.local;
            row.whole = payload.size() == cell.payload || state.readOverflow(number, cell, payload);
            row.rowid = cell.rowid;
            if (!decodeRecord(payload, row.values)) {
                state.damage.cells += is_tree ? 1 : 0;
                continue;
            }
            if (auto used = use(row); !used) {
                return used;
            }
        }
    }
    return {};
}

const DamagedDatabase::Damage& DamagedDatabase::damage() const {
    return state_->damage;
}

bool DamagedDatabase::headerIsOf(std::uint32_t application_id) const {
    constexpr std::string_view magic("SQLite format 3\0", 16);
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < magic.size(); ++i) {
        wrong += state_->header[i] != magic[i] ? 1 : 0;
    }
    return wrong == 0 && u32(state_->header, 68) == application_id;
}

bool hasDamagedWal(const std::string& database) {
    const auto wal = readWal(database + "-wal");
    return wal.damaged > 0 && !wal.unreadable;
}

}  // namespace lapwing
