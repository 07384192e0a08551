// One expression with its answer.
import { SignedOut, ask } from '../api.js';
import { fromLocalInput, formatDuration, parseDuration, toLocalInput } from '../charts/time.js';
import { el } from '../dom.js';
import { duration, plural } from '../words.js';
import { completion } from './completion.js';
import { placeOf } from './language.js';
import { MOST_LINES, MOST_ROWS, graph, table } from './result.js';

const POINTS = 250;
const MOST_POINTS = 11000;
const MOST_HEIGHT = 300;
const RANGES = [300, 900, 1800, 3600, 10800, 21600, 43200, 86400, 172800, 604800, 1209600, 2592000, 7776000, 31536000];

const encode = encodeURIComponent;
const button = (text, options, act) => {
  const node = el('button', { type: 'button', ...options }, text);
  node.addEventListener('click', act);
  return node;
};

/** A failure in words. A failure of the connection has none of its own. */
function failureText(error) {
  if (error instanceof SignedOut) return 'Signed out: reload the page to sign in again.';
  return error instanceof TypeError ? 'Cannot reach the collector.' : error.message;
}

/** `panel` is changed as the reader edits; `changed` is called after each edit, `remove` by the button. */
export function panelNode(panel, key, changed, remove) {
  const area = el('textarea', { id: 'expr-' + key, rows: '1', spellcheck: 'false', autocomplete: 'off', autocapitalize: 'off', role: 'combobox', 'aria-autocomplete': 'list',
    'aria-expanded': 'false', 'aria-controls': 'choices-' + key, 'aria-describedby': 'problem-' + key });
  const where = el('pre', { class: 'where', 'aria-hidden': 'true' });
  const problem = el('p', { id: 'problem-' + key, class: 'problem', role: 'alert' });
  const said = el('span', { class: 'small soft', role: 'status' });
  const result = el('div', { class: 'result', id: 'result-' + key, role: 'tabpanel' });
  const range = el('input', { class: 'short', value: formatDuration(panel.range), 'aria-describedby': 'problem-' + key });
  const end = el('input', { type: 'datetime-local', step: '1' });
  const step = el('input', { class: 'short', placeholder: 'automatic', value: panel.step === null ? '' : String(panel.step) });
  const tabs = { table: button('Table', { role: 'tab', id: 'tab-table-' + key, 'aria-controls': 'result-' + key }, () => turn('table')),
    graph: button('Graph', { role: 'tab', id: 'tab-graph-' + key, 'aria-controls': 'result-' + key }, () => turn('graph')) };
  const graphOnly = [];
  let drawn = null;
  let abort = null;

  function grow() {
    area.style.height = 'auto';
    area.style.height = Math.min(area.scrollHeight + 2, MOST_HEIGHT) + 'px';
  }

  function showSettings() {
    for (const [name, tab] of Object.entries(tabs)) {
      tab.setAttribute('aria-selected', String(panel.tab === name));
      tab.tabIndex = panel.tab === name ? 0 : -1;
    }
    result.setAttribute('aria-labelledby', 'tab-' + panel.tab + '-' + key);
    for (const node of graphOnly) node.hidden = panel.tab !== 'graph';
    end.value = panel.end === null ? '' : toLocalInput(panel.end);
  }

  function turn(name) {
    panel.tab = name;
    showSettings();
    tabs[name].focus();
    run();
  }

  function complain(message, place, field) {
    for (const each of [area, range, step]) each.removeAttribute('aria-invalid');
    (field || area).setAttribute('aria-invalid', 'true');
    problem.textContent = message;
    where.hidden = !place;
    if (place) where.textContent = place.line + '\n' + place.line.slice(0, place.column).replace(/[^\t]/g, ' ') + '^';
  }

  function clear() {
    for (const each of [area, range, step]) each.removeAttribute('aria-invalid');
    problem.textContent = '';
    where.hidden = true;
  }

  /** Reads the fields. False, with a message, if one of them is wrong. */
  function readFields() {
    const seconds = parseDuration(range.value);
    const stepSeconds = step.value.trim() ? parseDuration(step.value) : null;
    if (seconds === null) { complain('The range must be a duration, such as 30m, 6h or 7d.', null, range); return false; }
    if (step.value.trim() && stepSeconds === null) { complain('The step must be a duration, such as 15s or 5m.', null, step); return false; }
    if (stepSeconds !== null && seconds / stepSeconds > MOST_POINTS) { complain('The step is too small for the range: more than ' + MOST_POINTS + ' points a line.', null, step); return false; }
    panel.range = seconds;
    panel.step = stepSeconds;
    panel.end = end.value ? fromLocalInput(end.value) : null;
    panel.expr = area.value;
    return true;
  }

  function path() {
    const until = panel.end === null ? Date.now() / 1000 : panel.end;
    if (panel.tab === 'table') return { path: '/api/v1/query?limit=' + (MOST_ROWS + 1) + '&query=' + encode(panel.expr) + (panel.end === null ? '' : '&time=' + panel.end) };
    const width = panel.step === null ? Math.max(1, Math.ceil(panel.range / POINTS)) : panel.step;
    // Whole steps, so that the points stay where they are while time goes on.
    const last = panel.end === null ? Math.floor(until / width) * width : until;
    const first = last - Math.floor(panel.range / width + 1e-6) * width;
    return { start: first, end: last, step: width, expr: panel.expr,
      path: '/api/v1/query_range?limit=' + (MOST_LINES + 1) + '&query=' + encode(panel.expr) + '&start=' + first + '&end=' + last + '&step=' + width };
  }

  function dropChart() {
    if (drawn) drawn.close();
    drawn = null;
  }

  async function run() {
    choices.close();
    if (abort) abort.abort();
    if (!readFields()) return;
    changed();
    clear();
    if (!panel.expr.trim()) {
      dropChart();
      result.replaceChildren();
      said.textContent = '';
      return;
    }
    const mine = abort = new AbortController();
    const question = path();
    const began = performance.now();
    said.textContent = 'Asking the collector\u2026';
    try {
      const answer = await ask(question.path, mine.signal);
      if (mine.signal.aborted) return;
      const took = duration((performance.now() - began) / 1000);
      dropChart();
      if (panel.tab === 'table') result.replaceChildren(...table(answer.data));
      else drawn = await graph(result, answer.data, question);
      const count = Array.isArray(answer.data.result) && ['vector', 'matrix'].includes(answer.data.resultType) ? answer.data.result.length : 1;
      said.textContent = (count > (panel.tab === 'table' ? MOST_ROWS : MOST_LINES) ? 'Too many series' : plural(count, 'series', 'series')) + ', ' + took +
        (panel.tab === 'graph' ? ', one point each ' + formatDuration(question.step) : '') + '.' + (answer.infos || []).concat((answer.warnings || []).filter((w) => !w.includes('limit'))).map((w) => ' ' + w).join('');
    } catch (error) {
      if (mine.signal.aborted) return;
      dropChart();
      result.replaceChildren();
      said.textContent = '';
      complain(failureText(error), placeOf(error.message, panel.expr));
    }
  }

  function widen(direction) {
    const seconds = parseDuration(range.value) || panel.range;
    const next = direction > 0 ? RANGES.find((each) => each > seconds) : [...RANGES].reverse().find((each) => each < seconds);
    if (!next) return;
    range.value = formatDuration(next);
    run();
  }

  function move(direction) {
    const until = (end.value ? fromLocalInput(end.value) : null) ?? Date.now() / 1000;
    const seconds = parseDuration(range.value) || panel.range;
    const next = until + direction * seconds / 2;
    end.value = next >= Date.now() / 1000 ? '' : toLocalInput(next);
    run();
  }

  const choices = completion(area, key, () => { panel.expr = area.value; grow(); changed(); });
  const field = (text, ...nodes) => el('label', null, text, ...nodes);
  const tablist = el('div', { class: 'tabs', role: 'tablist', 'aria-label': 'Show as' }, tabs.table, tabs.graph);
  tablist.addEventListener('keydown', (event) => {
    if (event.key === 'ArrowLeft' || event.key === 'ArrowRight') turn(panel.tab === 'table' ? 'graph' : 'table');
  });
  const rangeField = field('Range', range);
  const stepField = field('Step', step);
  const widths = el('div', { class: 'tabs', role: 'group', 'aria-label': 'Change the range' }, button('\u2212', { 'aria-label': 'Shorter range' }, () => widen(-1)), button('+', { 'aria-label': 'Longer range' }, () => widen(1)));
  graphOnly.push(rangeField, stepField, widths);
  const form = el('form', { autocomplete: 'off' }, el('div', { class: 'above small soft' }, el('label', { for: 'expr-' + key }, 'Expression'), choices.said), el('div', { class: 'entry' }, area, choices.list), where, problem,
    el('div', { class: 'controls' }, el('button', { class: 'main' }, 'Run'), tablist, rangeField, widths,
      field('Until', end), el('div', { class: 'tabs', role: 'group', 'aria-label': 'Move in time' }, button('\u2190', { 'aria-label': 'Earlier' }, () => move(-1)), button('\u2192', { 'aria-label': 'Later' }, () => move(1)),
        button('Now', {}, () => { end.value = ''; run(); })),
      stepField, said, button('Remove', { class: 'last', 'aria-label': 'Remove this panel' }, () => { dropChart(); if (abort) abort.abort(); remove(); })));
  form.addEventListener('submit', (event) => { event.preventDefault(); run(); });
  for (const each of [range, step, end]) each.addEventListener('change', run);
  area.addEventListener('input', () => { panel.expr = area.value; grow(); changed(); });
  area.addEventListener('keydown', (event) => {
    if (choices.handle(event)) event.preventDefault();
    else if (event.key === 'Enter' && !event.shiftKey) { event.preventDefault(); run(); }
  });

  area.value = panel.expr;
  where.hidden = true;
  requestAnimationFrame(grow);
  showSettings();
  const node = el('section', { class: 'card panel', 'aria-label': 'Expression panel' }, form, result);
  return { node, run, focus: () => area.focus() };
}
