#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "common/error.h"

namespace lapwing::agent {

/// The agent's status socket: every client gets one answer, and the connection is closed. Nothing is read,
/// and nothing waits for a client: a client that does not read costs no more than its buffer in the kernel.
class StatusSocket {
  public:
    /// Makes the unix socket, mode 0660, and replaces a stale socket that has no listener. A thread of the
    /// socket calls `answer`. Errors: `unavailable` (another agent has it), `denied`, `not_found`,
    /// `invalid`, `internal`.
    static Expected<std::unique_ptr<StatusSocket>> open(const std::string& path,
                                                        std::function<std::string()> answer);
    ~StatusSocket();
    StatusSocket(const StatusSocket&) = delete;
    StatusSocket& operator=(const StatusSocket&) = delete;

  private:
    struct State;
    explicit StatusSocket(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

/// Asks a running agent. Errors: `not_found` and `refused` (no agent runs), `denied`, `timeout`.
Expected<std::string> readStatus(const std::string& path, std::chrono::milliseconds deadline);

}  // namespace lapwing::agent
