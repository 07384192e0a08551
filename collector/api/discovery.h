#pragma once

#include <string_view>

#include "collector/api/exchange.h"

namespace lapwing::storage {
class Queryable;
}

namespace lapwing::api {

// /api/v1/series, labels and label/NAME/values: `match[]`, `start`, `end`, `limit`.

void answerSeries(const storage::Queryable& data, const Parameters& parameters, Responder& responder);
void answerLabelNames(const storage::Queryable& data, const Parameters& parameters, Responder& responder);
/// `encoded_name` is the path's part: percent-encoded, and perhaps as U__..., with _HEX_ for each character
/// that a plain name cannot hold and __ for an underscore (Prometheus' "values encoding").
void answerLabelValues(const storage::Queryable& data, std::string_view encoded_name,
                       const Parameters& parameters, Responder& responder);

/// Decodes U__...; returns other names, and malformed ones, unchanged.
std::string unescapeName(const std::string& name);

}  // namespace lapwing::api
