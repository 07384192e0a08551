// Describes a component in words, from the answer of /api/lapwing/v1/topology. Pure.

const KINDS = { name: 'Name', address: 'Address', haproxy: 'HAProxy', nginx: 'Nginx', balancer: 'Load balancer',
  web: 'Web server', app: 'Application', mysql: 'MySQL', service: 'Server',
  host: 'Host', group: 'Group', collector: 'Collector', watchdog: 'Watchdog' };

const BALANCERS = ['haproxy', 'nginx', 'balancer'];

const WORKS = { yes: ['good', 'works'], no: ['bad', 'does not work'], unknown: ['unknown', 'unknown'] };

/** The colour class and the word for the state of a component or a service. */
export const stateKind = ({ works }) => (WORKS[works] || WORKS.unknown)[0];
export const stateWord = ({ works }) => (WORKS[works] || WORKS.unknown)[1];

/** The verb for each kind of edge, as read from its start and from its end. */
export const VERBS = { resolves: ['resolves to', 'is named by'], enters: ['leads to', 'is requested at'],
  stands_by: ['may move to', 'stands by for'], balances: ['spreads requests over', 'gets requests from'],
  proxies: ['passes requests to', 'gets requests from'], queries: ['queries', 'is queried by'],
  replicates: ['is a copy of', 'is copied by'], runs_on: ['runs on', 'carries'],
  shares: ['fails together with', 'fails together with'], watches: ['watches', 'is watched by'] };

const SHORT = { read: 'reading', write: 'writing', replication: 'data', monitoring: 'alerts' };

/** The text before the state in a box: the database's role, or the kind of a name, address or group. */
export function standing(topology, component) {
  if (component.kind === 'name' || component.kind === 'address' || component.kind === 'group') return component.kind;
  return role(topology, component.id);
}

export const byName = (a, b) => a.localeCompare(b, 'en', { numeric: true });

/** Returns "web-01" for "web@web-01". */
const placeOf = (component) => component.id.slice(component.id.indexOf('@') + 1);

const BRIEF = { web: 'Web', app: 'App' };

/** The title of a component's box. `brief` selects the short form. */
export function caption(component, brief) {
  if (component.kind === 'host') return component.id;
  if (['name', 'address', 'group'].includes(component.kind)) return placeOf(component);
  if (component.kind === 'service') return component.id.slice(0, component.id.indexOf('@'));
  return (brief && BRIEF[component.kind]) || KINDS[component.kind] || component.kind;
}

/** The full name, such as "HAProxy on lb-01", for the panel and for screen readers. */
export function fullName(component) {
  const kind = KINDS[component.kind] || component.kind;
  if (component.kind === 'host') return 'Host ' + component.id;
  return kind + (component.host && component.kind !== 'watchdog' ? ' on ' : ' ') + placeOf(component);
}

/** Returns a database's role: "primary", "replica", "replica and primary" in a chain, or "". */
export function role(topology, id) {
  const copies = topology.edges.filter((edge) => edge.kind === 'replicates');
  return [copies.some((edge) => edge.from === id) ? 'replica' : '', copies.some((edge) => edge.to === id) ? 'primary' : '']
    .filter(Boolean).join(' and ');
}

/** Returns "bad" if no traffic passes or the far end does not work, "unknown", or "" if the edge is healthy. */
export function edgeKind(edge, components) {
  const far = components.get(edge.to);
  if (edge.works === 'no' || (far && far.works === 'no')) return 'bad';
  // Agents always report the state of replication, but seldom that of other edges. Only a missing replication state is unclear.
  const unclear = edge.works !== 'yes' && (edge.kind === 'replicates' || (far && far.works === 'unknown'));
  return unclear ? 'unknown' : '';
}

const single = (sets, id) => sets.find((set) => set.components.length === 1 && set.components[0] === id);

/** The services that stop if this component alone fails, grouped by certainty: {level, title, services}, strongest first. */
export function singles(topology, id) {
  const levels = [
    { level: 'design', title: 'single point', services: [] },
    { level: 'now', title: 'single point now', services: [] },
    { level: 'suspected', title: 'perhaps single point', services: [] },
    { level: 'suspected', title: 'perhaps single point now', services: [] },
  ];
  for (const service of topology.services) {
    const design = single(service.design, id);
    const now = single(service.now, id);
    const at = design && design.confidence === 'confirmed' ? 0 : now && now.confidence === 'confirmed' ? 1 : design ? 2 : now ? 3 : -1;
    if (at >= 0) levels[at].services.push(SHORT[service.name] || service.title);
  }
  return levels.filter((each) => each.services.length > 0);
}

/** The services that stop if this component fails alone or with one of `others`: {service, now, confidence, alone, others}. */
export function cutSets(topology, id) {
  const found = [];
  for (const service of topology.services) {
    const known = new Set(service.design.map((set) => set.components.join('\u0000')));
    for (const [now, sets] of [[false, service.design], [true, service.now.filter((set) => !known.has(set.components.join('\u0000')))]]) {
      for (const confidence of ['confirmed', 'suspected']) {
        const mine = sets.filter((set) => set.confidence === confidence && set.components.includes(id));
        if (mine.length === 0) continue;
        const others = mine.flatMap((set) => set.components.filter((each) => each !== id)).sort(byName);
        found.push({ service: service.title, now, confidence, alone: mine.some((set) => set.components.length === 1), others });
      }
    }
  }
  return found.sort((a, b) => Number(b.alone) - Number(a.alone));
}

/** The findings about a component. A load balancer includes its pools; a host includes its programs that the picture omits. */
export function findingsOf(findings, components, component) {
  return findings.filter(({ subject }) => {
    if (subject === component.id) return true;
    if (BALANCERS.includes(component.kind)) return subject.startsWith(component.host + '/');
    if (component.kind === 'web') return subject === 'nginx@' + component.host;
    return component.kind === 'host' && subject.endsWith('@' + component.id) && !components.has(subject) &&
      !(subject.startsWith('nginx@') && components.has('web@' + component.id));
  });
}

/** The settings and agents that the picture still needs. */
export function missing(topology) {
  const has = (...kinds) => topology.components.some((each) => kinds.includes(each.kind));
  const out = [];
  if (!has(...BALANCERS, 'web', 'app', 'mysql', 'service')) {
    out.push('No server of the site is known yet. Let an agent join on each server: lapwing-collector invite HOST.');
  }
  if (!has('name', 'address')) out.push('The entry of the site is not declared: set site.entry in collector.yaml.');
  if (has('mysql') && !topology.services.some((each) => each.name === 'replication')) {
    out.push('The primary database is unknown: set site.replication in collector.yaml.');
  }
  return out;
}
