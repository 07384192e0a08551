// Formats numbers and codes as text.

export function plural(count, one, many) { return count + ' ' + (count === 1 ? one : many || one + 's'); }

export function duration(seconds) {
  if (!isFinite(seconds)) return 'unknown';
  if (seconds < 1) return Math.round(seconds * 1000) + ' ms';
  if (seconds < 10) return seconds.toFixed(1) + ' s';
  if (seconds < 120) return Math.round(seconds) + ' s';
  if (seconds < 7200) return Math.round(seconds / 60) + ' min';
  if (seconds < 172800) return Math.round(seconds / 3600) + ' h';
  return Math.round(seconds / 86400) + ' days';
}

export function since(iso, now) {
  const then = Date.parse(iso);
  return isNaN(then) ? '' : 'for ' + duration(Math.max(0, now - then / 1000));
}

export const sentence = (text) => text.replace(/^./, (c) => c.toUpperCase()) + '.';

export function size(bytes) {
  if (bytes < 1024) return plural(Math.round(bytes), 'byte');
  return bytes < 1048576 ? (bytes / 1024).toFixed(0) + ' KiB' : (bytes / 1048576).toFixed(1) + ' MiB';
}

export const severityKind = (severity) =>
  severity === 'critical' ? 'bad' : severity === 'high' || severity === 'warning' || severity === 'medium' ? 'warn' : 'unknown';
