// The page of one finding: /finding?id=F4&subject=web-01
import { get } from '../api.js';
import { $, copyButton, el, evidence, part as once } from '../dom.js';
import { severityKind, since } from '../words.js';
import { acceptCommand, command, course, follow, headline, lastSeen, moment, part, selector, silenceCommand } from './detail.js';

const SPAN = 7 * 86400;
const CHART_AGAIN_MS = 20000;

const parameters = new URLSearchParams(location.search);
const id = parameters.get('id') || '';
const subject = parameters.get('subject') || '';
let chartAt = 0;

async function drawCourse(end) {
  if (Date.now() - chartAt < CHART_AGAIN_MS) return;
  chartAt = Date.now();
  const any = await course('max by (id, subject, severity, confidence) (' + selector('lapwing_finding', { id, subject }) + ')', end - SPAN, end, () => true, '1 where the finding stood, by severity and confidence.');
  if (!any) chartAt = 0;
}

function acceptanceNote(acceptance) {
  if (!acceptance) return null;
  const words = 'Accepted by ' + acceptance.by + ' until ' + moment(acceptance.until) + ': ' + acceptance.reason;
  return el('p', { class: 'note' }, acceptance.state === 'worse' ? words + '. It has become worse (' + acceptance.worse + '), so it is told.' : words + '. It is told to nobody.');
}

async function refresh() {
  if (!id || !subject) return headline('unknown', 'This address names no finding', 'It needs id and subject: /finding?id=F4&subject=web-01');
  const finding = (await get('/api/lapwing/v1/findings')).find((each) => each.id === id && each.subject === subject);
  const now = Date.now() / 1000;
  if (!finding) {
    const last = await lastSeen(selector('lapwing_finding', { id, subject }));
    $('content').replaceChildren();
    if (last === null) return headline('unknown', id + ' on ' + subject + ': not known', 'It does not stand now, and has not stood within the kept time of at most 90 days.');
    headline('good', id + ' on ' + subject + ' does not stand any more', 'It stood last at ' + new Date(last * 1000).toLocaleString() + '.');
    return drawCourse(Math.min(now, last + 3600));
  }
  headline({ bad: 'bad', warn: 'warn', unknown: 'unknown' }[severityKind(finding.severity)], (finding.title || id) + ': ' + subject,
    finding.id + ', severity ' + finding.severity + ', ' + finding.confidence + ', ' + since(finding.since, now) + ', since ' + moment(finding.since) + '.');
  once('content', finding, () => [
    acceptanceNote(finding.acceptance) || '',
    finding.evidence.length ? part('Evidence', evidence(finding.evidence)) : '',
    finding.remedy ? part('Next step', el('p', { class: 'small' }, 'The remedy', copyButton(finding.remedy)), el('pre', { class: 'remedy' }, finding.remedy)) : '',
    finding.not_assessed.length ? part('Not assessed', el('ul', { class: 'small' }, ...finding.not_assessed.map((text) => el('li', null, text)))) : '',
    finding.acceptance ? '' : part('Let it stand', command(acceptCommand(id, subject), 'On the collector\u2019s machine. It is shown as accepted and told to nobody for 30 days, unless it becomes worse: ')),
    part('Silence its alerts', command(silenceCommand({ id, subject }), 'On the collector\u2019s machine. No notification is sent for an hour: ')),
  ]);
  return drawCourse(now);
}

follow(refresh);
