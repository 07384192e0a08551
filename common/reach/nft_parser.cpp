#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "common/reach/nft_json.h"

namespace lapwing::reach {

namespace {

std::string handleText(const Json& json) {
    const auto* handle = member(json, "handle");
    return handle != nullptr && handle->IsUint64() ? std::to_string(handle->GetUint64()) : "?";
}

bool hasFlag(const Json& flags, const char* flag) {
    return flags.IsArray() ? std::any_of(flags.Begin(), flags.End(),
                                         [&](const Json& each) { return text(&each) == flag; })
                           : text(&flags) == flag;
}

bool namesFamily(const Statement& statement) {
    return std::any_of(statement.fields.begin(), statement.fields.end(),
                       [](const Field& field) { return field.kind == FieldKind::nf_protocol; });
}

/// What the rule does depends on where among its statements a further match stands.
bool hasEffect(const Statement& statement) {
    return statement.kind == Statement::Kind::mark || statement.kind == Statement::Kind::overwrite ||
           statement.kind == Statement::Kind::notrack || statement.kind == Statement::Kind::unknown_effect ||
           !statement.adds_to.empty();
}

/// In a table of both families, nft does not list a match of the family that a reject follows (measured with
/// nft 1.0.6: `meta nfproto ipv6 reject with tcp reset` is listed without its match). The type of an ICMP
/// error tells the family; of a reset, addUnlisted() does.
void addHiddenFamily(const Table& table, const Json& rule, const Json& statement,
                     std::vector<Statement>& out) {
    const auto [name, inner] = singleMember(statement);
    if (name != "reject" || table.family == TableFamily::ip || table.family == TableFamily::ip6) {
        return;
    }
    const auto type = inner == nullptr ? "" : text(*inner, "type");
    if (type == "icmp" || type == "icmpv6") {
        out.push_back(familyMatch(type == "icmp" ? "ipv4" : "ipv6"));
        return;
    }
    const auto* families = member(rule, kFamiliesMember);
    if (families != nullptr && families->IsArray() && std::none_of(out.begin(), out.end(), hasEffect)) {
        for (const auto& family : families->GetArray()) {
            out.push_back(familyMatch(text(&family)));
        }
    } else if (type == "tcp reset" && std::none_of(out.begin(), out.end(), namesFamily)) {
        out.push_back(unknownMatch("whether it is of one family only, which nft does not list"));
    }
}

/// Objects that rules refer to by name, and that decide nothing by themselves.
bool isDefinition(const std::string& kind) {
    static const std::set<std::string> kinds{"metainfo",  "counter",        "quota",   "limit",
                                             "ct helper", "ct timeout",     "secmark", "synproxy",
                                             "flowtable", "ct expectation", "tunnel"};
    return kinds.contains(kind);
}

/// A list of addresses, networks and ranges, as compactSets() writes it.
void readRanges(std::string_view list, const std::vector<Field>& fields, const auto& put) {
    const bool known = fields.size() == 1 && isAddress(fields[0].kind);
    while (!list.empty()) {
        const auto word = list.substr(0, list.find(' '));
        list.remove_prefix(std::min(word.size() + 1, list.size()));
        const auto range = AddressRange::parse(word);
        const bool fits = known && range && (range->family == Family::ipv6) == isIpv6(fields[0].kind);
        put(fits ? rangeTerm(range->low, range->high) : unknownTerm());
    }
}

class Parser {
  public:
    explicit Parser(Ruleset::Model& model) : model_(model) {}

    /// Limits and quotas that rules refer to by name. Comes before object().
    void define(const Json& entry) {
        const auto [kind, inner] = singleMember(entry);
        if (inner != nullptr && (kind == "limit" || kind == "quota")) {
            limits_[{text(*inner, "family"), text(*inner, "table"), kind, text(*inner, "name")}] = inner;
        }
    }

    void object(const Json& entry) {
        const auto [kind, inner] = singleMember(entry);
        if (inner != nullptr && isDefinition(kind)) {
            return;
        }
        if (inner == nullptr || (kind != "table" && kind != "chain" && kind != "rule" && kind != "set" &&
                                 kind != "map" && kind != "meter")) {
            noteUnknown(inner == nullptr ? "an entry of the listing without a kind"
                                         : "an entry of the listing of the kind \"" + kind + "\"");
            model_.translates = true;
            return;
        }
        const auto family = parseTableFamily(text(*inner, "family"));
        if (!family) {
            noteUnknown("a table of the family \"" + text(*inner, "family") + "\"");
            return;
        }
        auto& owner = table(*family, *inner);
        if (kind == "table") {
            readFlags(*inner, owner);
            noteMember(unknownMember(*inner, {"family", "name", "handle", "flags", "comment"}), owner);
        } else if (kind == "chain") {
            chain(*inner, owner);
        } else if (kind == "rule") {
            rule(*inner, owner);
        } else {
            sets_.emplace_back(&owner - model_.tables.data(), inner);
        }
    }

    /// A table with a member that is not known may do anything: each of its base chains begins with that.
    void finishTables() {
        for (const auto& [index, name] : unknown_members_) {
            auto& owner = model_.tables[static_cast<std::size_t>(index)];
            for (const auto& chain_name : owner.base_chains) {
                auto& found = owner.chains[chain_name];
                Rule rule;
                rule.place = found.place;
                rule.statements.push_back(unknownEffect("the member \"" + name + "\" of its table"));
                found.rules.insert(found.rules.begin(), std::move(rule));
                owner.sets_marks = true;
            }
        }
    }

    /// The meaning of a set's elements depends on the fields that rules compare with it.
    void resolveSets() {
        for (auto& owner : model_.tables) {
            for (auto& [name, chain] : owner.chains) {
                for (auto& rule : chain.rules) {
                    for (auto& statement : rule.statements) {
                        if (!statement.set.empty()) {
                            resolve(owner, statement);
                        }
                    }
                }
            }
        }
    }

  private:
    void noteMember(const std::string& name, const Table& owner) {
        if (!name.empty()) {
            unknown_members_.emplace_back(&owner - model_.tables.data(), name);
        }
    }

    void noteUnknown(const std::string& construct) {
        auto& noted = model_.unknowns;
        if (std::find(noted.begin(), noted.end(), construct) == noted.end()) {
            noted.push_back(construct);
        }
    }

    Table& table(TableFamily family, const Json& json) {
        const auto* named = member(json, "table");
        const auto name = named != nullptr ? text(named) : text(json, "name");
        for (auto& known : model_.tables) {
            if (known.family == family && known.name == name) {
                return known;
            }
        }
        Table fresh;
        fresh.family = family;
        fresh.name = name;
        fresh.label = std::string(tableFamilyName(family)) + " " + name;
        model_.tables.push_back(std::move(fresh));
        return model_.tables.back();
    }

    /// nft 1.0.6 prints garbage for the flag "dormant", and newer versions know further flags.
    static void readFlags(const Json& json, Table& out) {
        const auto* flags = member(json, "flags");
        out.dormant = flags != nullptr && hasFlag(*flags, "dormant");
        out.maybe_dormant =
            flags != nullptr && !out.dormant && !hasFlag(*flags, "owner") && !hasFlag(*flags, "persist");
    }

    static Chain& chainOf(Table& owner, const std::string& name) {
        auto& found = owner.chains[name];
        found.place = owner.label + " " + name;
        return found;
    }

    void chain(const Json& json, Table& owner) {
        const auto name = text(json, "name");
        auto& made = chainOf(owner, name);
        const auto further = unknownMember(
            json, {"family", "table", "name", "handle", "comment", "type", "hook", "prio", "dev", "policy"});
        if (!further.empty()) {
            addEffect(made, owner, "the member \"" + further + "\" of its chain");
        }
        if (text(json, "hook").empty()) {
            return;
        }
        const auto hook = parseHook(text(json, "hook"));
        const auto type = parseChainType(text(json, "type"));
        if (!hook || !type) {
            noteUnknown(made.place + ": a chain of type \"" + text(json, "type") + "\" at the hook \"" +
                        text(json, "hook") + "\"");
            return;
        }
        made.base = true;
        made.hook = *hook;
        made.type = *type;
        const auto policy = text(json, "policy");
        made.policy = parsePolicy(policy).value_or(Policy::accept);
        if (!policy.empty() && !parsePolicy(policy)) {
            addEffect(made, owner, "the policy \"" + policy + "\"");
        }
        if (made.hook == Hook::ingress || made.hook == Hook::egress) {
            readDevices(json, made);
        }
        const auto* priority = member(json, "prio");
        made.priority = priority != nullptr && priority->IsInt() ? priority->GetInt() : 0;
        if (priority == nullptr || !priority->IsInt()) {
            addEffect(made, owner, "a priority that is no number");
        }
        owner.base_chains.push_back(name);
    }

    static void addEffect(Chain& chain, Table& owner, const std::string& reason) {
        Rule rule;
        rule.place = chain.place;
        rule.statements.push_back(unknownEffect(reason));
        chain.rules.push_back(std::move(rule));
        owner.sets_marks = true;
    }

    static void readDevices(const Json& json, Chain& out) {
        const auto* devices = member(json, "dev");
        if (devices != nullptr && devices->IsArray()) {
            for (const auto& each : devices->GetArray()) {
                out.devices.push_back(text(&each));
            }
        } else if (devices != nullptr && devices->IsString()) {
            out.devices.push_back(text(devices));
        }
        out.device_unknown = out.devices.empty();
    }

    void rule(const Json& json, Table& owner) {
        auto& target = chainOf(owner, text(json, "chain"));
        Rule made;
        made.place = target.place + " handle " + handleText(json);
        const auto further = unknownMember(json, {"family", "table", "chain", "handle", "index", "position",
                                                  "comment", "expr", kFamiliesMember});
        if (!further.empty()) {
            made.statements.push_back(unknownEffect("the member \"" + further + "\""));
        }
        const auto* statements = member(json, "expr");
        if (statements == nullptr || !statements->IsArray()) {
            made.statements.push_back(unknownEffect("a rule without statements"));
        } else {
            for (const auto& statement : statements->GetArray()) {
                owner.has_xt = owner.has_xt || singleMember(statement).first == "xt";
                addHiddenFamily(owner, json, statement, made.statements);
                if (auto limit = namedLimit(json, statement)) {
                    made.statements.push_back(std::move(*limit));
                } else {
                    parseStatement(statement, model_, made.statements);
                }
            }
        }
        owner.sets_marks = owner.sets_marks || setsMarks(made);
        target.rules.push_back(std::move(made));
    }

    std::optional<Statement> namedLimit(const Json& rule, const Json& statement) const {
        const auto [kind, inner] = singleMember(statement);
        const auto found = limits_.find({text(rule, "family"), text(rule, "table"), kind, text(inner)});
        return found == limits_.end() ? std::nullopt : parseLimit(kind, *found->second);
    }

    void resolve(const Table& owner, Statement& statement) {
        for (const auto& [index, json] : sets_) {
            if (&model_.tables[static_cast<std::size_t>(index)] != &owner ||
                text(*json, "name") != statement.set) {
                continue;
            }
            const auto further =
                unknownMember(*json, {"family", "name", "table", "type", "handle", "comment", "map", "policy",
                                      "flags", "timeout", "gc-interval", "size", "elem", "auto-merge", "stmt",
                                      kLastingMember, kTimedMember});
            const auto* elements = member(*json, "elem");
            if (!further.empty() || (elements != nullptr && !elements->IsArray())) {
                const auto reason = "the member \"" + (further.empty() ? "elem" : further) +
                                    "\" of the set @" + statement.set;
                statement =
                    statement.kind == Statement::Kind::match ? unknownMatch(reason) : unknownEffect(reason);
                return;
            }
            if (statement.kind == Statement::Kind::match) {
                statement.data = elementsOf(*json, statement.fields);
            } else if (elements != nullptr) {
                parsePairs(statement.fields, *elements, statement.kind, statement.data);
                const bool timed = member(*json, "timeout") != nullptr;
                for (auto& element : statement.data.elements) {
                    element.timed = element.timed || timed;
                }
            }
            return;
        }
        const auto missing = "the set @" + statement.set + " (not in the listing)";
        statement = statement.kind == Statement::Kind::match ? unknownMatch(missing) : unknownEffect(missing);
    }

    /// The elements of a set, read once for all rules that compare the same fields with it.
    SetData elementsOf(const Json& json, const std::vector<Field>& fields) {
        std::string key;
        for (const auto& field : fields) {
            key += static_cast<char>(field.kind);
            key += field.mask ? '&' : ' ';
        }
        const bool masked = key.find('&') != std::string::npos;
        const auto known = elements_.find({&json, key});
        if (known != elements_.end() && !masked) {
            return known->second;
        }
        auto data = readElements(json, fields);
        elements_[{&json, std::move(key)}] = data;
        return data;
    }

    static SetData readElements(const Json& json, const std::vector<Field>& fields) {
        SetData data;
        std::vector<Range> lasting;
        std::vector<Range> timed;
        const bool indexed = fields.size() == 1 && isAddress(fields[0].kind) && !fields[0].mask;
        // A set's timeout holds for elements without a timeout of their own.
        const bool all_timed = member(json, "timeout") != nullptr;
        const auto put = [&](Element element) {
            element.timed = element.timed || all_timed;
            if (indexed && element.parts[0].kind == Term::Kind::range) {
                (element.timed ? timed : lasting).push_back(element.parts[0].range);
            } else {
                data.elements.push_back(std::move(element));
            }
        };
        if (const auto* elements = member(json, "elem"); elements != nullptr) {
            for (const auto& item : elements->GetArray()) {
                put(parseElement(fields, item));
            }
        }
        for (const auto* name : {kLastingMember, kTimedMember}) {
            readRanges(text(json, name), fields, [&](const Term& term) {
                put({std::vector<Term>(fields.size(), term), name == kTimedMember});
            });
        }
        if (!lasting.empty() || !timed.empty()) {
            data.index = std::make_shared<const AddressIndex>(
                AddressIndex{Intervals(std::move(lasting)), Intervals(std::move(timed))});
        }
        return data;
    }

    Ruleset::Model& model_;
    std::map<std::pair<const Json*, std::string>, SetData> elements_;
    std::vector<std::pair<std::ptrdiff_t, const Json*>> sets_;
    /// By family, table, kind and name.
    std::map<std::tuple<std::string, std::string, std::string, std::string>, const Json*> limits_;
    std::vector<std::pair<std::ptrdiff_t, std::string>> unknown_members_;  ///< of tables
};

}  // namespace

std::string unknownMember(const Json& json, std::initializer_list<const char*> known) {
    if (!json.IsObject()) {
        return "no object";
    }
    for (const auto& each : json.GetObject()) {
        const std::string_view name(each.name.GetString(), each.name.GetStringLength());
        if (std::find(known.begin(), known.end(), name) == known.end()) {
            return std::string(name);
        }
    }
    return "";
}

void parseObjects(const Json& objects, Ruleset::Model& model) {
    Parser parser(model);
    for (const auto& object : objects.GetArray()) {
        parser.define(object);
    }
    for (const auto& object : objects.GetArray()) {
        parser.object(object);
    }
    parser.resolveSets();
    parser.finishTables();
}

}  // namespace lapwing::reach
