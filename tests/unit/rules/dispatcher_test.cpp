#include "collector/notify/dispatcher.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <functional>
#include <mutex>
#include <thread>

#include "collector/notify/matchers.h"
#include "collector/notify/receivers.h"
#include "collector/notify/silences.h"
#include "common/config/reader.h"
#include "tests/unit/common/certificates.h"
#include "tests/unit/common/script_server.h"
#include "tests/unit/rules/smtp_server.h"
#include "tests/unit/rules/support.h"
#include "tests/unit/temporary_folder.h"

using namespace lapwing;
using namespace std::chrono_literals;
using notify::Alert;
using notify::Dispatcher;
using test::Peer;
using test::ScriptServer;
using test::SmtpServer;

namespace {

Alert alert(const std::string& instance, bool firing = true) {
    Alert out;
    out.labels = Labels{{"alertname", "Down"}, {"instance", instance}};
    out.annotations =
        Labels{{"summary", instance + " ist nicht erreichbar: \xc3\xbc"}, {"next_step", ".\n.x"}};
    out.firing = firing;
    out.starts_at = 1'700'000'000'000;
    out.ends_at = firing ? nowMs() + 240'000 : nowMs();
    return out;
}

std::string secret(const test::TemporaryFolder& folder, const std::string& name, const std::string& content) {
    auto path = folder.write(name, content);
    std::filesystem::permissions(path, std::filesystem::perms(0600));
    return path;
}

template <class Condition>
bool eventually(Condition condition) {
    const auto until = std::chrono::steady_clock::now() + 30s;
    while (!condition()) {
        if (std::chrono::steady_clock::now() > until) {
            return false;
        }
        std::this_thread::sleep_for(5ms);
    }
    return true;
}

/// Answers each request with the next of the given statuses; 0 hangs. The last status repeats.
class Webhook {
  public:
    explicit Webhook(std::vector<int> statuses) : statuses_(std::move(statuses)) {}
    /// `decide` maps the text of a request to a status, which may be followed by headers; 0 hangs.
    explicit Webhook(std::function<std::string(const std::string&)> decide) : decide_(std::move(decide)) {}

    std::string url() const { return server_.url() + "/secret-path?token=hidden"; }
    std::vector<std::string> requests() const {
        const std::lock_guard lock(mutex_);
        return requests_;
    }

    /// Ends the requests that hang.
    void letGo() { released_ = true; }

  private:
    static std::string withEnd(const std::string& answer) {
        return answer.find("\r\n\r\n") == std::string::npos ? answer + "\r\nConnection: close\r\n\r\n"
                                                            : answer;
    }
    void answer(Peer& peer) {
        const auto request = peer.readRequest();
        if (request.empty()) {
            return;
        }
        int status = 0;
        {
            const std::lock_guard lock(mutex_);
            requests_.push_back(request);
            status = decide_ ? 0 : statuses_[std::min(requests_.size(), statuses_.size()) - 1];
        }
        if (decide_) {
            const auto answer = decide_(request);
            while (answer == "0" && !released_ && !peer.stopping()) {
                std::this_thread::sleep_for(5ms);
            }
            if (answer != "0") {
                peer.write("HTTP/1.1 " + withEnd(answer));
            }
            return;
        }
        if (status == 0) {
            return peer.hang();
        }
        peer.write("HTTP/1.1 " + std::to_string(status) +
                   " X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    }

    std::vector<int> statuses_;
    std::function<std::string(const std::string&)> decide_;
    std::atomic<bool> released_{false};
    mutable std::mutex mutex_;
    std::vector<std::string> requests_;
    ScriptServer server_{[this](Peer& peer) { answer(peer); }};
};

notify::DispatcherOptions quick() {
    notify::DispatcherOptions options;
    options.gather_ms = 1;
    options.first_retry_ms = 10;
    options.most_retry_ms = 50;
    options.deadline_ms = 300;
    return options;
}

notify::Config webhookConfig(const std::string& url) {
    notify::Config config;
    config.webhook.emplace_back().url = url;
    config.external_url = "http://mon:9765";
    config.group_wait_ms = config.group_interval_ms = 0;
    return config;
}

}  // namespace

TEST_CASE("a webhook that hangs, fails and then answers gets the alert, once") {
    const test::TemporaryFolder folder;
    const auto store = openStore(folder.path("db"));
    Webhook webhook({0, 500, 429, 404, 200});
    Dispatcher dispatcher(webhookConfig(webhook.url()), *store, quick());
    dispatcher.start();
    const auto began = std::chrono::steady_clock::now();
    dispatcher.send({alert("web-02")});
    CHECK(std::chrono::steady_clock::now() - began < 10s);
    REQUIRE(eventually([&] { return dispatcher.status()[0].sent == 1; }));
    const auto status = dispatcher.status()[0];
    CHECK(status.failed == 4);
    CHECK(status.waiting == 0);
    CHECK_FALSE(status.failing);
    CHECK(webhook.requests().size() == 5);
    const auto request = webhook.requests().back();
    CHECK(request.rfind("POST /secret-path?token=hidden HTTP/1.1\r\n", 0) == 0);
    CHECK(request.find("Content-Type: application/json") != std::string::npos);
    CHECK(request.find(R"("labels":{"alertname":"Down","instance":"web-02"})") != std::string::npos);

    dispatcher.send({alert("web-02")});
    dispatcher.send({alert("web-02", false)});
    REQUIRE(eventually([&] { return dispatcher.status()[0].sent == 2; }));
    dispatcher.send({alert("web-02", false)});
    std::this_thread::sleep_for(50ms);
    CHECK(webhook.requests().size() == 6);
    CHECK(webhook.requests().back().find(R"("status":"resolved")") != std::string::npos);
    dispatcher.stop();
}

TEST_CASE("a restart repeats no delivered notification and loses no waiting one") {
    const test::TemporaryFolder folder;
    const auto store = openStore(folder.path("db"));
    Webhook webhook({200});
    {
        Dispatcher dispatcher(webhookConfig(webhook.url()), *store, quick());
        dispatcher.start();
        dispatcher.send({alert("told")});
        REQUIRE(eventually([&] { return dispatcher.status()[0].sent == 1; }));
        dispatcher.stop();
        // The dispatcher does not run: these alerts wait.
        dispatcher.send({alert("waits")});
    }
    Dispatcher dispatcher(webhookConfig(webhook.url()), *store, quick());
    CHECK(dispatcher.status()[0].waiting == 1);
    dispatcher.start();
    dispatcher.send({alert("told")});
    REQUIRE(eventually([&] { return dispatcher.status()[0].sent == 1; }));
    std::this_thread::sleep_for(50ms);
    CHECK(webhook.requests().size() == 2);
    CHECK(webhook.requests()[1].find(R"("instance":"waits")") != std::string::npos);
}

TEST_CASE("a hanging receiver delays no other receiver, no sender and no stop") {
    const test::TemporaryFolder folder;
    const auto store = openStore(folder.path("db"));
    Webhook hung(std::vector<int>{0});
    Webhook well({200});
    auto config = webhookConfig(hung.url());
    config.webhook.emplace_back().url = well.url();
    auto options = quick();
    options.deadline_ms = 2000;
    Dispatcher dispatcher(config, *store, options);
    dispatcher.start();
    dispatcher.send({alert("web-02")});
    REQUIRE(eventually([&] { return dispatcher.status()[1].sent == 1; }));
    CHECK(dispatcher.status()[0].sent == 0);
    dispatcher.stop();
    CHECK(dispatcher.status()[0].waiting == 1);
}

TEST_CASE("no error of a receiver shows the secrets of its URL") {
    const test::TemporaryFolder folder;
    const auto store = openStore(folder.path("db"));
    std::string closed;
    {
        const ScriptServer server([](Peer&) {});
        closed = server.url();
    }
    Dispatcher dispatcher(webhookConfig(closed + "/secret-path?token=hidden"), *store, quick());
    dispatcher.start();
    dispatcher.send({alert("web-02")});
    REQUIRE(eventually([&] { return dispatcher.status()[0].failed > 1; }));
    CHECK(dispatcher.status()[0].failing->reason == closed + ": connect: Connection refused");
    dispatcher.stop();
    for (const auto& receiver : notify::makeReceivers(webhookConfig(closed + "/hidden"))) {
        CHECK(receiver->name == "webhook[0]");
        CHECK(receiver->state_name.find("hidden") == std::string::npos);
    }
}

TEST_CASE("a webhook's token comes from a file") {
    const test::TemporaryFolder folder;
    Webhook webhook({200});
    auto config = webhookConfig(webhook.url());
    config.webhook[0].bearer_token_file = secret(folder, "token", "s3cret\n");
    const auto outcome = notify::sendTest(config);
    REQUIRE(outcome.size() == 1);
    CHECK(outcome[0].result.has_value());
    REQUIRE(webhook.requests().size() == 2);
    CHECK(webhook.requests()[0].find("Authorization: Bearer s3cret\r\n") != std::string::npos);
    CHECK(webhook.requests()[1].find(R"("status":"resolved")") != std::string::npos);
    config.webhook[0].bearer_token_file = folder.path("none");
    CHECK(notify::sendTest(config)[0].result.error().message ==
          "reading " + folder.path("none") + ": No such file or directory");
    config.webhook[0].bearer_token_file = folder.write("readable", "s3cret\n");
    std::filesystem::permissions(folder.path("readable"), std::filesystem::perms(0640));
    CHECK(notify::sendTest(config)[0].result.error().message ==
          "reading " + folder.path("readable") + ": others than its owner may read it; chmod 0600 it");
    CHECK(webhook.requests().size() == 2);
}

TEST_CASE("a webhook's URL comes from a file, and no message repeats it") {
    const test::TemporaryFolder folder;
    Webhook webhook({200, 200, 500});
    notify::Config config;
    config.webhook.emplace_back().url_file = secret(folder, "url", webhook.url() + "\n");
    config.webhook[0].format = notify::WebhookFormat::slack;
    CHECK(notify::sendTest(config)[0].result.has_value());
    CHECK(webhook.requests()[0].rfind("POST /secret-path?token=hidden HTTP/1.1\r\n", 0) == 0);
    CHECK(webhook.requests()[0].find(
              R"({"attachments":[{"color":"danger","fallback":"[FIRING:1] LapwingTest")") !=
          std::string::npos);
    CHECK(notify::sendTest(config)[0].result.error().message == "answered HTTP 500");
    for (const char* bad :
         {"ftp://hidden", "https://user:hidden@example.org/", "http://hidden:port/", "hidden"}) {
        INFO(bad);
        secret(folder, "url", bad);
        const auto outcome = notify::sendTest(config);
        CHECK(outcome[0].result.error().kind == notify::DeliveryFailure::Kind::unreached);
        CHECK(outcome[0].result.error().message.find("hidden") == std::string::npos);
    }
    // A token is not sent unencrypted.
    secret(folder, "url", "http://hooks.example.org/hidden");
    config.webhook[0].bearer_token_file = secret(folder, "token", "s3cret");
    CHECK(notify::sendTest(config)[0].result.error().message ==
          "the secret of " + folder.path("token") + " is not sent in clear: use https");
}

TEST_CASE("a silenced alert is not sent until the silence ends") {
    const test::TemporaryFolder folder;
    const auto store = openStore(folder.path("db"));
    Webhook webhook({200});
    Dispatcher dispatcher(webhookConfig(webhook.url()), *store, quick());
    notify::Silence silence;
    silence.matchers = {*notify::parseMatcher("instance=web-02")};
    silence.starts_at = nowMs();
    silence.ends_at = nowMs() + 3'600'000;
    const auto id = dispatcher.silences().set(silence, nowMs());
    REQUIRE(id.has_value());
    dispatcher.start();
    dispatcher.send({alert("web-02"), alert("web-01")});
    REQUIRE(eventually([&] { return dispatcher.status()[0].sent == 1; }));
    CHECK(webhook.requests()[0].find("web-02 ist") == std::string::npos);
    CHECK(webhook.requests()[0].find("web-01 ist") != std::string::npos);
    CHECK(dispatcher.status()[0].waiting == 0);
    CHECK(dispatcher.suppression(alert("web-02").labels, {}).silenced_by == std::vector<std::string>{*id});
    CHECK(dispatcher.suppression(alert("web-01").labels, {}).silenced_by.empty());
    // The end of the silence wakes the receiver's thread.
    REQUIRE(dispatcher.silences().expire(*id, nowMs()).has_value());
    REQUIRE(eventually([&] { return dispatcher.status()[0].sent == 2; }));
    CHECK(webhook.requests()[1].find("web-02 ist") != std::string::npos);
    dispatcher.stop();
}

TEST_CASE("an Alertmanager gets alerts by its own API") {
    const test::TemporaryFolder folder;
    Webhook server({200});
    notify::Config config;
    config.alertmanager.emplace_back().url = server.url().substr(0, server.url().find("/secret")) + "/";
    const auto outcome = notify::sendTest(config);
    REQUIRE(outcome[0].result.has_value());
    CHECK(server.requests()[0].rfind("POST /api/v2/alerts HTTP/1.1\r\n", 0) == 0);
}

TEST_CASE("a mail arrives with its subject, its text and its receivers") {
    const test::TemporaryFolder folder;
    const auto store = openStore(folder.path("db"));
    SmtpServer server({});
    notify::Config config;
    config.group_wait_ms = config.group_interval_ms = 0;
    notify::EmailConfig email;
    email.to = {"ops@example.org", "night@example.org"};
    email.from = "lapwing@example.org";
    email.smtp = server.address();
    config.email.push_back(email);
    Dispatcher dispatcher(config, *store, quick());
    dispatcher.start();
    dispatcher.send({alert("web-02")});
    REQUIRE(eventually([&] { return dispatcher.status()[0].sent == 1 && dispatcher.status()[1].sent == 1; }));
    dispatcher.stop();
    const auto mails = server.mails();
    REQUIRE(mails.size() == 2);
    const auto& mail = mails[0];
    CHECK(mail.from == "MAIL FROM:<lapwing@example.org>");
    auto to = mail.to;
    to.insert(to.end(), mails[1].to.begin(), mails[1].to.end());
    std::sort(to.begin(), to.end());
    CHECK(to == std::vector<std::string>{"RCPT TO:<night@example.org>", "RCPT TO:<ops@example.org>"});
    CAPTURE(mail.data);
    CHECK(mail.data.find("To: <ops@example.org>, <night@example.org>\r\n") != std::string::npos);
    CHECK(mail.data.find("Subject: [FIRING:1] Down (web-02)\r\n") != std::string::npos);
    CHECK(mail.data.find("From: lapwing@example.org\r\n") != std::string::npos);
    CAPTURE(mail.data);
    CHECK(mail.data.find("Date: ") != std::string::npos);
    CHECK(mail.data.find("Message-ID: <") != std::string::npos);
    CHECK(mail.data.find("Content-Type: text/plain; charset=UTF-8\r\n") != std::string::npos);
    CHECK(
        mail.data.find("FIRING: web-02 ist nicht erreichbar: =C3=BC\r\nsince 2023-11-14T22:13:20.000Z\r\n") !=
        std::string::npos);
    CHECK(mail.data.find("next_step: .\r\n.x\r\n") != std::string::npos);
}

TEST_CASE("mail goes over TLS with a login, and the password stays secret") {
    const test::TemporaryFolder folder;
    const test::TemporaryFolder dir;
    const test::TestCa ca(dir, "ca");
    const test::TestCa other(dir, "other");
    const auto certificate = ca.issue({"smtp", "IP:127.0.0.1"}, "smtp.pem");
    notify::EmailConfig email;
    email.to = {"ops@example.org"};
    email.from = "lapwing@example.org";
    email.ca_file = ca.certificate();
    email.username = "lapwing";
    email.password_file = secret(folder, "password", "s3cret\n");
    for (const bool at_once : {false, true}) {
        SmtpServer server({certificate, at_once, "s3cret", "", ""});
        email.smtp = server.address();
        email.security = at_once ? notify::SmtpSecurity::tls : notify::SmtpSecurity::starttls;
        const auto sent = notify::sendMail(email, email.to[0], "s", "b\n", 10s);
        INFO((sent ? "" : sent.error().message));
        REQUIRE(sent.has_value());
        REQUIRE(server.mails().size() == 1);
        CHECK(server.mails()[0].secured);
        CHECK(server.mails()[0].login == "lapwing s3cret");

        SmtpServer refusing({certificate, at_once, "other", "", ""});
        email.smtp = refusing.address();
        const auto denied = notify::sendMail(email, email.to[0], "s", "b\n", 10s);
        REQUIRE_FALSE(denied.has_value());
        CHECK(denied.error().kind == notify::DeliveryFailure::Kind::denied);
        CHECK(denied.error().message == "smtp://" + refusing.address() + ": the server refused the login");
        CHECK(refusing.mails().empty());

        auto distrustful = email;
        distrustful.ca_file = other.certificate();
        const auto untrusted = notify::sendMail(distrustful, email.to[0], "s", "b\n", 10s);
        REQUIRE_FALSE(untrusted.has_value());
        CHECK(untrusted.error().kind == notify::DeliveryFailure::Kind::unreached);
        CHECK(untrusted.error().message.find("certificate") != std::string::npos);
    }
    // A server that offers no TLS gets neither the password nor the mail.
    SmtpServer plain({"", false, "s3cret", "", ""});
    email.smtp = plain.address();
    email.security = notify::SmtpSecurity::starttls;
    const auto sent = notify::sendMail(email, email.to[0], "s", "b\n", 10s);
    REQUIRE_FALSE(sent.has_value());
    CHECK(sent.error().message == "smtp://" + plain.address() + ": the server does not offer STARTTLS");
    CHECK(plain.mails().empty());
}

TEST_CASE("a mail server that hangs costs one deadline, and a refusal is reported") {
    notify::EmailConfig email;
    email.to = {"ops@example.org"};
    email.from = "lapwing@example.org";
    for (const char* command : {"CONNECT", "EHLO", "MAIL", "RCPT", "DATA"}) {
        INFO(command);
        SmtpServer server({"", false, "", command, ""});
        email.smtp = server.address();
        const auto sent = notify::sendMail(email, email.to[0], "s", "b\n", 200ms);
        REQUIRE_FALSE(sent.has_value());
        CHECK(sent.error().kind == notify::DeliveryFailure::Kind::later);
        CHECK(sent.error().message.find("no answer") != std::string::npos);
    }
    SmtpServer refusing({"", false, "", "", "RCPT"});
    email.smtp = refusing.address();
    const auto refused = notify::sendMail(email, email.to[0], "s", "b\n", 10s);
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().kind == notify::DeliveryFailure::Kind::refused);
    CHECK(refused.error().message.find("550 not here") != std::string::npos);
    // The mail was accepted: a failure of QUIT causes no second mail.
    SmtpServer rude({"", false, "", "", "QUIT"});
    email.smtp = rude.address();
    CHECK(notify::sendMail(email, email.to[0], "s", "b\n", 10s).has_value());
}

TEST_CASE("every error in the configuration of notifications is reported") {
    const test::TemporaryFolder folder;
    const auto token = secret(folder, "token", "s3cret");
    const auto readable = folder.write("readable", "s3cret");
    std::filesystem::permissions(readable, std::filesystem::perms(0644));
    config::Reader reader;
    notify::Config config;
    notify::readConfig(reader.text(R"(webhook:
  - { url: "ftp://x" }
  - { url: "https://user:secret@example.org/" }
  - { uri: "http://x/" }
  - { url: "https://x/", url_file: ")" +
                                       token +
                                       R"(", format: carrier }
  - { url: "http://hooks.example.org/", bearer_token_file: ")" +
                                       token + R"(" }
  - { url: "http://127.0.0.1:8/", bearer_token_file: ")" +
                                       readable + R"(" }
email:
  - { to: ops, from: a@b, smtp: mail }
  - { to: ops@example.org, from: a@b, smtp: "mail:25", username: u, password_file: ")" +
                                       token + R"(" }
  - { to: [ops@example.org], from: a@b, smtp: "mail:587", security: ssl, username: u }
alertmanager: [{ url: "http://am:9093/" }]
repeat_interval: 1s
group_by: [ alertname, "" ]
heartbeat: { method: PUT, interval: 10ms }
inhibit: [ { source: "severity critical", equal: [ instance ] } ]
)",
                                   "c.yaml"),
                       config);
    std::vector<std::string> problems;
    for (const auto& problem : reader.problems()) {
        problems.push_back(problem.toString());
    }
    CHECK(problems ==
          std::vector<std::string>{
              "c.yaml:2:12: webhook[0].url must be an http:// or https:// URL",
              "c.yaml:3:12: webhook[1].url must not hold credentials; use bearer_token_file",
              "c.yaml:4:7: unknown key \"uri\" in webhook[2]; did you mean \"url\"?",
              "c.yaml:4:5: webhook[2] needs a url",
              "c.yaml:5:" + std::to_string(48 + token.size()) +
                  ": webhook[3].format must be alertmanager, slack, teams, discord, ntfy, telegram, "
                  "pagerduty or template",
              "c.yaml:5:12: webhook[3] has both url and url_file",
              "c.yaml:6:60: webhook[4] would send the token in clear: use https, or a loopback address",
              "c.yaml:7:54: webhook[5].bearer_token_file: reading " + readable +
                  ": others than its owner may read it; chmod 0600 it",
              "c.yaml:9:11: email[0].to must hold addresses such as ops@example.org",
              "c.yaml:9:33: email[0] needs \"smtp\", as HOST:PORT",
              "c.yaml:10:66: email[1] would send the password in clear: set security to starttls or tls",
              "c.yaml:11:69: email[2].security must be none, starttls or tls",
              "c.yaml:11:5: email[2] needs both username and password_file to log in",
              "c.yaml:11:84: email[2] would send the password in clear: set security to starttls or tls",
              "c.yaml:15:12: heartbeat needs a url",
              "c.yaml:15:22: heartbeat.method must be GET or POST",
              "c.yaml:15:37: heartbeat.interval must be at least 1s",
              "c.yaml:14:11: group_by must hold names of labels, or be [\"...\"]: every alert by itself",
              std::string("c.yaml:16:22: inhibit[0].source: \"severity critical\" is not a matcher: ") +
                  "NAME=VALUE, NAME!=VALUE, NAME=~REGEX or NAME!~REGEX; a NAME with other signs than "
                  "letters, digits and _ needs quotes",
              "c.yaml:16:12: inhibit[0] needs \"target\", a list of matchers",
              "c.yaml:13:18: repeat_interval must be at least 1m"});
    CHECK(config.alertmanager.size() == 1);
}

namespace {

/// Down, with another name.
Alert named(const std::string& name) {
    auto out = alert("web-02");
    out.labels.set("alertname", name);
    return out;
}

bool got(const Webhook& webhook, const std::string& name) {
    const auto requests = webhook.requests();
    return std::any_of(requests.begin(), requests.end(), [&](const auto& request) {
        return request.find("\"alertname\":\"" + name + "\"") != std::string::npos;
    });
}

}  // namespace

TEST_CASE("a message that a receiver refuses holds up no other, and is given up with its words") {
    const test::TemporaryFolder folder;
    const auto store = openStore(folder.path("db"));
    Webhook webhook([](const std::string& request) -> std::string {
        if (request.find("\"Bad\"") == std::string::npos) {
            return "200 OK\r\nContent-Length: 0";
        }
        return "400 Bad Request\r\nContent-Length: 34\r\n\r\ninvalid_blocks at /secret-path (x)";
    });
    Dispatcher dispatcher(webhookConfig(webhook.url()), *store, quick());
    dispatcher.start();
    dispatcher.send({named("Bad")});
    REQUIRE(eventually([&] { return got(webhook, "Bad"); }));
    dispatcher.send({named("DatabaseDown")});
    REQUIRE(eventually([&] { return got(webhook, "DatabaseDown"); }));
    REQUIRE(eventually([&] { return dispatcher.status()[0].given_up == 1; }));
    const auto status = dispatcher.status()[0];
    CHECK(status.sent == 1);
    CHECK(status.failed == 3);
    CHECK(status.waiting == 0);
    REQUIRE(status.refused);
    CHECK(status.refused->notification == "{alertname=\"Bad\"}");
    CHECK(status.refused->reason == "answered HTTP 400: invalid_blocks at /*** (x)");
    std::vector<prometheus::MetricFamily> metrics;
    dispatcher.addMetrics(metrics);
    const auto& trouble = metrics.back().metric;
    REQUIRE(trouble.size() == 1);
    CHECK(trouble[0].label[1].value == "given_up");
    CHECK(trouble[0].label[3].value == status.refused->reason);
}

TEST_CASE("a message at which a receiver hangs delays only itself") {
    const test::TemporaryFolder folder;
    const auto store = openStore(folder.path("db"));
    Webhook webhook([](const std::string& request) -> std::string {
        return request.find("\"Bad") == std::string::npos ? "200 OK\r\nContent-Length: 0" : "0";
    });
    auto options = quick();
    options.deadline_ms = 20'000;
    Dispatcher dispatcher(webhookConfig(webhook.url()), *store, options);
    dispatcher.start();
    dispatcher.send({named("Bad")});
    dispatcher.send({named("Bad2")});
    REQUIRE(eventually([&] { return got(webhook, "Bad") && got(webhook, "Bad2"); }));
    const auto began = std::chrono::steady_clock::now();
    dispatcher.send({named("DatabaseDown")});
    REQUIRE(eventually([&] { return dispatcher.status()[0].sent == 1; }));
    CHECK(std::chrono::steady_clock::now() - began < 15s);
    webhook.letGo();
}

TEST_CASE("a receiver's Retry-After is honoured") {
    const test::TemporaryFolder folder;
    const auto store = openStore(folder.path("db"));
    std::atomic<int> requests{0};
    Webhook webhook([&](const std::string&) -> std::string {
        return ++requests == 1 ? "429 Too Many Requests\r\nRetry-After: 2\r\nContent-Length: 0"
                               : "200 OK\r\nContent-Length: 0";
    });
    Dispatcher dispatcher(webhookConfig(webhook.url()), *store, quick());
    const auto began = std::chrono::steady_clock::now();
    dispatcher.start();
    dispatcher.send({named("A")});
    REQUIRE(eventually([&] { return requests == 1; }));
    dispatcher.send({named("B")});
    REQUIRE(eventually([&] { return dispatcher.status()[0].sent == 2; }));
    CHECK(std::chrono::steady_clock::now() - began >= 2s);
    CHECK(requests == 3);
}

TEST_CASE("a redirect that keeps method and body is followed, and the token stays with its server") {
    const test::TemporaryFolder folder;
    const auto token = secret(folder, "token", "s3cret-token");
    Webhook target({200});
    std::string answer = "308 Permanent Redirect\r\nContent-Length: 0\r\nLocation: " + target.url();
    Webhook moved([&](const std::string&) { return answer; });
    auto config = webhookConfig(moved.url());
    config.webhook[0].bearer_token_file = token;
    config.webhook[0].send_resolved = false;
    CHECK(notify::sendTest(config)[0].result.has_value());
    REQUIRE(target.requests().size() == 1);
    CHECK(target.requests()[0].rfind("POST /secret-path?token=hidden", 0) == 0);
    CHECK(target.requests()[0].find("LapwingTest") != std::string::npos);
    CHECK(target.requests()[0].find("s3cret-token") == std::string::npos);
    CHECK(moved.requests()[0].find("Bearer s3cret-token") != std::string::npos);
    answer = "307 Temporary Redirect\r\nContent-Length: 0\r\nLocation: /secret-path?token=hidden";
    CHECK(notify::sendTest(config)[0].result.error().message == "redirects more than 5 times");
    CHECK(moved.requests().size() == 7);
    answer = "307 Temporary Redirect\r\nContent-Length: 0\r\nLocation: file:///etc/passwd";
    CHECK(notify::sendTest(config)[0].result.error().message ==
          "redirects to an address that is no http or https URL");
    // A browser would repeat it as GET, without the alert.
    answer = "302 Found\r\nContent-Length: 0\r\nLocation: " + target.url();
    CHECK(notify::sendTest(config)[0].result.error().message == "answered HTTP 302");
}

TEST_CASE("a mail server that refuses one address gets the mail for the other") {
    const test::TemporaryFolder folder;
    const auto store = openStore(folder.path("db"));
    SmtpServer server({"", false, "", "", "RCPT TO:<gone@example.org>"});
    notify::Config config;
    config.group_wait_ms = config.group_interval_ms = 0;
    auto& email = config.email.emplace_back();
    email.to = {"gone@example.org", "ops@example.org"};
    email.from = "lapwing@example.org";
    email.smtp = server.address();
    Dispatcher dispatcher(config, *store, quick());
    dispatcher.start();
    dispatcher.send({alert("web-02")});
    REQUIRE(
        eventually([&] { return dispatcher.status()[0].given_up == 1 && dispatcher.status()[1].sent == 1; }));
    CHECK(dispatcher.status()[0].name == "email[0] gone@example.org");
    CHECK(dispatcher.status()[0].refused->reason.find("550 not here") != std::string::npos);
    REQUIRE(server.mails().size() == 1);
    CHECK(server.mails()[0].to == std::vector<std::string>{"RCPT TO:<ops@example.org>"});
    CHECK(server.mails()[0].data.find("gone@example.org") != std::string::npos);
}
