// Helpers that build the page. They insert the collector's data as text, never as markup.

export const $ = (id) => document.getElementById(id);

export function el(tag, options, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(options || {})) {
    if (name === 'class') node.className = value;
    else if (name === 'open') node.open = value;
    else node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

export const chip = (kind, text) => el('span', { class: 'chip ' + kind }, text);

export function svg(tag, attributes, ...children) {
  const node = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

export function evidence(lines) {
  return el('ul', { class: 'evidence small' }, ...lines.map((line) => el('li', null, el('span', { class: 'source' }, line.source), line.text)));
}

const shown = new Map();
const opened = new Map();

/** Rebuilds a part of the page only if its facts have changed, so as not to disturb reading and selections. */
export function part(id, facts, build) {
  const text = JSON.stringify(facts);
  if (shown.get(id) === text) return;
  shown.set(id, text);
  $(id).replaceChildren(...build());
}

/** A collapsible element that keeps the reader's choice across rebuilds. `key` identifies it; `open` is its initial state. */
export function fold(key, open, options, ...children) {
  const node = el('details', { ...options, open: opened.has(key) ? opened.get(key) : open }, ...children);
  node.addEventListener('toggle', () => opened.set(key, node.open));
  return node;
}

/** Copies the text. Browsers allow that to pages over TLS or on this machine only. */
export function copyButton(text) {
  if (!navigator.clipboard) return null;
  const button = el('button', { type: 'button', class: 'copy small' }, 'Copy');
  button.addEventListener('click', () => navigator.clipboard.writeText(text).then(() => { button.textContent = 'Copied'; }));
  return button;
}
