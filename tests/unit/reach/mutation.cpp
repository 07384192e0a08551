#include "tests/unit/reach/mutation.h"

#include <rapidjson/document.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <algorithm>
#include <functional>
#include <initializer_list>
#include <regex>
#include <sstream>
#include <string_view>
#include <utility>

namespace lapwing::test {

namespace {

using Json = rapidjson::Value;
using Allocator = rapidjson::Document::AllocatorType;

class Chance {
  public:
    explicit Chance(std::mt19937& random) : random_(random) {}
    std::size_t below(std::size_t n) { return std::uniform_int_distribution<std::size_t>(0, n - 1)(random_); }
    template <typename T>
    T& of(std::vector<T>& from) {
        return from[below(from.size())];
    }
    std::string of(std::initializer_list<const char*> from) { return *(from.begin() + below(from.size())); }
    std::string port() { return of({"22", "3306", "8080", "80", "443", "1024"}); }
    std::string address() {
        return of({"10.213.7.1", "10.213.7.2", "10.213.7.3", "10.213.7.4", "10.213.7.5", "10.213.7.6"});
    }
    std::string state() { return of({"new", "established", "related", "invalid", "untracked"}); }

  private:
    std::mt19937& random_;
};

/// Changes one object of nft's listing.
class NftMutator {
  public:
    NftMutator(Json& objects, Allocator& allocator, Chance& chance)
        : objects_(objects), allocator_(allocator), chance_(chance) {
        for (rapidjson::SizeType i = 0; i < objects_.Size(); ++i) {
            if (objects_[i].HasMember("rule")) {
                rules_.push_back(i);
            } else if (objects_[i].HasMember("chain") && objects_[i]["chain"].HasMember("hook")) {
                chains_.push_back(i);
            }
        }
    }

    void mutate() {
        if (rules_.empty() || (!chains_.empty() && chance_.below(6) == 0)) {
            changeChain();
            return;
        }
        switch (chance_.below(4)) {
            case 0:
                objects_.Erase(objects_.Begin() + chance_.of(rules_));
                break;
            case 1:
                moveRule();
                break;
            default:
                changeRule();
                break;
        }
    }

  private:
    void changeChain() {
        auto& chain = objects_[chance_.of(chains_)]["chain"];
        if (chain.HasMember("policy") && chance_.below(3) != 0) {
            const bool drops = std::string_view(chain["policy"].GetString()) == "drop";
            chain["policy"].SetString(drops ? "accept" : "drop", allocator_);
        } else if (chain.HasMember("prio")) {
            chain["prio"].SetInt(chain["prio"].GetInt() + static_cast<int>(chance_.below(11)) - 5);
        }
    }

    /// To the place of another rule, and perhaps into that rule's chain.
    void moveRule() {
        const auto from = chance_.of(rules_);
        const auto to = chance_.of(rules_);
        auto& moved = objects_[from]["rule"];
        auto& other = objects_[to]["rule"];
        if (from != to && moved["table"] == other["table"] && moved["family"] == other["family"]) {
            moved["chain"].CopyFrom(other["chain"], allocator_);
        }
        objects_[from].Swap(objects_[to]);
    }

    void changeRule() {
        numbers_.clear();
        texts_.clear();
        matches_.clear();
        verdicts_.clear();
        walk(objects_[chance_.of(rules_)]["rule"]["expr"]);
        std::vector<std::function<void()>> possible;
        if (!numbers_.empty()) {
            possible.emplace_back([&] { chance_.of(numbers_)->SetInt(std::stoi(chance_.port())); });
        }
        if (!texts_.empty()) {
            possible.emplace_back([&] { changeText(*chance_.of(texts_)); });
        }
        if (!matches_.empty()) {
            possible.emplace_back([&] { negate(*chance_.of(matches_)); });
        }
        if (!verdicts_.empty()) {
            possible.emplace_back([&] { changeVerdict(*chance_.of(verdicts_)); });
        }
        if (!possible.empty()) {
            chance_.of(possible)();
        }
    }

    void walk(Json& json) {
        if (json.IsArray()) {
            for (auto& each : json.GetArray()) {
                walk(each);
            }
        } else if (json.IsObject()) {
            for (const auto* verdict : {"accept", "drop", "return"}) {
                if (json.HasMember(verdict)) {
                    verdicts_.push_back(&json);
                }
            }
            if (json.HasMember("op")) {
                matches_.push_back(&json);
            }
            for (const auto& each : std::as_const(json).GetObject()) {
                const std::string_view name = each.name.GetString();
                if (name != "limit" && name != "log" && name != "mangle" && name != "counter") {
                    walk(json[each.name]);
                }
            }
        } else if (json.IsInt() && json.GetInt() > 0 && json.GetInt() <= 65535) {
            numbers_.push_back(&json);
        } else if (json.IsString()) {
            const std::string_view text = json.GetString();
            if (text.starts_with("10.213.7.") || text == "new" || text == "established" ||
                text == "related" || text == "invalid") {
                texts_.push_back(&json);
            }
        }
    }

    void changeText(Json& text) {
        const bool address = std::string_view(text.GetString()).starts_with("10.");
        text.SetString((address ? chance_.address() : chance_.state()).c_str(), allocator_);
    }

    void negate(Json& match) {
        const std::string op = match["op"].GetString();
        const auto* other = op == "==" ? "!=" : op == "!=" ? "==" : op == "in" ? "!" : op == "!" ? "in" : "";
        if (*other != '\0') {
            match["op"].SetString(other, allocator_);
        }
    }

    void changeVerdict(Json& statement) {
        Json name(chance_.of({"accept", "drop", "return"}).c_str(), allocator_);
        statement.RemoveAllMembers();
        statement.AddMember(name, Json(), allocator_);
    }

    Json& objects_;
    Allocator& allocator_;
    Chance& chance_;
    std::vector<rapidjson::SizeType> rules_;
    std::vector<rapidjson::SizeType> chains_;
    std::vector<Json*> numbers_;
    std::vector<Json*> texts_;
    std::vector<Json*> matches_;
    std::vector<Json*> verdicts_;
};

std::string mutatedJson(const std::string& json, Chance& chance) {
    rapidjson::Document document;
    document.Parse(json.c_str());
    if (document.HasParseError() || !document.IsObject() || !document.HasMember("nftables")) {
        return json;
    }
    NftMutator(document["nftables"], document.GetAllocator(), chance).mutate();
    rapidjson::StringBuffer buffer;
    rapidjson::Writer<rapidjson::StringBuffer> writer(buffer);
    document.Accept(writer);
    return buffer.GetString();
}

/// Replaces one of the matches of `pattern` by what `by` makes of it.
bool replaceOne(std::string& line, const std::string& pattern, Chance& chance,
                const std::function<std::string(const std::smatch&)>& by) {
    const std::regex expression(pattern);
    std::vector<std::smatch> found(std::sregex_iterator(line.begin(), line.end(), expression),
                                   std::sregex_iterator());
    if (found.empty()) {
        return false;
    }
    const auto& at = chance.of(found);
    const auto text = by(at);
    line.replace(static_cast<std::size_t>(at.position(0)), static_cast<std::size_t>(at.length(0)), text);
    return true;
}

void changeLine(std::string& line, Chance& chance) {
    switch (chance.below(6)) {
        case 0:
            replaceOne(line, "(--dports?|--to-ports?|--sports?) [0-9]+", chance,
                       [&](const auto& m) { return m.str(1) + " " + chance.port(); });
            break;
        case 1:
            replaceOne(line, "10\\.213\\.7\\.[0-9]+", chance, [&](const auto&) { return chance.address(); });
            break;
        case 2:
            replaceOne(line, "(! )?(-s|-d|-i|-o|--dports?|--sport|--ctstate|--src-type|--dst-type|--mark) ",
                       chance, [&](const auto& m) { return (m[1].matched ? "" : "! ") + m.str(2) + " "; });
            break;
        case 3:
            replaceOne(line, "(NEW|ESTABLISHED|RELATED|INVALID)", chance, [&](const auto&) {
                return chance.of({"NEW", "ESTABLISHED", "RELATED", "INVALID", "UNTRACKED"});
            });
            break;
        case 4:
            replaceOne(line, "-j (ACCEPT|DROP|RETURN)", chance, [&](const auto&) {
                return "-j " + chance.of({"ACCEPT", "DROP", "RETURN"});
            });
            break;
        default:
            // The rule loses one match.
            replaceOne(line, " (-s|-d|-i|-o|--dport|--sport) [^ ]+", chance,
                       [&](const auto&) { return std::string(); });
            break;
    }
}

std::string mutatedSave(const std::string& save, Chance& chance) {
    std::vector<std::string> lines;
    std::vector<std::size_t> rules;
    std::vector<std::size_t> policies;
    std::istringstream in(save);
    for (std::string line; std::getline(in, line); lines.push_back(line)) {
        if (line.starts_with("-A ")) {
            rules.push_back(lines.size());
        } else if (line.starts_with(":") && line.find(" - ") == std::string::npos) {
            policies.push_back(lines.size());
        }
    }
    if (!policies.empty() && (rules.empty() || chance.below(6) == 0)) {
        auto& line = lines[chance.of(policies)];
        const auto drops = line.find(" DROP ");
        const auto at = drops != std::string::npos ? drops : line.find(" ACCEPT ");
        line.replace(at, line.find(' ', at + 1) - at, drops != std::string::npos ? " ACCEPT" : " DROP");
    } else if (!rules.empty()) {
        const auto at = chance.of(rules);
        switch (chance.below(4)) {
            case 0:
                lines.erase(lines.begin() + static_cast<std::ptrdiff_t>(at));
                break;
            case 1:
                std::swap(lines[at], lines[chance.of(rules)]);
                break;
            default:
                changeLine(lines[at], chance);
                break;
        }
    }
    std::string out;
    for (const auto& line : lines) {
        out += line + "\n";
    }
    return out;
}

}  // namespace

RealRules mutated(const RealRules& rules, std::mt19937& random) {
    Chance chance(random);
    auto out = rules;
    const auto parts = out.saves.size() + (out.nft_json.empty() ? 0 : 1);
    const auto part = chance.below(parts);
    if (part < out.saves.size()) {
        out.saves[part].text = mutatedSave(out.saves[part].text, chance);
    } else {
        out.nft_json = mutatedJson(out.nft_json, chance);
    }
    return out;
}

}  // namespace lapwing::test
