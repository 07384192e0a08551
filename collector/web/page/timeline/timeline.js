// What happened in a range of time: /timeline?range=1d or /timeline?from=...&to=...
import { SignedOut, get } from '../api.js';
import { formatDuration, formatTime, fromLocalInput, parseDuration, parseTime, toLocalInput } from '../charts/time.js';
import { fingerprint } from '../detail/fingerprint.js';
import { $, chip, el } from '../dom.js';
import { plural } from '../words.js';

const DAY = 86400;
const LONGEST = 7 * DAY;
const RANGES = [['1 h', 3600], ['6 h', 21600], ['24 h', DAY], ['7 days', LONGEST]];
const REFRESH_MS = 30000;
const KINDS = { alert_began: ['bad', 'alert'], alert_ended: ['good', 'alert over'], finding_began: ['warn', 'finding'], finding_ended: ['good', 'finding over'],
  restart: ['warn', 'restart'], deployment: ['unknown', 'deployment'], role: ['warn', 'role'], agent_silent: ['bad', 'agent silent'], agent_back: ['good', 'agent back'],
  silence_began: ['unknown', 'silence'], silence_ended: ['unknown', 'silence over'] };

let shown = readAddress();
let data = null;
let number = 0;

/** { seconds, end }: `end` null follows the present. */
function readAddress() {
  const parameters = new URLSearchParams(location.search);
  const from = parseTime(parameters.get('from') || '');
  const to = parseTime(parameters.get('to') || '');
  if (from !== null && to !== null && from < to && to - from <= LONGEST) return { seconds: to - from, end: to };
  const seconds = parseDuration(parameters.get('range') || '');
  return { seconds: seconds && seconds <= LONGEST ? seconds : DAY, end: null };
}

function writeAddress() {
  const parameters = shown.end === null ? { range: formatDuration(shown.seconds) } : { from: formatTime(shown.end - shown.seconds), to: formatTime(shown.end) };
  history.replaceState(null, '', 'timeline?' + new URLSearchParams(parameters));
}

function pageOf(event) {
  if (event.kind.startsWith('alert_')) return 'alert?' + new URLSearchParams({ name: event.labels.alertname, fingerprint: fingerprint(event.labels) });
  return event.kind.startsWith('finding_') ? 'finding?' + new URLSearchParams({ id: event.labels.id, subject: event.labels.subject }) : null;
}

function row(event) {
  const labels = Object.entries(event.labels).filter(([name]) => name !== 'alertname').map(([name, value]) => name + '=' + value).join(', ');
  const page = pageOf(event);
  return el('li', null, el('time', { datetime: event.time, class: 'small' }, new Date(event.time).toLocaleString()), chip(...(KINDS[event.kind] || ['unknown', event.kind])),
    el('span', { class: 'what' }, page ? el('a', { href: page }, event.text) : event.text, event.kind.startsWith('alert_') && labels ? el('span', { class: 'soft small' }, ' ' + labels) : null));
}

function show() {
  if (!data) return;
  const word = $('filter').value.trim().toLowerCase();
  const events = data.events.filter((event) => !word || JSON.stringify([event.text, event.host, event.labels, KINDS[event.kind]]).toLowerCase().includes(word)).reverse();
  $('said').textContent = plural(events.length, 'event') + (word ? ' of ' + data.events.length : '') + '.' + (data.truncated ? ' There were more: the oldest are left out. Choose a shorter range.' : '');
  $('events').replaceChildren(events.length ? el('ol', { class: 'events' }, ...events.map(row)) : el('p', { class: 'note' }, word ? 'No event has this word.' : 'Nothing happened in this range, as far as it is stored.'));
}

function showControls() {
  for (const button of $('ranges').children) button.setAttribute('aria-pressed', String(shown.end === null && Number(button.dataset.seconds) === shown.seconds));
  const end = shown.end ?? Date.now() / 1000;
  $('from').value = toLocalInput(end - shown.seconds);
  $('to').value = toLocalInput(end);
}

async function load() {
  const mine = ++number;
  const end = shown.end ?? Date.now() / 1000;
  try {
    const answer = await get('/api/lapwing/v1/timeline?start=' + (end - shown.seconds) + '&end=' + end);
    if (mine !== number) return;
    data = answer;
    $('events').classList.remove('stale');
    $('problem').textContent = '';
    show();
  } catch (error) {
    if (mine !== number) return;
    $('events').classList.add('stale');
    $('problem').textContent = error instanceof SignedOut ? 'Signed out: reload the page to sign in again.' : error instanceof TypeError ? 'Cannot reach the collector.' : error.message;
  }
}

function choose(next) {
  shown = next;
  writeAddress();
  showControls();
  load();
}

$('ranges').replaceChildren(...RANGES.map(([text, seconds]) => {
  const button = el('button', { type: 'button', 'data-seconds': String(seconds) }, text);
  button.addEventListener('click', () => choose({ seconds, end: null }));
  return button;
}));
$('span').addEventListener('submit', (event) => {
  event.preventDefault();
  const from = fromLocalInput($('from').value);
  const to = fromLocalInput($('to').value);
  const fits = from !== null && to !== null && to > from && to - from <= LONGEST;
  $('problem').textContent = fits ? '' : 'The end must be after the begin, by 7 days at most.';
  if (fits) choose({ seconds: to - from, end: to });
});
$('filter').addEventListener('input', show);
showControls();
load();
setInterval(() => { if (!document.hidden && shown.end === null) load(); }, REFRESH_MS);
