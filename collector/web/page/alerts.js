import { chip, el, fold, part } from './dom.js';
import { fingerprint } from './detail/fingerprint.js';
import { severityKind } from './words.js';

export const alertTitle = (alert) => alert.annotations.summary || alert.labels.alertname;

export function showAlerts(alerts) {
  const sorted = [...alerts].sort((a, b) => (a.state === b.state ? a.activeAt.localeCompare(b.activeAt) : a.state === 'firing' ? -1 : 1));
  part('alerts', sorted.map(({ value, ...rest }) => rest), () => {
    if (sorted.length === 0) return [el('p', { class: 'note' }, 'No alert is active.')];
    return sorted.map((alert) => {
      const firing = alert.state === 'firing';
      const node = fold('alert' + JSON.stringify(alert.labels), false, null,
        el('summary', null, chip(firing ? severityKind(alert.labels.severity) : 'unknown', firing ? alert.labels.severity || 'firing' : 'pending'),
          el('span', null, el('strong', null, alertTitle(alert)), ' ', el('span', { class: 'soft small' }, alert.labels.alertname + ', since ' + new Date(alert.activeAt).toLocaleString()))));
      const body = el('div', { class: 'body' });
      if (!firing) body.append(el('p', { class: 'small' }, 'Not sent yet: the condition has not held long enough.'));
      if (alert.unknownSince) body.append(el('p', { class: 'small' }, 'Its data have been missing since ' + new Date(alert.unknownSince).toLocaleString() + ': neither confirmed nor resolved.' + (alert.heldUntil ? ' Without them it ends at ' + new Date(alert.heldUntil).toLocaleString() + '.' : '')));
      if (alert.acceptedBy) body.append(el('p', { class: 'small' }, 'Accepted by ' + alert.acceptedBy.by + ' until ' + new Date(alert.acceptedBy.until).toLocaleString() + ': ' + alert.acceptedBy.reason));
      if (alert.silencedBy) body.append(el('p', { class: 'small' }, 'Silenced: no notification is sent.'));
      else if (alert.inhibitedBy) body.append(el('p', { class: 'small' }, 'Inhibited: ' + alert.inhibitedBy.map((each) => each.alertname).join(', ') + ' explains it.'));
      if (alert.annotations.description) body.append(el('p', null, alert.annotations.description));
      if (alert.annotations.next_step) body.append(el('p', null, 'Next step: ' + alert.annotations.next_step));
      const list = el('dl', { class: 'small' });
      for (const [name, value] of Object.entries(alert.labels)) list.append(el('dt', null, name), el('dd', null, value));
      body.append(list, el('p', { class: 'small' }, el('a', { href: 'alert?' + new URLSearchParams({ name: alert.labels.alertname, fingerprint: fingerprint(alert.labels) }) }, 'Its own page')));
      node.append(body);
      return node;
    });
  });
}
