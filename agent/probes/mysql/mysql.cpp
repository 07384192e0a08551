#include "agent/probes/mysql/mysql.h"

#include "common/model/families.h"

namespace lapwing::agent::mysql {

MysqlProbe::MysqlProbe(Settings settings, std::chrono::milliseconds status_interval)
    : connection_(std::move(settings)), status_interval_(status_interval) {}

/// Who is there, and who are we to it: once a session.
Expected<void> MysqlProbe::greet(Clock::time_point until) {
    if (greeted_session_ == connection_.session()) return {};
    const auto answer = connection_.query("SELECT VERSION(), @@version_comment, CURRENT_USER()", until);
    if (!answer) return tl::unexpected(answer.error());
    if (answer->rows.size() != 1 || answer->rows[0].size() != 3 || !answer->rows[0][0]) {
        return fail(ErrorKind::protocol, connection_.settings().place() + ": it does not tell its version");
    }
    version_text_ = *answer->rows[0][0];
    version_comment_ = answer->rows[0][1].value_or("");
    version_ = parseVersion(version_text_);
    connection_.setAccount(answer->rows[0][2].value_or(""));
    greeted_session_ = connection_.session();
    return {};
}

Expected<std::optional<Error>> MysqlProbe::run(Clock::time_point until, bool whole, ProbeResult& out) {
    if (auto ready = connection_.ready(until); !ready) return tl::unexpected(ready.error());
    if (auto greeted = greet(until); !greeted) return tl::unexpected(greeted.error());
    const auto replica = connection_.query(replicaStatement(version_), until);
    // Without this privilege the rest is still worth having.
    if (!replica && replica.error().kind != ErrorKind::denied) return tl::unexpected(replica.error());
    if (replica) parseReplicaStatus(*replica, out);
    if (whole) {
        out.families.push_back(gauge("mysql_version_info", "1."));
        add(out.families.back(), {{"version", version_text_}, {"version_comment", version_comment_}}, 1);
        const auto status = connection_.query(globalStatusStatement(), until);
        if (!status) return tl::unexpected(status.error());
        parseGlobalStatus(*status, out.families);
        const auto variables = connection_.query(globalVariablesStatement(), until);
        if (!variables) return tl::unexpected(variables.error());
        parseGlobalVariables(*variables, out.families);
    }
    return replica ? std::nullopt : std::optional<Error>(replica.error());
}

Expected<ProbeResult> MysqlProbe::collect(const Deadline& deadline) {
    const auto now = Clock::now();
    const bool whole = now >= next_whole_;
    ProbeResult out;
    const auto done = run(now + deadline.budget(), whole, out);
    out.families.push_back(gauge("mysql_up", "1 if the server answered."));
    add(out.families.back(), {}, done ? 1 : 0);
    out.failure = done ? *done : std::optional<Error>(done.error());
    // What a failed run does not have ends, so the next one brings all.
    out.partial = !whole && !out.failure;
    if (out.failure) {
        next_whole_ = {};
    } else if (whole) {
        // A little early rather than one run late.
        next_whole_ = now + status_interval_ - std::chrono::milliseconds(100);
    }
    return out;
}

}  // namespace lapwing::agent::mysql
