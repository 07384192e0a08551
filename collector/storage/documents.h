#pragma once

#include <map>
#include <optional>
#include <string>
#include <unordered_set>

#include "collector/storage/database.h"
#include "collector/storage/store.h"

namespace lapwing::storage {

/// The tables of documents and of named states. Thread-safe.
class Documents {
  public:
    explicit Documents(Database& database) : database_(database) {}

    // As in Store.
    Expected<void> put(const Document& document);
    Expected<std::optional<Document>> get(const std::string& digest, std::size_t most) const;
    Expected<void> drop(const std::string& digest);
    Expected<void> putState(const std::string& name, const std::string& value);
    Expected<std::optional<std::string>> state(const std::string& name) const;
    Expected<std::map<std::string, std::string>> states(const std::string& prefix) const;

    /// Deletes documents that were received before a time, but for those whose digest is in `used`.
    Expected<void> expire(TimestampMs before, const std::unordered_set<std::string>& used);

  private:
    Database& database_;
};

}  // namespace lapwing::storage
