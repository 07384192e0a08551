// The section with the picture of the site: its dependencies, states and single points of failure.

import { $, chip, el, evidence, part, svg } from '../dom.js';
import { plural } from '../words.js';
import { details, known } from './details.js';
import { missing, stateKind, stateWord } from './facts.js';
import { mark, picture } from './picture.js';

let latest = null;  // {topology, findings}
let chosen = '';

const pen = document.createElement('canvas').getContext('2d');
function measure(text, size, bold) {
  pen.font = (bold ? '600 ' : '') + size + 'px ' + getComputedStyle(document.body).fontFamily;
  return pen.measureText(text).width;
}

const find = (id) => [...$('map').querySelectorAll('.component')].find((each) => each.dataset.id === id);

function showMap() {
  const { topology } = latest;
  const width = $('map').clientWidth;
  if (width === 0) return;
  // Evidence changes all the time but is not drawn. Leave it out, so that the picture is rebuilt only for visible changes.
  const bare = ({ evidence: left, ...rest }) => rest;
  const drawn = { width, components: topology.components.map(bare), edges: topology.edges.map(bare), services: topology.services };
  part('map', drawn, () => {
    const active = document.activeElement && document.activeElement.closest('#map .component');
    const focused = active ? active.dataset.id : '';
    const made = picture(topology, width, measure);
    if (focused) queueMicrotask(() => { const again = find(focused); if (again) again.focus({ preventScroll: true }); });
    return [made];
  });
  showChosen();
}

function showChosen() {
  const { topology, findings } = latest;
  const near = new Set(topology.edges.filter((e) => e.from === chosen || e.to === chosen).flatMap((e) => [e.from, e.to]));
  for (const each of $('map').querySelectorAll('.component')) {
    each.setAttribute('aria-pressed', each.dataset.id === chosen);
    each.classList.toggle('near', each.dataset.id !== chosen && near.has(each.dataset.id));
  }
  for (const each of $('map').querySelectorAll('.line')) each.classList.toggle('chosen', each.dataset.from === chosen || each.dataset.to === chosen);
  const about = known(topology, findings, chosen);
  part('component', about, () => (about ? details(about, goTo)
    : [el('p', { class: 'soft' }, 'Select a part of the picture to see its evidence and the effect of its failure.')]));
}

function choose(id) {
  if (id === chosen) return;
  chosen = id;
  showChosen();
}

function goTo(id) {
  const target = find(id);
  if (!target) return;
  choose(id);
  target.focus({ preventScroll: true });
  target.scrollIntoView({ block: 'nearest', inline: 'nearest' });
}

function showDelivered(services) {
  part('delivered', services, () => {
    if (services.length === 0) return [];
    const names = (sets, seen) => sets.filter((set) => set.components.length === 1 && !seen.has(set.components[0])).map((set) => {
      const id = set.components[0];
      const button = el('button', { type: 'button', class: 'link' }, id);
      button.addEventListener('click', () => goTo(id));
      return el('span', null, button, set.confidence === 'confirmed' ? '' : ' (suspected)');
    });
    const joined = (nodes) => nodes.flatMap((node, i) => (i === 0 ? [node] : [', ', node]));
    const body = el('tbody');
    for (const service of services) {
      const pairs = service.design.filter((set) => set.components.length === 2).length;
      const design = names(service.design, new Set());
      const now = names(service.now, new Set(service.design.filter((set) => set.components.length === 1).map((set) => set.components[0])));
      body.append(el('tr', null, el('td', null, chip(stateKind(service), stateWord(service))), el('td', null, service.title),
        el('td', null, ...(design.length ? joined(design) : ['none by design']), ...(now.length ? ['; now also ', ...joined(now)] : [])),
        el('td', { class: 'number' }, pairs ? plural(pairs, 'pair') : 'none'),
        el('td', { class: 'soft small' }, service.not_assessed.join('; '))));
    }
    const head = ['State', 'Service', 'Single points of failure', 'Pairs', 'Not assessed'];
    return [el('table', null, el('thead', null, el('tr', null, ...head.map((text) => el('th', { scope: 'col' }, text)))), body)];
  });
}

function showConflicts(conflicts) {
  part('conflicts', conflicts, () => (conflicts.length === 0 ? [] : [el('h3', null, 'Conflicts'),
    ...conflicts.map((each) => el('article', { class: 'card warn' }, el('p', null, el('strong', null, each.subject), ' ' + each.text), evidence(each.evidence)))]));
}

/** Draws the legend, once. */
function showKey(topology) {
  const sample = (...parts) => svg('svg', { class: 'map', width: 30, height: 18, viewBox: '0 0 30 18', 'aria-hidden': 'true' }, ...parts);
  const state = (works) => sample(svg('g', { class: 'component ' + stateKind({ works }) }, mark(works, 15, 9, 7)));
  const ring = (level) => sample(svg('g', { class: 'component' }, svg('rect', { x: 3, y: 3, width: 24, height: 12, rx: 4, class: 'ring ' + level })));
  const line = (kind, ...more) => sample(svg('g', { class: 'line ' + kind }, svg('path', { d: 'M2 9H28' }), ...more));
  const head = svg('path', { d: 'M23 5l5 4l-5 4', class: 'head' });
  part('key', topology === null, () => [
    [state('yes'), 'works'], [state('no'), 'does not work'], [state('unknown'), 'unknown'],
    [ring('design'), 'single point of failure: its failure alone stops a service'], [ring('suspected'), 'suspected single point: a fact is unknown'],
    [line('', head), 'requests, or copied data'], [line('bad', svg('path', { d: 'M11 5l8 8m0 -8l-8 8', class: 'cut' })), 'no traffic passes'],
    [line('stands_by'), 'standby'],
  ].map(([shape, words]) => el('li', null, shape, words)));
}

/** `topology` is null until the collector has finished its first analysis. */
export function showTopology(topology, findings) {
  $('site').hidden = topology === null;
  if (topology === null) return;
  $('drawing').hidden = topology.components.length === 0;
  latest = { topology, findings };
  showKey(topology);
  part('missing', missing(topology), () => missing(topology).map((text) => el('p', { class: 'note' }, text)));
  showMap();
  showDelivered(topology.services);
  showConflicts(topology.conflicts);
}

$('map').addEventListener('focusin', (event) => {
  const component = event.target.closest('.component');
  if (component) choose(component.dataset.id);
});
// On a narrow screen the panel is below the picture.
function showPanel(event) {
  if (!event.target.closest('.component') || (event.key && event.key !== 'Enter' && event.key !== ' ')) return;
  event.preventDefault();
  $('component').scrollIntoView({ block: 'nearest' });
}
$('map').addEventListener('click', showPanel);
$('map').addEventListener('keydown', showPanel);
new ResizeObserver(() => { if (latest) showMap(); }).observe($('map'));
