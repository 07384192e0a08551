#pragma once

#include <string>
#include <utility>

#include "common/error.h"

namespace lapwing::http {

/// The first line of a file that holds a password or a token. Error `denied` if anybody but its owner may
/// read it, or we may not. Read anew each time: a changed password needs no restart.
Expected<std::string> readSecret(const std::string& path);

/// The header of HTTP's basic authentication (RFC 7617).
std::pair<std::string, std::string> basicAuthorization(const std::string& user, const std::string& password);

}  // namespace lapwing::http
