// An alert without data is held only as long as the missing inputs could still make it true.

#include <optional>

#include "tests/unit/rules/rules_setup.h"

using namespace lapwing;
using rules::AlertState;

namespace {

constexpr std::int64_t kPartial = 600;    // seconds, the default
constexpr std::int64_t kSilent = 86'400;  // seconds, the default
// The lookback is five minutes: a series that was last seen at 0 is gone at this time.
constexpr std::int64_t kGone = 301;

Labels series(const std::string& name, const std::string& instance) {
    return Labels{{"__name__", name}, {"instance", instance}, {"job", "j"}};
}

std::string ruleOf(const std::string& expression) {
    return "groups: [{name: g, rules: [{alert: A, expr: '" + expression + "'}]}]";
}

/// A collector with one alert, whose inputs are set by the instance.
class Site : public RulesSetup {
  public:
    explicit Site(const std::string& expression) : RulesSetup(ruleOf(expression)) {}

    void set(const std::string& instance, std::int64_t seconds, double value, const std::string& name = "x") {
        put(*store, series(name, instance), at(seconds), value);
    }
    /// The alert after an evaluation; nothing if it has resolved.
    std::optional<rules::AlertStatus> evaluate(std::int64_t seconds) {
        manager->evaluate(at(seconds));
        const auto all = alerts();
        return all.empty() ? std::nullopt : std::optional(all.front());
    }
    /// Whether the alert is held, and until when.
    std::optional<TimestampMs> heldUntil(std::int64_t seconds) {
        const auto alert = evaluate(seconds);
        return alert ? alert->held_until : std::nullopt;
    }
};

}  // namespace

TEST_CASE("a sum is held while the missing summand could still exceed the threshold") {
    Site site("sum(x) > 10");
    site.set("a", 0, 6);
    site.set("b", 0, 6);
    REQUIRE(site.evaluate(0));
    site.set("a", kGone, 6);
    const auto held = site.evaluate(kGone);
    REQUIRE(held);
    CHECK(held->state == AlertState::firing);
    CHECK(held->unknown_since == at(kGone));
    CHECK(held->held_until == at(kGone + kPartial));
    // 4 and the last 6 of b do not exceed 10.
    site.set("a", kGone + 10, 4);
    CHECK_FALSE(site.evaluate(kGone + 10));
}

TEST_CASE("a held aggregate ends at the configured time") {
    Site site("sum(x) > 10");
    site.set("a", 0, 6);
    site.set("b", 0, 6);
    site.evaluate(0);
    site.set("a", kGone, 6);
    site.evaluate(kGone);
    site.restart();
    site.set("a", kGone + kPartial - 1, 6);
    CHECK(site.alerts().front().held_until == at(kGone + kPartial));
    CHECK(site.heldUntil(kGone + kPartial - 1) == at(kGone + kPartial));
    site.set("a", kGone + kPartial, 6);
    CHECK_FALSE(site.evaluate(kGone + kPartial));
}

TEST_CASE("a sum of rates recovers although another counter has gone") {
    Site site("sum(rate(x[5m])) > 1");
    for (int t = 0; t <= 300; t += 10) {
        site.set("a", t, t * 5);
        if (t <= 200) {
            site.set("b", t, 1);
        }
    }
    REQUIRE(site.evaluate(300));
    std::int64_t recovered = 0;
    for (int t = 310; t <= 900 && recovered == 0; t += 10) {
        site.set("a", t, 1500);
        if (!site.evaluate(t)) {
            recovered = t;
        }
    }
    // Prometheus resolves it in the same evaluation: five minutes later, less than 300 of the increase are
    // left.
    CHECK(recovered >= 530);
    CHECK(recovered <= 560);
}

TEST_CASE("a rate whose only counter is missing goes on at its last pace") {
    Site site("sum(rate(x[5m])) > 1");
    for (int t = 0; t <= 300; t += 10) {
        site.set("a", t, t * 5);
        site.set("b", t, 1);
    }
    REQUIRE(site.evaluate(300));
    std::optional<TimestampMs> held;
    for (int t = 310; t <= 600; t += 10) {
        site.set("b", t, 1);
        held = site.heldUntil(t);
    }
    CHECK(held);
}

TEST_CASE("a maximum is held while the greatest input is missing, not while another is") {
    Site smaller("max(x) > 10");
    smaller.set("a", 0, 20);
    smaller.set("b", 0, 1);
    smaller.evaluate(0);
    smaller.set("a", kGone, 5);
    CHECK_FALSE(smaller.evaluate(kGone));

    Site greatest("max(x) > 10");
    greatest.set("a", 0, 20);
    greatest.set("b", 0, 1);
    greatest.evaluate(0);
    greatest.set("b", kGone, 1);
    CHECK(greatest.heldUntil(kGone) == at(kGone + kPartial));
}

TEST_CASE("a count is held while the missing input could fill it up") {
    Site site("count(x > 10) > 1");
    site.set("a", 0, 20);
    site.set("b", 0, 20);
    site.evaluate(0);
    site.set("a", kGone, 20);
    CHECK(site.heldUntil(kGone) == at(kGone + kPartial));
    site.set("a", kGone + 10, 5);
    CHECK_FALSE(site.evaluate(kGone + 10));
}

TEST_CASE("an average is taken with the last value of the missing input") {
    Site site("avg(x) > 10");
    site.set("a", 0, 4);
    site.set("b", 0, 20);
    site.evaluate(0);
    site.set("a", kGone, 4);
    CHECK(site.heldUntil(kGone) == at(kGone + kPartial));
    site.set("a", kGone + 10, 0);
    CHECK_FALSE(site.evaluate(kGone + 10));
}

TEST_CASE("an element of topk has one source, and is held while that is silent") {
    Site site("topk(1, x) > 10");
    site.set("a", 0, 20);
    site.set("b", 0, 5);
    site.evaluate(0);
    site.set("b", kGone, 5);
    CHECK(site.heldUntil(kGone) == at(kGone + kSilent));
    // The greatest series now: the other could not be among the first one.
    Site recovered("topk(1, x) > 10");
    recovered.set("a", 0, 20);
    recovered.set("b", 0, 5);
    recovered.evaluate(0);
    recovered.set("a", kGone, 7);
    CHECK_FALSE(recovered.evaluate(kGone));
}

TEST_CASE("with `by`, only the group with a missing input is held") {
    Site site("sum by (instance) (x) > 10");
    for (const auto* instance : {"a", "b"}) {
        for (const auto* cpu : {"0", "1"}) {
            auto labels = series("x", instance);
            labels.set("cpu", cpu);
            put(*site.store, labels, at(0), 6);
        }
    }
    site.evaluate(0);
    for (const auto* instance : {"a", "b"}) {
        auto labels = series("x", instance);
        labels.set("cpu", "0");
        put(*site.store, labels, at(kGone), instance == std::string("a") ? 6 : 1);
    }
    site.manager->evaluate(at(kGone));
    REQUIRE(site.alerts().size() == 1);
    CHECK(site.alerts().front().labels.get("instance") == "a");
    CHECK(site.alerts().front().held_until == at(kGone + kPartial));
}

TEST_CASE("an alert with `unless` resolves when the exception appears, though its own series is silent") {
    Site site("x > 10 unless on (instance) y");
    site.set("a", 0, 20);
    site.evaluate(0);
    CHECK(site.heldUntil(kGone) == at(kGone + kSilent));
    site.set("a", kGone + 10, 1, "y");
    CHECK_FALSE(site.evaluate(kGone + 10));
}

TEST_CASE("an alert with absent() is held with its other side, and resolves when the series appears") {
    Site site("absent(x) and on () y > 5");
    site.set("a", 0, 9, "y");
    REQUIRE(site.evaluate(0));
    CHECK(site.heldUntil(kGone) == at(kGone + kSilent));
    site.set("a", kGone + 10, 1);
    CHECK_FALSE(site.evaluate(kGone + 10));
}

TEST_CASE("an aggregate all of whose inputs are silent is held as an alert of one source") {
    Site site("sum(x) > 10");
    site.set("a", 0, 6);
    site.set("b", 0, 6);
    site.evaluate(0);
    CHECK(site.heldUntil(kGone) == at(kGone + kSilent));
    // One of them is back: from now on the shorter time counts.
    site.set("a", kGone + 100, 6);
    CHECK(site.heldUntil(kGone + 100) == at(kGone + kPartial));
}

TEST_CASE("a series that another agent reads in another way is not missing") {
    Site site("max by (instance) (x) == 0");
    auto socket = series("x", "lb-01");
    socket.set("agent", "web-01");
    socket.set("via", "socket");
    auto http = series("x", "lb-01");
    http.set("agent", "web-02");
    http.set("via", "http");
    put(*site.store, socket, at(0), 0);
    put(*site.store, http, at(0), 0);
    REQUIRE(site.evaluate(0));
    put(*site.store, http, at(kGone), 1);
    CHECK_FALSE(site.evaluate(kGone));
}

TEST_CASE("an alert carries further annotations to the API and to the receivers") {
    RulesSetup setup(
        "groups: [{name: g, rules: [{alert: A, expr: 'x > 10', annotations: {summary: S, other: O}}]}]",
        [](const Labels& labels, const Labels& annotations) {
            return Labels{{"summary", std::string(annotations.get("summary")) + ": " +
                                          std::string(labels.get("alertname"))},
                          {"title", "T"}};
        });
    put(*setup.store, series("x", "a"), at(0), 20);
    setup.manager->evaluate(at(0));
    const Labels expected{{"summary", "S: A"}, {"other", "O"}, {"title", "T"}};
    CHECK(setup.alerts().front().annotations == expected);
    const auto sent = setup.notifier.take();
    REQUIRE(sent.size() == 1);
    CHECK(sent.front().annotations == expected);
}

TEST_CASE("with an offset, the missing series is judged at the offset's time") {
    Site site("sum(x offset 1m) > 10");
    site.set("a", 0, 6);
    site.set("b", 0, 6);
    REQUIRE(site.evaluate(60));
    site.set("a", kGone, 6);
    CHECK(site.heldUntil(kGone + 60) == at(kGone + 60 + kPartial));
    site.set("a", kGone + 10, 1);
    CHECK_FALSE(site.evaluate(kGone + 70));
}
