import { alertTitle } from './alerts.js';
import { $, chip, el, part } from './dom.js';
import { serviceName, verdict } from './services.js';
import { duration, plural, severityKind, since } from './words.js';

/** The finding that no receiver of notifications is configured: of low severity, and yet a line at the top. */
const UNTOLD = 'R19';

/** The sentence at the top of the page and its reasons. It says "All is well" only if everything is observed and healthy. */
export function judge(data, rows) {
  const firing = data.alerts.filter((a) => a.state === 'firing');
  const critical = firing.filter((a) => a.labels.severity === 'critical');
  const down = rows.filter((r) => verdict(r) === 'down');
  const unclear = rows.filter((r) => ['unknown', 'disputed'].includes(verdict(r)));
  const silent = data.agents.filter((a) => a.state !== 'ok');
  const broken = data.replication.filter((r) => r.state === 'broken');
  const lagging = data.replication.filter((r) => r.state === 'lagging');
  const risky = data.replication.filter((r) => r.state === 'at_risk');
  const dim = data.replication.filter((r) => r.state === 'unknown');
  const grave = data.findings.filter((f) => f.severity === 'critical' || f.severity === 'high');
  const urgent = [];
  for (const a of firing) urgent.push([severityKind(a.labels.severity), a.labels.severity || 'alert', alertTitle(a) + ' (' + since(a.activeAt, data.now) + ')']);
  if (firing.length === 0) {
    for (const r of down) urgent.push(['bad', 'down', serviceName(r) + (r.instance === 'site' ? ' does not answer' : ' on ' + r.instance)]);
    for (const r of broken) urgent.push(['bad', 'broken', 'Replication to ' + r.replica + ': ' + r.summary]);
    for (const r of lagging) urgent.push(['warn', 'lagging', r.replica + ' is ' + duration(r.lag_seconds) + ' behind']);
    for (const r of risky) urgent.push(['warn', 'at risk', 'Replication to ' + r.replica + ': ' + r.summary]);
  }
  const told = new Set(firing.map((a) => a.labels.host));
  for (const a of silent.filter((each) => !told.has(each.host))) urgent.push(['unknown', 'unseen', a.state === 'silent' ? a.host + ' is silent' : a.host + ' is enrolled but has not reported yet']);
  for (const r of dim) urgent.push(['unknown', 'unknown', 'Replication to ' + r.replica + ' is unknown']);
  if (data.findings.some((each) => each.id === UNTOLD)) urgent.push(['warn', 'nobody told', 'Nobody is told of alerts: no receiver is configured. sudo lapwing-collector notify add --help']);
  for (const f of grave) urgent.push([severityKind(f.severity), f.id, (f.title || f.id) + ' (' + f.subject + ')']);

  const counts = [];
  if (data.findings.length) counts.push(plural(data.findings.length, 'finding'));
  if (unclear.length) counts.push(plural(unclear.length, 'service') + ' with unknown state');
  const rest = counts.length ? counts.join(', ') + '.' : '';
  const answer = (kind, headline, subline) => ({ kind, headline, subline, urgent });
  if (critical.length) return answer('bad', plural(critical.length, 'critical alert') + (firing.length > critical.length ? ' and ' + plural(firing.length - critical.length, 'other') : ''), rest);
  if (down.length || broken.length) {
    const what = [];
    if (down.length) what.push(plural(down.length, 'service') + ' down');
    if (broken.length) what.push('replication broken');
    return answer('bad', what.join(', ').replace(/^./, (c) => c.toUpperCase()), rest);
  }
  if (firing.length) return answer('warn', plural(firing.length, 'alert') + ' firing', rest);
  if (lagging.length) return answer('warn', 'A replica lags', rest);
  if (risky.length) return answer('warn', 'A replica is at risk', rest);
  if (data.agents.length === 0 && rows.length === 0) return answer('unknown', 'Nothing to watch yet', 'No agent is enrolled. To enrol one: lapwing-collector enrol HOST');
  if (silent.length || dim.length || unclear.length) return answer('unknown', 'Some states are unknown', 'No known failure. ' + rest);
  if (grave.length) return answer('warn', 'Everything runs, but ' + plural(grave.length, 'weakness', 'weaknesses') + ' should be fixed', rest);
  if (data.findings.length) return answer('good', 'Everything runs', rest);
  return answer('good', 'All is well', plural(data.agents.length, 'host') + ' reporting, ' + plural(rows.length, 'service') + ' up.');
}

export function showState(state) {
  $('state').className = 'state is-' + state.kind;
  if ($('headline').textContent !== state.headline) $('headline').textContent = state.headline;
  if ($('subline').textContent !== state.subline) $('subline').textContent = state.subline;
  part('urgent', state.urgent, () => state.urgent.map(([kind, label, text]) => el('li', null, chip(kind, label), el('span', null, text))));
  const mark = { good: '', warn: '(!) ', bad: '(!!) ', unknown: '(?) ' }[state.kind] || '';
  document.title = mark + state.headline + ' \u00b7 Lapwing';
}
