#include "collector/analysis/finding.h"

namespace lapwing::analysis {

const char* severityName(Severity severity) {
    switch (severity) {
        case Severity::critical:
            return "critical";
        case Severity::high:
            return "high";
        case Severity::medium:
            return "medium";
        case Severity::low:
            return "low";
        case Severity::info:
            return "info";
    }
    return "info";
}

const char* confidenceName(Confidence confidence) {
    switch (confidence) {
        case Confidence::confirmed:
            return "confirmed";
        case Confidence::suspected:
            return "suspected";
        case Confidence::unknown:
            return "unknown";
    }
    return "unknown";
}

}  // namespace lapwing::analysis
