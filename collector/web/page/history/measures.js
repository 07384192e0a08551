// What the history shows of each host. `expression(window)` is the value at one moment; dashboards/alerts/history.rules.yml records the
// same with a window of five minutes.

const DEVICES = '{device!~"lo|veth.*|docker.*|br-.*|virbr.*"}';

export const MEASURES = [
  { name: 'lag', title: 'Replication lag', unit: 'seconds',
    expression: (w) => `max by (instance) (label_replace(max by (replica) (max_over_time(lapwing_replication_lag_seconds[${w}])), "instance", "$1", "replica", "(.*)"))` },
  { name: 'requests', title: 'Requests', unit: 'rate',
    expression: (w) => `max by (instance) (rate(nginx_http_requests_total[${w}])) or sum by (instance) (max by (instance, proxy) (rate(haproxy_frontend_http_requests_total[${w}])))` },
  { name: 'errors', title: 'Errors (5xx)', unit: 'rate',
    expression: (w) => `sum by (instance) (max by (instance, log, server_name, method, status) (rate(nginx_http_response_count_total{status=~"5.+"}[${w}]))) ` +
      `or 0 * max by (instance) (rate(nginx_http_response_count_total[${w}])) or sum by (instance) (max by (instance, proxy) (rate(haproxy_frontend_http_responses_total{code="5xx"}[${w}])))` },
  { name: 'latency', title: 'Time to answer', unit: 'seconds',
    expression: (w) => `max by (instance) (min by (instance, url) (avg_over_time(probe_duration_seconds{job="app"}[${w}])) ` +
      'and on (instance, url) max by (instance, url) (probe_success{job="app"}) == 1)' },
  { name: 'cpu', title: 'CPU', unit: 'share', expression: (w) => `1 - sum by (instance) (rate(node_cpu_seconds_total{mode="idle"}[${w}])) / sum by (instance) (rate(node_cpu_seconds_total[${w}]))` },
  { name: 'memory', title: 'Memory', unit: 'share',
    expression: () => '1 - max by (instance) (node_memory_MemAvailable_bytes) / max by (instance) (node_memory_MemTotal_bytes)' },
  { name: 'disk', title: 'Fullest disk', unit: 'share',
    expression: () => 'max by (instance) (1 - node_filesystem_avail_bytes{fstype!~"tmpfs|ramfs|squashfs|iso9660"} / (node_filesystem_size_bytes > 0))' },
  { name: 'network', title: 'Network', unit: 'byteRate',
    expression: (w) => `sum by (instance) (max by (instance, device) (rate(node_network_receive_bytes_total${DEVICES}[${w}])) + max by (instance, device) (rate(node_network_transmit_bytes_total${DEVICES}[${w}])))` },
];

const DAY = 86400;
const MOST_POINTS = 298;  // so that both ends and rounding leave it below 300
/** What a range reads, by its length: samples, values that are recorded every five minutes, or the highest of these in each hour. */
const SOURCES = [
  { until: DAY / 4, interval: 15, series: '' },
  { until: 31 * DAY, interval: 300, series: 'instance_measure:history:avg5m' },
  { until: Infinity, interval: 3600, series: 'instance_measure:history:max1h' },
];

/**
 * The one request for a range of `seconds` until `end`: { expression, start, end, step, recorded }. `recorded` is the recorded series, or
 * "" for ranges that read samples. Of recorded values each point is the highest within its step, so that no peak is lost.
 */
export function question(seconds, end) {
  const { interval, series } = SOURCES.find((each) => seconds <= each.until);
  const step = Math.max(1, Math.ceil(seconds / MOST_POINTS / interval)) * interval;
  const last = Math.floor(end / step) * step;
  const expression = series ? `max_over_time(${series}[${step}s])`
    : MEASURES.map((each) => `label_replace(${each.expression(Math.max(60, step) + 's')}, "measure", "${each.name}", "instance", ".*")`).join(' or ');
  return { expression, start: last - Math.floor(seconds / step) * step, end: last, step, recorded: series };
}

/** The expression of one chart, for the expression page. */
export function single(measure, instance, asked) {
  const matcher = '{instance=' + JSON.stringify(instance) + ', measure="' + measure.name + '"}';
  return asked.recorded ? `max_over_time(${asked.recorded}${matcher}[${asked.step}s])` : measure.expression(Math.max(60, asked.step) + 's');
}
