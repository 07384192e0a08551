// Completion of an expression: a list below the text, for mouse and keyboard.
import { get } from '../api.js';
import { el } from '../dom.js';
import { AGGREGATIONS, FUNCTIONS, KEYWORDS, contextAt, isIdentifier } from './language.js';

const MOST_SHOWN = 20;
const MOST_NAMES = 20000;
const MOST_VALUES = 2000;
const KEPT_MS = 60000;

const answers = new Map();

/** An answer that is at most a minute old. A failure gives an empty list: completion is a help, not a need. */
function recent(path) {
  const known = answers.get(path);
  if (known && Date.now() - known.at < KEPT_MS) return known.answer;
  const answer = get(path).catch(() => []);
  answers.set(path, { at: Date.now(), answer });
  return answer;
}

const selector = (metric) => (metric ? '&match[]=' + encodeURIComponent('{__name__=' + JSON.stringify(metric) + '}') : '');
const lastDay = () => '&start=' + (Math.floor(Date.now() / 3600000) * 3600 - 86400);

async function candidates(context) {
  if (context.kind === 'name') {
    const names = await recent('/api/v1/label/__name__/values?limit=' + MOST_NAMES);
    return [...names.map((text) => ({ text, kind: 'metric' })), ...FUNCTIONS.map((text) => ({ text, kind: 'function' })),
      ...AGGREGATIONS.map((text) => ({ text, kind: 'aggregation' })), ...KEYWORDS.map((text) => ({ text, kind: 'keyword' }))];
  }
  if (context.kind === 'label') {
    const labels = await recent('/api/v1/labels?limit=' + MOST_VALUES + lastDay() + selector(context.metric));
    return labels.filter((text) => text !== '__name__').map((text) => ({ text, kind: 'label' }));
  }
  if (context.kind === 'value') {
    const values = await recent('/api/v1/label/' + encodeURIComponent(context.label) + '/values?limit=' + MOST_VALUES + lastDay() + selector(context.metric));
    return values.map((text) => ({ text, kind: 'value' }));
  }
  return [];
}

/** The candidates that hold the word; those that begin with it first. */
export function matching(all, word) {
  const wanted = word.toLowerCase();
  const rank = ({ text }) => { const at = text.toLowerCase().indexOf(wanted); return at < 0 ? 2 : at === 0 ? 0 : 1; };
  return all.map((each) => [rank(each), each]).filter(([r]) => r < 2).sort((a, b) => a[0] - b[0]).map(([, each]) => each);
}

/** What the choice becomes in the expression, and where the caret is afterwards, from its begin. */
function insertion(choice) {
  if (choice.kind === 'function' || choice.kind === 'aggregation') return { text: choice.text + '()', caret: choice.text.length + 1 };
  let text = choice.text;
  if (choice.kind === 'metric' && !isIdentifier(text)) text = '{' + JSON.stringify(text) + '}';
  else if (choice.kind === 'label' && !isIdentifier(text)) text = JSON.stringify(text);
  else if (choice.kind === 'value') text = JSON.stringify(text).slice(1, -1);
  return { text, caret: text.length };
}

/**
 * Adds completion to a textarea. `key` makes ids unique; `changed` is called after an insertion. Returns { list, said, handle },
 * where `handle(event)` is true for a key that the list has used.
 */
export function completion(area, key, changed) {
  const list = el('ul', { id: 'choices-' + key, class: 'choices', role: 'listbox', 'aria-label': 'Suggestions' });
  const said = el('span', { role: 'status' });
  let shown = [];
  let context = null;
  let active = -1;
  let asked = 0;
  list.hidden = true;

  function close() {
    ++asked;
    list.hidden = true;
    list.replaceChildren();
    shown = [];
    active = -1;
    said.textContent = '';
    area.setAttribute('aria-expanded', 'false');
    area.removeAttribute('aria-activedescendant');
  }

  function choose(index) {
    active = index;
    [...list.children].forEach((item, i) => item.setAttribute('aria-selected', String(i === active)));
    area.setAttribute('aria-activedescendant', list.children[active].id);
    list.children[active].scrollIntoView({ block: 'nearest' });
  }

  function accept(index) {
    const { text, caret } = insertion(shown[index]);
    let end = area.selectionEnd;
    if (context.kind !== 'value') while (/[a-zA-Z0-9_:.]/.test(area.value[end] || '')) ++end;
    const called = (shown[index].kind === 'function' || shown[index].kind === 'aggregation') && area.value[end] === '(';
    area.setRangeText(called ? shown[index].text : text, context.from, end, 'end');
    if (!called) area.setSelectionRange(context.from + caret, context.from + caret);
    close();
    area.focus();
    changed();
  }

  async function open(always) {
    const number = ++asked;
    const here = contextAt(area.value, area.selectionStart);
    if (here.kind === 'none' || (!always && here.word === '' && here.kind === 'name')) return close();
    const found = matching(await candidates(here), here.word);
    if (number !== asked || document.activeElement !== area) return;
    if (found.length === 0 || (found.length === 1 && found[0].text === here.word)) return close();
    context = here;
    shown = found.slice(0, MOST_SHOWN);
    active = -1;
    list.replaceChildren(...shown.map((each, i) => {
      const item = el('li', { id: 'choice-' + key + '-' + i, role: 'option', 'aria-selected': 'false' }, el('span', { class: 'name' }, each.text), el('span', { class: 'soft small' }, each.kind));
      item.addEventListener('mousedown', (event) => { event.preventDefault(); accept(i); });
      return item;
    }));
    list.hidden = false;
    list.scrollTop = 0;
    area.removeAttribute('aria-activedescendant');
    area.setAttribute('aria-expanded', 'true');
    said.textContent = found.length > MOST_SHOWN ? 'The first ' + MOST_SHOWN + ' of ' + found.length + ' suggestions. Tab takes the first.'
      : found.length === 1 ? '1 suggestion. Tab takes it.' : found.length + ' suggestions. Tab takes the first.';
  }

  area.addEventListener('blur', close);
  area.addEventListener('input', () => open(false));

  function handle(event) {
    if (event.key === ' ' && event.ctrlKey) { open(true); return true; }
    if (list.hidden) return false;
    if (event.key === 'ArrowDown') choose((active + 1) % shown.length);
    else if (event.key === 'ArrowUp') choose((active <= 0 ? shown.length : active) - 1);
    else if (event.key === 'Escape') close();
    else if (event.key === 'Tab' && !event.shiftKey) accept(Math.max(active, 0));
    else if (event.key === 'Enter' && active >= 0) accept(active);
    else return false;
    return true;
  }

  return { list, said, handle, close };
}
