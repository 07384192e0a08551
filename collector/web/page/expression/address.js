// The address of the expression page: g0.expr, g0.tab, g0.range_input, g0.end_input, g0.step_input, g1.expr, ... as Prometheus has them.
import { formatDuration, formatTime, parseDuration, parseTime } from '../charts/time.js';

export const MOST_PANELS = 10;
export const emptyPanel = () => ({ expr: '', tab: 'table', range: 3600, end: null, step: null });

export function readAddress(search) {
  const panels = [];
  const parameters = new URLSearchParams(search);
  const numbers = new Set([...parameters.keys()].map((name) => /^g(\d+)\./.exec(name)).filter(Boolean).map((found) => Number(found[1])));
  for (const number of [...numbers].sort((a, b) => a - b).slice(0, MOST_PANELS)) {
    const of = (name) => parameters.get('g' + number + '.' + name) || '';
    panels.push({ expr: of('expr'), tab: of('tab') === '0' || of('tab') === 'graph' ? 'graph' : 'table', range: parseDuration(of('range_input')) || 3600,
      end: parseTime(of('end_input') || of('moment_input')), step: parseDuration(of('step_input')) });
  }
  return panels.length ? panels : [emptyPanel()];
}

export function writeAddress(panels) {
  const parameters = new URLSearchParams();
  panels.forEach((panel, i) => {
    const put = (name, value) => parameters.set('g' + i + '.' + name, value);
    put('expr', panel.expr);
    put('tab', panel.tab === 'graph' ? '0' : '1');
    put('range_input', formatDuration(panel.range));
    if (panel.end !== null) put('end_input', formatTime(panel.end));
    if (panel.step !== null) put('step_input', String(panel.step));
  });
  return 'graph?' + parameters;
}
