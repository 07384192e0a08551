import { chip, el, evidence, fold, part, svg } from './dom.js';
import { duration, plural, sentence, size } from './words.js';

const ESTIMATORS = {
  gtid_position: 'GTIDs of both ends', binlog_position: 'binary log positions of both ends', heartbeat: 'heartbeat',
  applying_transaction: 'transaction being applied', last_event: 'last events', seconds_behind_source: 'Seconds_Behind',
};

const REPLICATION = { ok: ['good', 'in step'], lagging: ['warn', 'lagging'], delayed: ['good', 'delayed on purpose'],
  at_risk: ['warn', 'at risk'], broken: ['bad', 'broken'], unknown: ['unknown', 'unknown'] };

/** Draws the primary, the replica and the data flow between them, and highlights the broken part. */
function picture(entry) {
  const thread = (value) => (value === 'running' ? 'good' : value === 'unknown' ? 'unknown' : 'bad');
  const dim = entry.state === 'unknown';
  const broken = entry.broken_part || '';
  const kinds = {
    primary: dim ? 'unknown' : 'good', network: dim ? 'unknown' : thread(entry.receiver),
    receiver: dim ? 'unknown' : thread(entry.receiver), applier: dim ? 'unknown' : thread(entry.applier),
  };
  if (broken) kinds[broken] = entry.state === 'broken' ? 'bad' : 'warn';
  if (broken === 'primary') kinds.network = 'bad';
  if (broken === 'network') kinds.receiver = 'unknown';
  const short = (text) => (text.length > 13 ? text.slice(0, 12) + '\u2026' : text);
  const words = (x, y, text, kind) => svg('text', { x, y, class: kind, 'text-anchor': 'middle' }, text);
  const box = (x, y, width, height, kind, ...lines) => svg('g', { class: kind },
    svg('rect', { x, y, width, height, rx: 6 }),
    ...lines.map((line, i) => words(x + width / 2, y + height / 2 + 4 + (i - (lines.length - 1) / 2) * 15, line, i === 0 ? 'name' : 'soft')));
  const flow = (from, to, kind) => {
    const parts = [svg('path', { d: 'M' + from + ' 68H' + (to - 5), class: 'flow' }), svg('path', { d: 'M' + (to - 7) + ' 63l6 5l-6 5', class: 'head' })];
    const middle = (from + to) / 2;
    if (kind === 'bad') parts.push(svg('path', { d: 'M' + (middle - 6) + ' 62l12 12m0 -12l-12 12', class: 'cross' }));
    return svg('g', { class: kind }, ...parts);
  };
  const behind = entry.transactions_behind ? plural(entry.transactions_behind, 'transaction') + ' behind'
    : entry.bytes_behind ? size(entry.bytes_behind) + ' behind' : '';
  return svg('svg', { viewBox: '0 0 360 126', class: 'picture', role: 'img',
    'aria-label': 'From ' + (entry.primary || 'an unknown primary') + ' to ' + entry.replica + ': receiver ' + entry.receiver + ', applier ' + entry.applier },
    box(1, 30, 92, 76, kinds.primary, short(entry.primary || 'unknown'), 'primary'),
    flow(93, 141, kinds.network),
    svg('g', { class: 'frame' }, svg('rect', { x: 141, y: 4, width: 218, height: 118, rx: 8 }), words(250, 24, short(entry.replica), 'name')),
    box(147, 46, 58, 44, kinds.receiver, 'receiver'), flow(205, 219, kinds.receiver === 'bad' ? 'unknown' : kinds.receiver),
    box(219, 46, 64, 44, dim ? 'unknown' : 'plain', 'relay log'), flow(283, 297, kinds.applier === 'bad' ? 'unknown' : kinds.applier),
    box(297, 46, 56, 44, kinds.applier, 'applier'), words(250, 110, behind, 'soft'));
}

export function showReplication(entries) {
  part('replication', entries.map(({ observed, ...rest }) => rest), () => {
    if (entries.length === 0) return [el('p', { class: 'note' }, 'No agent reports a replica, and site.replication declares no pair.')];
    return entries.map((entry) => {
      const state = REPLICATION[entry.state] || REPLICATION.unknown;
      const known = entry.lag_seconds !== null;
      const lag = !known ? 'lag unknown' : entry.lag_seconds < 0.05 ? 'no lag' : duration(entry.lag_seconds) + ' behind';
      const notes = [];
      if (known) notes.push('By the ' + (ESTIMATORS[entry.lag_source] || entry.lag_source) + (entry.confidence === 'confirmed' ? '' : ', ' + entry.confidence) + '.');
      if (entry.delay_seconds) notes.push('Delayed by ' + duration(entry.delay_seconds) + ' on purpose; the lag does not include the delay.');
      if (entry.even_in_seconds !== null) notes.push('At the current pace it will catch up in ' + duration(entry.even_in_seconds) + '.');
      else if (entry.catching_up === false) notes.push('It falls further behind.');
      const list = el('dl', { class: 'small' });
      for (const each of entry.estimators) {
        list.append(el('dt', { title: each.note || '' }, ESTIMATORS[each.name] || each.name), el('dd', null, each.lag_seconds === null ? 'unknown' : duration(each.lag_seconds)));
      }
      const more = fold('estimators' + entry.replica + '\u0000' + entry.channel, false, { class: 'inner' }, el('summary', { class: 'small' }, 'All estimates of the lag'), list);
      return el('article', { class: 'card' + (state[0] === 'bad' ? ' bad' : state[0] === 'warn' ? ' warn' : '') },
        el('div', { class: 'top' }, el('h3', null, (entry.primary || 'unknown primary') + ' \u2192 ' + entry.replica + (entry.channel ? ' (' + entry.channel + ')' : '')), chip(...state)),
        picture(entry), el('p', { class: 'big' }, lag), el('p', null, sentence(entry.summary)),
        notes.length ? el('p', { class: 'soft small' }, notes.join(' ')) : null,
        entry.next_step ? el('pre', { class: 'remedy' }, entry.next_step) : null,
        entry.state === 'ok' || entry.evidence.length === 0 ? null : evidence(entry.evidence),
        entry.estimators.length ? more : null);
    });
  });
}
