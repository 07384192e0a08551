#include "collector/api/connection_table.h"

#include "tests/unit/catch.h"

using lapwing::api::ConnectionLimits;
using lapwing::api::ConnectionTable;
using lapwing::api::strangerAddress;
using Admission = ConnectionTable::Admission;

namespace {
ConnectionLimits limits(std::size_t strangers, std::size_t per_address, std::size_t members,
                        std::size_t per_member) {
    return {strangers, per_address, members, per_member};
}
}  // namespace

TEST_CASE("a new stranger ends the oldest of its address, and of no other") {
    ConnectionTable table(limits(10, 2, 10, 10));
    const auto other = table.add("10.0.0.9");
    const auto first = table.add("10.0.0.1");
    table.add("10.0.0.1");
    const auto third = table.add("10.0.0.1");
    CHECK_FALSE(other.ended);
    CHECK(third.ended == first.id);
    CHECK(table.strangers() == 3);
}

TEST_CASE("with too many strangers the address with the most loses its oldest") {
    ConnectionTable table(limits(4, 3, 10, 10));
    const auto honest = table.add("10.0.0.9");
    const auto first = table.add("10.0.0.1");
    const auto second = table.add("10.0.0.1");
    table.add("10.0.0.1");
    CHECK(table.add("10.0.0.2").ended == first.id);
    CHECK(table.add("10.0.0.3").ended == second.id);
    // All addresses have one each: now the oldest.
    CHECK(table.add("10.0.0.4").ended == honest.id);
    CHECK(table.strangers() == 4);
}

TEST_CASE("strangers never end the connection of a member") {
    ConnectionTable table(limits(2, 2, 10, 10));
    const auto agent = table.add("10.0.0.1");
    CHECK(table.admit(agent.id, "web-01").result == Admission::admitted);
    table.setIdle(agent.id, true);
    for (int i = 0; i < 100; ++i) {
        const auto added = table.add("10.0.0." + std::to_string(i % 7));
        CHECK(added.ended != agent.id);
    }
    CHECK(table.strangers() == 2);
    CHECK(table.members() == 1);
}

TEST_CASE("a member with too many connections loses its longest idle one, or is refused") {
    ConnectionTable table(limits(10, 10, 10, 2));
    const auto first = table.add("a");
    const auto second = table.add("a");
    const auto third = table.add("a");
    table.admit(first.id, "web-01");
    table.admit(second.id, "web-01");
    CHECK(table.admit(third.id, "web-01").result == Admission::member_full);
    CHECK(table.admit(third.id, "web-02").result == Admission::admitted);
    table.setIdle(second.id, true);
    table.setIdle(first.id, true);
    table.setIdle(second.id, false);
    table.setIdle(second.id, true);
    const auto fourth = table.add("a");
    const auto admitted = table.admit(fourth.id, "web-01");
    CHECK(admitted.result == Admission::admitted);
    CHECK(admitted.ended == first.id);
    CHECK(table.members() == 3);
    CHECK(table.strangers() == 0);
    CHECK(table.admit(fourth.id, "web-01").result == Admission::admitted);
}

TEST_CASE("with too many members, the member with the most idle connections loses one") {
    ConnectionTable table(limits(10, 10, 3, 3));
    const auto busy = table.add("a");
    const auto idle = table.add("a");
    const auto idle_too = table.add("a");
    const auto late = table.add("a");
    table.admit(busy.id, "web-01");
    table.admit(idle.id, "web-02");
    table.admit(idle_too.id, "web-02");
    CHECK(table.admit(late.id, "web-03").result == Admission::full);
    CHECK(table.strangers() == 1);
    table.setIdle(idle_too.id, true);
    const auto admitted = table.admit(late.id, "web-03");
    CHECK(admitted.result == Admission::admitted);
    CHECK(admitted.ended == idle_too.id);
    table.remove(idle.id);
    table.remove(idle.id);
    CHECK(table.members() == 2);
}

TEST_CASE("without descriptors, the oldest stranger goes first, then an idle member") {
    ConnectionTable table(limits(10, 10, 10, 10));
    CHECK_FALSE(table.mostExpendable());
    const auto member = table.add("a");
    table.admit(member.id, "web-01");
    CHECK_FALSE(table.mostExpendable());
    table.setIdle(member.id, true);
    CHECK(table.mostExpendable() == member.id);
    const auto stranger = table.add("b");
    CHECK(table.mostExpendable() == stranger.id);
}

TEST_CASE("an IPv6 stranger counts by its /64") {
    CHECK(strangerAddress("192.0.2.7") == "192.0.2.7");
    CHECK(strangerAddress("::ffff:192.0.2.7") == "192.0.2.7");
    CHECK(strangerAddress("2001:db8:1:2:3:4:5:6") == "2001:db8:1:2::/64");
    CHECK(strangerAddress("2001:db8:1:2:ffff::1") == strangerAddress("2001:db8:1:2::9"));
    CHECK(strangerAddress("").empty());
}
