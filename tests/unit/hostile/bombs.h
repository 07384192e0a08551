#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

namespace lapwing::test {

/// The goal for every reader: 8 MB and twice the input, the input included.
constexpr std::size_t kGoal = 8'000'000;

/// Runs `read` in a process of its own and returns by how many bytes its resident memory grew at most. Fails
/// the test if the process ends badly.
/// `warm`: is called before, for the pages of the program's code.
std::size_t growthOf(const std::function<void()>& warm, const std::function<void()>& read);

/// Checks the goal for `read`, a call with `input`, which the caller holds.
void checkGoal(const std::string& what, const std::string& input,
               const std::function<void(const std::string&)>& read);

/// `unit`, as often as it takes to reach `bytes`.
std::string repeated(const std::string& unit, std::size_t bytes);

std::string varint(std::uint64_t value);
/// A field of a protobuf message, with its length.
std::string field(unsigned number, const std::string& payload);

}  // namespace lapwing::test
