// A line chart. Chart.js is loaded when the first chart is drawn.
import { el } from '../dom.js';
import { format } from './numbers.js';

export const COLOURS = 8;
const DASHES = [[], [7, 4], [2, 3], [10, 3, 2, 3]];

let loading = null;

function library() {
  loading ??= new Promise((resolve, reject) => {
    const script = el('script', { src: 'chart.min.js' });
    script.addEventListener('load', () => resolve(window.Chart));
    script.addEventListener('error', () => {
      loading = null;
      script.remove();
      reject(new Error('the collector does not deliver the program that draws charts'));
    });
    document.head.append(script);
  });
  return loading;
}

const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const colour = (index) => style('--line-' + (index % COLOURS));

/**
 * The values of one series of query_range, one point a step: null where the series has no sample, so that a gap stays a gap.
 * NaN and infinite values cannot be drawn, and are gaps too.
 */
export function pointsOf(values, start, end, step) {
  const count = Math.floor((end - start) / step + 1e-6) + 1;
  const points = Array.from({ length: count }, (_, i) => ({ x: (start + i * step) * 1000, y: null }));
  for (const [time, text] of values) {
    const index = Math.round((time - start) / step);
    const value = Number(text);
    if (index >= 0 && index < count && isFinite(value)) points[index].y = value;
  }
  return points;
}

/** A point with gaps on both sides has no line: it is drawn as a dot. */
function radius(context) {
  const points = context.dataset.data;
  const at = context.dataIndex;
  const gap = (point) => !point || point.y === null;
  return gap(points[at - 1]) && gap(points[at + 1]) ? 2 : 0;
}

function tickText(milliseconds, span) {
  const time = new Date(milliseconds);
  if (span > 3 * 86400) return time.toLocaleDateString([], { month: 'short', day: 'numeric' });
  const clock = { hour: '2-digit', minute: '2-digit' };
  if (span < 600) clock.second = '2-digit';
  return span > 86400 ? time.toLocaleString([], { month: 'short', day: 'numeric', ...clock }) : time.toLocaleTimeString([], clock);
}

/** Round steps of the time axis, in seconds. */
const TICKS = [1, 5, 10, 30, 60, 300, 600, 1800, 3600, 7200, 21600, 43200, 86400, 172800, 604800, 1209600, 2592000, 31536000];

function ticksOf(scale) {
  const span = (scale.max - scale.min) / 1000;
  const most = Math.max(2, Math.floor(scale.width / 90));
  const step = (TICKS.find((each) => span / each <= most) || span) * 1000;
  const zone = new Date(scale.min).getTimezoneOffset() * 60000;
  const ticks = [];
  for (let at = Math.ceil((scale.min - zone) / step) * step + zone; at <= scale.max; at += step) ticks.push({ value: at });
  scale.ticks = ticks;
}

function options(chart) {
  const soft = style('--soft');
  const grid = { color: style('--line'), drawBorder: false };
  const span = chart.end - chart.start;
  return {
    responsive: true, maintainAspectRatio: false, animation: false, parsing: false, normalized: true, spanGaps: false,
    interaction: { mode: 'nearest', axis: 'xy', intersect: false },
    elements: { point: { radius, hoverRadius: 3 }, line: { borderWidth: 1.5, tension: 0 } },
    scales: {
      x: { type: 'linear', min: chart.start * 1000, max: chart.end * 1000, grid, afterBuildTicks: ticksOf,
        ticks: { color: soft, autoSkip: true, maxRotation: 0, callback: (value) => tickText(value, span) } },
      y: { grid, beginAtZero: chart.fromZero === true, ticks: { color: soft, maxTicksLimit: 7, callback: (value) => format(value, chart.unit) } },
    },
    plugins: {
      legend: { display: false },
      tooltip: { callbacks: {
        title: (items) => (items.length ? new Date(items[0].parsed.x).toLocaleString() : ''),
        label: (item) => item.dataset.label + ': ' + format(item.parsed.y, chart.unit),
      } },
    },
  };
}

/**
 * Draws into `holder`. `chart`: { label, start, end, unit, fromZero, series: [{ name, points }] }, times in seconds. The answer has
 * show(index, visible) and close().
 */
export async function drawLines(holder, chart) {
  const Chart = await library();
  const canvas = el('canvas', { role: 'img', 'aria-label': chart.label });
  holder.replaceChildren(canvas);
  const datasets = chart.series.map(({ name, points }, i) => ({ label: name, data: points, borderDash: DASHES[Math.floor(i / COLOURS) % DASHES.length] }));
  const paint = () => datasets.forEach((each, i) => { each.borderColor = each.backgroundColor = each.pointBackgroundColor = colour(i); });
  paint();
  const drawn = new Chart(canvas, { type: 'line', data: { datasets }, options: options(chart) });
  const scheme = matchMedia('(prefers-color-scheme: dark)');
  const repaint = () => {
    paint();
    drawn.options = options(chart);
    drawn.update();
  };
  scheme.addEventListener('change', repaint);
  return {
    show(index, visible) { drawn.setDatasetVisibility(index, visible); drawn.update(); },
    close() { scheme.removeEventListener('change', repaint); drawn.destroy(); },
  };
}

/** Names the lines, each with its last value. A button hides and shows its line. `drawn` is the answer of drawLines(). */
export function legend(chart, drawn) {
  const last = (points) => { for (let i = points.length - 1; i >= 0; --i) if (points[i].y !== null) return points[i].y; return null; };
  return el('ul', { class: 'legend small', 'aria-label': 'Lines' }, ...chart.series.map(({ name, points }, i) => {
    const mark = el('i', { class: 'mark line-' + (i % COLOURS) + ' dash-' + (Math.floor(i / COLOURS) % DASHES.length), 'aria-hidden': 'true' });
    const value = last(points);
    const button = el('button', { type: 'button', 'aria-pressed': 'true', title: 'Hide or show this line' }, mark, el('span', { class: 'name' }, name),
      el('span', { class: 'soft' }, value === null ? 'no value' : format(value, chart.unit)));
    button.addEventListener('click', () => {
      const visible = button.getAttribute('aria-pressed') !== 'true';
      button.setAttribute('aria-pressed', String(visible));
      drawn.show(i, visible);
    });
    return el('li', null, button);
  }));
}
