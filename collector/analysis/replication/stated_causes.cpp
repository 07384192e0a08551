#include "collector/analysis/replication/stated_causes.h"

#include <string>

namespace lapwing::analysis::replication {

using database::ErrorClass;
using database::WaitReason;

std::optional<ErrorClass> classOf(const evidence::ThreadError& error) {
    const auto* known =
        error.number < 0 ? nullptr : database::knownError(static_cast<unsigned>(error.number));
    return known == nullptr ? std::nullopt : std::optional(known->kind);
}

std::optional<Cause> causeOfClass(ErrorClass kind) {
    switch (kind) {
        case ErrorClass::credentials:
        case ErrorClass::account_locked:
        case ErrorClass::password_expired:
        case ErrorClass::tls_required:
        case ErrorClass::auth_plugin:
        case ErrorClass::host_not_allowed:
        case ErrorClass::host_blocked:
        case ErrorClass::privilege_missing:
            return Cause::credentials;
        case ErrorClass::too_many_connections:
        case ErrorClass::user_limit:
        case ErrorClass::no_resources:
            return Cause::too_many_connections;
        case ErrorClass::tls:
            return Cause::tls;
        case ErrorClass::protocol:
            return Cause::protocol;
        case ErrorClass::packet_too_large:
            return Cause::packet_too_large;
        case ErrorClass::binlog:
            return Cause::binlog_damaged;
        case ErrorClass::relay_log:
            return Cause::relay_log_damaged;
        case ErrorClass::configuration:
            return Cause::configuration_mismatch;
        case ErrorClass::diverged:
            return Cause::errant_transactions;
        case ErrorClass::disk_full:
            return Cause::disk_full;
        case ErrorClass::offline_mode:     // it ends, or is down for a while: the connection decides
        case ErrorClass::unreachable:      // which of the two ends or the network is inferred
        case ErrorClass::name_unresolved:  // likewise
        case ErrorClass::fatal:            // the text alone says what
        case ErrorClass::data_differ:      // the applier has stopped, and its error says where
        case ErrorClass::lock_timeout:
            return std::nullopt;
    }
    return std::nullopt;
}

std::optional<Cause> statedCause(const evidence::ThreadError& error) {
    for (const auto& row : kStatedPhrases) {
        if (error.text.find(row.phrase) != std::string::npos) {
            return row.cause;
        }
    }
    const auto kind = classOf(error);
    if (!kind) {
        return std::nullopt;
    }
    // The most frequent reasons, while the text is missing.
    if (error.text.empty() && *kind == ErrorClass::binlog) {
        return Cause::binlog_purged;
    }
    if (error.text.empty() && *kind == ErrorClass::fatal) {
        return Cause::duplicate_server_id;
    }
    return causeOfClass(*kind);
}

std::optional<Cause> causeOfWait(WaitReason reason) {
    switch (reason) {
        case WaitReason::semi_sync_ack:
        case WaitReason::group_commit:
        case WaitReason::global_lock:
        case WaitReason::other:
            return Cause::commit_waits;
        case WaitReason::disk_full:
            return Cause::disk_full;
        case WaitReason::relay_log_full:
            return Cause::relay_log_full;
        case WaitReason::table_lock:
            return Cause::blocked;
        case WaitReason::workers_busy:
            return Cause::applier_slow;
        case WaitReason::delay:
            return Cause::delayed_deliberately;
        case WaitReason::reconnecting:
            return Cause::network;
    }
    return std::nullopt;
}

}  // namespace lapwing::analysis::replication
