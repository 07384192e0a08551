// Draws the site as SVG, at the positions from layout() and routes().

import { svg } from '../dom.js';
import { caption, edgeKind, fullName, singles, standing, stateKind, stateWord } from './facts.js';
import { layout } from './layout.js';
import { routes } from './routes.js';

const rect = (x, y, width, height, radius, kind) => svg('rect', { x, y, width, height, rx: radius, class: kind });

const MARKS = { yes: 'M-3.2 .2l2.3 2.4l4 -4.6', no: 'M-2.6 -2.6l5.2 5.2m0 -5.2l-5.2 5.2', unknown: 'M-2 -1.6a2 2 0 1 1 2.9 1.8q-.9 .5 -.9 1.3m0 1.9v.1' };

/** A tick, a cross or a question mark in a disc: the shape tells the state without the colour. */
export function mark(works, x, y, radius) {
  const disc = svg('circle', { cx: 0, cy: 0, r: 7 });
  const sign = svg('path', { d: MARKS[works] || MARKS.unknown });
  return svg('g', { class: 'mark', transform: 'translate(' + x + ' ' + y + ') scale(' + radius / 7 + ')' }, disc, sign);
}

/** The path of a line through `points`, with round corners. */
function rounded(points) {
  let d = 'M' + points[0].join(' ');
  for (let i = 1; i < points.length; ++i) {
    const [before, here, after] = [points[i - 1], points[i], points[i + 1]];
    if (!after) return d + 'L' + here.join(' ');
    const near = (other) => {
      const length = Math.hypot(other[0] - here[0], other[1] - here[1]);
      const share = Math.min(7, length / 2) / length;
      return [here[0] + (other[0] - here[0]) * share, here[1] + (other[1] - here[1]) * share].map((n) => Math.round(n * 10) / 10).join(' ');
    };
    d += 'L' + near(before) + 'Q' + here.join(' ') + ' ' + near(after);
  }
  return d;
}

function lineOf({ edge, points }, components) {
  const kind = edgeKind(edge, components);
  const [before, end] = points.slice(-2);
  const [dx, dy] = [Math.sign(end[0] - before[0]), Math.sign(end[1] - before[1])];
  const head = 'M' + [end[0] - 5 * dx - 4 * dy, end[1] - 5 * dy - 4 * dx].join(' ') + 'L' + end.join(' ') + 'L' + [end[0] - 5 * dx + 4 * dy, end[1] - 5 * dy + 4 * dx].join(' ');
  const line = svg('g', { class: ['line', kind, edge.kind].filter(Boolean).join(' '), 'data-from': edge.from, 'data-to': edge.to },
    svg('path', { d: rounded(points) }));
  const length = Math.hypot(end[0] - before[0], end[1] - before[1]);
  if (kind !== 'bad' || length > 24) line.append(svg('path', { d: head, class: 'head' }));
  if (kind === 'bad') {
    const back = Math.min(length / 2, 16);
    line.append(svg('path', { class: 'cut', d: 'M' + (end[0] - back * dx - 4) + ' ' + (end[1] - back * dy - 4) + 'l8 8m0 -8l-8 8' }));
  }
  return line;
}

function written(texts, component, x, y) {
  const { style, inset, indent, sizes } = texts;
  const out = [mark(component.works, x + inset + indent / 2 - 3, y + style.edge + style.title / 2, style.dense ? 6 : 7)];
  const text = (content, left, base, kind, size) => svg('text', { x: x + inset + left, y: base, class: kind, 'font-size': size }, content);
  out.push(text(texts.title, indent, y + style.edge + style.title - 4, 'title', sizes.title));
  texts.lines.forEach((line, i) => {
    const base = y + style.edge + style.title + (i + 1) * style.line - 3;
    out.push(text(line.text, line.beside ? indent : 0, base, line.kind, sizes.line));
  });
  return out;
}

/** Draws the topology, `width` pixels wide. `measure(text, size, bold)` returns the width of a text. */
export function picture(topology, width, measure) {
  const components = new Map(topology.components.map((each) => [each.id, each]));
  const weak = new Map(topology.components.map((each) => [each.id, singles(topology, each.id)]));

  const face = (component, dense) => {
    const lines = [];
    const state = component.kind === 'host' && component.works === 'yes' ? '' : stateWord(component);
    const words = [standing(topology, component), dense ? '' : state].filter(Boolean).join(', ');
    if (words) lines.push({ kind: 'state', text: words });
    for (const { title, services } of weak.get(component.id)) lines.push({ kind: 'weak', text: dense ? title : title + ': ' + services.join(', ') });
    const fate = topology.edges.filter((each) => each.kind === 'shares' && (each.from === component.id || each.to === component.id));
    for (const edge of fate) {
      const other = components.get(edge.from === component.id ? edge.to : edge.from);
      if (other) lines.push({ kind: 'state', text: (component.kind === 'group' ? 'holds ' : other.kind === 'group' ? 'in ' : 'one machine with ') + caption(other) });
    }
    return { title: caption(component, dense), lines };
  };

  const drawn = (component, box, outside) => {
    const found = weak.get(component.id);
    const name = [fullName(component) + ': ' + [standing(topology, component), stateWord(component)].filter(Boolean).join(', '),
      ...found.map(({ title, services }) => title + ': ' + services.join(', '))].join('. ');
    const group = svg('g', { class: 'component ' + stateKind(component) + (component.kind === 'host' ? ' host' : ''), tabindex: 0, role: 'button',
      'aria-pressed': 'false', 'aria-controls': 'component', 'aria-label': name, 'data-id': component.id },
      svg('title', {}, component.id), rect(box.x, box.y, box.width, box.height, outside ? 10 : 7, 'body'));
    if (found.length) group.append(rect(box.x - 3, box.y - 3, box.width + 6, box.height + 6, outside ? 12 : 9, 'ring ' + found[0].level));
    return group;
  };

  const places = layout(topology, width, face, measure);
  const root = svg('svg', { width, height: places.height, viewBox: '0 0 ' + width + ' ' + places.height, class: 'map', role: 'group',
    'aria-label': 'The site and its dependencies' });
  if (places.aside !== null) {
    root.append(svg('path', { d: 'M0 ' + places.aside + 'H' + width, class: 'divide' }),
      svg('text', { x: 4, y: places.aside + 16, class: 'state', 'font-size': 11 }, 'beside the path of requests'));
  }
  for (const block of places.tiers.flatMap((tier) => tier.blocks)) {
    if (block.host) {
      const box = { x: block.x, y: block.y, width: block.width, height: block.bottom - block.y };
      const group = drawn(block.host, box, true);
      if (block.parts.length) group.append(svg('path', { d: 'M' + block.x + ' ' + block.base + 'h' + block.width, class: 'base' }));
      group.append(...written(block.texts, block.host, block.x, block.base));
      root.append(group);
    }
    for (const part of block.parts) {
      const group = drawn(part.component, part, !block.host);
      group.append(...written(part.texts, part.component, part.x, part.y + (part.height - part.texts.height) / 2));
      root.append(group);
    }
  }
  // Draw broken lines last, on top of the others.
  const lines = routes(topology, places).map((each) => lineOf(each, components));
  root.append(...lines.filter((each) => !each.classList.contains('bad')), ...lines.filter((each) => each.classList.contains('bad')));
  return root;
}
