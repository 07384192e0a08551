#pragma once

#include <optional>
#include <string>

#include "collector/config/config.h"
#include "common/error.h"

namespace lapwing::collector {

/// A file of collector.d that a verb writes. Its first line names the verb and has the digest of the rest: a
/// file whose rest is another has been edited by a person, and is left alone.
class Fragment {
  public:
    /// `name`: "10-site.yaml". `verb`: "site --write".
    Fragment(const std::string& config_file, const std::string& name, std::string verb);

    const std::string& path() const { return path_; }
    /// The content below the first line; nothing without a file. Errors: `invalid` after an edit; the
    /// file's.
    Expected<std::optional<std::string>> content() const;
    /// The whole configuration without this file. Problems stay in the reader.
    config::Node others(config::Reader& reader) const;
    /// The whole configuration as it would be with this content; without any if there are problems, which it
    /// prints to stderr. "" is as without the file.
    std::optional<Config> tried(const std::string& content) const;
    /// Writes the file (0644), or removes it if the content is "". Nothing is checked. Errors: the file's.
    Expected<void> put(const std::string& content) const;

  private:
    std::string config_file_;
    std::string path_;
    std::string verb_;
};

/// Prints why a file of the configuration was not written, with what to do. Returns kWrongUsage.
int notWritten(const Error& error);

/// The command after which a changed configuration counts.
const char* restartCommand();

}  // namespace lapwing::collector
