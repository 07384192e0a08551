'use strict';

// Everything shown comes from the collector's API as data and goes into the page as text, never as markup.

const REFRESH_MS = 5000;
const PATIENCE_MS = 8000;
const STALE_AFTER_S = 60;      // a sample older than this describes the past
const PAGE_STALE_AFTER_MS = 20000;

const $ = (id) => document.getElementById(id);

function el(tag, options, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(options || {})) {
    if (name === 'class') node.className = value;
    else if (name === 'open') node.open = value;
    else node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

const chip = (kind, text) => el('span', { class: 'chip ' + kind }, text);

// --- words -------------------------------------------------------------------------------------------------------------

function plural(count, one, many) { return count + ' ' + (count === 1 ? one : many || one + 's'); }

function duration(seconds) {
  if (!isFinite(seconds)) return 'unknown';
  if (seconds < 1) return Math.round(seconds * 1000) + ' ms';
  if (seconds < 10) return seconds.toFixed(1) + ' s';
  if (seconds < 120) return Math.round(seconds) + ' s';
  if (seconds < 7200) return Math.round(seconds / 60) + ' min';
  if (seconds < 172800) return Math.round(seconds / 3600) + ' h';
  return Math.round(seconds / 86400) + ' days';
}

function since(iso, now) {
  const then = Date.parse(iso);
  return isNaN(then) ? '' : 'for ' + duration(Math.max(0, now - then / 1000));
}

const sentence = (text) => text.replace(/^./, (c) => c.toUpperCase()) + '.';

const ESTIMATORS = {
  gtid_position: 'GTIDs of both ends', binlog_position: 'binary log positions of both ends', heartbeat: 'heartbeat',
  applying_transaction: 'transaction being applied', last_event: 'last events', seconds_behind_source: 'Seconds_Behind',
};

function size(bytes) {
  if (bytes < 1024) return plural(Math.round(bytes), 'byte');
  return bytes < 1048576 ? (bytes / 1024).toFixed(0) + ' KiB' : (bytes / 1048576).toFixed(1) + ' MiB';
}

const REASONS = {
  timeout: 'no answer in time', refused: 'connection refused', unreachable: 'unreachable', denied: 'access denied',
  tls: 'TLS failed', protocol: 'answer not understood', not_found: 'not found', internal: 'the probe itself failed',
  unavailable: 'cannot be told now', status: 'wrong status code', body: 'wrong content', redirects: 'too many redirects',
  exhausted: 'a limit was reached',
};

const SERVICES = { nginx: 'Nginx', app: 'Application', mysql: 'MySQL', haproxy: 'HAProxy' };

const severityKind = (severity) =>
  severity === 'critical' ? 'bad' : severity === 'high' || severity === 'warning' || severity === 'medium' ? 'warn' : 'unknown';

// --- asking ------------------------------------------------------------------------------------------------------------

class SignedOut extends Error {}

async function get(path, signal) {
  // An address with a name and a password in it, as people bookmark them, must not become part of the request's URL.
  const response = await fetch(location.origin + path, { signal, cache: 'no-store', credentials: 'same-origin' });
  if (response.status === 401) throw new SignedOut();
  const answer = await response.json();
  if (answer.status !== 'success') throw new Error(answer.error || 'HTTP status ' + response.status);
  return answer.data;
}

const QUERIES = {
  up: 'up',
  seen: 'timestamp(up)',
  failure: 'lapwing_probe_failure == 1',
  success: 'probe_success',
  appFailure: 'probe_failure_info == 1',
  appTime: 'probe_duration_seconds',
  requests: 'sum by (instance) (rate(nginx_http_requests_total[1m]))',
  backend: 'haproxy_server_status{state="UP"}',
  cpu: '1 - avg by (instance) (rate(node_cpu_seconds_total{mode="idle"}[1m]))',
  memory: '1 - max by (instance) (node_memory_MemAvailable_bytes) / max by (instance) (node_memory_MemTotal_bytes)',
  disk: 'max by (instance) (1 - node_filesystem_avail_bytes{fstype!~"tmpfs|ramfs|squashfs|iso9660"} / (node_filesystem_size_bytes > 0))',
  load: 'max by (instance) (node_load1)',
};

async function gather() {
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), PATIENCE_MS);
  try {
    const names = Object.keys(QUERIES);
    const queries = names.map((name) => get('/api/v1/query?query=' + encodeURIComponent(QUERIES[name]), abort.signal));
    const [findings, replication, agents, alerts, now, ...results] = await Promise.all([
      get('/api/lapwing/v1/findings', abort.signal),
      get('/api/lapwing/v1/replication', abort.signal),
      get('/api/lapwing/v1/agents', abort.signal),
      get('/api/v1/alerts', abort.signal),
      get('/api/v1/query?query=time()', abort.signal),
      ...queries,
    ]);
    const vectors = {};
    names.forEach((name, i) => { vectors[name] = results[i].result; });
    return { findings, replication, agents, alerts: alerts.alerts, now: Number(now.result[1]), ...vectors };
  } finally {
    clearTimeout(timer);
  }
}

// --- what the samples mean ---------------------------------------------------------------------------------------------

const identity = (metric) => ['job', 'instance', 'agent', 'url', 'via', 'socket'].map((n) => metric[n] || '').join('\u0000');
const place = (metric) => (metric.job || '') + '\u0000' + (metric.instance || '') + '\u0000' + (metric.agent || '');
const byInstance = (vector) => new Map(vector.map((s) => [s.metric.instance, Number(s.value[1])]));

/** One row a service and what is observed of it, from every observer that has seen it lately. */
function servicesOf(data) {
  const seen = new Map(data.seen.map((s) => [identity(s.metric), Number(s.value[1])]));
  const reasons = new Map(data.failure.map((s) => [place(s.metric), s.metric.reason]));
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
    if (metric.job === 'app') {
      // For an application, `up` only says that the probe ran: the verdict is probe_success, one for each URL.
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

/** Observers that disagree are shown as such: neither up nor down. */
function verdict(row) {
  const current = row.views.filter((v) => v.state !== 'unknown');
  if (current.length === 0) return 'unknown';
  const up = current.filter((v) => v.state === 'up').length;
  return up === current.length ? 'up' : up === 0 ? 'down' : 'disputed';
}

function serviceName(row) {
  if (row.job === 'backend') return 'HAProxy\u2019s server ' + row.name;
  if (row.job === 'app') return row.instance === 'site' ? 'The site\u2019s entry' : 'Application';
  return SERVICES[row.job];
}

// --- showing -----------------------------------------------------------------------------------------------------------

const shown = new Map();
const opened = new Map();  // what somebody opened or closed stays so

/** Rebuilds a part of the page only when what it shows has changed, so that reading and selecting are not disturbed. */
function part(id, facts, build) {
  const text = JSON.stringify(facts);
  if (shown.get(id) === text) return;
  shown.set(id, text);
  $(id).replaceChildren(...build());
}

function meter(name, share, warnAt, badAt) {
  const kind = share >= badAt ? ' bad' : share >= warnAt ? ' warn' : '';
  const fill = el('i');
  fill.style.width = Math.max(0, Math.min(100, share * 100)).toFixed(0) + '%';
  return [el('dt', null, name), el('dd', null, (share * 100).toFixed(0) + ' %'), el('div', { class: 'meter' + kind }, fill)];
}

function showHosts(data) {
  const agents = new Map(data.agents.map((a) => [a.host, a]));
  const hosts = new Map();
  for (const agent of data.agents) hosts.set(agent.host, new Set());
  for (const sample of data.up) {
    const { instance, agent, job } = sample.metric;
    if (!instance || instance === 'site' || (job === 'collector' && !hosts.has(instance))) continue;
    if (!hosts.has(instance)) hosts.set(instance, new Set());
    if (agent && agent !== instance) hosts.get(instance).add(agent);
  }
  const vectors = { cpu: byInstance(data.cpu), memory: byInstance(data.memory), disk: byInstance(data.disk), load: byInstance(data.load) };
  const facts = [...hosts.keys()].sort().map((host) => {
    const agent = agents.get(host);
    const silent = agent && agent.state !== 'ok';
    const value = (name) => (silent || !vectors[name].has(host) ? null : Math.round(vectors[name].get(host) * 1000) / 1000);
    return { host, state: agent ? agent.state : 'none', observers: [...hosts.get(host)].sort(),
      heard: silent && agent.last_seen_seconds !== null ? duration(agent.last_seen_seconds) : '',
      cpu: value('cpu'), memory: value('memory'), disk: value('disk'), load: value('load') };
  });
  part('hosts', facts, () => {
    if (facts.length === 0) {
      return [el('p', { class: 'note' }, 'No agent is enrolled yet. On this machine: ', el('code', null, 'lapwing-collector enrol HOST --bundle FILE'))];
    }
    return facts.map((fact) => {
      const state = { ok: ['good', 'reporting'], silent: ['bad', 'silent'], never_reported: ['unknown', 'never reported'], none: ['unknown', 'no agent'] }[fact.state];
      const list = el('dl');
      if (fact.cpu !== null) list.append(...meter('CPU', fact.cpu, 0.85, 0.97));
      if (fact.memory !== null) list.append(...meter('Memory', fact.memory, 0.85, 0.95));
      if (fact.disk !== null) list.append(...meter('Fullest disk', fact.disk, 0.8, 0.92));
      if (fact.load !== null) list.append(el('dt', null, 'Load'), el('dd', null, fact.load.toFixed(2)));
      const words = fact.state === 'silent' ? 'Nothing heard ' + (fact.heard ? 'for ' + fact.heard : 'for a while') + ': its state is unknown.'
        : fact.state === 'never_reported' ? 'Enrolled, but its agent has not reported yet.'
        : fact.state === 'none' ? 'Seen from outside' + (fact.observers.length ? ', by ' + fact.observers.join(', ') : '') + '.' : '';
      return el('article', { class: 'card' + (fact.state === 'silent' ? ' bad' : '') },
        el('div', { class: 'top' }, el('h3', null, fact.host), chip(...state)),
        words ? el('p', { class: 'soft small' }, words) : null, list.children.length ? list : null);
    });
  });
}

function showServices(rows) {
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
        notes.push('no recent report');
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

const REPLICATION = { ok: ['good', 'in step'], lagging: ['warn', 'lagging'], delayed: ['good', 'delayed on purpose'],
  at_risk: ['warn', 'at risk'], broken: ['bad', 'broken'], unknown: ['unknown', 'unknown'] };

function svg(tag, attributes, ...children) {
  const node = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

/** Primary and replica, and what flows from one to the other; what is broken stands out. */
function picture(entry) {
  const thread = (value) => (value === 'running' ? 'good' : value === 'unknown' ? 'unknown' : 'bad');
  const dim = entry.state === 'unknown';
  const broken = entry.broken_part || '';
  const kinds = {
    primary: dim ? 'unknown' : 'good', network: dim ? 'unknown' : thread(entry.receiver),
    receiver: dim ? 'unknown' : thread(entry.receiver), applier: dim ? 'unknown' : thread(entry.applier),
  };
  if (broken) kinds[broken] = entry.state === 'broken' ? 'bad' : 'warn';
  if (broken === 'primary') kinds.network = 'bad';
  if (broken === 'network') kinds.receiver = 'unknown';
  const short = (text) => (text.length > 13 ? text.slice(0, 12) + '\u2026' : text);
  const words = (x, y, text, kind) => svg('text', { x, y, class: kind, 'text-anchor': 'middle' }, text);
  const box = (x, y, width, height, kind, ...lines) => svg('g', { class: kind },
    svg('rect', { x, y, width, height, rx: 6 }),
    ...lines.map((line, i) => words(x + width / 2, y + height / 2 + 4 + (i - (lines.length - 1) / 2) * 15, line, i === 0 ? 'name' : 'soft')));
  const flow = (from, to, kind) => {
    const parts = [svg('path', { d: 'M' + from + ' 68H' + (to - 5), class: 'flow' }), svg('path', { d: 'M' + (to - 7) + ' 63l6 5l-6 5', class: 'head' })];
    const middle = (from + to) / 2;
    if (kind === 'bad') parts.push(svg('path', { d: 'M' + (middle - 6) + ' 62l12 12m0 -12l-12 12', class: 'cross' }));
    return svg('g', { class: kind }, ...parts);
  };
  const behind = entry.transactions_behind ? plural(entry.transactions_behind, 'transaction') + ' behind'
    : entry.bytes_behind ? size(entry.bytes_behind) + ' behind' : '';
  return svg('svg', { viewBox: '0 0 360 126', class: 'picture', role: 'img',
    'aria-label': 'From ' + (entry.primary || 'an unknown primary') + ' to ' + entry.replica + ': receiver ' + entry.receiver + ', applier ' + entry.applier },
    box(1, 30, 92, 76, kinds.primary, short(entry.primary || 'unknown'), 'primary'),
    flow(93, 141, kinds.network),
    svg('g', { class: 'frame' }, svg('rect', { x: 141, y: 4, width: 218, height: 118, rx: 8 }), words(250, 24, short(entry.replica), 'name')),
    box(147, 46, 58, 44, kinds.receiver, 'receiver'), flow(205, 219, kinds.receiver === 'bad' ? 'unknown' : kinds.receiver),
    box(219, 46, 64, 44, dim ? 'unknown' : 'plain', 'relay log'), flow(283, 297, kinds.applier === 'bad' ? 'unknown' : kinds.applier),
    box(297, 46, 56, 44, kinds.applier, 'applier'), words(250, 110, behind, 'soft'));
}

function showReplication(entries) {
  part('replication', entries.map(({ observed, ...rest }) => rest), () => {
    if (entries.length === 0) return [el('p', { class: 'note' }, 'No replica has been reported, and none is declared under site.replication.')];
    return entries.map((entry) => {
      const state = REPLICATION[entry.state] || REPLICATION.unknown;
      const known = entry.lag_seconds !== null;
      const lag = !known ? 'lag unknown' : entry.lag_seconds < 0.05 ? 'no lag' : duration(entry.lag_seconds) + ' behind';
      const notes = [];
      if (known) notes.push('By the ' + (ESTIMATORS[entry.lag_source] || entry.lag_source) + (entry.confidence === 'confirmed' ? '' : ', ' + entry.confidence) + '.');
      if (entry.delay_seconds) notes.push('Held back by ' + duration(entry.delay_seconds) + ' on purpose; that is not counted.');
      if (entry.even_in_seconds !== null) notes.push('At the present pace it will be even in ' + duration(entry.even_in_seconds) + '.');
      else if (entry.catching_up === false) notes.push('It falls further behind.');
      const list = el('dl', { class: 'small' });
      for (const each of entry.estimators) {
        list.append(el('dt', { title: each.note || '' }, ESTIMATORS[each.name] || each.name), el('dd', null, each.lag_seconds === null ? 'unknown' : duration(each.lag_seconds)));
      }
      const key = 'estimators' + entry.replica + '\u0000' + entry.channel;
      const more = el('details', { class: 'inner', open: opened.get(key) || false }, el('summary', { class: 'small' }, 'Every way to tell the lag'), list);
      more.addEventListener('toggle', () => opened.set(key, more.open));
      return el('article', { class: 'card' + (state[0] === 'bad' ? ' bad' : state[0] === 'warn' ? ' warn' : '') },
        el('div', { class: 'top' }, el('h3', null, (entry.primary || 'unknown primary') + ' \u2192 ' + entry.replica + (entry.channel ? ' (' + entry.channel + ')' : '')), chip(...state)),
        picture(entry), el('p', { class: 'big' }, lag), el('p', null, sentence(entry.summary)),
        notes.length ? el('p', { class: 'soft small' }, notes.join(' ')) : null,
        entry.next_step ? el('pre', { class: 'remedy' }, entry.next_step) : null,
        entry.state === 'ok' || entry.evidence.length === 0 ? null : evidence(entry.evidence),
        entry.estimators.length ? more : null);
    });
  });
}

function evidence(lines) {
  return el('ul', { class: 'evidence small' }, ...lines.map((line) => el('li', null, el('span', { class: 'source' }, line.source), line.text)));
}

function showFindings(findings) {
  part('findings', findings, () => {
    if (findings.length === 0) return [el('p', { class: 'note' }, 'No findings.')];
    return findings.map((finding) => {
      const key = finding.id + '\u0000' + finding.subject;
      const urgent = finding.severity === 'critical' || finding.severity === 'high';
      const node = el('details', { open: opened.has(key) ? opened.get(key) : urgent },
        el('summary', null, chip(severityKind(finding.severity), finding.severity), el('span', null, el('strong', null, finding.title || finding.id), ' ',
          el('span', { class: 'soft small' }, finding.id + ', ' + finding.subject + (finding.confidence === 'confirmed' ? '' : ', ' + finding.confidence)))));
      const body = el('div', { class: 'body' });
      if (finding.evidence.length) body.append(el('h4', null, 'Evidence'), evidence(finding.evidence));
      if (finding.remedy) body.append(el('h4', null, 'Remedy'), el('pre', { class: 'remedy' }, finding.remedy));
      if (finding.not_assessed.length) body.append(el('h4', null, 'Not assessed'), el('ul', { class: 'small soft' }, ...finding.not_assessed.map((t) => el('li', null, t))));
      body.append(el('p', { class: 'soft small' }, 'Since ' + new Date(finding.since).toLocaleString()));
      node.append(body);
      node.addEventListener('toggle', () => opened.set(key, node.open));
      return node;
    });
  });
}

const alertTitle = (alert) => alert.annotations.summary || alert.labels.alertname;

function showAlerts(alerts) {
  const sorted = [...alerts].sort((a, b) => (a.state === b.state ? a.activeAt.localeCompare(b.activeAt) : a.state === 'firing' ? -1 : 1));
  part('alerts', sorted.map(({ value, ...rest }) => rest), () => {
    if (sorted.length === 0) return [el('p', { class: 'note' }, 'No alert is active.')];
    return sorted.map((alert) => {
      const firing = alert.state === 'firing';
      const node = el('details', { open: opened.get('alert' + JSON.stringify(alert.labels)) || false },
        el('summary', null, chip(firing ? severityKind(alert.labels.severity) : 'unknown', firing ? alert.labels.severity || 'firing' : 'pending'),
          el('span', null, el('strong', null, alertTitle(alert)), ' ', el('span', { class: 'soft small' }, alert.labels.alertname + ', since ' + new Date(alert.activeAt).toLocaleString()))));
      const body = el('div', { class: 'body' });
      if (!firing) body.append(el('p', { class: 'small' }, 'Not sent yet: the condition must hold for a while first.'));
      if (alert.unknownSince) body.append(el('p', { class: 'small' }, 'Its data are missing since ' + new Date(alert.unknownSince).toLocaleString() + ': neither confirmed nor resolved.'));
      if (alert.silencedBy) body.append(el('p', { class: 'small' }, 'Silenced: nobody is told.'));
      else if (alert.inhibitedBy) body.append(el('p', { class: 'small' }, 'Not told: ' + alert.inhibitedBy.map((each) => each.alertname).join(', ') + ' explains it.'));
      if (alert.annotations.description) body.append(el('p', null, alert.annotations.description));
      const list = el('dl', { class: 'small' });
      for (const [name, value] of Object.entries(alert.labels)) list.append(el('dt', null, name), el('dd', null, value));
      body.append(list);
      node.append(body);
      node.addEventListener('toggle', () => opened.set('alert' + JSON.stringify(alert.labels), node.open));
      return node;
    });
  });
}

/** The one sentence at the top, and what it rests on. "All is well" is said only when everything is seen and good. */
function judge(data, rows) {
  const firing = data.alerts.filter((a) => a.state === 'firing');
  const critical = firing.filter((a) => a.labels.severity === 'critical');
  const down = rows.filter((r) => verdict(r) === 'down');
  const unclear = rows.filter((r) => ['unknown', 'disputed'].includes(verdict(r)));
  const silent = data.agents.filter((a) => a.state !== 'ok');
  const broken = data.replication.filter((r) => r.state === 'broken');
  const lagging = data.replication.filter((r) => r.state === 'lagging');
  const risky = data.replication.filter((r) => r.state === 'at_risk');
  const dim = data.replication.filter((r) => r.state === 'unknown');
  const grave = data.findings.filter((f) => f.severity === 'critical' || f.severity === 'high');
  const urgent = [];
  for (const a of firing) urgent.push([severityKind(a.labels.severity), a.labels.severity || 'alert', alertTitle(a) + ' (' + since(a.activeAt, data.now) + ')']);
  if (firing.length === 0) {
    for (const r of down) urgent.push(['bad', 'down', serviceName(r) + (r.instance === 'site' ? ' does not answer' : ' on ' + r.instance)]);
    for (const r of broken) urgent.push(['bad', 'broken', 'Replication to ' + r.replica + ': ' + r.summary]);
    for (const r of lagging) urgent.push(['warn', 'lagging', r.replica + ' is ' + duration(r.lag_seconds) + ' behind']);
    for (const r of risky) urgent.push(['warn', 'at risk', 'Replication to ' + r.replica + ': ' + r.summary]);
  }
  const told = new Set(firing.map((a) => a.labels.host));
  for (const a of silent.filter((each) => !told.has(each.host))) urgent.push(['unknown', 'unseen', a.state === 'silent' ? 'Nothing is heard from ' + a.host : a.host + ' is enrolled but has not reported yet']);
  for (const r of dim) urgent.push(['unknown', 'unknown', 'Replication to ' + r.replica + ' cannot be judged']);
  for (const f of grave) urgent.push([severityKind(f.severity), f.id, (f.title || f.id) + ' (' + f.subject + ')']);

  const counts = [];
  if (data.findings.length) counts.push(plural(data.findings.length, 'finding'));
  if (unclear.length) counts.push(plural(unclear.length, 'service') + ' not clearly seen');
  const rest = counts.length ? counts.join(', ') + '.' : '';
  const answer = (kind, headline, subline) => ({ kind, headline, subline, urgent });
  if (critical.length) return answer('bad', plural(critical.length, 'critical alert') + (firing.length > critical.length ? ' and ' + plural(firing.length - critical.length, 'other') : ''), rest);
  if (down.length || broken.length) {
    const what = [];
    if (down.length) what.push(plural(down.length, 'service') + ' down');
    if (broken.length) what.push('replication broken');
    return answer('bad', what.join(', ').replace(/^./, (c) => c.toUpperCase()), rest);
  }
  if (firing.length) return answer('warn', plural(firing.length, 'alert') + ' firing', rest);
  if (lagging.length) return answer('warn', 'A replica lags', rest);
  if (risky.length) return answer('warn', 'A replica is at risk', rest);
  if (data.agents.length === 0 && rows.length === 0) return answer('unknown', 'Nothing to watch yet', 'No agent is enrolled: lapwing-collector enrol HOST makes the first.');
  if (silent.length || dim.length || unclear.length) return answer('unknown', 'Not everything can be seen', 'Nothing that is seen is failing. ' + rest);
  if (grave.length) return answer('warn', 'Everything runs, but ' + plural(grave.length, 'weakness', 'weaknesses') + ' should be closed', rest);
  if (data.findings.length) return answer('good', 'Everything runs', rest);
  return answer('good', 'All is well', plural(data.agents.length, 'host') + ' reporting, ' + plural(rows.length, 'service') + ' up.');
}

function showState(state) {
  $('state').className = 'state is-' + state.kind;
  if ($('headline').textContent !== state.headline) $('headline').textContent = state.headline;
  if ($('subline').textContent !== state.subline) $('subline').textContent = state.subline;
  part('urgent', state.urgent, () => state.urgent.map(([kind, label, text]) => el('li', null, chip(kind, label), el('span', null, text))));
  const mark = { good: '', warn: '(!) ', bad: '(!!) ', unknown: '(?) ' }[state.kind] || '';
  document.title = mark + state.headline + ' \u00b7 Lapwing';
}

function show(data) {
  const rows = servicesOf(data);
  showHosts(data);
  showServices(rows);
  showReplication(data.replication);
  showFindings(data.findings);
  showAlerts(data.alerts);
  showState(judge(data, rows));
  $('content').hidden = false;
  $('content').classList.remove('stale');
}

// --- living ------------------------------------------------------------------------------------------------------------

let lastGood = 0;
let failure = '';
let busy = false;

function age() { return (Date.now() - lastGood) / 1000; }

function tick() {
  if (lastGood === 0) {
    $('updated').textContent = failure ? 'no connection' : 'connecting\u2026';
  } else {
    $('updated').textContent = failure ? 'last answer ' + duration(age()) + ' ago' : 'updated ' + (age() < 2 ? 'now' : duration(age()) + ' ago');
  }
  if (failure || (lastGood !== 0 && Date.now() - lastGood > PAGE_STALE_AFTER_MS)) {
    $('content').classList.add('stale');
    showState({ kind: 'unknown', headline: failure || 'The collector does not answer',
      subline: lastGood ? 'What is below was true ' + duration(age()) + ' ago. Trying again every ' + REFRESH_MS / 1000 + ' s.' : 'Trying again every ' + REFRESH_MS / 1000 + ' s.', urgent: [] });
  }
}

async function refresh() {
  if (busy || document.hidden) return;
  busy = true;
  try {
    const data = await gather();
    lastGood = Date.now();
    failure = '';
    show(data);
  } catch (error) {
    if (error instanceof SignedOut) failure = 'Signed out: reload the page to sign in again';
    else if (error instanceof TypeError || error.name === 'AbortError') failure = 'Cannot reach the collector';
    else failure = 'The collector answers, but with an error: ' + error.message;
  } finally {
    busy = false;
    tick();
  }
}

document.addEventListener('visibilitychange', refresh);
setInterval(refresh, REFRESH_MS);
setInterval(tick, 1000);
refresh();
get('/api/v1/status/buildinfo').then((info) => { $('about').textContent = 'Lapwing ' + info.revision; }, () => {});
