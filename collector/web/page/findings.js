import { $, chip, copyButton, el, evidence, fold, part } from './dom.js';
import { severityKind } from './words.js';

const cardOf = (finding) => 'finding-' + encodeURIComponent(finding.id + '/' + finding.subject);

/** A link that opens the card of a finding and scrolls to it. */
export function findingLink(finding) {
  const link = el('a', { href: '#' + cardOf(finding) }, finding.id + ': ' + (finding.title || finding.subject));
  link.addEventListener('click', (event) => {
    const card = $(cardOf(finding));
    if (!card) return;
    event.preventDefault();  // following the link would take the focus from the card
    card.open = true;
    card.scrollIntoView();
    card.querySelector('summary').focus({ preventScroll: true });
  });
  return link;
}

export function showFindings(findings) {
  part('findings', findings, () => {
    if (findings.length === 0) return [el('p', { class: 'note' }, 'No findings.')];
    return findings.map((finding) => {
      const urgent = (finding.severity === 'critical' || finding.severity === 'high') && !(finding.acceptance && finding.acceptance.state === 'accepted');
      const node = fold(finding.id + '\u0000' + finding.subject, urgent, { id: cardOf(finding) },
        el('summary', null, chip(severityKind(finding.severity), finding.severity), el('span', null, el('strong', null, finding.title || finding.id), ' ',
          el('span', { class: 'soft small' }, finding.id + ', ' + finding.subject + (finding.confidence === 'confirmed' ? '' : ', ' + finding.confidence) + (finding.acceptance && finding.acceptance.state === 'accepted' ? ', accepted' : '')))));
      const body = el('div', { class: 'body' });
      if (finding.acceptance) {
        const { by, until, reason, worse } = finding.acceptance;
        body.append(el('p', { class: 'small' }, 'Accepted by ' + by + ' until ' + new Date(until).toLocaleString() + ': ' + reason));
        if (worse) body.append(el('p', { class: 'small' }, 'It is worse than what was accepted: ' + worse));
      }
      if (finding.evidence.length) body.append(el('h4', null, 'Evidence'), evidence(finding.evidence));
      if (finding.remedy) body.append(el('h4', null, 'Remedy', copyButton(finding.remedy)), el('pre', { class: 'remedy' }, finding.remedy));
      if (finding.not_assessed.length) body.append(el('h4', null, 'Not assessed'), el('ul', { class: 'small soft' }, ...finding.not_assessed.map((t) => el('li', null, t))));
      body.append(el('p', { class: 'soft small' }, 'Since ' + new Date(finding.since).toLocaleString() + '. ', el('a', { href: 'finding?' + new URLSearchParams({ id: finding.id, subject: finding.subject }) }, 'Its own page')));
      node.append(body);
      return node;
    });
  });
}
