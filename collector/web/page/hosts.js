import { byInstance } from './api.js';
import { chip, el, part } from './dom.js';
import { duration } from './words.js';

function meter(name, share, warnAt, badAt) {
  const kind = share >= badAt ? ' bad' : share >= warnAt ? ' warn' : '';
  const fill = el('i');
  fill.style.width = Math.max(0, Math.min(100, share * 100)).toFixed(0) + '%';
  return [el('dt', null, name), el('dd', null, (share * 100).toFixed(0) + ' %'), el('div', { class: 'meter' + kind }, fill)];
}

export function showHosts(data) {
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
      const words = fact.state === 'silent' ? 'Silent ' + (fact.heard ? 'for ' + fact.heard : 'for a while') + ': its state is unknown.'
        : fact.state === 'never_reported' ? 'Enrolled, but its agent has not reported yet.'
        : fact.state === 'none' ? 'Seen from outside' + (fact.observers.length ? ', by ' + fact.observers.join(', ') : '') + '.' : '';
      return el('article', { class: 'card' + (fact.state === 'silent' ? ' bad' : '') },
        el('div', { class: 'top' }, el('h3', null, fact.host), chip(...state)),
        words ? el('p', { class: 'soft small' }, words) : null, list.children.length ? list : null);
    });
  });
}
