#include "collector/analysis/alert_texts.h"

#include "tests/unit/catch.h"

using namespace lapwing;
using analysis::alertText;

namespace {

analysis::Finding finding() {
    analysis::Finding out;
    out.id = "F2";
    out.subject = "mysql@web-01";
    out.title = "MySQL on web-01 is open to any address";
    out.evidence = {{"ruleset of web-01", "port 3306 is let in from anywhere"},
                    {"attempt from web-02", "it connected"},
                    {"sockets of web-01", "mariadbd listens on 0.0.0.0:3306"},
                    {"attempt from monitor", "it connected"}};
    out.remedy = "\nOn web-01: `nft -f /etc/nftables.conf`\nthen more";
    return out;
}

}  // namespace

TEST_CASE("an alert about a finding has its title, its evidence and its first step") {
    const auto added = analysis::annotationsOf(
        finding(), Labels{{"summary", "Critical finding F2 on mysql@web-01 (confirmed)"},
                          {"description", "The page shows its evidence."},
                          {"next_step", "`lapwing-collector findings` prints the remedy"}});
    CHECK(added.get("title") == "MySQL on web-01 is open to any address");
    CHECK(added.get("evidence") ==
          "ruleset of web-01: port 3306 is let in from anywhere; attempt from web-02: it connected; "
          "sockets of web-01: mariadbd listens on 0.0.0.0:3306; and 1 more");
    CHECK(added.get("remedy") == "On web-01: `nft -f /etc/nftables.conf`");
    auto rules = finding();
    rules.remedy = "This ruleset does:\ntable inet lapwing";
    CHECK(analysis::annotationsOf(rules, {}).get("remedy") == "This ruleset does...");
    CHECK(added.get("summary") ==
          "Critical finding F2 on mysql@web-01 (confirmed): MySQL on web-01 is open to any address");
    CHECK(added.get("description") == std::string(added.get("evidence")) + ". The page shows its evidence.");
    CHECK(added.get("next_step") ==
          "On web-01: `nft -f /etc/nftables.conf`; `lapwing-collector findings` prints the remedy");
}

TEST_CASE("an alert without texts of its own gets those of the finding") {
    auto bare = finding();
    bare.remedy.clear();
    bare.evidence.clear();
    const auto added = analysis::annotationsOf(bare, {});
    CHECK(added == Labels{{"title", bare.title}, {"summary", bare.title}});
}

TEST_CASE("an alert about a replica has the cause, the evidence and the first step") {
    analysis::replication::Verdict verdict;
    verdict.summary = "the network carries nothing";
    verdict.next_step = "on web-02: nc -vz 10.77.0.11 3306";
    verdict.evidence = {{"replica status of web-02", "the receiver is connecting"}};
    const auto added = analysis::annotationsOf(
        verdict,
        Labels{{"description", "The age is unknown."}, {"next_step", "on web-02: nc -vz 10.77.0.11 3306"}});
    CHECK(added ==
          Labels{{"cause", "the network carries nothing"},
                 {"evidence", "replica status of web-02: the receiver is connecting"},
                 {"description", "The age is unknown. replica status of web-02: the receiver is connecting"},
                 {"next_step", "on web-02: nc -vz 10.77.0.11 3306"}});
}

TEST_CASE("an alert is matched with its finding and with its verdict") {
    const std::vector<analysis::Finding> findings{finding()};
    CHECK(analysis::findingOf(Labels{{"id", "F2"}, {"subject", "mysql@web-01"}}, findings) == &findings[0]);
    CHECK(analysis::findingOf(Labels{{"id", "F2"}, {"subject", "mysql@web-02"}}, findings) == nullptr);

    std::vector<analysis::replication::Verdict> verdicts(2);
    verdicts[0].replica = verdicts[1].replica = "web-02";
    verdicts[1].channel = "c1";
    verdicts[1].cause = analysis::replication::Cause::network;
    const Labels lag{{"alertname", "MysqlReplicaLag"}, {"instance", "web-02"}};
    CHECK(analysis::verdictOf(lag, verdicts) == &verdicts[0]);
    auto broken = lag;
    broken.set("alertname", "MysqlReplicationBroken");
    broken.set("channel", "c1");
    broken.set("cause", "network");
    CHECK(analysis::verdictOf(broken, verdicts) == &verdicts[1]);
    broken.set("cause", "credentials");
    CHECK(analysis::verdictOf(broken, verdicts) == nullptr);
    CHECK(analysis::verdictOf(Labels{{"alertname", "MysqlDown"}, {"instance", "web-02"}}, verdicts) ==
          nullptr);
}

TEST_CASE("a text for an alert is one short line of visible characters") {
    CHECK(alertText("a\r\nb\tc\x01\x7f  d \xc2\x85", 100) == "a b c d");
    CHECK(alertText("caf\xc3\xa9 \xff\xc3", 100) == "caf\xc3\xa9 \xef\xbf\xbd\xef\xbf\xbd");
    // U+202E turns the direction of the text that follows; U+200B has no width.
    CHECK(alertText("a\xe2\x80\xae"
                    "b\xe2\x80\x8b"
                    "c\xe2\x80\xa8"
                    "d",
                    100) == "abc d");
    CHECK(alertText(std::string(500, 'x'), 10) == "xxxxxxx...");
    CHECK(alertText("\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9", 7) == "\xc3\xa9\xc3\xa9...");
}

TEST_CASE("no text for an alert shows a secret") {
    for (const auto* text :
         {"CREATE USER 'r'@'%' IDENTIFIED BY 's3cret'", "create user r identified with x by \"s3cret",
          "ALTER USER r IDENTIFIED BY PASSWORD '*s3cret'",
          "CHANGE MASTER TO MASTER_PASSWORD='s3cret', MASTER_HOST='h'",
          "CHANGE REPLICATION SOURCE TO SOURCE_PASSWORD = 's3cret'", "SET PASSWORD = PASSWORD('s3cret')",
          "https://hook:s3cret@example.org/", "https://example.org/?token=s3cret&x=1",
          "Error 'x' on query. Default database: 'a'. Query: 'INSERT INTO t VALUES (''s3cret'')'",
          "Authorization: Bearer abcdefs3cret0123456789", "--password=s3cret", "{\"api_key\": \"s3cret\"}"}) {
        INFO(text);
        CHECK(alertText(text, 300).find("s3cret") == std::string::npos);
    }
    for (const auto* text :
         {"On web-01: `PasswordAuthentication no` in /etc/ssh/sshd_config", "http://10.77.0.10:8404/ answers",
          "https://www.example.org/a/long/path/of/the/site answers", "sshd accepts passwords: yes",
          "the account repl@10.77.0.12 was refused (error 1045)", "fe80::1 is open"}) {
        CHECK(alertText(text, 300) == text);
    }
}
