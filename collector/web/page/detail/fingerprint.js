// Prometheus' fingerprint of labels: FNV-1a of 64 bits over names and values in their order, each with a byte 255 behind it.

const PRIME = 0x100000001b3n;
const BASIS = 0xcbf29ce484222325n;

/** Labels compare as bytes of UTF-8, which is the order of code points. */
function byCodePoint(a, b) {
  const left = [...a];
  const right = [...b];
  for (let i = 0; i < Math.min(left.length, right.length); ++i) {
    if (left[i] !== right[i]) return left[i].codePointAt(0) - right[i].codePointAt(0);
  }
  return left.length - right.length;
}

export function fingerprint(labels) {
  let hash = BASIS;
  const add = (byte) => { hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * PRIME); };
  for (const name of Object.keys(labels).sort(byCodePoint)) {
    for (const text of [name, labels[name]]) {
      new TextEncoder().encode(text).forEach(add);
      add(255);
    }
  }
  return hash.toString(16).padStart(16, '0');
}
