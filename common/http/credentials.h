#pragma once

#include <string>
#include <utility>

#include "common/error.h"

namespace lapwing::http {

/// The first line of a file that holds a password or a token. Error `denied` if others than its owner may
/// read it, or if we may not. Read anew each time, so that a changed password needs no restart.
Expected<std::string> readSecret(const std::string& path);

/// The header of HTTP's basic authentication (RFC 7617).
std::pair<std::string, std::string> basicAuthorization(const std::string& user, const std::string& password);

}  // namespace lapwing::http
