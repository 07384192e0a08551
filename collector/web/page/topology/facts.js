// What the answer of /api/lapwing/v1/topology says of one component, in words. Pure.

const KINDS = { name: 'Name', address: 'Address', haproxy: 'HAProxy', web: 'Web server', app: 'Application', mysql: 'MySQL',
  host: 'Host', group: 'Group', collector: 'Collector', watchdog: 'Watchdog' };

const WORKS = { yes: ['good', 'works'], no: ['bad', 'does not work'], unknown: ['unknown', 'unknown'] };

/** Of a component or a service: its colour, and its word. */
export const stateKind = ({ works }) => (WORKS[works] || WORKS.unknown)[0];
export const stateWord = ({ works }) => (WORKS[works] || WORKS.unknown)[1];

/** What an edge means, from its beginning and from its end. */
export const VERBS = { resolves: ['resolves to', 'is named by'], enters: ['leads to', 'is requested at'],
  stands_by: ['may move to', 'stands by for'], balances: ['spreads requests over', 'gets requests from'],
  proxies: ['passes requests to', 'gets requests from'], queries: ['queries', 'is queried by'],
  replicates: ['is a copy of', 'is copied by'], runs_on: ['runs on', 'carries'],
  shares: ['fails together with', 'fails together with'], watches: ['watches', 'is watched by'] };

const SHORT = { read: 'reading', write: 'writing', replication: 'data', monitoring: 'alerts' };

/** What stands before the state in a box: its role, or what kind of entry it is. */
export function standing(topology, component) {
  if (component.kind === 'name' || component.kind === 'address' || component.kind === 'group') return component.kind;
  return role(topology, component.id);
}

export const byName = (a, b) => a.localeCompare(b, 'en', { numeric: true });

/** "web-01" of "web@web-01". */
const placeOf = (component) => component.id.slice(component.id.indexOf('@') + 1);

const BRIEF = { web: 'Web', app: 'App' };

/** The word in a box that stands on its host, or alone. */
export function caption(component, brief) {
  if (component.kind === 'host') return component.id;
  if (['name', 'address', 'group'].includes(component.kind)) return placeOf(component);
  return (brief && BRIEF[component.kind]) || KINDS[component.kind] || component.kind;
}

/** "HAProxy on lb-01", for where the picture is not looked at. */
export function fullName(component) {
  const kind = KINDS[component.kind] || component.kind;
  if (component.kind === 'host') return 'Host ' + component.id;
  return kind + (component.host && component.kind !== 'watchdog' ? ' on ' : ' ') + placeOf(component);
}

/** Of a database: "primary", "replica", both in a chain, or nothing. */
export function role(topology, id) {
  const copies = topology.edges.filter((edge) => edge.kind === 'replicates');
  return [copies.some((edge) => edge.from === id) ? 'replica' : '', copies.some((edge) => edge.to === id) ? 'primary' : '']
    .filter(Boolean).join(' and ');
}

/** "bad" where nothing gets through or the far end does not work, "unknown", or "" where all is well. */
export function edgeKind(edge, components) {
  const far = components.get(edge.to);
  if (edge.works === 'no' || (far && far.works === 'no')) return 'bad';
  // Somebody always tells whether a copy is kept up; of most other edges nobody does.
  const unclear = edge.works !== 'yes' && (edge.kind === 'replicates' || (far && far.works === 'unknown'));
  return unclear ? 'unknown' : '';
}

const single = (sets, id) => sets.find((set) => set.components.length === 1 && set.components[0] === id);

/** The services that stop when this alone fails, by how sure that is: {level, title, services} with the strongest first. */
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

/** Which services stop if this fails: {service, now, confidence, alone, others}; `others` fail with it, each for itself. */
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

/** The findings about a component: a pool's belong to its load balancer, those of what is not drawn to the host. */
export function findingsOf(findings, components, component) {
  return findings.filter(({ subject }) => {
    if (subject === component.id) return true;
    if (component.kind === 'haproxy') return subject.startsWith(component.host + '/');
    if (component.kind === 'web') return subject === 'nginx@' + component.host;
    return component.kind === 'host' && subject.endsWith('@' + component.id) && !components.has(subject) &&
      !(subject.startsWith('nginx@') && components.has('web@' + component.id));
  });
}

/** What has to be told or installed before the picture is whole. */
export function missing(topology) {
  const has = (...kinds) => topology.components.some((each) => kinds.includes(each.kind));
  const out = [];
  if (!has('haproxy', 'web', 'app', 'mysql')) {
    out.push('No server of the site is known yet. Enrol an agent for each server: lapwing-collector enrol HOST --bundle FILE.');
  }
  if (!has('name', 'address')) out.push('The entry of the site is not declared: set site.entry in collector.yaml.');
  if (has('mysql') && !topology.services.some((each) => each.name === 'replication')) {
    out.push('The primary database is unknown: set site.replication in collector.yaml.');
  }
  return out;
}
