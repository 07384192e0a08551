// Times and durations as Prometheus' page writes them in its addresses.

const UNITS = [['y', 31536000], ['w', 604800], ['d', 86400], ['h', 3600], ['m', 60], ['s', 1], ['ms', 0.001]];

/** Seconds of "1h30m" or of a number of seconds; null if the text is neither. */
export function parseDuration(text) {
  const trimmed = text.trim();
  if (/^\d+(\.\d+)?$/.test(trimmed)) return Number(trimmed) || null;
  const parts = /^(?:(\d+)y)?(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+)s)?(?:(\d+)ms)?$/.exec(trimmed);
  if (!trimmed || !parts) return null;
  return UNITS.reduce((sum, [, seconds], i) => sum + Number(parts[i + 1] || 0) * seconds, 0) || null;
}

export function formatDuration(seconds) {
  let rest = Math.round(seconds * 1000);
  let out = '';
  for (const [unit, size] of UNITS) {
    const count = Math.floor(rest / Math.round(size * 1000));
    if (count > 0) out += count + unit;
    rest -= count * Math.round(size * 1000);
  }
  return out || '0s';
}

/** Seconds since 1970 of "2026-01-31 12:00:00" (UTC), of an RFC 3339 time, or of a number of seconds; null if the text is none. */
export function parseTime(text) {
  const trimmed = text.trim();
  if (/^\d+(\.\d+)?$/.test(trimmed)) return Number(trimmed);
  const plain = /^(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d(?::\d\d)?)$/.exec(trimmed);
  const time = Date.parse(plain ? plain[1] + 'T' + plain[2] + 'Z' : trimmed);
  return isNaN(time) ? null : time / 1000;
}

/** "2026-01-31 12:00:00", in UTC. */
export const formatTime = (seconds) => new Date(seconds * 1000).toISOString().slice(0, 19).replace('T', ' ');

const two = (value) => String(value).padStart(2, '0');

/** The value of an <input type="datetime-local">, which is in the reader's time zone. */
export function toLocalInput(seconds) {
  const time = new Date(seconds * 1000);
  return time.getFullYear() + '-' + two(time.getMonth() + 1) + '-' + two(time.getDate()) + 'T' +
    two(time.getHours()) + ':' + two(time.getMinutes()) + ':' + two(time.getSeconds());
}

export function fromLocalInput(text) {
  const time = Date.parse(text);
  return isNaN(time) ? null : time / 1000;
}
