// Computes the picture's lines. They run at right angles through the gaps between the blocks of layout(). Pure.

/** Assigns lanes within a gap, so that lines of different components do not overlap. */
class Lanes {
  constructor() { this.gaps = new Map(); }

  of(gap, user) {
    if (!this.gaps.has(gap)) this.gaps.set(gap, new Map());
    const users = this.gaps.get(gap);
    if (!users.has(user)) users.set(user, users.size);
    return users.get(user);
  }
}

const middle = (part) => part.x + part.width / 2;
const level = (part) => part.y + part.height / 2;
const lastOf = (block) => block.parts[block.parts.length - 1];

class Router {
  constructor(places) {
    this.tiers = places.tiers;
    this.lanes = new Lanes();
  }

  /** The height at which the lines of `user` run above a tier. */
  above(tier, user) { return tier.channel + 14 + 5 * (this.lanes.of('above ' + tier.index, user) % 4); }
  below(tier, user) { return tier.index + 1 < this.tiers.length ? this.above(this.tiers[tier.index + 1], user) : tier.bottom + 4; }
  aboveRow(row, tier, user) { return row.index === 0 ? this.above(tier, user) : row.channel + 6 + 3 * (this.lanes.of('row ' + tier.index + ' ' + row.index, user) % 3); }
  within(part, user) {
    const { row, tier } = part.block;
    return row.channels.get(part.layer) + tier.style.inner / 3 + 4 * (this.lanes.of('in ' + tier.index + ' ' + row.index + ' ' + part.layer, user) % 2);
  }
  left(block, user) { return block.x - 9 - 4 * (this.lanes.of('left ' + block.tier.index + ' ' + block.column, user) % 3); }
  right(block, user) { return block.x + block.width + 5 + 3 * (this.lanes.of('right ' + block.tier.index + ' ' + block.column, user) % 2); }
  trunk(user) { return 4 + 3 * (this.lanes.of('trunk', user) % 3); }

  toTheRight(part, user) { return [[part.x + part.width, level(part)], [this.right(part.block, user), level(part)]]; }
  fromTheLeft(part, user, y) { return [[this.left(part.block, user), y], [this.left(part.block, user), level(part)], [part.x, level(part)]]; }

  /** A line down to a lower layer of the same tier. */
  down(from, to, user) {
    const sameRow = from.block.row === to.block.row;
    if (!sameRow) {
      const y = this.aboveRow(to.block.row, to.block.tier, user);
      const out = this.toTheRight(from, user);
      return [...out, [out[1][0], y], ...this.fromTheLeft(to, user, y)];
    }
    const layers = from.block.row.layers;
    const next = layers.indexOf(to.layer) === layers.indexOf(from.layer) + 1;
    const y = this.within(to, user);
    if (next) return [[middle(from), from.y + from.height], [middle(from), y], [middle(to), y], [middle(to), to.y]];
    const out = this.toTheRight(from, user);
    return [...out, [out[1][0], y], ...(to.block.parts[0] === to ? [[middle(to), y], [middle(to), to.y]] : this.fromTheLeft(to, user, y))];
  }

  /** A line to the same or a higher layer of the same tier. */
  across(from, to, user) {
    const beside = from.block.row === to.block.row && from.layer === to.layer && Math.abs(from.block.column - to.block.column) === 1;
    if (beside) {
      const right = from.block.column < to.block.column;
      const pair = [from.component.id, to.component.id].sort().join('\u0000');
      const y = level(from) + 10 * this.lanes.of('pair ' + pair, from);  // two databases may replicate from each other
      return [[right ? from.x + from.width : from.x, y], [right ? to.x : to.x + to.width, y]];
    }
    const lower = from.block.row.index >= to.block.row.index ? from.block : to.block;
    const y = from.block.row === to.block.row ? lower.row.bottom + 5 + 3 * (this.lanes.of('under ' + lower.tier.index, user) % 3)
      : this.aboveRow(lower.row, lower.tier, user);
    const out = this.toTheRight(from, user);
    const into = this.toTheRight(to, user);
    return [...out, [out[1][0], y], [into[1][0], y], into[1], into[0]];
  }

  /** A line to another tier. */
  between(from, to, user) {
    const { tier, row } = from.block;
    const target = to.block.tier;
    const free = lastOf(from.block) === from && row.index === tier.rows.length - 1;
    const out = free ? [[middle(from), from.block.bottom]] : this.toTheRight(from, user);
    const y = this.above(target, user);
    if (target.index === tier.index + 1) out.push([out[out.length - 1][0], y]);
    else {
      const x = this.trunk(user);
      const under = this.below(tier, user);
      out.push([out[out.length - 1][0], under], [x, under], [x, y]);
    }
    const open = !target.wrapped && to.block.parts[0] === to;
    return [...out, ...(open ? [[middle(to), y], [middle(to), to.y]] : this.fromTheLeft(to, user, y))];
  }

  points(from, to, user) {
    if (from.block.tier !== to.block.tier) return this.between(from, to, user);
    if (to.layer > from.layer) {
      const parts = from.block.parts;
      if (from.block === to.block && parts.indexOf(to) === parts.indexOf(from) + 1) return [[middle(from), from.y + from.height], [middle(to), to.y]];
      return this.down(from, to, user);
    }
    return this.across(from, to, user);
  }
}

/** Drops repeated points and points in the middle of a straight segment. */
function simplified(points) {
  const out = [];
  for (const point of points) {
    const [b, a] = [out[out.length - 1], out[out.length - 2]];
    if (b && b[0] === point[0] && b[1] === point[1]) continue;
    if (a && ((a[0] === b[0] && b[0] === point[0]) || (a[1] === b[1] && b[1] === point[1]))) out.pop();
    out.push(point);
  }
  return out;
}

// The picture shows these edges otherwise: a host encloses its programs, and a text on it names what shares its fate.
const NOT_DRAWN = ['runs_on', 'shares'];

/** Returns a line for each edge, {edge, points}, in the direction of the requests or of the replicated data. */
export function routes(topology, places) {
  const router = new Router(places);
  const drawn = [];
  for (const edge of topology.edges) {
    const ends = edge.kind === 'replicates' ? [edge.to, edge.from] : [edge.from, edge.to];
    const [from, to] = ends.map((id) => places.parts.get(id));
    if (!from || !to || NOT_DRAWN.includes(edge.kind)) continue;
    if (edge.kind === 'watches' && from.block.tier !== to.block.tier) continue;
    drawn.push({ edge, from, to });
  }
  // Lines of one kind share a lane at the end with fewer components, whether they fan out or fan in.
  const few = (kind) => {
    const count = (end) => new Set(drawn.filter((each) => each.edge.kind === kind).map((each) => each[end])).size;
    return count('from') <= count('to') ? 'from' : 'to';
  };
  const shared = new Map(drawn.map(({ edge }) => [edge.kind, few(edge.kind)]));
  return drawn.map((each) => ({ edge: each.edge, points: simplified(router.points(each.from, each.to, each[shared.get(each.edge.kind)].component.id)) }));
}
