// The page of one alert: /alert?name=ALERTNAME&fingerprint=...
import { alertTitle } from '../alerts.js';
import { get } from '../api.js';
import { $, el, part as once } from '../dom.js';
import { severityKind, since } from '../words.js';
import { acceptCommand, command, course, follow, headline, lastSeen, moment, part, selector, silenceCommand } from './detail.js';
import { fingerprint } from './fingerprint.js';

const BEFORE = 3600;
const LONGEST = 7 * 86400;
const CHART_AGAIN_MS = 20000;
const MOST_KNOWN = 5000;

const parameters = new URLSearchParams(location.search);
const name = parameters.get('name') || '';
const wanted = (parameters.get('fingerprint') || '').toLowerCase();

let past = null;    // what is known of an alert that is over
let chartAt = 0;

/** The alert with its rule, or null. */
async function active() {
  const { groups } = await get('/api/v1/rules?type=alert&rule_name[]=' + encodeURIComponent(name));
  for (const group of groups) {
    for (const rule of group.rules) {
      const alert = rule.alerts.find((each) => fingerprint(each.labels) === wanted);
      if (alert) return { alert, rule };
    }
  }
  return null;
}

/** The labels of an alert that is over, from the series ALERTS, and when it was seen last. */
async function ended() {
  const start = Math.floor(Date.now() / 1000) - 90 * 86400;
  const series = await get('/api/v1/series?limit=' + MOST_KNOWN + '&start=' + start + '&match[]=' + encodeURIComponent(selector('ALERTS', { alertname: name, alertstate: 'firing' })));
  for (const { __name__: metric, alertstate, ...labels } of series) {
    if (fingerprint(labels) === wanted) return { labels, last: await lastSeen(selector('ALERTS', { ...labels, alertstate })) };
  }
  return null;
}

function labelList(labels) {
  const list = el('dl', { class: 'small card' });
  for (const [label, value] of Object.entries(labels)) list.append(el('dt', null, label), el('dd', null, value));
  return list;
}

const TEXTS = [['evidence', 'Evidence'], ['cause', 'Cause'], ['next_step', 'Next step'], ['remedy', 'Remedy']];
const SHOWN = ['summary', 'description', 'title', ...TEXTS.map(([key]) => key)];

function toldText(each) {
  if (each.role === 'alternative' && each.told === 'nothing') return 'is the alternative: it is told if a receiver of the route fails';
  if (!each.known) return 'knows nothing of it';
  if (each.given_up) return 'refused the message, and the collector gave up';
  const parts = [each.at ? (each.told === 'firing' ? 'was told that it fires, at ' : 'was told that it ended, at ') + moment(each.at) : 'was not told yet'];
  if (each.muted) parts.push('muted: silenced, accepted, or explained by another alert');
  if (each.waiting) parts.push('there is news that it has not accepted');
  if (each.role === 'alternative') parts.push('as the alternative');
  if (each.role === 'none') parts.push('its route has changed, so it is told the end only');
  return parts.join('; ');
}

/** A receiver that no route leads this alert to, and that was told nothing of it, does not matter here. */
function matters(each) {
  return each.role !== 'none' || each.told !== 'nothing';
}

function troubleText({ trouble, given_up: refused }) {
  if (!trouble) return '';
  return refused ? ', at ' + moment(trouble.since) + ': ' + trouble.reason : '. Since ' + moment(trouble.since) + ' it does not take messages: ' + trouble.reason;
}

function tellings(told) {
  if (told.length === 0) return part('Who was told', el('p', { class: 'note' }, 'No receiver is configured (notify in collector.yaml): nobody is told.'));
  return part('Who was told', el('ul', { class: 'evidence small' }, ...told.filter(matters).map((each) => el('li', null, el('span', { class: 'source' }, each.receiver), toldText(each) + troubleText(each) + '.'))));
}

function silencing(labels) {
  const { severity, ...rest } = labels;
  return [part('Silence it', command(silenceCommand(rest), 'On the collector\u2019s machine. No notification is sent for an hour: ')),
    labels.id && labels.subject ? part('Let the finding stand', command(acceptCommand(labels.id, labels.subject), 'On the collector\u2019s machine. It is told to nobody for 30 days, unless it becomes worse: ')) : ''];
}

function findingNote(labels) {
  if (!labels.id || !labels.subject) return null;
  return el('p', null, el('a', { href: 'finding?' + new URLSearchParams({ id: labels.id, subject: labels.subject }) }, 'The finding ' + labels.id + ' on ' + labels.subject));
}

function showActive({ alert, rule }, told) {
  const { labels, annotations } = alert;
  const firing = alert.state === 'firing';
  const now = Date.now() / 1000;
  headline(firing ? { bad: 'bad', warn: 'warn', unknown: 'warn' }[severityKind(labels.severity)] : 'unknown', alertTitle(alert),
    (firing ? 'Firing ' : 'Pending, not sent yet: the condition has not held long enough. It holds ') + since(alert.activeAt, now) + ', since ' + moment(alert.activeAt) + '.');
  once('content', [alert.labels, alert.annotations, alert.state, alert.silencedBy, alert.inhibitedBy, alert.acceptedBy, alert.unknownSince, told], () => {
    const notes = [];
    if (alert.unknownSince) notes.push('Its data have been missing since ' + moment(alert.unknownSince) + ': neither confirmed nor resolved.' + (alert.heldUntil ? ' Without them it ends at ' + moment(alert.heldUntil) + '.' : ''));
    if (alert.silencedBy) notes.push('Silenced: no notification is sent.');
    else if (alert.acceptedBy) notes.push('Accepted: no notification is sent. The page of the finding says until when, and why.');
    else if (alert.inhibitedBy) notes.push('Held back: ' + alert.inhibitedBy.map((each) => each.alertname).join(', ') + ' explains it.');
    return [
      ...notes.map((text) => el('p', { class: 'note' }, text)),
      annotations.description ? part('What', el('p', null, annotations.description)) : '',
      ...TEXTS.filter(([key]) => annotations[key]).map(([key, title]) => part(title, el('pre', { class: 'remedy' }, annotations[key]))),
      findingNote(labels) || '',
      ...Object.entries(annotations).filter(([key]) => !SHOWN.includes(key)).map(([key, value]) => part(key, el('p', null, value))),
      tellings(told), ...silencing(labels), part('Labels', labelList(labels)),
    ];
  });
  return drawCourse(rule.query, Math.max(Date.parse(alert.activeAt) / 1000 - BEFORE, now - LONGEST), now, labels,
    'The expression of the rule ' + rule.name + '. A line stands only where the condition holds.');
}

async function drawCourse(expression, start, end, labels, words) {
  if (Date.now() - chartAt < CHART_AGAIN_MS) return;
  chartAt = Date.now();
  const any = await course(expression, start, end, (metric) => Object.entries(metric).every(([label, value]) => label === '__name__' || labels[label] === undefined || labels[label] === value), words);
  if (!any) chartAt = 0;
}

async function refresh() {
  if (!name || !wanted) return headline('unknown', 'This address names no alert', 'It needs name and fingerprint, as the links of notifications have them.');
  const found = await active();
  if (found) {
    past = null;
    return showActive(found, await get('/api/lapwing/v1/notifications?fingerprint=' + encodeURIComponent(wanted)));
  }
  past ??= await ended();
  if (!past) {
    $('content').replaceChildren();
    return headline('unknown', name + ': not known', 'No such alert fires now, and none has fired within the kept time of at most 90 days.');
  }
  headline('good', name + ' is over', past.last ? 'It fired last at ' + new Date(past.last * 1000).toLocaleString() + '.' : 'It does not fire now.');
  once('content', past.labels, () => [findingNote(past.labels) || '', part('Labels', labelList(past.labels))]);
  const end = Math.min(Date.now() / 1000, (past.last || Date.now() / 1000) + BEFORE);
  return drawCourse(selector('ALERTS', past.labels), end - 86400, end, past.labels, '1 where the alert was pending or fired.');
}

follow(refresh);
