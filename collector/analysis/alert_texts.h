#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "collector/analysis/finding.h"
#include "collector/analysis/replication/verdict.h"
#include "common/model/labels.h"

namespace lapwing::analysis {

/// Text from a site for an alert: one line of valid UTF-8 with at most `most` bytes (cut with "..."), without
/// control, direction and invisible characters, and without secrets: passwords and tokens become "***", the
/// statement of a MySQL error is left out.
std::string alertText(std::string_view text, std::size_t most);

/// Annotations that the finding with the alert's labels `id` and `subject` adds: `title`, `evidence`,
/// `remedy` (its first line); and `summary`, `description`, `next_step`, in which the alert's own texts stay.
Labels annotationsOf(const Finding& finding, const Labels& annotations);

/// The same for the verdict on a replica: `cause` (in words), `evidence`, `description`, `next_step`.
Labels annotationsOf(const replication::Verdict& verdict, const Labels& annotations);

/// The finding that an alert is about: that with its labels `id` and `subject`. Null if there is none.
const Finding* findingOf(const Labels& alert, const std::vector<Finding>& findings);

/// The verdict that an alert is about. Alerts whose name begins with MysqlReplica are about the channel
/// `channel` of the replica `instance`, and about its label `cause`, if they have one. Null if there is none.
const replication::Verdict* verdictOf(const Labels& alert, const std::vector<replication::Verdict>& verdicts);

}  // namespace lapwing::analysis
