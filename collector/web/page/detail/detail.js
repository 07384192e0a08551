// What the pages of one alert and of one finding have in common.
import { SignedOut, ask } from '../api.js';
import { drawLines, legend, pointsOf } from '../charts/lines.js';
import { formatDuration, formatTime } from '../charts/time.js';
import { $, copyButton, el } from '../dom.js';

const POINTS = 240;
const REFRESH_MS = 10000;

export const part = (title, ...nodes) => el('section', null, el('h2', null, title), ...nodes);
export const moment = (text) => new Date(text).toLocaleString();

/** A command that can be copied, beneath a line of text. */
export const command = (text, words) => el('div', null, el('p', { class: 'small' }, words, copyButton(text)), el('pre', { class: 'remedy' }, text));

export const shellQuoted = (text) => (/^[\w./:=@%+,-]+$/.test(text) ? text : "'" + text.replace(/'/g, "'\\''") + "'");

/** The command that silences alerts with these labels for an hour. Names that no matcher can express are left out. */
export function silenceCommand(labels) {
  const matchers = Object.entries(labels).filter(([name]) => !name.includes('"'))
    .map(([name, value]) => ' --matcher ' + shellQuoted((/^[a-zA-Z_]\w*$/.test(name) ? name : '"' + name + '"') + '="' + value + '"'));
  return 'sudo lapwing-collector silence 1h' + matchers.join('') + " --comment 'WHY'";
}

/** The command that accepts a finding. */
export const acceptCommand = (id, subject) => 'sudo lapwing-collector accept ' + shellQuoted(id) + ' ' + shellQuoted(subject) + " --until 30d --reason 'WHY'";

export function headline(kind, text, subline) {
  $('state').className = 'state is-' + kind;
  if ($('headline').textContent !== text) $('headline').textContent = text;
  if ($('subline').textContent !== subline) $('subline').textContent = subline;
  document.title = text + ' \u00b7 Lapwing';
}

/** Labels as the name of a line. */
const lineName = (metric) => Object.entries(metric).filter(([name]) => name !== '__name__').map(([name, value]) => name + '=' + value).join(', ') || 'value';

let drawn = null;

/** Draws those series of the expression that `fits(metric)` accepts, from `start` to `end` (seconds). `words`: what the line is. False if there is none. */
export async function course(expression, start, end, fits, words) {
  const step = Math.max(10, Math.ceil((end - start) / POINTS / 10) * 10);
  const last = Math.floor(end / step) * step;
  const first = last - Math.floor((end - start) / step) * step;
  const answer = await ask('/api/v1/query_range?limit=1000&query=' + encodeURIComponent(expression) + '&start=' + first + '&end=' + last + '&step=' + step);
  const series = answer.data.result.filter(({ metric }) => fits(metric)).slice(0, 10).map(({ metric, values }) => ({ name: lineName(metric), points: pointsOf(values, first, last, step) }));
  const link = el('a', { href: 'graph?' + new URLSearchParams({ 'g0.expr': expression, 'g0.tab': '0', 'g0.range_input': formatDuration(last - first), 'g0.end_input': formatTime(last) }) }, 'Open the expression');
  $('chart-part').hidden = false;
  if (drawn) drawn.close();
  drawn = null;
  if (series.length === 0) {
    $('chart').replaceChildren(el('p', { class: 'note' }, 'No value in this time. '), el('p', { class: 'small' }, link));
    return false;
  }
  const place = el('div', { class: 'chart' });
  $('chart').replaceChildren(place);
  const chart = { label: words, start: first, end: last, series };
  drawn = await drawLines(place, chart);
  $('chart').append(legend(chart, drawn), el('p', { class: 'small soft' }, words + ' ', link));
  return true;
}

/** Calls `refresh` now and at intervals. It tells of failures at the top, and leaves the rest of the page as it was. */
export function follow(refresh) {
  let good = 0;
  let busy = false;
  async function round() {
    if (busy || (document.hidden && good)) return;
    busy = true;
    try {
      await refresh();
      good = Date.now();
      $('updated').textContent = 'updated ' + new Date(good).toLocaleTimeString();
      $('content').classList.remove('stale');
    } catch (error) {
      $('content').classList.add('stale');
      headline('unknown', error instanceof SignedOut ? 'Signed out: reload the page to sign in again'
        : error instanceof TypeError ? 'Cannot reach the collector' : 'The collector reports an error: ' + error.message,
      good ? 'The facts below are of ' + new Date(good).toLocaleTimeString() + '.' : '');
    } finally {
      busy = false;
    }
  }
  document.addEventListener('visibilitychange', round);
  setInterval(round, REFRESH_MS);
  return round();
}

/** When a series had its last sample within 90 days, in seconds; null if it had none. */
export async function lastSeen(selector) {
  const answer = await ask('/api/v1/query?query=' + encodeURIComponent('max(ts_of_last_over_time(' + selector + '[90d]))'));
  return answer.data.result.length ? Number(answer.data.result[0].value[1]) : null;
}

export const selector = (name, labels) => name + '{' + Object.entries(labels).map(([label, value]) => (/^[a-zA-Z_]\w*$/.test(label) ? label : JSON.stringify(label)) + '=' + JSON.stringify(value)).join(', ') + '}';
