#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace lapwing::agent {

/// Netlink's attributes (netlink(7)) by their types; the last one of each type.
using Attributes = std::map<unsigned, std::string_view>;

/// Calls `each` with the type and the value of every attribute.
void eachAttribute(std::string_view data,
                   const std::function<void(unsigned type, std::string_view value)>& each);
Attributes attributesOf(std::string_view data);
/// The attribute as a number in the machine's byte order; nothing if it is missing or too short.
std::optional<unsigned> numberOf(const Attributes& attributes, unsigned type);
/// The attribute up to its first NUL; "" if it is missing.
std::string textOf(const Attributes& attributes, unsigned type);

/// Asks the kernel for a list (NLM_F_DUMP) and calls `each` with the body of every entry. `body`: of the
/// request. Waits at most two seconds for each part of the answer. False where the kernel refuses or does
/// not answer.
bool dumpNetlink(int protocol, std::uint16_t type, std::string_view body,
                 const std::function<void(std::string_view body)>& each);

}  // namespace lapwing::agent
