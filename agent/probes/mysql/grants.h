#pragma once

#include <string>
#include <string_view>

namespace lapwing::agent::mysql {

/// A hint for a statement or connection that the server refused: the missing privilege, or the way to let the
/// account in; "" for other errors. `message` is the server's own, which on MariaDB and MySQL names the
/// missing privilege. `account` is our account by the server's name for it ("lapwing@localhost"), "" before
/// the server has told it; `user` is the user that we asked for. Pure function.
std::string hintFor(unsigned code, std::string_view message, std::string_view account, std::string_view user);

/// "GRANT PROCESS ON *.* TO `lapwing`@`localhost`". `privilege` may name its object: "SELECT ON app.*".
std::string grantStatement(const std::string& privilege, std::string_view account);

}  // namespace lapwing::agent::mysql
