import { showAlerts } from './alerts.js';
import { SignedOut, gather, get } from './api.js';
import { $ } from './dom.js';
import { showFindings } from './findings.js';
import { startHistory } from './history/history.js';
import { showHosts } from './hosts.js';
import { showReplication } from './replication.js';
import { servicesOf, showServices } from './services.js';
import { judge, showState } from './state.js';
import { showTopology } from './topology/topology.js';
import { duration } from './words.js';

const REFRESH_MS = 5000;
const PAGE_STALE_AFTER_MS = 20000;

function show(data) {
  $('content').hidden = false;
  const rows = servicesOf(data);
  showTopology(data.topology, data.findings);
  showHosts(data);
  showServices(rows);
  showReplication(data.replication);
  showFindings(data.findings);
  showAlerts(data.alerts);
  showState(judge(data, rows));
  $('content').classList.remove('stale');
}

let lastGood = 0;
let failure = '';
let busy = false;

function age() { return (Date.now() - lastGood) / 1000; }

function tick() {
  if (lastGood === 0) {
    $('updated').textContent = failure ? 'no connection' : 'connecting\u2026';
  } else {
    $('updated').textContent = failure ? 'last answer ' + duration(age()) + ' ago' : 'updated ' + (age() < 2 ? 'now' : duration(age()) + ' ago');
  }
  if (failure || (lastGood !== 0 && Date.now() - lastGood > PAGE_STALE_AFTER_MS)) {
    $('content').classList.add('stale');
    showState({ kind: 'unknown', headline: failure || 'The collector does not answer',
      subline: lastGood ? 'The facts below are ' + duration(age()) + ' old. Retrying every ' + REFRESH_MS / 1000 + ' s.' : 'Retrying every ' + REFRESH_MS / 1000 + ' s.', urgent: [] });
  }
}

async function refresh() {
  if (busy || document.hidden) return;
  busy = true;
  try {
    const data = await gather();
    lastGood = Date.now();
    failure = '';
    show(data);
  } catch (error) {
    if (error instanceof SignedOut) failure = 'Signed out: reload the page to sign in again';
    else if (error instanceof TypeError || error.name === 'AbortError') failure = 'Cannot reach the collector';
    else failure = 'The collector reports an error: ' + error.message;
  } finally {
    busy = false;
    tick();
  }
}

document.addEventListener('visibilitychange', refresh);
setInterval(refresh, REFRESH_MS);
setInterval(tick, 1000);
refresh();
startHistory();
get('/api/v1/status/buildinfo').then((info) => { $('about').textContent = 'Lapwing ' + info.revision; }, () => {});
