#pragma once

#include <string>
#include <string_view>

namespace lapwing::agent::mysql {

/// What to do about a statement or a connection that the server refused for want of an account or a
/// privilege;
/// "" where that is not the reason. `message` is the server's own, which on MariaDB and MySQL names the
/// privilege that is missing. `account` is who the server says we are ("lapwing@localhost"), "" before it has
/// said so; `user` is who we asked to be. Pure function.
std::string grantFor(unsigned code, std::string_view message, std::string_view account,
                     std::string_view user);

/// "GRANT PROCESS ON *.* TO `lapwing`@`localhost`". `privilege` may name its object: "SELECT ON app.*".
std::string grantStatement(const std::string& privilege, std::string_view account);

}  // namespace lapwing::agent::mysql
