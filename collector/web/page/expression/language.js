// The words of PromQL, and what is being written at a place of an expression.

export const FUNCTIONS = `abs absent absent_over_time acos acosh asin asinh atan atanh avg_over_time ceil changes clamp clamp_max clamp_min
  cos cosh count_over_time day_of_month day_of_week day_of_year days_in_month deg delta deriv double_exponential_smoothing exp
  first_over_time floor histogram_avg histogram_count histogram_fraction histogram_quantile histogram_stddev histogram_stdvar
  histogram_sum holt_winters hour idelta increase irate label_join label_replace last_over_time ln log10 log2 mad_over_time
  max_over_time min_over_time minute month pi predict_linear present_over_time quantile_over_time rad rate resets round scalar sgn sin
  sinh sort sort_by_label sort_by_label_desc sort_desc sqrt stddev_over_time stdvar_over_time sum_over_time tan tanh time timestamp
  ts_of_last_over_time ts_of_max_over_time ts_of_min_over_time vector year`.split(/\s+/);
export const AGGREGATIONS = 'sum avg count min max group stddev stdvar topk bottomk count_values quantile limitk limit_ratio'.split(' ');
export const KEYWORDS = 'by without on ignoring group_left group_right bool offset and or unless atan2'.split(' ');

const LISTS_OF_LABELS = ['by', 'without', 'on', 'ignoring', 'group_left', 'group_right'];
const IDENTIFIER = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const WORD = /[a-zA-Z0-9_:.]/;

export const isIdentifier = (name) => IDENTIFIER.test(name);

/** Where the string that begins at `at` ends: the index of its closing quote, or -1. */
function closing(text, at) {
  for (let i = at + 1; i < text.length; ++i) {
    if (text[i] === '\\' && text[at] !== '`') ++i;
    else if (text[i] === text[at]) return i;
  }
  return -1;
}

/**
 * What is written before the caret: { kind, word, from, metric, label }. `kind` is "name" (a metric or a function), "label", "value" (of
 * `label`), or "none". `word` begins at `from`. `metric` is the metric before the braces, or "".
 */
export function contextAt(text, caret) {
  const none = { kind: 'none', word: '', from: caret, metric: '', label: '' };
  const lists = [];  // for each open parenthesis: whether it holds names of labels
  let braces = null;
  let brackets = 0;
  let last = '';     // the last word or sign
  let label = '';
  let i = 0;
  while (i < caret) {
    const c = text[i];
    if (c === '#') {
      const end = text.indexOf('\n', i);
      if (end < 0 || end >= caret) return none;
      i = end + 1;
    } else if (c === '"' || c === "'" || c === '`') {
      const end = closing(text, i);
      if (end < 0 || end >= caret) {
        return braces && label ? { ...none, kind: 'value', word: text.slice(i + 1, caret), from: i + 1, metric: braces.metric, label } : none;
      }
      last = 'string';
      i = end + 1;
    } else if (WORD.test(c)) {
      let end = i;
      while (end < caret && WORD.test(text[end])) ++end;
      const word = text.slice(i, end);
      if (end === caret) {
        if (brackets > 0 || /^[0-9.]/.test(word)) return none;
        const inList = lists.length > 0 && lists[lists.length - 1];
        return { ...none, kind: braces || inList ? 'label' : 'name', word, from: i, metric: braces ? braces.metric : '' };
      }
      last = word;
      i = end;
    } else {
      if (c === '{') { braces = { metric: isIdentifier(last) ? last : '' }; label = ''; }
      else if (c === '}') braces = null;
      else if (c === '[') ++brackets;
      else if (c === ']') brackets = Math.max(0, brackets - 1);
      else if (c === '(') lists.push(LISTS_OF_LABELS.includes(last.toLowerCase()));
      else if (c === ')') lists.pop();
      else if (braces && (c === '=' || c === '!') && isIdentifier(last)) label = last;
      else if (braces && c === ',') label = '';
      if (!/\s/.test(c)) last = c;
      ++i;
    }
  }
  if (brackets > 0) return none;
  if (braces) return last === '{' || last === ',' ? { ...none, kind: 'label', metric: braces.metric } : none;
  return lists.length > 0 && lists[lists.length - 1] ? { ...none, kind: 'label' } : { ...none, kind: 'name' };
}

/** The index in `text` of "line:column: parse error", whose columns count bytes of UTF-8; null if the message names no place. */
export function placeOf(message, text) {
  const found = /(\d+):(\d+): parse error/.exec(message);
  if (!found) return null;
  const lines = text.split('\n');
  const line = Math.min(Number(found[1]), lines.length) - 1;
  const bytes = new TextEncoder().encode(lines[line]).slice(0, Math.max(0, Number(found[2]) - 1));
  return { line: lines[line], column: new TextDecoder().decode(bytes).length };
}
