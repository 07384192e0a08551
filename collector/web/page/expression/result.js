// The answer to an expression, as a table or as a chart.
import { drawLines, legend, pointsOf } from '../charts/lines.js';
import { el } from '../dom.js';
import { plural } from '../words.js';

export const MOST_ROWS = 500;
export const MOST_LINES = 50;
const MOST_SAMPLES = 200;

const quoted = (value) => '"' + value.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n') + '"';

export function seriesName(metric) {
  const { __name__: name = '', ...labels } = metric;
  const pairs = Object.entries(labels).map(([label, value]) => label + '=' + quoted(value));
  return pairs.length || !name ? name + '{' + pairs.join(', ') + '}' : name;
}

const note = (text) => el('p', { class: 'note' }, text);
const timeText = (seconds) => new Date(seconds * 1000).toLocaleString();

function valueCell(series) {
  const samples = series.values || [series.value];
  const shown = samples.slice(-MOST_SAMPLES).map(([time, value]) => (series.values ? value + ' @ ' + timeText(time) : value));
  const cell = el('td', { class: 'number' });
  if (samples.length > MOST_SAMPLES) cell.append('the last ' + MOST_SAMPLES + ' of ' + samples.length + ':', el('br'));
  shown.forEach((text, i) => cell.append(...(i ? [el('br'), text] : [text])));
  return cell;
}

/** `data` is the answer of /api/v1/query with limit MOST_ROWS + 1. */
export function table(data) {
  if (data.resultType === 'scalar' || data.resultType === 'string') return [el('p', { class: 'big' }, String(data.result[1]))];
  if (data.result.length === 0) return [note('No series. Nothing has this name and these labels at this time.')];
  const rows = data.result.slice(0, MOST_ROWS);
  return [
    data.result.length > MOST_ROWS ? note('More than ' + MOST_ROWS + ' series: only the first ' + MOST_ROWS + ' are listed. Narrow the expression, or use topk().') : '',
    el('div', { class: 'values', tabindex: '0', role: 'region', 'aria-label': 'Values' }, el('table', null,
      el('thead', null, el('tr', null, el('th', { scope: 'col' }, plural(rows.length, 'series', 'series')), el('th', { scope: 'col' }, 'Value'))),
      el('tbody', null, ...rows.map((series) => el('tr', null, el('td', null, seriesName(series.metric)), valueCell(series)))))),
  ];
}

/** Draws the answer of /api/v1/query_range with limit MOST_LINES + 1 into `holder`. The answer has close(). */
export async function graph(holder, data, { start, end, step, expr }) {
  if (data.result.length === 0) {
    holder.replaceChildren(note('No series in this range.'));
    return { close() {} };
  }
  const series = data.result.slice(0, MOST_LINES).map(({ metric, values }) => ({ name: seriesName(metric), points: pointsOf(values, start, end, step) }));
  const chart = { label: 'Chart of ' + expr + ': ' + plural(series.length, 'line') + ', from ' + timeText(start) + ' to ' + timeText(end), start, end, series };
  const place = el('div', { class: 'chart' });
  holder.replaceChildren(
    data.result.length > MOST_LINES ? note('More than ' + MOST_LINES + ' series: only the first ' + MOST_LINES + ' are drawn. Narrow the expression, or use topk().') : '', place);
  const drawn = await drawLines(place, chart);
  holder.append(legend(chart, drawn));
  return drawn;
}
