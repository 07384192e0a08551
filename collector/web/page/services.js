import { byInstance } from './api.js';
import { chip, el, part } from './dom.js';
import { duration } from './words.js';

const STALE_AFTER_S = 60;  // a sample older than this describes the past

const REASONS = {
  timeout: 'no answer in time', refused: 'connection refused', unreachable: 'unreachable', denied: 'access denied',
  tls: 'TLS failed', protocol: 'invalid answer', not_found: 'not found', internal: 'the probe itself failed',
  unavailable: 'temporarily unavailable', status: 'wrong status code', body: 'wrong content', redirects: 'too many redirects',
  exhausted: 'a limit was reached',
};

const SERVICES = { nginx: 'Nginx', app: 'Application', mysql: 'MySQL', haproxy: 'HAProxy' };

const identity = (metric) => ['job', 'instance', 'agent', 'url', 'via', 'socket'].map((n) => metric[n] || '').join('\u0000');
const place = (metric) => (metric.job || '') + '\u0000' + (metric.instance || '') + '\u0000' + (metric.agent || '');

/** Returns one row per service, with the observations of all agents. A stale observation counts as unknown. */
export function servicesOf(data) {
  const seen = new Map(data.seen.map((s) => [identity(s.metric), Number(s.value[1])]));
  const reasons = new Map(data.failure.map((s) => [place(s.metric), s.metric.reason]));
  // A server that answers and refuses the agent is not down; whether it works is unknown.
  const refusals = new Map(data.refused.filter((s) => s.metric.job !== 'app').map((s) => [identity(s.metric), s.metric.detail]));
  const appReasons = new Map(data.appFailure.map((s) => [identity(s.metric), s.metric.reason]));
  const times = new Map(data.appTime.map((s) => [identity(s.metric), Number(s.value[1])]));
  const requests = byInstance(data.requests);
  const rows = new Map();
  const row = (job, instance, name) => {
    const key = job + '\u0000' + instance + '\u0000' + name;
    if (!rows.has(key)) rows.set(key, { job, instance, name, views: [], detail: [] });
    return rows.get(key);
  };
  for (const sample of data.up) {
    const metric = sample.metric;
    if (!(metric.job in SERVICES)) continue;
    const fresh = data.now - (seen.get(identity(metric)) || 0) <= STALE_AFTER_S;
    const up = Number(sample.value[1]) === 1;
    const view = { agent: metric.agent || '', via: metric.via || '', state: !fresh ? 'unknown' : up ? 'up' : 'down' };
    if (view.state === 'down') view.reason = reasons.get(place(metric));
    if (view.state === 'down' && refusals.has(identity(metric))) {
      view.state = 'unknown';
      view.reason = refusals.get(identity(metric));
    }
    if (metric.job === 'app') {
      // For an application, `up` only says that the probe ran. The verdict is probe_success, one sample per URL.
      const verdicts = data.success.filter((s) => place(s.metric) === place(metric));
      for (const verdict of verdicts) {
        const target = row('app', metric.instance, verdict.metric.url || '');
        const good = Number(verdict.value[1]) === 1;
        target.views.push({ ...view, state: !fresh ? 'unknown' : good ? 'up' : 'down',
          reason: good ? undefined : appReasons.get(identity(verdict.metric)) || view.reason });
        const took = times.get(identity(verdict.metric));
        if (took !== undefined && fresh) target.detail.push('answered in ' + duration(took));
      }
      if (verdicts.length === 0) row('app', metric.instance, '').views.push(view);
      continue;
    }
    const target = row(metric.job, metric.instance, '');
    target.views.push(view);
    if (metric.job === 'nginx' && requests.has(metric.instance) && view.state === 'up' && target.detail.length === 0) {
      target.detail.push(requests.get(metric.instance).toFixed(1) + ' requests/s');
    }
  }
  const backends = new Map();
  for (const sample of data.backend) {
    const m = sample.metric;
    const key = [m.instance, m.proxy, m.server].join('\u0000');
    if (!backends.has(key)) backends.set(key, { instance: m.instance, name: m.proxy + '/' + m.server, up: [] });
    backends.get(key).up.push(Number(sample.value[1]) === 1);
  }
  for (const backend of backends.values()) {
    const haproxy = rows.get('haproxy\u0000' + backend.instance + '\u0000');
    const visible = haproxy && haproxy.views.some((v) => v.state === 'up');
    const target = row('backend', backend.instance, backend.name);
    target.views = backend.up.map((up) => ({ agent: '', via: '', state: !visible ? 'unknown' : up ? 'up' : 'down' }));
  }
  const order = ['haproxy', 'backend', 'nginx', 'app', 'mysql'];
  return [...rows.values()].sort((a, b) =>
    order.indexOf(a.job) - order.indexOf(b.job) || a.instance.localeCompare(b.instance) || a.name.localeCompare(b.name));
}

/** Returns 'up', 'down', 'unknown', or 'disputed' if the agents disagree. */
export function verdict(row) {
  const current = row.views.filter((v) => v.state !== 'unknown');
  if (current.length === 0) return 'unknown';
  const up = current.filter((v) => v.state === 'up').length;
  return up === current.length ? 'up' : up === 0 ? 'down' : 'disputed';
}

export function serviceName(row) {
  if (row.job === 'backend') return 'HAProxy\u2019s server ' + row.name;
  if (row.job === 'app') return row.instance === 'site' ? 'The site\u2019s entry' : 'Application';
  return SERVICES[row.job];
}

export function showServices(rows) {
  const facts = rows.map((row) => ({ ...row, verdict: verdict(row) }));
  part('services', facts, () => {
    if (facts.length === 0) return [el('p', { class: 'note' }, 'No service has been reported yet.')];
    const body = el('tbody');
    for (const row of facts) {
      const words = { up: ['good', 'up'], down: ['bad', 'down'], disputed: ['warn', 'disputed'], unknown: ['unknown', 'unknown'] }[row.verdict];
      const notes = [...row.detail];
      if (row.verdict === 'disputed') {
        notes.push(row.views.map((v) => (v.agent || 'the collector') + ' says ' + v.state).join(', '));
      } else if (row.verdict === 'unknown') {
        const refused = [...new Set(row.views.map((v) => v.reason).filter(Boolean))];
        notes.push(refused.length ? 'it answers and refuses the agent: ' + refused.join(', ') : 'no recent report');
      } else {
        for (const reason of new Set(row.views.map((v) => v.reason).filter(Boolean))) notes.push(REASONS[reason] || reason);
      }
      const from = [...new Set(row.views.map((v) => v.agent).filter((a) => a && a !== row.instance))].sort();
      if (from.length && row.verdict !== 'disputed') notes.push('seen from ' + from.join(', '));
      body.append(el('tr', null, el('td', null, chip(...words)),
        el('td', null, serviceName(row), row.job === 'app' && row.name ? el('span', { class: 'soft small' }, ' ' + row.name) : null),
        el('td', null, row.instance === 'site' ? '' : row.instance), el('td', { class: 'soft' }, notes.join('; '))));
    }
    return [el('table', null, el('thead', null, el('tr', null, ...['State', 'Service', 'Host', ''].map((t) => el('th', { scope: 'col' }, t)))), body)];
  });
}
