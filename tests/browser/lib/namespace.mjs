// A network namespace of its own for each browser job: own ports, own loopback, undisturbed by whatever else runs.
//
// Chromium gathers WebRTC candidates only with one interface besides `lo` that has an address, and a default route;
// where the route leads does not matter, so a veth pair with both ends in the namespace does.

import { execFileSync, spawn } from 'node:child_process';

const PREFIX = 'mfjob';
/** The interface through which browsers of a namespace meet. */
export const LINK = 'mf0';
const ROUTE = 'route add default via 10.88.0.1';
let sequence = 0;

/** A namespace's name, or null where this user may not make one; jobs then share the machine's network. */
export function makeNamespace() {
  if (process.platform !== 'linux' || process.getuid() !== 0) return null;
  sweep();
  const name = `${PREFIX}-${process.pid}-${(sequence += 1)}`;
  try {
    ip('netns', 'add', name);
    for (const words of [
      'link set lo up',
      'link add mf0 type veth peer name mf1',
      'addr add 10.88.0.2/24 dev mf0',
      'link set mf0 up',
      'link set mf1 up',
      ROUTE,
    ]) ip('-n', name, ...words.split(' '));
    return name;
  } catch (error) {
    removeNamespace(name);
    console.error(`no network namespace (${firstLine(error)}); the job shares the machine's network`);
    return null;
  }
}

/**
 * Namespaces for `n` viewers, each with an address of its own on a bridge in `hub` (which {@link makeNamespace} made), and
 * with `uplinkKbps` only so much that it may send. They are removed like any other.
 */
export function makeStar(hub, n, { uplinkKbps } = {}) {
  const inHub = (words) => ip('-n', hub, ...words.split(' '));
  const viewers = [];
  inHub('link add br0 type bridge');
  inHub('addr add 10.89.0.1/24 dev br0');
  inHub('link set br0 up');
  for (let i = 0; i < n; i += 1) {
    const name = `${PREFIX}-${process.pid}-${(sequence += 1)}`;
    ip('netns', 'add', name);
    viewers.push(name);
    inHub(`link add v${i} type veth peer name mf0 netns ${name}`);
    inHub(`link set v${i} master br0 up`);
    for (const words of ['link set lo up', `addr add 10.89.0.${i + 10}/24 dev mf0`, 'link set mf0 up', 'route add default via 10.89.0.1']) ip('-n', name, ...words.split(' '));
    if (uplinkKbps) execFileSync('tc', ['-n', name, 'qdisc', 'add', 'dev', 'mf0', 'root', 'tbf', 'rate', `${uplinkKbps}kbit`, 'burst', '32kb', 'latency', '200ms']);
  }
  return viewers;
}

/** Where a star's viewers find its hub. */
export const HUB_ADDRESS = '10.89.0.1';

/** Ends what still runs inside, then removes it. Idempotent. */
export function removeNamespace(name) {
  if (!name) return;
  for (const pid of pidsIn(name)) kill(pid);
  try { ip('netns', 'del', name); } catch { /* already gone */ }
}

/** Starts `command` inside, or just starts it when `name` is null. */
export function spawnIn(name, command, args, options) {
  if (!name) return spawn(command, args, options);
  return spawn('ip', ['netns', 'exec', name, command, ...args], options);
}

/** Does this process have a namespace of its own? Only then may a case touch the network. */
export function inNamespace() {
  try { return ip('netns', 'identify', String(process.pid)).startsWith(PREFIX); } catch { return false; }
}

/** The default route went with its link. */
export function routeBack() { ip(...ROUTE.split(' ')); }

// Namespaces of runners that were killed too hard to clean up.
function sweep() {
  for (const line of ip('netns', 'list').split('\n')) {
    const name = line.split(' ')[0];
    const owner = new RegExp(`^${PREFIX}-(\\d+)-\\d+$`).exec(name)?.[1];
    if (owner && !isAlive(Number(owner))) removeNamespace(name);
  }
}

function pidsIn(name) {
  try { return ip('netns', 'pids', name).split('\n').filter(Boolean).map(Number); } catch { return []; }
}

function isAlive(pid) {
  try { process.kill(pid, 0); return true; } catch { return false; }
}

function kill(pid) {
  try { process.kill(pid, 'SIGKILL'); } catch { /* gone meanwhile */ }
}

/** Changes packet filters of this namespace; returns what `nft` said. */
export function nft(...args) {
  return execFileSync('nft', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

export function ip(...args) {
  return execFileSync('ip', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

function firstLine(error) {
  return String(error.stderr || error.message).split('\n')[0];
}
