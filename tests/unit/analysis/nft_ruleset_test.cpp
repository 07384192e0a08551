// The rulesets that remedies propose: nft must list the printed text as the printed JSON.
#include "collector/analysis/exposure/nft_ruleset.h"

#include <rapidjson/document.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <algorithm>

#include "collector/analysis/exposure/remedy.h"
#include "tests/unit/analysis/nft_rules.h"
#include "tests/unit/analysis/site_shape.h"

using namespace lapwing;
using namespace lapwing::analysis;
using namespace lapwing::analysis::exposure;
using reach::AddressRange;

namespace {

using Json = rapidjson::Value;

std::string textOf(const Json& json) {
    rapidjson::StringBuffer buffer;
    rapidjson::Writer<rapidjson::StringBuffer> writer(buffer);
    json.Accept(writer);
    return {buffer.GetString(), buffer.GetSize()};
}

/// Replaces protocol names by numbers: nft prints the names only where /etc/protocols has them.
void numberProtocol(Json& json) {
    static const std::pair<const char*, int> names[] = {{"icmp", 1}, {"ipv6-icmp", 58}, {"vrrp", 112}};
    for (const auto& [name, number] : names) {
        if (json.IsString() && std::string(json.GetString()) == name) {
            json.SetInt(number);
        }
    }
}

/// Removes handles, which differ from load to load, sorts sets, and replaces protocol names.
void normalise(Json& json) {
    if (json.IsObject()) {
        json.RemoveMember("handle");
        // clang finds the iterator's != ambiguous in C++20, so no range-for.
        for (auto member = json.MemberBegin(); member - json.MemberEnd() < 0; ++member) {
            normalise(member->value);
            if (std::string(member->name.GetString()) == "set" && member->value.IsArray()) {
                std::sort(member->value.Begin(), member->value.End(),
                          [](const Json& a, const Json& b) { return textOf(a) < textOf(b); });
            }
        }
    } else if (json.IsArray()) {
        for (auto& item : json.GetArray()) {
            normalise(item);
        }
    } else {
        numberProtocol(json);
    }
}

std::vector<std::string> objectsOf(const std::string& listing) {
    rapidjson::Document document;
    document.Parse(listing.c_str());
    REQUIRE_FALSE(document.HasParseError());
    std::vector<std::string> out;
    for (auto& object : document["nftables"].GetArray()) {
        if (!object.HasMember("metainfo")) {
            normalise(object);
            out.push_back(textOf(object));
        }
    }
    return out;
}

void checkPrinted(const NftTable& table) {
    const auto text = tableText(table);
    INFO(text);
    CHECK(objectsOf(test::listed(text)) == objectsOf(tableJson(table)));
}

std::vector<AddressRange> ranges(std::initializer_list<const char*> texts) {
    std::vector<AddressRange> out;
    for (const auto* text : texts) {
        out.push_back(AddressRange::parse(text).value());
    }
    return out;
}

}  // namespace

TEST_CASE("nft lists the text of each kind of rule as its JSON") {
    test::needNft();
    NftTable table{"lapwing", reach::Hook::input, 0, reach::Policy::drop, {}};
    table.add({{wordMatch(NftField::interface_in, {"lo"})}});
    table.add({{wordMatch(NftField::connection_state, {"established", "related"})}});
    table.add({{wordMatch(NftField::connection_state, {"invalid"})}, reach::Policy::drop});
    table.add({{portMatch(NftField::protocol, {1, 58})}, reach::Policy::accept, "ICMP, ICMPv6"});
    const NftRule http{{portMatch(NftField::tcp_port, {80})}, reach::Policy::accept, "the \"balancer\"\n"};
    table.add(rulesFrom(ranges({"10.77.0.10"}), http));
    table.add(rulesFrom(ranges({"10.77.0.10", "2001:db8::1", "10.77.0.12"}), http));
    table.add(rulesFrom(ranges({"10.0.0.0/8", "10.1.0.0/16", "192.0.2.1", "fd00::/8", "2001:db8::1"}), http));
    table.add(rulesFrom(ranges({"0.0.0.0/0", "::/0"}), http));
    AddressRange some = ranges({"10.77.0.1"}).front();
    some.high = ranges({"10.77.0.9"}).front().high;
    table.add(rulesFrom({some}, http));
    table.add(rulesFrom({some, ranges({"10.99.0.0/24"}).front()}, http));
    table.add(
        rulesFrom(ranges({"10.77.0.11", "fe80::1"}),
                  {{portMatch(NftField::protocol, {reach::kVrrp})}, reach::Policy::accept, "keepalived"}));
    table.add({{portMatch(NftField::udp_port, {53, 123})}, reach::Policy::accept, std::string(300, 'x')});
    table.add({{portMatch(NftField::tcp_port, {22})},
               reach::Policy::accept,
               "\xc3\xa9" + std::string(125, 'x') + "\xc3\xa9"});
    checkPrinted(table);

    table.name = "lapwing_output";
    table.hook = reach::Hook::output;
    table.rules = {{{wordMatch(NftField::interface_out, {"lo"})}}};
    table.add(rulesTo(ranges({"224.0.0.18", "ff02::12"}), {{portMatch(NftField::protocol, {reach::kVrrp})}}));
    table.add(rulesTo(ranges({"10.77.0.10", "10.77.0.12"}), {}));
    checkPrinted(table);

    for (const auto& from : {ranges({}), ranges({"192.0.2.7"}), ranges({"192.0.2.7", "192.0.2.0/30"})}) {
        checkPrinted(forwardTable("eth0", *reach::Address::parse("172.17.0.2"), 3306, from));
    }
    checkPrinted(forwardTable("eth0", *reach::Address::parse("fd00::2"), 3306, ranges({"2001:db8::/64"})));
}

TEST_CASE("nft accepts the text of a single rule") {
    const NftRule rule{
        {addressMatch(NftField::ip6_source, ranges({"2001:db8::1"})), portMatch(NftField::tcp_port, {80})}};
    CHECK(ruleText(rule) == "ip6 saddr 2001:db8::1 tcp dport 80 accept");
    CHECK(ruleText({{portMatch(NftField::protocol, {reach::kVrrp})}}) == "meta l4proto 112 accept");
}

TEST_CASE("nft lists each proposed ruleset as evaluated, for sites of many shapes") {
    test::needNft();
    std::mt19937 random(77);
    const int wanted = test::isLong() ? 300 : 20;
    for (int i = 0; i < wanted; ++i) {
        const auto shape = test::SiteShape::random(random);
        INFO(shape.text());
        test::SiteSamples samples;
        const auto built = test::build(shape, samples);
        evidence::Reader reader(samples.store(), samples.now, 300'000);
        const auto network = evidence::readNetwork(reader);
        REQUIRE(network);
        const auto services = evidence::readServices(reader, 900'000);
        REQUIRE(services);
        const Context context{*network,
                              built.site,
                              [](const auto&) { return nullptr; },
                              [](const auto&) { return TimestampMs{0}; },
                              nullptr,
                              topology::Moment::of(*network, *services, {}, built.site, {}, nullptr)};
        for (const auto& [name, host] : network->hosts) {
            if (host.agent_present) {
                checkPrinted(inputTable(neededFlows(context, host, FlowScope::in_use).list));
                checkPrinted(outputTable(context, host).table);
            }
            checkPrinted(portsTable({80, 8404}, evidence::siteHosts(*network)));
        }
    }
}
