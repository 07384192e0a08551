// The history of each host: small charts, which a click enlarges.
import { SignedOut, get } from '../api.js';
import { drawLines, pointsOf } from '../charts/lines.js';
import { format } from '../charts/numbers.js';
import { spark } from '../charts/spark.js';
import { formatDuration, formatTime, fromLocalInput, parseDuration, parseTime, toLocalInput } from '../charts/time.js';
import { $, el } from '../dom.js';
import { MEASURES, question, single } from './measures.js';

const RANGES = [['1 h', 3600], ['6 h', 21600], ['24 h', 86400], ['7 days', 604800], ['30 days', 2592000], ['90 days', 7776000]];
const MOST_HOSTS = 30;
const LONGEST = 10 * 31536000;
const LONGEST_TIMELINE = 7 * 86400;
const PATIENCE_MS = 15000;

let shown = readAddress();
let due = 0;
let number = 0;
let answerText = '';

/** { seconds, end }: `end` null follows the present. */
function readAddress() {
  const parameters = new URLSearchParams(location.search);
  const from = parseTime(parameters.get('from') || '');
  const to = parseTime(parameters.get('to') || '');
  if (from !== null && to !== null && from < to && to - from <= LONGEST) return { seconds: to - from, end: to };
  const seconds = parseDuration(parameters.get('range') || '');
  return { seconds: seconds && seconds >= 60 && seconds <= LONGEST ? seconds : 3600, end: null };
}

function writeAddress() {
  const parameters = new URLSearchParams();
  if (shown.end !== null) {
    parameters.set('from', formatTime(shown.end - shown.seconds));
    parameters.set('to', formatTime(shown.end));
  } else {
    parameters.set('range', formatDuration(shown.seconds));
  }
  history.replaceState(null, '', '/?' + parameters + location.hash);
}

function fill(maximum) { return maximum > 0 ? maximum * 1.05 : 1; }

function describe(measure, points) {
  const values = points.filter((p) => p.y !== null).map((p) => p.y);
  if (values.length === 0) return { last: 'no data', highest: '' };
  const newest = points[points.length - 1].y ?? points[points.length - 2]?.y ?? null;
  return { last: newest === null ? 'no data now' : format(newest, measure.unit), highest: format(values.reduce((a, b) => Math.max(a, b)), measure.unit) };
}

async function enlarge(measure, instance, points, question) {
  const dialog = $('large');
  const place = el('div', { class: 'chart' });
  const title = measure.title + ' of ' + instance;
  const close = el('button', { type: 'button' }, 'Close');
  const link = 'graph?' + new URLSearchParams({ 'g0.expr': single(measure, instance, question), 'g0.tab': '0', 'g0.range_input': formatDuration(question.end - question.start),
    'g0.end_input': formatTime(question.end), 'g0.step_input': String(question.step) });
  dialog.replaceChildren(el('div', { class: 'top' }, el('h2', { id: 'large-title' }, title), close), place,
    el('p', { class: 'small soft' }, pointText(question) + ' ', el('a', { href: link }, 'Open the expression')));
  close.addEventListener('click', () => dialog.close());
  dialog.showModal();
  try {
    const drawn = await drawLines(place, { label: title + ', from ' + new Date(question.start * 1000).toLocaleString() + ' to ' + new Date(question.end * 1000).toLocaleString(),
      start: question.start, end: question.end, unit: measure.unit, fromZero: true, series: [{ name: measure.title, points }] });
    dialog.addEventListener('close', () => drawn.close(), { once: true });
  } catch (error) {
    place.replaceChildren(el('p', { class: 'note' }, 'The chart cannot be drawn: ' + error.message));
  }
}

function small(measure, instance, points, question) {
  const { last, highest } = describe(measure, points);
  const most = measure.unit === 'share' ? 1 : fill(points.reduce((sum, p) => (p.y === null ? sum : Math.max(sum, p.y)), 0));
  const button = el('button', { type: 'button', class: 'small-chart', 'aria-label': measure.title + ' of ' + instance + ': ' + last + (highest ? ', at most ' + highest : '') + '. Enlarge' },
    el('span', { class: 'top' }, el('span', { class: 'soft' }, measure.title), el('span', null, last)),
    spark(points, question.start * 1000, question.end * 1000, most),
    el('span', { class: 'soft' }, highest ? 'at most ' + highest : '\u00a0'));
  button.addEventListener('click', () => enlarge(measure, instance, points, question));
  return el('li', null, button);
}

function pointText(question) {
  const each = formatDuration(question.step);
  return (question.recorded ? 'Each point is the highest value within ' + each + ', of averages over five minutes that are recorded.' : 'One point each ' + each + '.') + ' A gap in a line means that nothing was measured.';
}

function show(matrix, question) {
  const hosts = new Map();
  for (const series of matrix) {
    const { instance = '', measure = '' } = series.metric;
    if (!hosts.has(instance)) hosts.set(instance, new Map());
    hosts.get(instance).set(measure, series.values);
  }
  const names = [...hosts.keys()].sort();
  const nodes = names.slice(0, MOST_HOSTS).map((instance) => {
    const measures = MEASURES.filter((each) => hosts.get(instance).has(each.name));
    return el('article', { class: 'card' }, el('h3', null, instance || 'without a host'),
      el('ul', { class: 'small-charts' }, ...measures.map((each) =>
        small(each, instance, pointsOf(hosts.get(instance).get(each.name), question.start, question.end, question.step), question))));
  });
  if (names.length > MOST_HOSTS) nodes.push(el('p', { class: 'note' }, 'The first ' + MOST_HOSTS + ' of ' + names.length + ' hosts are shown.'));
  if (names.length === 0) {
    nodes.push(el('p', { class: 'note' }, question.recorded ? 'Nothing is recorded in this range. The rules of history.rules.yml record it every five minutes, and for ranges beyond a month every hour.' : 'Nothing was measured in this range.'));
  }
  const focused = document.activeElement?.closest?.('#history .small-chart')?.getAttribute('aria-label')?.split(':')[0];
  $('history').replaceChildren(...nodes);
  if (focused) [...document.querySelectorAll('#history .small-chart')].find((each) => each.getAttribute('aria-label').split(':')[0] === focused)?.focus({ preventScroll: true });
  $('history-said').textContent = pointText(question);
}

async function load() {
  const mine = ++number;
  const now = question(shown.seconds, shown.end ?? Date.now() / 1000);
  due = Date.now() + Math.max(15, shown.end === null ? now.step : 3600) * 1000;
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), PATIENCE_MS);
  try {
    const data = await get('/api/v1/query_range?query=' + encodeURIComponent(now.expression) + '&start=' + now.start + '&end=' + now.end + '&step=' + now.step, abort.signal);
    if (mine !== number) return;
    const text = JSON.stringify([now.start, data.result]);
    $('history').classList.remove('stale');
    if (text === answerText) return;
    answerText = text;
    show(data.result, now);
  } catch (error) {
    if (mine !== number) return;
    due = Date.now() + 15000;
    $('history').classList.add('stale');
    $('history-said').textContent = error instanceof SignedOut ? 'Signed out: reload the page to sign in again.'
      : error instanceof TypeError || error.name === 'AbortError' ? 'The history cannot be read now: the collector does not answer.' : 'The history cannot be read: ' + error.message;
    answerText = '';
  } finally {
    clearTimeout(timer);
  }
}

function showControls() {
  for (const button of $('ranges').querySelectorAll('[data-seconds]')) {
    button.setAttribute('aria-pressed', String(shown.end === null && Number(button.dataset.seconds) === shown.seconds));
  }
  const end = shown.end ?? Date.now() / 1000;
  const range = shown.end === null ? { range: formatDuration(shown.seconds) } : { from: formatTime(end - shown.seconds), to: formatTime(end) };
  $('history-events').replaceChildren(shown.seconds <= LONGEST_TIMELINE ? el('a', { href: 'timeline?' + new URLSearchParams(range) }, 'What happened in this time?') : '');
  $('from').value = toLocalInput(end - shown.seconds);
  $('to').value = toLocalInput(end);
}

function choose(next) {
  shown = next;
  writeAddress();
  showControls();
  load();
}

export function startHistory() {
  $('ranges').replaceChildren(...RANGES.map(([text, seconds]) => {
    const button = el('button', { type: 'button', 'data-seconds': String(seconds) }, text);
    button.addEventListener('click', () => choose({ seconds, end: null }));
    return button;
  }));
  $('span').addEventListener('submit', (event) => {
    event.preventDefault();
    const from = fromLocalInput($('from').value);
    const to = fromLocalInput($('to').value);
    const fits = from !== null && to !== null && to - from >= 60 && to - from <= LONGEST;
    $('history-problem').textContent = fits ? '' : 'The end must be at least a minute after the begin.';
    if (fits) choose({ seconds: to - from, end: to });
  });
  showControls();
  load();
  setInterval(() => { if (!document.hidden && Date.now() >= due) load(); }, 1000);
}
