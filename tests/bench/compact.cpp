// bench-compact FILE: has the store turn its arrival log into blocks now, as it does by itself every 20
// minutes.
#include <cstdio>

#include "collector/storage/sqlite_store.h"

int main(int argc, char** argv) {
    if (argc != 2) {
        std::fprintf(stderr, "usage: bench-compact FILE\n");
        return 2;
    }
    lapwing::storage::StoreOptions options;
    options.path = argv[1];
    options.retention_ms = 0;
    auto store = lapwing::storage::SqliteStore::open(options);
    const auto done = store ? (*store)->compact() : tl::unexpected(store.error());
    if (!done) std::fprintf(stderr, "bench-compact: %s\n", done.error().message.c_str());
    return done ? 0 : 1;
}
