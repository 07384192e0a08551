#pragma once

#include <cstddef>
#include <string>
#include <utility>

#include "collector/notify/delivery_table.h"
#include "collector/rules/template/template.h"
#include "common/error.h"

namespace lapwing::notify {

/// The body of a webhook with `format: template`, in the templates of rules (rules::Template) with the
/// function toJson. Its data are those of docs/alerts.md#templates. Immutable, safe from any thread.
class BodyTemplate {
  public:
    static constexpr std::size_t kMostText = 64U << 10;  ///< bytes of the template
    static constexpr std::size_t kMostAlerts = 20;  ///< of a notification; `.Truncated` counts the others

    /// `json`: each body must be JSON. Error `invalid`, with the line.
    static Expected<BodyTemplate> parse(const std::string& text, bool json);

    /// At most 64 KiB, within a second. Errors: `execution`, `exhausted`, `timeout`, and `invalid` for a body
    /// that must be JSON and is none.
    Expected<std::string> render(const Notification& notification, const std::string& receiver,
                                 const std::string& external_url) const;

    /// Renders samples, in whose labels are signs that end a text of JSON. Error: the first that render()
    /// gives.
    Expected<void> tryOut(const std::string& receiver) const;

  private:
    BodyTemplate(rules::Template body, bool json) : body_(std::move(body)), json_(json) {}
    rules::Template body_;
    bool json_;
};

}  // namespace lapwing::notify
