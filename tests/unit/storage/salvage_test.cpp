#include "collector/storage/salvage.h"

#include <sqlite3.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <map>
#include <random>
#include <set>
#include <sstream>
#include <tuple>

#include "common/damaged_database.h"
#include "common/digest.h"
#include "tests/unit/storage/support.h"
#include "tests/unit/temporary_folder.h"

namespace lapwing::storage {
namespace {

constexpr TimestampMs kWindow = 7'200'000;
constexpr int kWindows = 4;
constexpr std::size_t kPage = 4096;

std::string contentOf(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    std::ostringstream out;
    out << in.rdbuf();
    return out.str();
}

void write(const std::string& path, const std::string& content) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
}

/// A file with its WAL, as a crash leaves it.
struct Image {
    std::string file;
    std::string wal;
};

Image imageOf(const std::string& path) {
    return {contentOf(path), contentOf(path + "-wal")};
}

void put(const std::string& path, const Image& image) {
    std::filesystem::remove_all(std::filesystem::path(path).parent_path());
    std::filesystem::create_directory(std::filesystem::path(path).parent_path());
    write(path, image.file);
    if (!image.wal.empty()) {
        write(path + "-wal", image.wal);
    }
}

/// The samples of each series in each window; a window that a query cannot read is absent.
using Content = std::map<std::pair<std::string, int>, std::string>;

Content contentOf(const Store& store) {
    Content out;
    for (int window = 0; window < kWindows; ++window) {
        // Series by series: a damaged block fails the queries that need it.
        const auto all = store.series({}, 0, INT64_MAX);
        INFO((all ? "" : all.error().message));
        REQUIRE(all);
        for (const auto& labels : *all) {
            Matchers matchers;
            for (const auto& label : labels) {
                matchers.push_back(Matcher::create(Matcher::Type::equal, label.name, label.value).value());
            }
            const auto found =
                store.select(matchers, window * kWindow, (window + 1) * kWindow - 1, 1'000'000);
            if (!found) {
                continue;
            }
            auto& text = out[{labels.toString(), window}];
            for (const auto& series : *found) {
                for (const auto& sample : series.samples) {
                    text += std::to_string(sample.timestamp) + ":" + std::to_string(sample.value) + " ";
                }
            }
        }
    }
    return out;
}

const std::string kText(3000, 'r');

/// Blocks with overflow chains, free pages, an archive, a log, documents and states.
Image filled(const std::string& path) {
    auto options = keepEverything(path);
    static std::int64_t steady = 0;
    options.steady = [] { return steady; };
    options.out_of_order_ms = 1000 * kWindow;
    options.clock = [] { return TimestampMs{kWindows * kWindow}; };
    auto store = openStore(options);
    std::mt19937 random(1);
    const auto append = [&](const std::string& host, int series, TimestampMs from, int samples) {
        std::vector<TimeSeries> batch;
        for (int s = 0; s < series; ++s) {
            batch.push_back({Labels{{"__name__", "metric_with_a_long_name_" + std::to_string(s)},
                                    {"agent", host},
                                    {"instance", host}},
                             {}});
            for (int i = 0; i < samples; ++i) {
                batch.back().samples.push_back({from + i * 60'000, static_cast<double>(random())});
            }
        }
        mustAppend(*store, batch);
    };
    append("gone", 60, 0, 100);
    REQUIRE(store->compact());
    steady += 3 * 3'600'000;
    append("web-01", 80, 0, 360);
    append("web-02", 5, 0, 360);
    append("short", 30, 0, 240);
    REQUIRE(store->compact());
    REQUIRE(store->deleteSeries({match({{"agent", Matcher::Type::equal, "short"}})}, 0, kWindow - 1));
    for (int i = 0; i < 20; ++i) {
        const auto body = kText + std::to_string(i);
        REQUIRE(store->putDocument({sha256(body), "ruleset", "web-01", 1, body}));
        REQUIRE(store->putState("state/" + std::to_string(i), std::string(200, 's') + std::to_string(i)));
    }
    for (int i = 0; i < 10; ++i) {
        append("web-02", 5, 3 * kWindow + i * 600'000, 5);
    }
    return imageOf(path);
}

std::unique_ptr<Store> salvaged(const std::string& path) {
    auto options = keepEverything(path);
    options.out_of_order_ms = 1000 * kWindow;
    auto store = openOrSalvage(options);
    if (!store) {
        FAIL(store.error().message);
    }
    return std::move(*store);
}

/// As the collector does it: damage that a query meets leads to another start.
std::unique_ptr<Store> restarted(const std::string& path) {
    auto store = salvaged(path);
    static_cast<void>(store->series({}, 0, INT64_MAX));
    static_cast<void>(store->select({}, 0, INT64_MAX, 10'000'000));
    if (store->stats().found_damage) {
        store.reset();
        store = salvaged(path);
        CHECK_FALSE(store->stats().found_damage);
    }
    return store;
}

std::size_t keysOf(const Content& content, const Content& wanted) {
    return static_cast<std::size_t>(std::count_if(content.begin(), content.end(), [&](const auto& each) {
        const auto found = wanted.find(each.first);
        return found != wanted.end() && found->second == each.second;
    }));
}

/// Everything that is there is right. Labels have no checksum: a flipped letter makes another series of one,
/// so that at most `renamed` series are unknown.
void checkSubset(const Content& content, const Content& wanted, std::size_t renamed) {
    std::set<std::string> unknown;
    for (const auto& [key, samples] : content) {
        const auto found = wanted.find(key);
        if (found == wanted.end()) {
            if (!samples.empty()) {
                unknown.insert(key.first);
            }
            continue;
        }
        std::istringstream words(samples);
        for (std::string word; words >> word;) {
            CHECK(found->second.find(word) != std::string::npos);
        }
    }
    CHECK(unknown.size() <= renamed);
}

Image closedImage(const std::string& path, const Image& image) {
    put(path, image);
    sqlite3* db = nullptr;
    REQUIRE(sqlite3_open(path.c_str(), &db) == SQLITE_OK);
    REQUIRE(sqlite3_exec(db, "PRAGMA wal_checkpoint(TRUNCATE)", nullptr, nullptr, nullptr) == SQLITE_OK);
    sqlite3_close(db);
    return {contentOf(path), ""};
}

void damage(std::string& file, std::size_t page, int how, std::mt19937& random) {
    const auto begin = page * kPage;
    if (how == 0) {
        std::fill_n(file.begin() + static_cast<std::ptrdiff_t>(begin), kPage, '\0');
    } else if (how == 1) {
        std::fill_n(file.begin() + static_cast<std::ptrdiff_t>(begin), 64, '\xa5');
    } else {
        for (int i = 0; i < 16; ++i) {
            file[begin + random() % kPage] ^= static_cast<char>(1 + random() % 255);
        }
    }
}

TEST_CASE("whatever page is damaged, the store starts with everything readable") {
    const test::TemporaryFolder dir;
    const auto path = dir.path("data/lapwing.db");
    std::filesystem::create_directory(dir.path("data"));
    const auto whole = closedImage(path, filled(path));
    const auto wanted = contentOf(*salvaged(path));
    REQUIRE(wanted.size() > 300);
    const auto pages = whole.file.size() / kPage;
    REQUIRE(pages > 60);
    std::mt19937 random(2);
    std::size_t rebuilt = 0;
    std::size_t most_lost = 0;
    for (std::size_t page = 0; page < pages; ++page) {
        for (int how = 0; how < 3; ++how) {
            // The long run tries everything.
            if (std::getenv("LAPWING_LONG") == nullptr && how != static_cast<int>(page % 3)) {
                continue;
            }
            auto bad = whole;
            damage(bad.file, page, how, random);
            put(path, bad);
            INFO("page " << page + 1 << ", damage " << how);
            const auto store = restarted(path);
            const auto content = contentOf(*store);
            checkSubset(content, wanted, how == 2 ? 16 : 0);
            const auto kept = keysOf(content, wanted);
            const auto stats = store->stats();
            rebuilt += stats.salvaged ? 1 : 0;
            if (stats.salvaged) {
                CHECK(contentOf(stats.salvaged->file) == bad.file);
            }
            // Damage within a block is told by the queries that need it, or by the block that is set aside.
            // Header, pointer map and interior pages carry no rows.
            const auto type = static_cast<unsigned char>(whole.file[page * kPage]);
            if (page <= 1 || type == 5) {
                CHECK(kept == wanted.size());
            }
            most_lost = std::max(most_lost, wanted.size() - std::min(kept, wanted.size()));
            // It goes on storing.
            mustAppend(*store, {{Labels{{"__name__", "new"}, {"agent", "web-01"}}, {{3 * kWindow, 1}}}});
            CHECK(samplesOf(*store, named("new"), 3 * kWindow) == "21600000:1");
        }
    }
    CHECK(rebuilt > 15);
    // A leaf of the series' table has some 40 rows, of four windows each; a page of a block spoils its block.
    CHECK(most_lost <= 81 * kWindows);
}

TEST_CASE("sixteen flipped bytes in three pages do not keep the store from starting") {
    const test::TemporaryFolder dir;
    const auto path = dir.path("data/lapwing.db");
    std::filesystem::create_directory(dir.path("data"));
    const auto whole = closedImage(path, filled(path));
    const auto wanted = contentOf(*salvaged(path));
    std::mt19937 random(3);
    for (int round = 0; round < 15; ++round) {
        auto bad = whole;
        for (int i = 0; i < 3; ++i) {
            damage(bad.file, random() % (whole.file.size() / kPage), 2, random);
        }
        put(path, bad);
        INFO("round " << round);
        const auto store = restarted(path);
        checkSubset(contentOf(*store), wanted, 48);
    }
}

TEST_CASE("commits behind a damaged frame of the write-ahead log are kept") {
    const test::TemporaryFolder dir;
    const auto path = dir.path("data/lapwing.db");
    std::filesystem::create_directory(dir.path("data"));
    const auto image = filled(path);
    REQUIRE(image.wal.size() > 20 * (kPage + 24));
    put(path, image);
    const auto wanted = contentOf(*salvaged(path));
    std::mt19937 random(4);
    const auto frames = (image.wal.size() - 32) / (kPage + 24);
    const auto last = "metric_with_a_long_name_0";
    for (std::size_t frame = 0; frame + 3 < frames; frame += 7) {
        auto bad = image;
        for (int i = 0; i < 16; ++i) {
            bad.wal[32 + frame * (kPage + 24) + random() % (kPage + 24)] ^=
                static_cast<char>(1 + random() % 255);
        }
        put(path, bad);
        INFO("frame " << frame << " of " << frames);
        const auto store = salvaged(path);
        REQUIRE(store->stats().salvaged);
        CHECK_FALSE(store->stats().salvaged->losses.empty());
        checkSubset(contentOf(*store), wanted, 0);
        // The newest sample came with the last commit.
        const auto newest = store->select(
            match({{"__name__", Matcher::Type::equal, last}, {"agent", Matcher::Type::equal, "web-02"}}),
            3 * kWindow, INT64_MAX, 1'000'000);
        REQUIRE(newest);
        REQUIRE(newest->size() == 1);
        CHECK(newest->at(0).samples.back().timestamp == 3 * kWindow + 9 * 600'000 + 4 * 60'000);
    }
    // A torn end is no damage: SQLite drops a commit that was not complete.
    auto torn = image;
    torn.wal.resize(torn.wal.size() - 100);
    put(path, torn);
    CHECK_FALSE(salvaged(path)->stats().salvaged);
}

TEST_CASE("a file that is cut short loses its end only") {
    const test::TemporaryFolder dir;
    const auto path = dir.path("data/lapwing.db");
    std::filesystem::create_directory(dir.path("data"));
    const auto whole = closedImage(path, filled(path));
    const auto wanted = contentOf(*salvaged(path));
    for (const auto length :
         {whole.file.size() - 1, whole.file.size() - 10 * kPage, whole.file.size() / 2, 2 * kPage, kPage}) {
        put(path, {whole.file.substr(0, length), ""});
        INFO(length << " of " << whole.file.size());
        const auto store = salvaged(path);
        REQUIRE(store->stats().salvaged);
        checkSubset(contentOf(*store), wanted, 0);
    }
    // Less than a page has nothing to tell.
    put(path, {whole.file.substr(0, 50), ""});
    const auto store = openOrSalvage(keepEverything(path));
    REQUIRE(!store);
    CHECK(store.error().message.find("move it away") != std::string::npos);
}

TEST_CASE("documents, states, the archive and new series survive a salvage") {
    const test::TemporaryFolder dir;
    const auto path = dir.path("data/lapwing.db");
    std::filesystem::create_directory(dir.path("data"));
    auto bad = closedImage(path, filled(path));
    std::fill_n(bad.file.begin(), 100, '\xa5');  // the header
    put(path, bad);
    const auto store = salvaged(path);
    REQUIRE(store->stats().salvaged);
    for (int i = 0; i < 20; ++i) {
        const auto body = kText + std::to_string(i);
        const auto document = store->document(sha256(body));
        REQUIRE(document);
        REQUIRE(*document);
        CHECK((*document)->body == body);
        CHECK(store->state("state/" + std::to_string(i)).value() ==
              std::string(200, 's') + std::to_string(i));
    }
    CHECK(store->series({match({{"agent", Matcher::Type::equal, "gone"}})}, 0, kWindow).value().size() == 60);
    // The words about it end with the damaged file.
    std::filesystem::remove(store->stats().salvaged->file);
    CHECK_FALSE(store->stats().salvaged);
}

TEST_CASE("a foreign file is not salvaged") {
    const test::TemporaryFolder dir;
    for (const auto& content : {std::string("These are my notes.\n"), std::string(100'000, '\0')}) {
        write(dir.path("lapwing.db"), content);
        const auto store = openOrSalvage(keepEverything(dir.path("lapwing.db")));
        REQUIRE(!store);
        CHECK(contentOf(dir.path("lapwing.db")) == content);
    }
    std::filesystem::remove(dir.path("lapwing.db"));
    sqlite3* db = nullptr;
    REQUIRE(sqlite3_open(dir.path("lapwing.db").c_str(), &db) == SQLITE_OK);
    REQUIRE(sqlite3_exec(db, "CREATE TABLE t(a, b); INSERT INTO t VALUES(NULL, x'00')", nullptr, nullptr,
                         nullptr) == SQLITE_OK);
    sqlite3_close(db);
    const auto before = contentOf(dir.path("lapwing.db"));
    const auto store = openOrSalvage(keepEverything(dir.path("lapwing.db")));
    REQUIRE(!store);
    CHECK(store.error().message.find("--salvage") != std::string::npos);
    CHECK(contentOf(dir.path("lapwing.db")) == before);
}

TEST_CASE("damage is found in every part of a database") {
    const test::TemporaryFolder dir;
    const auto path = dir.path("data/lapwing.db");
    std::filesystem::create_directory(dir.path("data"));
    const auto whole = closedImage(path, filled(path));
    CHECK(findDamage(path).value().empty());
    std::mt19937 random(5);
    auto bad = whole;
    damage(bad.file, 3, 0, random);  // the root of a table
    put(path, bad);
    const auto found = findDamage(path);
    CHECK((!found || !found->empty()));
    REQUIRE(salvage(path, dir.path("copy.db")));
    CHECK(findDamage(dir.path("copy.db")).has_value());
    CHECK(contentOf(path) == bad.file);
    CHECK_FALSE(salvage(path, dir.path("copy.db")));
}

TEST_CASE("a block that was set aside comes back once it can be read") {
    const test::TemporaryFolder dir;
    const auto path = dir.path("lapwing.db");
    auto options = keepEverything(path);
    options.out_of_order_ms = 100 * kWindow;
    auto store = openStore(options);
    const Labels labels{{"__name__", "x"}, {"agent", "a"}};
    mustAppend(*store, {{labels, {{1000, 1}, {2000, 2}}}});
    REQUIRE(store->compact());
    const auto sql = [&](const char* statement) {
        sqlite3* db = nullptr;
        REQUIRE(sqlite3_open(path.c_str(), &db) == SQLITE_OK);
        REQUIRE(sqlite3_exec(db, statement, nullptr, nullptr, nullptr) == SQLITE_OK);
        sqlite3_close(db);
    };
    sql("CREATE TABLE kept AS SELECT data FROM chunks; UPDATE chunks SET data = x'00'");
    mustAppend(*store, {{labels, {{3000, 3}, {2000, 4}}}});
    REQUIRE(store->compact());
    REQUIRE(store->stats().damaged_blocks == 1);
    CHECK_FALSE(store->select(named("x"), 0, INT64_MAX, 1000));
    // The disk reads it again.
    sql("UPDATE chunks SET data = (SELECT data FROM kept) WHERE id < 0");
    REQUIRE(store->compact());
    CHECK(store->stats().damaged_blocks == 0);
    CHECK(samplesOf(*store, named("x")) == "1000:1 2000:2 3000:3");
}

}  // namespace
}  // namespace lapwing::storage
