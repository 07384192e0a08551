#include "common/reach/address.h"

#include "tests/unit/catch.h"

using namespace lapwing::reach;

namespace {

std::vector<AddressRange> ranges(std::initializer_list<const char*> texts) {
    std::vector<AddressRange> out;
    for (const auto* text : texts) {
        out.push_back(AddressRange::parse(text).value());
    }
    return out;
}

std::vector<std::string> texts(const std::vector<AddressRange>& list) {
    std::vector<std::string> out;
    for (const auto& range : list) {
        out.push_back(range.toString());
    }
    return out;
}

}  // namespace

TEST_CASE("addresses are read and printed as the kernel writes them") {
    CHECK(Address::parse("10.77.0.11")->toString() == "10.77.0.11");
    CHECK(Address::parse("FE80::0:1")->toString() == "fe80::1");
    for (const auto* bad : {"", "10.77.0", "10.77.0.256", "web-01", "fe80::1%eth0", "10.0.0.0/8"}) {
        CHECK_FALSE(Address::parse(bad));
    }
}

TEST_CASE("networks") {
    const auto network = AddressRange::parse("10.77.3.9/20").value();
    CHECK(network.toString() == "10.77.0.0/20");
    CHECK(network.contains(*Address::parse("10.77.15.255")));
    CHECK_FALSE(network.contains(*Address::parse("10.77.16.0")));
    CHECK_FALSE(network.contains(*Address::parse("::ffff:10.77.0.1")));
    CHECK(AddressRange::parse("fe80::/10")->contains(*Address::parse("febf::1")));
    CHECK(AddressRange::parse("0.0.0.0/0") == AddressRange::all(Family::ipv4));
    CHECK(AddressRange::parse("::/0") == AddressRange::all(Family::ipv6));
    for (const auto* bad : {"10.0.0.0/33", "10.0.0.0/", "10.0.0.0/8x", "::/129", "/8"}) {
        CHECK_FALSE(AddressRange::parse(bad));
    }
}

TEST_CASE("what is left of ranges") {
    CHECK(texts(subtract(ranges({"10.0.0.0/24"}), ranges({"10.0.0.0/32", "10.0.0.128/25"}))) ==
          std::vector<std::string>{"10.0.0.1-10.0.0.127"});
    CHECK(texts(subtract(ranges({"0.0.0.0/0"}), ranges({"0.0.0.0/1", "128.0.0.0/1"}))).empty());
    CHECK(texts(subtract(ranges({"10.0.1.0/24", "10.0.0.0/24"}), {})) ==
          std::vector<std::string>{"10.0.0.0/23"});
    CHECK(texts(subtract(ranges({"10.0.0.0/24"}), ranges({"::/0"}))) ==
          std::vector<std::string>{"10.0.0.0/24"});
}

TEST_CASE("which addresses the Internet does not route") {
    for (const auto* text :
         {"10.77.0.11", "172.31.0.1", "192.168.1.1", "100.64.0.1", "169.254.1.1", "fe80::1", "fd00::1"}) {
        CHECK(Address::parse(text)->isPrivate());
    }
    for (const auto* text : {"172.32.0.1", "8.8.8.8", "2a01:4f8::1"}) {
        CHECK_FALSE(Address::parse(text)->isPrivate());
    }
}
