#pragma once

#include <memory>
#include <string>
#include <vector>

#include "collector/storage/store.h"

namespace lapwing::storage {

/// Store::open(). If the file is damaged, everything readable of it goes into a new file first, and the
/// damaged file and its WAL are renamed to PATH.damaged-TIME; StoreStats::salvaged tells what is lost. Takes
/// time in proportion to the file, and as much room on its disk. Errors as of Store::open(), with the command
/// that helps where the file may be Lapwing's.
Expected<std::unique_ptr<Store>> openOrSalvage(const StoreOptions& options);

/// Writes everything readable of the database `source`, which no process has open, into the new file
/// `target`. Returns what is lost, in words; nothing lost is an empty list. Error `invalid` if `target`
/// exists, or nothing in `source` looks like Lapwing's.
Expected<std::vector<std::string>> salvage(const std::string& source, const std::string& target);

/// The damage of a database, in words, also while a collector uses it: an empty list if there is none. Reads
/// everything.
Expected<std::vector<std::string>> findDamage(const std::string& path);

/// Notes beside the database that SQLite met damage: openOrSalvage() looks at the whole file then.
void markDamaged(const std::string& path);
bool isMarkedDamaged(const std::string& path);

/// The saved words about the last salvage; nothing without one, or after its damaged file was removed.
inline constexpr const char* kSalvagedState = "salvaged";
std::string toText(const Salvaged& salvaged);
std::optional<Salvaged> salvagedFromText(const std::string& text);

}  // namespace lapwing::storage
