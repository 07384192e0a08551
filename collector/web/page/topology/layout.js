// Computes the positions of the picture's parts, in pixels. Pure.
//
// Requests run downwards: each kind of component has its layer. A host is a block: a column of its programs on a base with the
// host's name. Blocks whose layers overlap form a tier and stand side by side. A tier that is too wide uses the dense style and
// wraps into rows. Blocks beside the path of requests wrap in the normal style.

import { byName } from './facts.js';

const LAYERS = ['name', 'address', 'balancer', 'web', 'app', 'mysql', 'collector'];
const SAME_LAYER = { haproxy: 'balancer', nginx: 'balancer', service: 'mysql' };
const BESIDE = LAYERS.indexOf('collector');  // this layer and later ones are not in the path of requests

const NORMAL = { dense: false, least: 124, most: 224, gap: 28, pad: 8, inner: 24, between: 30, title: 16, line: 14, edge: 7 };
const DENSE = { dense: true, least: 86, most: 128, gap: 22, pad: 5, inner: 14, between: 16, title: 14, line: 12, edge: 5 };
const MARGIN = 14;
const TIER_GAP = 46;
const TEXT_INSET = 10;

function layerOf(component, resolving) {
  if (component.kind === 'name') return resolving.has(component.id) ? 0 : 1;
  if (component.kind === 'group' || component.kind === 'watchdog') return BESIDE;
  const layer = LAYERS.indexOf(SAME_LAYER[component.kind] || component.kind);
  return layer < 0 ? LAYERS.length : layer;
}

function blocksOf(topology) {
  const hosts = new Set(topology.components.filter((each) => each.kind === 'host').map((each) => each.id));
  const homes = new Map(topology.edges.filter((each) => each.kind === 'runs_on' && hosts.has(each.to)).map((each) => [each.from, each.to]));
  const resolving = new Set(topology.edges.filter((each) => each.kind === 'resolves').map((each) => each.from));
  const blocks = new Map();
  for (const component of topology.components) {
    const id = homes.get(component.id) || component.id;
    if (!blocks.has(id)) blocks.set(id, { id, host: null, parts: [] });
    if (component.kind === 'host') blocks.get(id).host = component;
    else blocks.get(id).parts.push({ component, layer: layerOf(component, resolving) });
  }
  for (const block of blocks.values()) {
    const layers = block.parts.map((part) => part.layer);
    block.first = layers.length ? Math.min(...layers) : BESIDE;
    block.last = layers.length ? Math.max(...layers) : BESIDE;
    block.parts.sort((a, b) => a.layer - b.layer);
  }
  return [...blocks.values()];
}

/** Groups blocks whose layers overlap into tiers, from top to bottom. Blocks beside the path of requests come last. */
function tiersOf(blocks) {
  const tiers = [];
  for (const block of [...blocks].sort((a, b) => a.first - b.first)) {
    const last = tiers[tiers.length - 1];
    if (last && block.first <= last.last && (block.first < BESIDE || last.first >= BESIDE)) {
      last.blocks.push(block);
      last.last = Math.max(last.last, block.last);
    } else {
      tiers.push({ first: block.first, last: block.last, blocks: [block] });
    }
  }
  for (const tier of tiers) tier.blocks.sort((a, b) => byName(a.id, b.id));
  return tiers;
}

/** Sets the number of blocks per row and their width. */
function shape(tier, width) {
  const count = tier.blocks.length;
  const room = width - 2 * MARGIN;
  const fits = (style) => Math.max(1, Math.floor((room + style.gap) / (style.least + style.gap)));
  const style = tier.first >= BESIDE || count <= fits(NORMAL) ? NORMAL : DENSE;
  const rows = Math.ceil(count / fits(style));
  const columns = Math.ceil(count / rows);
  const each = Math.min(style.most, Math.floor((room - style.gap * (columns - 1)) / columns));
  const total = columns * each + (columns - 1) * style.gap;
  Object.assign(tier, { style, columns, each, wrapped: rows > 1, left: Math.round((width - total) / 2), rows: [] });
  for (let i = 0; i < rows; ++i) tier.rows.push({ blocks: tier.blocks.slice(i * columns, (i + 1) * columns), channels: new Map() });
}

/** Breaks a text into lines at its spaces and truncates words that are too long. */
function wrap(text, room, measure, size, bold) {
  const lines = [];
  for (const word of text.split(' ')) {
    const longer = lines.length ? lines[lines.length - 1] + ' ' + word : word;
    if (lines.length && measure(longer, size, bold) <= room) lines[lines.length - 1] = longer;
    else lines.push(fit(word, room, measure, size, bold));
  }
  return lines;
}

function fit(text, room, measure, size, bold) {
  if (measure(text, size, bold) <= room) return text;
  const letters = [...text];
  while (letters.length && measure(letters.join('') + '\u2026', size, bold) > room) letters.pop();
  return letters.join('') + '\u2026';
}

/** The texts of a component in a box of this width, with their height. */
function textsOf(component, width, style, face, measure) {
  const { title, lines } = face(component, style.dense);
  const sizes = style.dense ? { title: 12, line: 10 } : { title: 13, line: 11 };
  const inset = style.dense ? 6 : TEXT_INSET;
  const indent = style.dense ? 16 : 20;  // of the texts beside the mark
  const out = { style, title: fit(title, width - 2 * inset - indent, measure, sizes.title, true), lines: [], inset, indent, sizes };
  for (const { text, kind } of lines) {
    const beside = kind === 'state';
    for (const each of wrap(text, width - 2 * inset - (beside ? indent : 0), measure, sizes.line, kind === 'weak')) out.lines.push({ text: each, kind, beside });
  }
  out.height = 2 * style.edge + style.title + out.lines.length * style.line;
  return out;
}

/** Places the blocks of a row, starting at height `top`. Returns the height at which the row ends. */
function placeRow(tier, row, top, face, measure) {
  const { style, each, left } = tier;
  row.top = top;
  row.blocks.forEach((block, column) => {
    const x = left + column * (each + style.gap);
    Object.assign(block, { tier, row, column, x, width: each });
    const inset = block.host ? style.pad : 0;
    for (const part of block.parts) {
      Object.assign(part, { block, x: x + inset, width: each - 2 * inset });
      part.texts = textsOf(part.component, part.width, style, face, measure);
    }
    block.texts = block.host ? textsOf(block.host, each, style, face, measure) : null;
  });
  let y = top;
  const used = [...new Set(row.blocks.flatMap((block) => block.parts.length ? block.parts.map((part) => part.layer) : [block.first]))].sort((a, b) => a - b);
  row.layers = used;
  for (const layer of used) {
    if (layer !== used[0]) {
      row.channels.set(layer, y);
      y += style.inner;
    }
    if (row.blocks.some((block) => block.host && block.first === layer && block.parts.length)) y += style.pad;
    const parts = row.blocks.flatMap((block) => block.parts.filter((part) => part.layer === layer));
    const height = Math.max(0, ...parts.map((part) => part.texts.height));
    for (const part of parts) Object.assign(part, { y, height });
    y += height;
    const bases = row.blocks.filter((block) => block.host && block.last === layer);
    if (bases.length) {
      y += style.pad;
      const base = Math.max(...bases.map((block) => block.texts.height));
      for (const block of bases) {
        block.base = y;
        block.bottom = y + base;
        block.y = block.parts.length ? block.parts[0].y - style.pad : y;
      }
      y += base;
    }
  }
  for (const block of row.blocks.filter((each) => !each.host)) {
    block.y = block.parts[0].y;
    block.bottom = block.parts[block.parts.length - 1].y + block.parts[block.parts.length - 1].height;
  }
  row.bottom = y;
  return y;
}

/**
 * Places all components of `topology` in a picture of this width. Returns {width, height, tiers, parts, aside}: `parts` maps
 * ids to programs and entries, and `aside` is the height at which the blocks beside the path of requests begin, or null.
 * `face(component, dense)` returns a component's texts, {title, lines: [{text, kind}]}; `measure(text, size, bold)` returns
 * the width of a text.
 */
export function layout(topology, width, face, measure) {
  const tiers = tiersOf(blocksOf(topology));
  let y = 8;
  let aside = null;
  tiers.forEach((tier, index) => {
    shape(tier, width);
    if (tier.first >= BESIDE) {
      aside = index === 0 ? y : y + 34;
      y = aside + 28;
    } else if (index > 0) {
      y += TIER_GAP;
    }
    tier.index = index;
    tier.channel = index === 0 ? y - 8 : tiers[index - 1].bottom;
    tier.top = y;
    tier.rows.forEach((row, i) => {
      row.index = i;
      row.channel = i === 0 ? tier.channel : y;
      if (i > 0) y += tier.style.between;
      y = placeRow(tier, row, y, face, measure);
    });
    tier.bottom = y;
  });
  const parts = new Map(tiers.flatMap((tier) => tier.blocks.flatMap((block) => block.parts.map((part) => [part.component.id, part]))));
  return { width, height: y + 8, tiers, parts, aside };
}
