#pragma once

#include <string>
#include <string_view>

#include "common/model/labels.h"

namespace lapwing::notify {

// Commands to type on the collector's machine. They are "" where a label holds a sign that a person could not
// see in them: a control character, a line break.

/// A word that a POSIX shell reads as `text`.
std::string shellQuoted(std::string_view text);
/// Silences the alerts with these labels, of any severity, for an hour.
std::string silenceCommand(const Labels& alert);
/// Accepts the finding that an alert is about for 30 days; "" if it is about none (labels id and subject).
std::string acceptCommand(const Labels& alert);

}  // namespace lapwing::notify
