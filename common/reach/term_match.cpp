// Comparisons of a packet's fields with the terms of a match.
#include <algorithm>
#include <optional>

#include "common/reach/chain_walk.h"
#include "common/reach/source_trace.h"

namespace lapwing::reach {

FieldValue absent() {
    return {FieldValue::Kind::absent, {}, {}, {}, 0};
}
FieldValue number(std::uint64_t value) {
    return between(value, value);
}
FieldValue between(std::uint64_t low, std::uint64_t high) {
    return {FieldValue::Kind::range, {keyOf(low), keyOf(high)}, {}, {}, 0};
}

FieldValue addressValue(const AddressRange& range) {
    return {FieldValue::Kind::range, {range.low, range.high}, {}, {}, 0};
}
FieldValue interfaceValue(const std::string& name) {
    return {FieldValue::Kind::name, {}, name, {}, 0};
}
FieldValue noInterface() {
    return {FieldValue::Kind::no_interface, {}, {}, {}, 0};
}

namespace {

constexpr std::uint64_t kMostOf16Bits = 0xffff;

Key masked(const Key& key, const Key& mask) {
    Key out{};
    for (std::size_t i = 0; i < key.size(); ++i) {
        out[i] = static_cast<std::uint8_t>(key[i] & mask[i]);
    }
    return out;
}

Truth nameMatches(const FieldValue& value, const Term& term) {
    if (term.kind != Term::Kind::name) {
        return Truth::unknown;
    }
    if (term.name == "*") {
        return Truth::yes;
    }
    if (value.name.empty()) {
        // A packet from another host never comes in by the loopback interface.
        return term.name == "lo" ? Truth::no : Truth::unknown;
    }
    if (term.name.ends_with('*')) {
        return value.name.starts_with(term.name.substr(0, term.name.size() - 1)) ? Truth::yes : Truth::no;
    }
    return value.name == term.name ? Truth::yes : Truth::no;
}

/// Whether the bits that `mask` selects are those of `wanted`; `hazy` bits of `value` are not known.
Truth bitsMatch(const Key& value, std::uint64_t hazy, const Key& mask, const Key& wanted) {
    const auto unknown = keyOf(hazy);
    bool certain = true;
    for (std::size_t i = 0; i < value.size(); ++i) {
        if (((value[i] & mask[i]) ^ wanted[i]) & ~(unknown[i] & mask[i]) & 0xff) {
            return Truth::no;
        }
        certain = certain && (unknown[i] & mask[i]) == 0;
    }
    return certain ? Truth::yes : Truth::unknown;
}

Truth anyBitMatches(const Key& value, std::uint64_t hazy, const Key& bits) {
    const auto unknown = keyOf(hazy);
    auto out = Truth::no;
    for (std::size_t i = 0; i < value.size(); ++i) {
        if ((value[i] & bits[i] & ~unknown[i]) != 0) {
            return Truth::yes;
        }
        out = (bits[i] & unknown[i]) != 0 ? Truth::unknown : out;
    }
    return out;
}

/// The ways in which the fields' values may be: each with one value for a field that has several.
void eachVariant(std::vector<FieldValue>& values, std::size_t from, const auto& each) {
    for (std::size_t i = from; i < values.size(); ++i) {
        if (values[i].others.empty()) {
            continue;
        }
        const auto whole = values[i];
        values[i].others.clear();
        eachVariant(values, i + 1, each);
        for (const auto& other : whole.others) {
            values[i].range = other;
            eachVariant(values, i + 1, each);
        }
        values[i] = whole;
        return;
    }
    each();
}

}  // namespace

Truth termMatches(const FieldValue& value, const Field& field, const Term& term, Operator op) {
    if (!value.others.empty()) {
        auto one = value;
        one.others.clear();
        const auto first = termMatches(one, field, term, op);
        const bool same = std::all_of(value.others.begin(), value.others.end(), [&](const Range& other) {
            one.range = other;
            return termMatches(one, field, term, op) == first;
        });
        return same ? first : Truth::unknown;
    }
    if (value.kind == FieldValue::Kind::unknown || term.kind == Term::Kind::unknown) {
        return Truth::unknown;
    }
    if (value.kind == FieldValue::Kind::no_interface) {
        return Truth::no;
    }
    if (value.kind == FieldValue::Kind::name) {
        return nameMatches(value, term);
    }
    if (term.kind != Term::Kind::range) {
        return Truth::unknown;
    }
    const auto& range = value.range;
    const bool of_bits = op == Operator::any_bit || op == Operator::no_bit;
    if ((field.mask || of_bits || value.hazy != 0) && range.low != range.high) {
        return Truth::unknown;
    }
    if (of_bits) {
        return anyBitMatches(field.mask ? masked(range.low, *field.mask) : range.low, value.hazy,
                             term.range.low);
    }
    if ((field.mask || value.hazy != 0) && term.range.low == term.range.high) {
        Key all{};
        all.fill(0xff);
        return bitsMatch(range.low, value.hazy, field.mask.value_or(all), term.range.low);
    }
    if (value.hazy != 0) {
        return Truth::unknown;
    }
    const Range seen =
        field.mask ? Range{masked(range.low, *field.mask), masked(range.low, *field.mask)} : range;
    if (seen.high < term.range.low || term.range.high < seen.low) {
        return Truth::no;
    }
    return term.range.low <= seen.low && seen.high <= term.range.high ? Truth::yes : Truth::unknown;
}

/// Notes where the rule tells the sender's ports apart, so that the caller can ask about each part.
void ChainWalk::noteSenderPorts(const Statement& statement, std::size_t field, const Term& term) {
    const auto kind = statement.fields[field].kind;
    const bool reply = isReply(view_.kind);
    const bool of_sender =
        reply ? kind == FieldKind::tcp_destination_port || kind == FieldKind::udp_destination_port ||
                    kind == FieldKind::any_destination_port
              : kind == FieldKind::tcp_source_port || kind == FieldKind::udp_source_port ||
                    kind == FieldKind::any_source_port || kind == FieldKind::ct_original_source_port;
    if (!of_sender || term.kind != Term::Kind::range || statement.fields[field].mask) {
        return;
    }
    const auto port = [](const Key& key) { return static_cast<std::uint16_t>(key[14] * 256 + key[15]); };
    notes_.sender_ports.insert(port(term.range.low));
    if (const auto last = port(term.range.high); last < kMostOf16Bits) {
        notes_.sender_ports.insert(static_cast<std::uint16_t>(last + 1));
    }
}

Truth ChainWalk::elementMatches(const Statement& statement, const std::vector<FieldValue>& values,
                                const Element& element) {
    auto all = Truth::yes;
    for (std::size_t i = 0; i < values.size() && i < element.parts.size(); ++i) {
        const auto one = termMatches(values[i], statement.fields[i], element.parts[i], statement.op);
        if (one == Truth::no) {
            return Truth::no;
        }
        if (one == Truth::unknown) {
            noteSenderPorts(statement, i, element.parts[i]);
        }
        all = conjunction(all, one);
    }
    return all == Truth::yes && element.timed ? Truth::unknown : all;
}

Truth ChainWalk::matches(const Statement& statement, bool& applies) {
    std::vector<FieldValue> values;
    applies = valuesOf(statement, values);
    if (!applies) {
        return Truth::no;
    }
    if (notes_.trace != nullptr) {
        notes_.trace->visit(statement, values);
    }
    std::optional<Truth> out;
    eachVariant(values, 0, [&] {
        const auto one = matchesOnce(statement, values);
        out = !out || *out == one ? one : Truth::unknown;
    });
    return out.value_or(Truth::unknown);
}

Truth ChainWalk::matchesOnce(const Statement& statement, const std::vector<FieldValue>& values) {
    auto any = Truth::no;
    if (statement.data.index) {
        const bool known = values[0].kind == FieldValue::Kind::range;
        any = known ? statement.data.index->contain(values[0].range) : Truth::unknown;
    }
    for (const auto& element : statement.data.elements) {
        if (any == Truth::yes) {
            break;
        }
        any = disjunction(any, elementMatches(statement, values, element));
    }
    if (any == Truth::no && !statement.set.empty() && connection_.added.contains({table_, statement.set})) {
        any = Truth::unknown;
    }
    return statement.op == Operator::not_equal || statement.op == Operator::no_bit ? negate(any) : any;
}

}  // namespace lapwing::reach
