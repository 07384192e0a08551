#pragma once

#include <string>
#include <vector>

#include "agent/probes/probe.h"

namespace lapwing::agent::textfile {

/// Bounds of all files together and of each; docs/limits.md.
struct Limits {
    std::size_t files = 256;
    std::size_t file_bytes = 1U << 20;
    std::size_t series = 10'000;
};

/// Reads `*.prom` of a directory (or of each that matches a shell pattern), as node_exporter's textfile
/// collector does.
class TextfileProbe : public Probe {
  public:
    explicit TextfileProbe(std::string directory, Limits limits = {})
        : directory_(std::move(directory)), limits_(limits) {}
    Expected<ProbeResult> collect(const Deadline& deadline) override;

  private:
    std::string directory_;
    Limits limits_;
};

/// Why a name is not for others to say: it is Lapwing's own, or of the probes that Lapwing's findings rely
/// on.
/// "" if it is free.
std::string reservedName(std::string_view name);

}  // namespace lapwing::agent::textfile
