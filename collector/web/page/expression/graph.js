import { $ } from '../dom.js';
import { MOST_PANELS, emptyPanel, readAddress, writeAddress } from './address.js';
import { panelNode } from './panel.js';

const panels = [];
let nextKey = 0;

function changed() {
  history.replaceState(null, '', writeAddress(panels.map((each) => each.state)));
  const first = panels.find((each) => each.state.expr.trim());
  document.title = (first ? first.state.expr.trim().slice(0, 80) : 'Expressions') + ' \u00b7 Lapwing';
  $('add').disabled = panels.length >= MOST_PANELS;
}

function add(state) {
  const entry = { state };
  const made = panelNode(state, nextKey++, changed, () => {
    panels.splice(panels.indexOf(entry), 1);
    made.node.remove();
    if (panels.length === 0) add(emptyPanel());
    changed();
    $('add').focus();
  });
  entry.panel = made;
  panels.push(entry);
  $('panels').append(made.node);
  return made;
}

for (const state of readAddress(location.search)) add(state);
for (const each of panels) each.panel.run();
$('add').addEventListener('click', () => {
  add(emptyPanel()).focus();
  changed();
});
if (!panels[0].state.expr) panels[0].panel.focus();
