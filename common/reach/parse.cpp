#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <algorithm>

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

/// In a table of both families, nft does not list a match of the family that a reject follows (measured with
/// nft 1.0.6: `meta nfproto ipv6 reject with tcp reset` is listed without its match). The type of an ICMP
/// error tells the family; a reset does not.
void addHiddenFamily(const Table& table, const Json& statement, std::vector<Statement>& out) {
    const auto [name, inner] = singleMember(statement);
    const bool both = table.family != TableFamily::ip && table.family != TableFamily::ip6;
    if (name != "reject" || !both || std::any_of(out.begin(), out.end(), namesFamily)) {
        return;
    }
    const auto type = inner == nullptr ? "" : text(*inner, "type");
    if (type == "icmp" || type == "icmpv6") {
        const auto number = symbol(FieldKind::nf_protocol, type == "icmp" ? "ipv4" : "ipv6");
        Statement match;
        match.fields.push_back({FieldKind::nf_protocol, std::nullopt, "meta nfproto"});
        match.text = "meta nfproto";
        match.data.elements.push_back({{rangeTerm(*number, *number)}, false});
        out.push_back(std::move(match));
    } else if (type == "tcp reset") {
        out.push_back(unknownMatch("whether it is of one family only, which nft does not list"));
    }
}

class Parser {
  public:
    explicit Parser(Ruleset::Model& model) : model_(model) {}

    void object(const Json& entry) {
        const auto [kind, inner] = singleMember(entry);
        if (inner == nullptr) {
            return;
        }
        if (kind != "table" && kind != "chain" && kind != "rule" && kind != "set" && kind != "map") {
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
        } else if (kind == "chain") {
            chain(*inner, owner);
        } else if (kind == "rule") {
            rule(*inner, owner);
        } else {
            sets_.emplace_back(&owner - model_.tables.data(), inner);
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
        made.policy = parsePolicy(text(json, "policy")).value_or(Policy::accept);
        if (made.hook == Hook::ingress || made.hook == Hook::egress) {
            readDevices(json, made);
        }
        const auto* priority = member(json, "prio");
        made.priority = priority != nullptr && priority->IsInt() ? priority->GetInt() : 0;
        owner.base_chains.push_back(name);
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
        const auto* statements = member(json, "expr");
        if (statements == nullptr || !statements->IsArray()) {
            made.statements.push_back(unknownEffect("a rule without statements"));
        } else {
            for (const auto& statement : statements->GetArray()) {
                owner.has_xt = owner.has_xt || singleMember(statement).first == "xt";
                addHiddenFamily(owner, statement, made.statements);
                parseStatement(statement, model_, made.statements);
            }
        }
        owner.sets_marks = owner.sets_marks || setsMarks(made);
        target.rules.push_back(std::move(made));
    }

    void resolve(const Table& owner, Statement& statement) {
        for (const auto& [index, json] : sets_) {
            if (&model_.tables[static_cast<std::size_t>(index)] != &owner ||
                text(*json, "name") != statement.set) {
                continue;
            }
            const auto* elements = member(*json, "elem");
            if (elements == nullptr || !elements->IsArray()) {
                return;
            }
            if (statement.kind != Statement::Kind::match) {
                parsePairs(statement.fields, *elements, statement.kind, statement.data);
            } else {
                for (const auto& item : elements->GetArray()) {
                    statement.data.elements.push_back(parseElement(statement.fields, item));
                }
            }
            // A set's timeout holds for elements without a timeout of their own.
            const bool timed = member(*json, "timeout") != nullptr;
            for (auto& element : statement.data.elements) {
                element.timed = element.timed || timed;
            }
            return;
        }
        const auto missing = "the set @" + statement.set + " (not in the listing)";
        statement = statement.kind == Statement::Kind::match ? unknownMatch(missing) : unknownEffect(missing);
    }

    Ruleset::Model& model_;
    std::vector<std::pair<std::ptrdiff_t, const Json*>> sets_;
};

/// The members that listingOf() adds to nft's.
void addFurtherMembers(const Json& document, Ruleset::Model& model) {
    if (const auto* host = member(document, "host"); host != nullptr) {
        model.host = parseHost(*host);
    }
    if (const auto* saves = member(document, "iptables"); saves != nullptr && saves->IsArray()) {
        for (const auto& save : saves->GetArray()) {
            const auto* legacy = member(save, "legacy");
            const auto family =
                text(save, "family") == tableFamilyName(TableFamily::ip6) ? Family::ipv6 : Family::ipv4;
            addIptablesSave(text(save, "save"), family,
                            legacy != nullptr && legacy->IsBool() && legacy->GetBool(), model);
        }
    }
    if (const auto* unread = member(document, "unread"); unread != nullptr && unread->IsArray()) {
        for (const auto& reason : unread->GetArray()) {
            model.unknowns.push_back(text(&reason));
            model.translates = true;
        }
    }
}

rapidjson::Value textValue(const std::string& text, rapidjson::Document::AllocatorType& allocator) {
    return {text.data(), static_cast<rapidjson::SizeType>(text.size()), allocator};
}

rapidjson::Value savesValue(const std::vector<IptablesSave>& saves,
                            rapidjson::Document::AllocatorType& allocator) {
    rapidjson::Value out(rapidjson::kArrayType);
    for (const auto& save : saves) {
        const auto family = save.family == Family::ipv4 ? TableFamily::ip : TableFamily::ip6;
        rapidjson::Value entry(rapidjson::kObjectType);
        entry.AddMember("family", textValue(tableFamilyName(family), allocator), allocator);
        entry.AddMember("legacy", save.legacy, allocator);
        entry.AddMember("save", textValue(withoutCounters(save.text), allocator), allocator);
        out.PushBack(entry, allocator);
    }
    return out;
}

}  // namespace

std::string listingOf(const std::string& nft_json, const std::vector<IptablesSave>& saves,
                      const std::vector<std::string>& unread, const Host& host) {
    rapidjson::Document document;
    document.Parse<rapidjson::kParseIterativeFlag>(nft_json.data(), nft_json.size());
    if (document.HasParseError() || !document.IsObject()) {
        return nft_json;
    }
    auto& allocator = document.GetAllocator();
    rapidjson::Document host_document(&allocator);
    host_document.Parse(toJson(host).c_str());
    document.AddMember("host", static_cast<rapidjson::Value&>(host_document), allocator);
    document.AddMember("iptables", savesValue(saves, allocator), allocator);
    rapidjson::Value reasons(rapidjson::kArrayType);
    for (const auto& reason : unread) {
        reasons.PushBack(textValue(reason, allocator), allocator);
    }
    document.AddMember("unread", reasons, allocator);
    rapidjson::StringBuffer buffer;
    rapidjson::Writer<rapidjson::StringBuffer> writer(buffer);
    document.Accept(writer);
    return {buffer.GetString(), buffer.GetSize()};
}

Expected<Ruleset> Ruleset::parse(std::string_view nft_json) {
    rapidjson::Document document;
    document.Parse<rapidjson::kParseIterativeFlag>(nft_json.data(), nft_json.size());
    if (document.HasParseError()) {
        return fail(ErrorKind::invalid,
                    "reading the ruleset: not JSON at byte " + std::to_string(document.GetErrorOffset()));
    }
    const auto* objects = member(document, "nftables");
    if (objects == nullptr || !objects->IsArray()) {
        return fail(ErrorKind::invalid, "reading the ruleset: no list named nftables");
    }
    auto model = std::make_unique<Model>();
    Parser parser(*model);
    for (const auto& object : objects->GetArray()) {
        parser.object(object);
    }
    parser.resolveSets();
    addFurtherMembers(document, *model);
    return Ruleset(std::move(model));
}

Ruleset::Ruleset(std::unique_ptr<Model> model) : model_(std::move(model)) {}
Ruleset::Ruleset(Ruleset&&) noexcept = default;
Ruleset& Ruleset::operator=(Ruleset&&) noexcept = default;
Ruleset::~Ruleset() = default;

void Ruleset::addTexts(std::string_view listing) {
    std::map<std::string, std::string> texts;
    std::string table;
    std::string chain;
    while (!listing.empty()) {
        const auto end = std::min(listing.find('\n'), listing.size());
        auto line = listing.substr(0, end);
        listing.remove_prefix(std::min(end + 1, listing.size()));
        const auto first = line.find_first_not_of(" \t");
        line = first == std::string_view::npos ? "" : line.substr(first);
        const auto mark = line.rfind(" # handle ");
        const auto name = [&](std::string_view keyword) {
            const auto rest = line.substr(keyword.size());
            return std::string(rest.substr(0, rest.find(" {")));
        };
        if (line.starts_with("table ")) {
            table = name("table ");
        } else if (line.starts_with("chain ")) {
            chain = name("chain ");
        } else if (mark != std::string_view::npos) {
            auto place = table;
            place.append(" ").append(chain).append(line.substr(mark + 2));
            texts[std::move(place)] = std::string(line.substr(0, mark));
        }
    }
    for (auto& listed : model_->tables) {
        for (auto& [name, its_chain] : listed.chains) {
            for (auto& rule : its_chain.rules) {
                const auto found = texts.find(rule.place);
                if (rule.text.empty() && found != texts.end()) {
                    rule.text = found->second;
                }
            }
        }
    }
}

std::string Ruleset::textOf(const std::string& place) const {
    for (const auto& table : model_->tables) {
        for (const auto& [name, chain] : table.chains) {
            for (const auto& rule : chain.rules) {
                if (rule.place == place) {
                    return rule.text;
                }
            }
        }
    }
    return "";
}

void Ruleset::addUnknown(std::string reason, bool translates) {
    {
        const MutexLock lock(model_->found_mutex);
        model_->found.clear();
    }
    model_->unknowns.push_back(std::move(reason));
    model_->translates = model_->translates || translates;
}

}  // namespace lapwing::reach
