const PATIENCE_MS = 8000;

export class SignedOut extends Error {}
class Unavailable extends Error {}

// Where the page is, without the slash at its end: a reverse proxy may have it below a path. Bookmarked addresses may contain a name and a
// password, which fetch() refuses, so that the URL is built from the origin.
const BASE = location.origin + new URL('.', import.meta.url).pathname.replace(/\/$/, '');

/** The whole answer: `data`, and `warnings` if there are any. */
export async function ask(path, signal) {
  const response = await fetch(BASE + path, { signal, cache: 'no-store', credentials: 'same-origin' });
  if (response.status === 401) throw new SignedOut();
  const answer = await response.json();
  if (answer.status !== 'success') throw new (response.status === 503 ? Unavailable : Error)(answer.error || 'HTTP status ' + response.status);
  return answer;
}

export const get = async (path, signal) => (await ask(path, signal)).data;

const QUERIES = {
  up: 'up',
  seen: 'timestamp(up)',
  failure: 'lapwing_probe_failure == 1',
  refused: 'lapwing_probe_refused_info == 1',
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

/** Returns null for an answer that the collector has not computed yet (503). */
function notYet(error) {
  if (error instanceof Unavailable) return null;
  throw error;
}

export async function gather() {
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), PATIENCE_MS);
  try {
    const names = Object.keys(QUERIES);
    const queries = names.map((name) => get('/api/v1/query?query=' + encodeURIComponent(QUERIES[name]), abort.signal));
    const [findings, topology, replication, agents, alerts, now, ...results] = await Promise.all([
      get('/api/lapwing/v1/findings', abort.signal),
      get('/api/lapwing/v1/topology', abort.signal).catch(notYet),
      get('/api/lapwing/v1/replication', abort.signal),
      get('/api/lapwing/v1/agents', abort.signal),
      get('/api/v1/alerts', abort.signal),
      get('/api/v1/query?query=time()', abort.signal),
      ...queries,
    ]);
    const vectors = {};
    names.forEach((name, i) => { vectors[name] = results[i].result; });
    return { findings, topology, replication, agents, alerts: alerts.alerts, now: Number(now.result[1]), ...vectors };
  } finally {
    clearTimeout(timer);
  }
}

export const byInstance = (vector) => new Map(vector.map((s) => [s.metric.instance, Number(s.value[1])]));
