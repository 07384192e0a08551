#pragma once

#include <string>
#include <vector>

namespace lapwing::collector {

/// The exit codes of the verbs.
enum ExitCode { kFine = 0, kDegraded = 1, kWrongUsage = 2, kUnreachable = 3 };

/// The verbs of lapwing-collector. Each prints for a person (or JSON for a program), prints problems to
/// stderr, and returns an exit code.
int runService(const std::string& config_file);
/// Files that the configuration names are judged as `user` has them; "": as the running collector, or the
/// user of its unit.
int checkConfig(const std::string& config_file, const std::string& user);
/// Examines the collector and its surroundings: for each thing what was tried, the result and the fix. The
/// running collector is asked for what it saw. kFine, or kDegraded if there is something to fix.
int doctor(const std::string& config_file, const std::string& user, bool as_json);
int checkRules(const std::vector<std::string>& files);
int enrol(const std::string& config_file, const std::string& host, const std::string& bundle_file);
/// The arguments of `invite`: a host, or a time in which any host without a certificate may join.
struct InviteRequest {
    std::string host;
    std::string many;
    std::vector<std::string> addresses;  ///< HOST or HOST:PORT, to be tried first
};
/// Prints the command by which a host joins. The running collector makes the invitation.
int invite(const std::string& config_file, const InviteRequest& request);
int listInvitations(const std::string& config_file, bool json);
/// Ends an open invitation; "any" is that of `invite --many`.
int revokeInvitation(const std::string& config_file, const std::string& host);
/// Refuses all certificates of a host, whether or not the collector runs.
int revoke(const std::string& config_file, const std::string& host);
/// Revokes, and makes the running collector forget the host's samples and alerts.
int forget(const std::string& config_file, const std::string& host);
/// A step of a roll-over of the CA; `anyway` locks out the agents that have not followed.
enum class CaStep { show, begin, switch_over, finish };
int rollCa(const std::string& config_file, CaStep step, bool anyway);
/// Copies the database, the configuration with what it names, and the CA into a new file, whether or not the
/// collector runs.
int backup(const std::string& config_file, const std::string& file);
/// Brings the content of a backup to a machine that has neither database nor CA.
/// It writes below the directories of the configuration and of the package's data, and below `allowed`.
int restore(const std::string& config_file, const std::string& file, const std::vector<std::string>& allowed);
/// Adds a user to `http.users_file`, or gives one a new password. Reads the password from the terminal, twice
/// and without echo, or else from the standard input.
/// `file` in place of that of the configuration; "" for none.
int addUser(const std::string& config_file, const std::string& name, const std::string& file);
/// Reports the damage of the database; with `salvage_file`, copies everything readable of it into that new
/// file.
int checkDatabase(const std::string& config_file, const std::string& salvage_file);
int testNotify(const std::string& config_file);
/// The arguments of `notify add`.
struct ReceiverRequest {
    std::string kind;             ///< mail, webhook, or a format of webhooks
    std::vector<std::string> to;  ///< of a mail, as the next four
    std::string from;
    std::string smtp;  ///< HOST:PORT
    std::string security;
    std::string username;  ///< "" does not log in
    std::string chat;      ///< of Telegram
    bool test = true;      ///< send a test message
};
/// Writes a receiver to collector.d/10-notify.yaml, and its secret, which it reads as addUser() does, to a
/// file of its own for the service.
int addReceiver(const std::string& config_file, const ReceiverRequest& request);
/// Takes back what addReceiver() wrote. `name`: "webhook[0]".
int removeReceiver(const std::string& config_file, const std::string& name);
/// The arguments of `http enable`.
struct HttpRequest {
    std::vector<std::string> listen;  ///< ADDRESS or ADDRESS:PORT; none: the machine's only address
    std::vector<std::string> names;
    std::string user;
};
/// Lets the page listen off the loopback: collector.d/10-http.yaml, with TLS and users.
int enableHttp(const std::string& config_file, const HttpRequest& request);
int disableHttp(const std::string& config_file);
/// The arguments of `notify route`.
struct RouteRequest {
    std::string alert;
    std::vector<std::string> labels;  ///< NAME=VALUE
};
/// Prints the routes that an alert would take.
int showRoute(const std::string& config_file, const RouteRequest& request);
/// The arguments of `silence`.
struct SilenceRequest {
    std::vector<std::string> target_and_duration;  ///< HOST DURATION, or DURATION alone with matchers
    std::vector<std::string> matchers;             ///< NAME=VALUE and the like
    std::string comment;
};
/// The arguments of `accept`.
struct AcceptRequest {
    std::string id;
    std::string subject;
    std::string until;  ///< a day, or a duration from now
    std::string reason;
};
int accept(const std::string& config_file, const AcceptRequest& request);
int listAcceptances(const std::string& config_file, bool json);
int endAcceptance(const std::string& config_file, const std::string& id, const std::string& subject);
int silence(const std::string& config_file, const SilenceRequest& request);
int listSilences(const std::string& config_file, bool json);
int expireSilence(const std::string& config_file, const std::string& id);
/// Prints which services would stop, and which would still work, if components failed or were added.
struct WhatIfRequest {
    std::vector<std::string> components;
    std::vector<std::string> additions;  ///< KIND@HOST
    bool json = false;
};
int whatIf(const std::string& config_file, const WhatIfRequest& request);
/// The arguments of `site`.
struct SiteRequest {
    bool write = false;
    bool json = false;
};
/// Shows what the collector assumes about the site, from what, and what is missing or contradictory. With
/// `write`, puts the proposal into collector.d/10-site.yaml.
int site(const std::string& config_file, const SiteRequest& request);
int showStatus(const std::string& config_file, bool json);
/// The arguments of `findings`; empty ones choose all.
struct FindingsRequest {
    std::string id;
    std::string subject;   ///< a subject, or a host in it
    std::string severity;  ///< the least one
    bool json = false;
};
int showFindings(const std::string& config_file, const FindingsRequest& request);
int showAlerts(const std::string& config_file, bool json);
int showAgents(const std::string& config_file, bool json);

}  // namespace lapwing::collector
