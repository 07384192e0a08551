#include "agent/delivery/verdict.h"

namespace lapwing::agent {

Verdict verdictOf(int status, std::size_t parts) {
    if (status >= 200 && status < 300) {
        return Verdict::stored;
    }
    if (status == 408 || status == 425 || status == 429 || status >= 500) {
        return Verdict::again;
    }
    if (status == 400 || status == 413 || status == 422) {
        return parts > 1 ? Verdict::split : Verdict::refused;
    }
    return Verdict::keep;
}

}  // namespace lapwing::agent
