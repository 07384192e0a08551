// A small chart without axes.
import { svg } from '../dom.js';

const WIDTH = 160;
const HEIGHT = 40;

/** `points`: [{ x, y }], y null in a gap; `start` and `end` in the unit of x. `most`: the value at the upper edge. */
export function spark(points, start, end, most) {
  const across = (x) => ((x - start) / (end - start) * WIDTH).toFixed(1);
  const up = (y) => (HEIGHT - 1.5 - Math.max(0, Math.min(1, y / most)) * (HEIGHT - 3)).toFixed(1);
  let path = '';
  let open = false;
  points.forEach(({ x, y }, i) => {
    if (y === null) { open = false; return; }
    path += (open ? 'L' : 'M') + across(x) + ' ' + up(y);
    const alone = !open && (i + 1 === points.length || points[i + 1].y === null);
    if (alone) path += 'h.01';
    open = true;
  });
  return svg('svg', { viewBox: '0 0 ' + WIDTH + ' ' + HEIGHT, class: 'spark', preserveAspectRatio: 'none', 'aria-hidden': 'true' },
    svg('path', { d: 'M0 ' + (HEIGHT - .5) + 'H' + WIDTH, class: 'ground' }), svg('path', { d: path, class: 'values' }));
}
