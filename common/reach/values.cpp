#include "common/reach/chain_walk.h"
#include "common/reach/source_trace.h"

namespace lapwing::reach {

FieldValue absent() {
    return {FieldValue::Kind::absent, {}, {}};
}
FieldValue number(std::uint64_t value) {
    return {FieldValue::Kind::range, {keyOf(value), keyOf(value)}, {}};
}
FieldValue between(std::uint64_t low, std::uint64_t high) {
    return {FieldValue::Kind::range, {keyOf(low), keyOf(high)}, {}};
}

FieldValue addressValue(const AddressRange& range) {
    return {FieldValue::Kind::range, {range.low, range.high}, {}};
}
FieldValue interfaceValue(const std::string& name) {
    return {FieldValue::Kind::name, {}, name};
}
FieldValue noInterface() {
    return {FieldValue::Kind::no_interface, {}, {}};
}

namespace {

constexpr std::uint64_t kStatusTranslated = 32;  // IPS_DST_NAT

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

/// Addresses, interfaces, the family.
bool isOfEveryPacket(FieldKind kind) {
    switch (kind) {
        case FieldKind::ip_source:
        case FieldKind::ip6_source:
        case FieldKind::ip_destination:
        case FieldKind::ip6_destination:
        case FieldKind::ip_version:
        case FieldKind::interface_in:
        case FieldKind::interface_out:
        case FieldKind::nf_protocol:
        case FieldKind::ether_type:
            return true;
        default:
            return false;
    }
}

/// `ct status dnat`, the only status whose answer is known for a connection with a changed destination.
bool asksForTranslation(const Statement& statement) {
    return statement.op == Operator::any_bit && statement.data.elements.size() == 1 &&
           statement.data.elements[0].parts[0].range.low == keyOf(kStatusTranslated);
}

}  // namespace

Truth termMatches(const FieldValue& value, const Field& field, const Term& term, Operator op) {
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
    auto range = value.range;
    if (field.mask || op == Operator::any_bit) {
        if (range.low != range.high) {
            return Truth::unknown;
        }
        if (field.mask) {
            range.low = range.high = masked(range.low, *field.mask);
        }
        if (op == Operator::any_bit) {
            return masked(range.low, term.range.low) != Key{} ? Truth::yes : Truth::no;
        }
    }
    if (range.high < term.range.low || term.range.high < range.low) {
        return Truth::no;
    }
    return term.range.low <= range.low && range.high <= term.range.high ? Truth::yes : Truth::unknown;
}

FieldValue ChainWalk::valueOf(const Field& field) {
    const bool v4 = view_.family == Family::ipv4;
    const bool tcp = view_.protocol == Protocol::tcp;
    const bool udp = view_.protocol == Protocol::udp;
    if (view_.refusal && !isOfEveryPacket(field.kind)) {
        return {};
    }
    switch (field.kind) {
        case FieldKind::ip_source:
            return v4 ? view_.source : absent();
        case FieldKind::ip6_source:
            return v4 ? absent() : view_.source;
        case FieldKind::ip_destination:
            return v4 ? view_.destination : absent();
        case FieldKind::ip6_destination:
            return v4 ? absent() : view_.destination;
        case FieldKind::ip_protocol:
            return v4 ? number(static_cast<unsigned>(view_.protocol)) : absent();
        case FieldKind::ip6_next_header:
            return v4 ? absent() : number(static_cast<unsigned>(view_.protocol));
        case FieldKind::ip_version:
            return v4 ? number(4) : absent();
        case FieldKind::tcp_source_port:
            return tcp ? view_.source_port : absent();
        case FieldKind::tcp_destination_port:
            return tcp ? view_.destination_port : absent();
        case FieldKind::tcp_flags:
            return tcp ? number(view_.answer ? 0x12 : 0x02) : absent();
        case FieldKind::udp_source_port:
            return udp ? view_.source_port : absent();
        case FieldKind::udp_destination_port:
            return udp ? view_.destination_port : absent();
        case FieldKind::any_source_port:
            return view_.source_port;
        case FieldKind::any_destination_port:
            return view_.destination_port;
        case FieldKind::other_protocol:
            return absent();
        case FieldKind::interface_in:
            return view_.interface_in;
        case FieldKind::interface_out:
            return view_.interface_out;
        case FieldKind::transport:
            return number(static_cast<unsigned>(view_.protocol));
        case FieldKind::nf_protocol:
            return number(v4 ? 2 : 10);
        case FieldKind::ether_type:
            return number(v4 ? 0x0800 : 0x86dd);
        case FieldKind::mark:
            return mayBeMarked() ? FieldValue{} : number(0);
        case FieldKind::ct_mark:
            return ctValue(0, !mayBeMarked());
        case FieldKind::ct_direction:
            return ctValue(view_.answer ? 1 : 0, true);
        case FieldKind::ct_status:
            return ctValue(0, !view_.answer && !view_.translated);
        case FieldKind::ct_state:
            return base_->hook == Hook::prerouting && base_->priority == kConntrackPriority
                       ? FieldValue{}
                       : number(ct_state_);
        case FieldKind::packet_type:
            return view_.packet_type;
        case FieldKind::fib_destination_type:
            return view_.destination_type;
        case FieldKind::fib_source_route:
            if (view_.answer || view_.interface_in.kind != FieldValue::Kind::name) {
                return {};
            }
            notes_.assumptions.insert("the source is routed back by the interface on which it arrives");
            return number(1);
        case FieldKind::unknown:
            return {};
    }
    return {};
}

bool ChainWalk::mayBeMarked() const {
    return notes_.marked || others_mark_;
}

/// A value that only a tracked packet has.
FieldValue ChainWalk::ctValue(std::uint64_t of_packet, bool known) const {
    if (ct_state_ == kInvalid) {
        return absent();
    }
    const bool certain = known && !model_.untracks && base_->priority != kConntrackPriority;
    return certain ? number(of_packet) : FieldValue{};
}

Truth ChainWalk::elementMatches(const Statement& statement, const std::vector<FieldValue>& values,
                                const Element& element) const {
    auto all = Truth::yes;
    for (std::size_t i = 0; i < values.size() && i < element.parts.size(); ++i) {
        const auto one = termMatches(values[i], statement.fields[i], element.parts[i], statement.op);
        if (one == Truth::no) {
            return Truth::no;
        }
        if (one == Truth::unknown) {
            all = Truth::unknown;
        }
    }
    return all == Truth::yes && element.timed ? Truth::unknown : all;
}

/// Whether the packet is outside the bounds of the rule, which then does nothing.
bool ChainWalk::isOutside(const Rule& rule) {
    for (const auto& bounds : rule.bounds) {
        // The trace learns of comparisons with addresses where they are made.
        if (notes_.trace != nullptr && isAddress(bounds.kind)) {
            return false;
        }
        auto known = bounded_.find(bounds.kind);
        if (known == bounded_.end()) {
            known = bounded_.emplace(bounds.kind, valueOf({bounds.kind, std::nullopt, ""})).first;
        }
        const auto& value = known->second;
        if (value.kind == FieldValue::Kind::absent ||
            (value.kind == FieldValue::Kind::range &&
             (value.range.high < bounds.range.low || bounds.range.high < value.range.low))) {
            return true;
        }
    }
    return false;
}

/// `applies` is false where the packet lacks the header: then the rule does not match, negated or not.
Truth ChainWalk::matches(const Statement& statement, bool& applies) {
    auto truth = matchesOnce(statement, applies);
    if (applies && model_.untracks) {
        // With a notrack somewhere the packet is new or untracked: only an answer that both give is certain.
        const auto tracked = ct_state_;
        ct_state_ = kUntracked;
        const auto other = matchesOnce(statement, applies);
        ct_state_ = tracked;
        truth = truth == other ? truth : Truth::unknown;
    }
    return truth;
}

Truth ChainWalk::matchesOnce(const Statement& statement, bool& applies) {
    std::vector<FieldValue> values;
    applies = true;
    for (const auto& field : statement.fields) {
        values.push_back(valueOf(field));
        if (values.back().kind == FieldValue::Kind::absent) {
            applies = false;
            return Truth::no;
        }
        if (field.kind == FieldKind::ct_status && view_.translated && asksForTranslation(statement)) {
            values.back() = ctValue(kStatusTranslated, true);
        }
    }
    if (notes_.trace != nullptr) {
        notes_.trace->visit(statement, values);
    }
    auto any = Truth::no;
    if (statement.data.index) {
        const bool known = values[0].kind == FieldValue::Kind::range;
        any = known ? statement.data.index->contain(values[0].range) : Truth::unknown;
    }
    for (const auto& element : statement.data.elements) {
        if (any == Truth::yes) {
            break;
        }
        const auto one = elementMatches(statement, values, element);
        if (one == Truth::yes) {
            any = one;
            break;
        }
        if (one == Truth::unknown) {
            any = one;
        }
    }
    if (any == Truth::no && !statement.set.empty() && added_.contains({table_, statement.set})) {
        any = Truth::unknown;
    }
    return statement.op == Operator::not_equal ? negate(any) : any;
}

}  // namespace lapwing::reach
