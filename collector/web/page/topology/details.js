// The panel about the component that the reader selected in the picture.

import { chip, el, evidence } from '../dom.js';
import { findingLink } from '../findings.js';
import { VERBS, cutSets, findingsOf, fullName, role, singles, stateKind, stateWord } from './facts.js';

/** Returns everything about a component as plain data, or null if the component does not exist. */
export function known(topology, findings, id) {
  const components = new Map(topology.components.map((each) => [each.id, each]));
  const component = components.get(id);
  if (!component) return null;
  const edges = topology.edges.filter((edge) => edge.from === id || edge.to === id).map((edge) => {
    const outward = edge.from === id;
    const other = outward ? edge.to : edge.from;
    const end = components.get(other);
    const trouble = edge.works === 'no' ? ['bad', 'no traffic passes'] : end && end.works !== 'yes' ? [stateKind(end), stateWord(end)] : null;
    return { verb: (VERBS[edge.kind] || [edge.kind, edge.kind])[outward ? 0 : 1], other, name: end ? fullName(end) : other, trouble, evidence: edge.evidence };
  });
  return { component, name: fullName(component), role: role(topology, id), singles: singles(topology, id), edges, cuts: cutSets(topology, id),
    findings: findingsOf(findings, components, component).map(({ id: code, subject, title }) => ({ id: code, subject, title })),
    conflicts: topology.conflicts.filter((each) => each.subject === id).map((each) => each.text) };
}

const listed = (words) => (words.length < 2 ? words.join('') : words.slice(0, -1).join(', ') + ' or ' + words[words.length - 1]);

function connection(edge, choose) {
  const button = el('button', { type: 'button', class: 'link' }, edge.name);
  button.addEventListener('click', () => choose(edge.other));
  return el('li', null, el('p', null, edge.verb + ' ', button, ' ', edge.trouble ? chip(...edge.trouble) : null), evidence(edge.evidence));
}

function cut({ service, now, confidence, alone, others }) {
  const stops = (confidence === 'confirmed' ? ' stops' : ' perhaps stops') + (now ? ' now' : '');
  return el('li', null, el('strong', null, service), stops + (alone ? ' if this alone fails' : ' if this fails together with ' + listed(others)));
}

/** Builds the panel's content from the result of known(). `choose(id)` selects another component. */
export function details(about, choose) {
  const { component } = about;
  const section = (title, kind, items) => (items.length ? [el('h4', null, title), el('ul', { class: kind }, ...items)] : []);
  return [
    el('div', { class: 'top' }, el('h3', null, about.name), chip(stateKind(component), stateWord(component))),
    el('p', { class: 'soft small' }, [component.id, about.role].filter(Boolean).join(', ')),
    ...about.singles.map(({ title, services }) => el('p', { class: 'weak' }, title.replace(/^./, (c) => c.toUpperCase()) + ': ' + services.join(', '))),
    ...section('Findings', 'small', about.findings.map((finding) => el('li', null, findingLink(finding)))),
    ...section('Conflicts', 'small', about.conflicts.map((text) => el('li', null, text))),
    ...(component.evidence.length ? [el('h4', null, 'Evidence'), evidence(component.evidence)] : []),
    ...section('Connections', 'plain small', about.edges.map((edge) => connection(edge, choose))),
    ...section('Effect of a failure', 'small', about.cuts.map(cut)),
  ];
}
