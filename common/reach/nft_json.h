#pragma once

// Reading the JSON of `nft -j list ruleset`; private to this library.

#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "common/json.h"
#include "common/reach/model.h"

namespace lapwing::reach {

using Json = json::Value;

const Json* member(const Json& json, const char* name);
/// The same, to be changed.
Json* mutableMember(Json& json, const char* name);
/// "" for anything but a string.
std::string text(const Json* json);
std::string text(const Json& json, const char* name);
/// The name and value of an object with a single member, such as {"match": ...}; "" and null for anything
/// else.
std::pair<std::string, const Json*> singleMember(const Json& json);

// Members of our own, in place of the elements of a set of addresses: see compactSets().
inline constexpr const char* kLastingMember = "addresses";
inline constexpr const char* kTimedMember = "addresses_with_timeout";

// A member of our own, of a rule: see addUnlisted().
inline constexpr const char* kFamiliesMember = "families";

/// The first member that nft 1.0.6 to 1.1.3 do not print; "" if there is none.
std::string unknownMember(const Json& json, std::initializer_list<const char*> known);
/// Reads the entries of nft's listing: tables, chains, rules and sets.
void parseObjects(const Json& objects, Ruleset::Model& model);
/// The strings that nft's text spreads over several lines: comments may have newlines.
void collectBrokenStrings(const Json& document, std::vector<std::string>& out);

/// Reads the output of toJson(). Missing members stay unknown.
Host parseHost(const Json& json);

/// The left side of a comparison or the key of a map: one field, or the fields of a concatenation.
std::vector<Field> parseFields(const Json& json);
Field parseField(const Json& json);
Term parseTerm(const Field& field, const Json& json);
/// An element of a set, or the right side of a comparison.
Element parseElement(const std::vector<Field>& fields, const Json& json);
bool isIpv6(FieldKind kind);
/// Bits given as one name, one number, or a list of names.
std::optional<Key> bitsKey(FieldKind kind, const Json& json);

/// Up to a rate, a count or an amount: what an idle sender meets. Nothing for other statements.
std::optional<Statement> parseLimit(const std::string& name, const Json& json);
std::optional<Decision> parseDecision(const std::string& name, const Json& json);
/// `meta nfproto FAMILY`; "ipv4" or "ipv6".
Statement familyMatch(const std::string& family);
/// The pairs of a map: verdicts, or the targets of an address translation.
void parsePairs(const std::vector<Field>& fields, const Json& pairs, Statement::Kind kind, SetData& out);
/// One statement of a rule. Effects beyond the rule (marks, notrack) are noted in `model`.
void parseStatement(const Json& json, Ruleset::Model& model, std::vector<Statement>& out);

}  // namespace lapwing::reach
