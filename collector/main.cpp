#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>

#include "collector/command/command.h"
#include "collector/config/manual.h"
#include "common/completion.h"

namespace {

int dispatch(int argc, char** argv) {
    namespace collector = lapwing::collector;
    CLI::App app{"Lapwing's collector: stores agents' metrics, diagnoses the site and sends alerts.",
                 "lapwing-collector"};
    app.require_subcommand(1);
    app.fallthrough();
    std::string config = "/etc/lapwing/collector.yaml";
    app.add_option("--config", config, "The configuration file")->capture_default_str();
    int code = collector::kFine;

    app.add_subcommand("run", "Run the collector")->callback([&] { code = collector::runService(config); });
    std::string service_user;
    auto* check_config =
        app.add_subcommand("check-config", "Report all errors of the configuration and its rules");
    check_config->add_option("--user", service_user,
                             "Judge the files as this user; default: as the collector's unit has it");
    check_config->callback([&] { code = collector::checkConfig(config, service_user); });

    std::vector<std::string> rule_files;
    auto* check_rules = app.add_subcommand("check-rules", "Report all errors of rule files");
    check_rules->add_option("FILE", rule_files, "Prometheus rule files")->required();
    check_rules->callback([&] { code = collector::checkRules(rule_files); });

    bool json = false;
    const auto lists = [&](const char* name, const char* description, int (*show)(const std::string&, bool)) {
        auto* verb = app.add_subcommand(name, description);
        verb->add_flag("--json", json, "Print JSON");
        verb->callback([&code, &config, &json, show] { code = show(config, json); });
    };
    auto* examine = app.add_subcommand(
        "doctor", "Show for each thing that the collector needs what was tried, the result and the fix");
    examine->add_flag("--json", json, "Print JSON");
    examine->add_option("--user", service_user,
                        "Judge the files as this user; default: as the running collector, or its unit");
    examine->callback([&] { code = collector::doctor(config, service_user, json); });
    lists("status", "Show the state of the collector and the site", &collector::showStatus);
    collector::FindingsRequest findings_request;
    auto* findings = app.add_subcommand("findings", "List the findings: faults and risks");
    findings->add_option("ID", findings_request.id, "Only this kind of finding: F4");
    findings->add_option("SUBJECT", findings_request.subject,
                         "Only this subject or host: nginx@web-01, web-01");
    findings->add_option("--severity", findings_request.severity, "Only of this severity and above")
        ->check(CLI::IsMember({"critical", "high", "medium", "low", "info"}));
    findings->add_flag("--json", findings_request.json, "Print JSON");
    findings->callback([&] { code = collector::showFindings(config, findings_request); });
    lists("alerts", "List active alerts", &collector::showAlerts);
    lists("agents", "List agents and when each last reported", &collector::showAgents);

    collector::SiteRequest site_request;
    auto* site = app.add_subcommand(
        "site", "Show what the collector assumes about the site, from what, and what is missing");
    site->add_flag("--write", site_request.write,
                   "Write the proposal to collector.d/10-site.yaml, unless a person has edited that file");
    auto* site_json = site->add_flag("--json", site_request.json, "Print JSON");
    site_json->excludes("--write");
    site->callback([&] { code = collector::site(config, site_request); });

    collector::WhatIfRequest what_if_request;
    auto* what_if = app.add_subcommand(
        "whatif",
        "Show which services would stop, and which would still work, if components failed or were added");
    what_if->add_option(
        "COMPONENT", what_if_request.components,
        "A component that fails (haproxy@lb-01, mysql@web-01), or a host; several fail together");
    what_if->add_option("--add", what_if_request.additions,
                        "KIND@HOST: haproxy, web or mysql at a host, even a new one; or watchdog@outside");
    what_if->add_flag("--json", what_if_request.json, "Print JSON");
    what_if->callback([&] { code = collector::whatIf(config, what_if_request); });

    collector::InviteRequest invite_request;
    std::string invited_host;
    bool list_invitations = false;
    auto* invite =
        app.add_subcommand("invite", "Print the command by which a host joins, once, within 15 minutes");
    invite->add_option("HOST", invite_request.host, "The host's name");
    auto* many = invite->add_option("--many", invite_request.many,
                                    "A time (10m) in which any host without a certificate may join");
    invite
        ->add_option("--address", invite_request.addresses,
                     "HOST or HOST:PORT of this collector for agents, tried first; repeatable")
        ->allow_extra_args(false);
    auto* list = invite->add_flag("--list", list_invitations, "List open and recent invitations");
    auto* end =
        invite->add_option("--revoke", invited_host, "End the invitation of this host; any: that of --many");
    list->excludes(end)->excludes(many);
    end->excludes(many);
    invite->add_flag("--json", json, "With --list: print JSON");
    invite->callback([&] {
        code = list_invitations        ? collector::listInvitations(config, json)
               : !invited_host.empty() ? collector::revokeInvitation(config, invited_host)
                                       : collector::invite(config, invite_request);
    });

    std::string host;
    std::string bundle;
    auto* enrol = app.add_subcommand("enrol", "Make the certificate of a host's agent");
    enrol->add_option("HOST", host, "The host's name")->required();
    enrol->add_option("--bundle", bundle, "Where to write certificate, key and CA (default: HOST.pem)");
    enrol->callback([&] { code = collector::enrol(config, host, bundle); });

    std::string named_host;
    auto* revoke = app.add_subcommand("revoke", "Refuse all certificates of a host from now on");
    revoke->add_option("HOST", named_host, "The host's name")->required();
    revoke->callback([&] { code = collector::revoke(config, named_host); });
    auto* forget = app.add_subcommand("forget", "Revoke a host, and delete its samples and alerts");
    forget->add_option("HOST", named_host, "The host's name")->required();
    forget->callback([&] { code = collector::forget(config, named_host); });

    bool anyway = false;
    auto* ca = app.add_subcommand("ca", "Show or renew the collector's CA, in three steps");
    const auto ca_step = [&](const char* name, const char* description, collector::CaStep step) {
        auto* verb = ca->add_subcommand(name, description);
        if (step != collector::CaStep::begin) {
            verb->add_flag("--anyway", anyway, "Lock out the agents that have not followed");
        }
        verb->callback([&code, &config, &anyway, step] { code = collector::rollCa(config, step, anyway); });
    };
    ca_step("begin", "Make a second CA, which is trusted and does not sign yet", collector::CaStep::begin);
    ca_step("switch", "Let the second CA sign", collector::CaStep::switch_over);
    ca_step("finish", "Trust the first CA no longer", collector::CaStep::finish);
    ca->callback([&] {
        if (ca->get_subcommands().empty()) {
            code = collector::rollCa(config, collector::CaStep::show, false);
        }
    });

    std::string backup_file;
    auto* backup = app.add_subcommand(
        "backup", "Copy all that a new machine needs: the database, the configuration, the CA");
    backup->add_option("FILE", backup_file, "The copy; the file must not exist yet")->required();
    backup->callback([&] { code = collector::backup(config, backup_file); });

    auto* restore = app.add_subcommand("restore", "Bring a backup to a machine without a database and a CA");
    restore->add_option("FILE", backup_file, "The backup")->required();
    std::vector<std::string> allowed;
    restore
        ->add_option("--allow", allowed,
                     "Write below this directory, too, if the backup has files of it; repeatable")
        ->allow_extra_args(false);
    restore->callback([&] { code = collector::restore(config, backup_file, allowed); });

    std::string user_name;
    std::string users_file;
    auto* user = app.add_subcommand("user", "The people who may log in (http.users_file)");
    user->require_subcommand(1);
    auto* add_user = user->add_subcommand("add", "Add a user, or change the password of one");
    add_user->add_option("NAME", user_name, "The name")->required();
    add_user->add_option("--file", users_file, "Another file than http.users_file, which need not exist yet");
    add_user->callback([&] { code = collector::addUser(config, user_name, users_file); });

    std::string salvage_file;
    auto* check =
        app.add_subcommand("check", "Look for damage in the database, even while the collector runs");
    check->add_option("--salvage", salvage_file,
                      "Copy everything readable into this new file; the collector must not run");
    check->callback([&] { code = collector::checkDatabase(config, salvage_file); });

    auto* notify = app.add_subcommand("notify", "Notifications");
    notify->require_subcommand(1);
    notify->add_subcommand("test", "Send a harmless test alert to every receiver")->callback([&] {
        code = collector::testNotify(config);
    });
    collector::ReceiverRequest receiver;
    std::string receiver_name;
    bool no_test = false;
    auto* add_receiver = notify->add_subcommand(
        "add",
        "Add a receiver of alerts. A secret (URL, key, password) is asked for, or read from standard input");
    add_receiver
        ->add_option("KIND", receiver.kind,
                     "mail, webhook, slack, teams, discord, ntfy, telegram or pagerduty")
        ->required()
        ->check(
            CLI::IsMember({"mail", "webhook", "slack", "teams", "discord", "ntfy", "telegram", "pagerduty"}));
    add_receiver->add_option("--to", receiver.to, "mail: an address; repeatable")->allow_extra_args(false);
    add_receiver->add_option("--from", receiver.from, "mail: the sender's address");
    add_receiver->add_option("--smtp", receiver.smtp, "mail: the server, HOST:PORT");
    add_receiver->add_option("--security", receiver.security, "mail: none, starttls or tls")
        ->check(CLI::IsMember({"none", "starttls", "tls"}));
    add_receiver->add_option("--username", receiver.username,
                             "mail: log in as this user; the password is asked for");
    add_receiver->add_option("--chat", receiver.chat, "telegram: the chat's id");
    add_receiver->add_flag("--no-test", no_test, "Send no test message");
    add_receiver->callback([&] {
        receiver.test = !no_test;
        code = collector::addReceiver(config, receiver);
    });
    auto* remove_receiver = notify->add_subcommand("remove", "Remove a receiver that `notify add` added");
    remove_receiver->add_option("NAME", receiver_name, "As `notify test` shows it: 'webhook[0]'")->required();
    remove_receiver->callback([&] { code = collector::removeReceiver(config, receiver_name); });

    auto* http = app.add_subcommand("http", "The page for people beyond this machine");
    http->require_subcommand(1);
    collector::HttpRequest http_request;
    auto* enable_http = http->add_subcommand(
        "enable", "Let the page listen off the loopback, with TLS by the collector's own CA and users");
    enable_http
        ->add_option("--listen", http_request.listen,
                     "ADDRESS or ADDRESS:PORT; default: this machine's only address; repeatable")
        ->allow_extra_args(false);
    enable_http
        ->add_option("--name", http_request.names, "A name of this machine for the certificate; repeatable")
        ->allow_extra_args(false);
    enable_http->add_option("--user", http_request.user,
                            "Who may log in; the password is asked for, or read from standard input");
    enable_http->callback([&] { code = collector::enableHttp(config, http_request); });
    http->add_subcommand("disable", "Take back what `http enable` wrote")->callback([&] {
        code = collector::disableHttp(config);
    });
    collector::RouteRequest route_request;
    auto* route = notify->add_subcommand("route", "Show which receivers an alert would go to");
    route->add_option("ALERTNAME", route_request.alert, "The alert's name")->required();
    route->add_option(
        "LABEL", route_request.labels,
        "NAME=VALUE: instance=web-01. The rules give the labels that they fix, such as severity");
    route->callback([&] { code = collector::showRoute(config, route_request); });

    collector::AcceptRequest accept_request;
    bool list_acceptances = false;
    bool end_acceptance = false;
    auto* accept = app.add_subcommand(
        "accept",
        "Let a finding stand: it is shown as accepted, and nobody is told, unless it becomes worse");
    accept->add_option("ID", accept_request.id, "The finding, as `findings` shows it: R1");
    accept->add_option("SUBJECT", accept_request.subject, "Its subject: haproxy@lb-01");
    auto* until =
        accept->add_option("--until", accept_request.until,
                           "When it must be looked at again: a day (2027-06-01) or a time from now (30d)");
    auto* reason = accept->add_option("--reason", accept_request.reason, "Why it may stand");
    auto* acceptances = accept->add_flag("--list", list_acceptances, "List the acceptances");
    auto* end_accepting = accept->add_flag("--end", end_acceptance, "End the acceptance of this finding now");
    acceptances->excludes(end_accepting)->excludes(until)->excludes(reason);
    end_accepting->excludes(until)->excludes(reason);
    accept->add_flag("--json", json, "With --list: print JSON");
    accept->callback([&] {
        code = list_acceptances ? collector::listAcceptances(config, json)
               : end_acceptance ? collector::endAcceptance(config, accept_request.id, accept_request.subject)
                                : collector::accept(config, accept_request);
    });

    collector::SilenceRequest silence_request;
    std::string silence_id;
    auto* silence = app.add_subcommand(
        "silence",
        "Send no notifications about a host for a while: silence HOST 30m. Its alerts are still shown");
    silence
        ->add_option("HOST", silence_request.target_and_duration,
                     "The host (the label instance) and the duration; with --matcher, HOST may be omitted")
        ->option_text("DURATION")
        ->expected(0, 2);
    silence->add_option("--matcher", silence_request.matchers,
                        "NAME=VALUE, NAME!=VALUE, NAME=~REGEX or NAME!~REGEX; repeatable");
    silence->add_option("--comment", silence_request.comment, "The reason");
    auto* silences = silence->add_subcommand("list", "List the silences");
    silences->add_flag("--json", json, "Print JSON");
    silences->callback([&] { code = collector::listSilences(config, json); });
    auto* expire = silence->add_subcommand("expire", "End a silence now");
    expire->add_option("ID", silence_id, "The id, as `silence list` shows it")->required();
    expire->callback([&] { code = collector::expireSilence(config, silence_id); });
    silence->callback([&] {
        if (silence->get_subcommands().empty()) {
            code = collector::silence(config, silence_request);
        }
    });

    app.add_subcommand("version", "Print the version")->callback([] {
        std::puts("lapwing-collector " LAPWING_VERSION);
    });
    app.set_version_flag("--version", "lapwing-collector " LAPWING_VERSION, "Print the version");
    app.add_subcommand("manual", "Print the manual page of the configuration, lapwing-collector.yaml(5)")
        ->group("")
        ->callback([] { std::fputs(lapwing::config::manualText(collector::manualPage()).c_str(), stdout); });
    std::string shell;
    auto* completion =
        app.add_subcommand("completion", "Print the script that completes this command line in a shell");
    completion->add_option("SHELL", shell, "bash or zsh")->required()->check(CLI::IsMember({"bash", "zsh"}));
    completion->callback(
        [&] { std::fputs(lapwing::completionScript(app, *lapwing::parseShell(shell)).c_str(), stdout); });

    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? collector::kFine : collector::kWrongUsage;
    }
    return code;
}

}  // namespace

int main(int argc, char** argv) {
    try {
        return dispatch(argc, argv);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "lapwing-collector: %s\n", error.what());
        return lapwing::collector::kWrongUsage;
    }
}
