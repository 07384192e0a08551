#include <algorithm>

#include "common/reach/traversal.h"

namespace lapwing::reach {

namespace {

bool looksAt(const Chain& chain, const std::string& interface) {
    return chain.devices.empty() || interface.empty() ||
           std::find(chain.devices.begin(), chain.devices.end(), interface) != chain.devices.end();
}

/// The kernel calls every chain of type nat of one hook at the same point, whatever its priority.
int pointOf(const Chain& chain) {
    if (chain.type != ChainType::nat) {
        return chain.priority;
    }
    return chain.hook == Hook::prerouting || chain.hook == Hook::output ? kDestinationNatPriority
                                                                        : kSourceNatPriority;
}

}  // namespace

std::string StepOutcome::toString() const {
    std::string text;
    const auto add = [&](bool possible, const char* outcome) {
        if (possible) {
            text += (text.empty() ? "" : " or ") + std::string(outcome);
        }
    };
    add(accepts, "accepts");
    add(translates, "sends it elsewhere");
    add(drops, "drops");
    add(rejects, "rejects");
    return text;
}

bool Traversal::passes(const Table& table, const PacketView& view) {
    if (table.dormant) {
        return false;
    }
    if (view.arp) {
        return table.family == TableFamily::arp || table.family == TableFamily::netdev;
    }
    const auto own = view.family == Family::ipv4 ? TableFamily::ip : TableFamily::ip6;
    return table.family == TableFamily::inet || table.family == TableFamily::netdev || table.family == own;
}

bool Traversal::through(Hook hook, const PacketView& view, HookPart part) {
    bool open = true;
    pass(chainsAt(hook, part, view), view, open, nullptr);
    return open;
}

std::vector<HookedChain> Traversal::chainsAt(Hook hook, HookPart part, const PacketView& view) const {
    const auto& device = hook == Hook::egress ? view.interface_out.name : view.interface_in.name;
    std::vector<HookedChain> chains;
    for (const auto& table : model_.tables) {
        if (!passes(table, view)) {
            continue;
        }
        for (const auto& name : table.base_chains) {
            const auto& chain = table.chains.at(name);
            const bool nat = chain.type == ChainType::nat;
            const auto point = pointOf(chain);
            const bool here = part == HookPart::nat          ? nat
                              : part == HookPart::before_nat ? !nat && point < kDestinationNatPriority
                              : part == HookPart::beside_nat ? !nat && point == kDestinationNatPriority
                              : part == HookPart::after_nat  ? !nat && point > kDestinationNatPriority
                                                             : true;
            // Chains of type nat see a connection's first packet only, where conntrack follows it.
            // The connection of a refused packet has no source translation yet: its refusal meets those
            // chains.
            const bool begins = isFirst(view.kind) || !walk_.connection().hasBegun() ||
                                (view.refusal && chain.hook == Hook::postrouting);
            const bool skipped = nat && (!begins || walk_.packet().tracked == Truth::no);
            if (chain.hook == hook && here && !skipped && looksAt(chain, device)) {
                chains.push_back({&table, &chain, name});
            }
        }
    }
    std::stable_sort(chains.begin(), chains.end(), [](const HookedChain& a, const HookedChain& b) {
        return std::pair(pointOf(*a.chain), a.chain->priority) <
               std::pair(pointOf(*b.chain), b.chain->priority);
    });
    return chains;
}

void Traversal::note(const HookedChain& hooked, const ChainOutcome& out, PacketKind packet) {
    Step step;
    step.chain = hooked.chain->place;
    step.hook = hooked.chain->hook;
    step.priority = hooked.chain->priority;
    step.packet = packet;
    step.outcome = {(out.may & kAccept) != 0, (out.may & kTranslate) != 0, (out.may & kDrop) != 0,
                    (out.may & kReject) != 0};
    std::set<std::string> rules = out.translated_by;
    if ((out.may & kAccept) != 0) {
        rules.insert(out.accepted_by.begin(), out.accepted_by.end());
    }
    if ((out.may & (kDrop | kReject)) != 0) {
        rules.insert(out.dropped_by.begin(), out.dropped_by.end());
    }
    step.rules.assign(rules.begin(), rules.end());
    outcome_.path.push_back(std::move(step));
}

/// Only the sender of the first packet is told of a rejection: other packets that are rejected are silence.
void Traversal::noteBlocks(const ChainOutcome& out, const PacketView& view) {
    if ((out.may & (kDrop | kReject)) == 0) {
        return;
    }
    const bool told = isFirst(view.kind) && (out.may & kReject) != 0;
    outcome_.may_reject = outcome_.may_reject || told;
    outcome_.may_drop = outcome_.may_drop || !told || (out.may & kDrop) != 0;
    if (!outcome_.may_fail) {
        outcome_.may_fail = view.kind;
    }
}

/// nft does not list the order of chains with equal priority: the chains after `at`, which ended the hook,
/// may have come before it.
void Traversal::addOthers(const std::vector<HookedChain>& chains, std::vector<HookedChain>::const_iterator at,
                          const PacketView& view, ChainOutcome* translations) {
    const auto priority = at->chain->priority;
    for (++at; at != chains.end() && at->chain->priority == priority; ++at) {
        const auto other = walk_.base(*at->table, *at->chain, at->name, view);
        note(*at, other, view.kind);
        noteBlocks(other, view);
        if (translations != nullptr) {
            translations->targets.insert(translations->targets.end(), other.targets.begin(),
                                         other.targets.end());
            outcome_.accepted_by.insert(other.translated_by.begin(), other.translated_by.end());
        }
    }
}

/// Calls one chain after the other. `open` becomes false where no packet gets through.
void Traversal::pass(const std::vector<HookedChain>& chains, const PacketView& view, bool& open,
                     ChainOutcome* translations) {
    for (auto at = chains.begin(); at != chains.end(); ++at) {
        const auto& hooked = *at;
        auto out = walk_.base(*hooked.table, *hooked.chain, hooked.name, view);
        note(hooked, out, view.kind);
        const bool translated = (out.may & kTranslate) != 0;
        if (translated && translations == nullptr) {
            // At other hooks than those where the kernel translates destinations, this is a change of a
            // header.
            out.may = (out.may & ~kTranslate) | kAccept | kDrop;
            out.dropped_by.insert(out.translated_by.begin(), out.translated_by.end());
        }
        if ((out.may & (kDrop | kReject)) != 0) {
            noteBlocks(out, view);
            outcome_.dropped_by.insert(out.dropped_by.begin(), out.dropped_by.end());
        }
        if ((out.may & (kAccept | kTranslate)) == 0) {
            open = false;
            addOthers(chains, at, view, translations);
            return;
        }
        if (isFirst(view.kind) || view.kind == PacketKind::syn_ack) {
            outcome_.accepted_by.insert(out.accepted_by.begin(), out.accepted_by.end());
        }
        if (translated && translations != nullptr) {
            outcome_.accepted_by.insert(out.translated_by.begin(), out.translated_by.end());
            translations->targets.insert(translations->targets.end(), out.targets.begin(), out.targets.end());
            translations->may |= kTranslate;
            if ((out.may & kAccept) == 0) {
                translations->may &= ~kAccept;
                addOthers(chains, at, view, translations);
                return;
            }
        }
    }
}

}  // namespace lapwing::reach
