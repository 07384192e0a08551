// Values as short texts, by unit.

const PREFIXES = [[1e12, 'T'], [1e9, 'G'], [1e6, 'M'], [1e3, 'k']];
const digits = (value) => String(Number(value.toPrecision(3)));

export function short(value) {
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e15 || size < 1e-3)) return value.toExponential(2);
  const prefix = PREFIXES.find(([least]) => size >= least);
  return prefix ? digits(value / prefix[0]) + prefix[1] : digits(value);
}

function seconds(value) {
  const size = Math.abs(value);
  if (size === 0) return '0 s';
  if (size < 1e-3) return digits(value * 1e6) + ' \u00b5s';
  if (size < 1) return digits(value * 1e3) + ' ms';
  if (size < 120) return digits(value) + ' s';
  return size < 7200 ? digits(value / 60) + ' min' : digits(value / 3600) + ' h';
}

function bytes(value) {
  const size = Math.abs(value);
  if (size >= 1073741824) return digits(value / 1073741824) + ' GiB';
  if (size >= 1048576) return digits(value / 1048576) + ' MiB';
  return size >= 1024 ? digits(value / 1024) + ' KiB' : digits(value) + ' B';
}

const FORMATS = {
  number: short,
  rate: (value) => short(value) + '/s',
  share: (value) => digits(value * 100) + ' %',
  seconds,
  bytes,
  byteRate: (value) => bytes(value) + '/s',
};

/** `unit`: number, rate, share, seconds, bytes or byteRate. */
export const format = (value, unit) => FORMATS[unit || 'number'](value);
