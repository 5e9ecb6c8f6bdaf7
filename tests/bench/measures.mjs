// From what a run wrote down to the figures of a row. Offload and copies come from the origin's access log and from what
// HLS.js received, never from a product's own counters.

const SEGMENT = /\.(m4s|ts)$/;

/** `result`: what run.mjs printed. */
export function figures(result) {
  const { watched } = result;
  const judged = watched.filter((each) => !each.victim && each.report);
  const bodies = watched.flatMap((each) => (each.bodies ?? []).map((body) => ({ ...body, path: pathOf(body.url), who: each.name })));
  const originBytes = sum(result.media.map((line) => line.bytes));
  const delivered = sum(bodies.map((body) => body.bytes));
  return {
    ...pick(result, ['mode', 'viewers', 'product', 'fault']),
    possible: 1 - 1 / result.viewers,
    whole: share(originBytes, delivered),
    ...warm(result, bodies, judged),
    ...playback(result, judged),
    ...fromPeers(result, watched),
    ...costs(result, judged),
    moved: (originBytes + sum(watched.map((each) => each.carried?.in ?? 0))) / Math.max(1, delivered) - 1,
    lists: result.lists.length,
    listBytesShare: sum(result.lists.map((line) => line.bytes)) / Math.max(1, originBytes),
    listsAllowed: result.media.filter((line) => SEGMENT.test(line.path)).length + 2 * result.viewers,
    originRequests: result.media.length,
  };
}

/**
 * Segments that began to reach players after the mesh was warm and reached all of them: every byte that the origin sent of
 * them, whenever and to whom, against every byte of them that players received. No window cuts through a transfer.
 */
function warm({ media, warmAt }, bodies, judged) {
  const first = new Map();
  const of = new Map();
  for (const { path, at, bytes, who } of bodies) {
    if (!SEGMENT.test(path)) continue;
    first.set(path, Math.min(at, first.get(path) ?? Infinity));
    const seen = of.get(path) ?? { bytes: 0, size: 0, who: new Set() };
    seen.bytes += bytes;
    seen.size = Math.max(seen.size, bytes);
    seen.who.add(who);
    of.set(path, seen);
  }
  const needed = judged.filter((each) => each.stayed).map((each) => each.name);
  const counted = [...of].filter(([path, seen]) => first.get(path) >= warmAt && needed.every((name) => seen.who.has(name)));
  const paths = new Set(counted.map(([path]) => path));
  const originBytes = sum(media.filter((line) => paths.has(line.path)).map((line) => line.bytes));
  return {
    warm: share(originBytes, sum(counted.map(([, seen]) => seen.bytes))),
    copies: counted.length ? originBytes / sum(counted.map(([, seen]) => seen.size)) : null,
    warmSegments: counted.length,
  };
}

function playback({ warmAt }, judged) {
  const startups = judged.map((each) => each.report.startupMs).filter((ms) => ms !== null);
  const latencies = judged.map((each) => median(each.looks.filter((look) => look.at >= warmAt && look.latency !== null).map((look) => look.latency)));
  return {
    startup: median(startups),
    startupWorst: startups.length ? Math.max(...startups) : null,
    neverStarted: judged.length - startups.length,
    stalls: sum(judged.map((each) => each.report.stalls.count)),
    stallMs: sum(judged.map((each) => each.report.stalls.ms)),
    stallWorstMs: Math.max(0, ...judged.map((each) => each.report.stalls.ms)),
    played: Math.min(...judged.map((each) => each.report.playedSeconds / Math.max(0.001, each.report.wallSeconds))),
    latency: median(latencies.filter((each) => each !== null)),
    errors: sum(judged.map((each) => each.report.errors.filter((error) => error.fatal).length + each.pageErrors.length)),
  };
}

function fromPeers({ warmAt }, watched) {
  const times = [];
  let bytes = 0;
  for (const each of watched) {
    const came = new Map(sources(each).map((source) => [pathOf(source.url), source]));
    for (const body of each.bodies ?? []) {
      const source = came.get(pathOf(body.url));
      if (!source?.peers) continue;
      const peers = Math.min(1, source.peers / (source.peers + source.http)) * body.bytes;
      if (body.at >= warmAt) bytes += peers;
      if (source.http === 0 && SEGMENT.test(pathOf(body.url))) times.push(body.ms);
    }
  }
  // The first viewer has nobody to get anything from.
  const first = watched.slice(1).map((each) => each.bench?.firstPeerByteAt ?? null).filter((at) => at !== null);
  const core = watched.map((each) => each.report?.sdk?.mesh).filter(Boolean);
  const useless = sum(core.map((mesh) => mesh.duplicateBytes + mesh.strayBytes));
  return {
    warmPeerBytes: bytes,
    firstPeerByte: median(first),
    segmentMs: median(times),
    useless: core.length ? useless / Math.max(1, sum(core.map((mesh) => mesh.peerBytes)) + useless) : null,
    reasons: totals(watched.map((each) => each.report?.sdk?.mesh?.reasons ?? {})),
    httpBytes: totals(watched.map((each) => each.report?.sdk?.mesh?.httpBytes ?? {})),
  };
}

/** What came from where, told by the product. */
function sources({ report, bench }) {
  if (report?.sdk) return report.segments.map(({ url, fromPeers: peers, fromHttp: http }) => ({ url, peers, http }));
  return bench?.sources ?? [];
}

function costs(result, judged) {
  const marked = judged.filter((each) => each.marks.length === 2);
  const shareOf = ({ marks: [from, to] }) => (to.taskS - from.taskS) / ((to.at - from.at) / 1000);
  const by = (worker) => median(marked.filter((each) => each.worker === worker).map(shareOf));
  return {
    main: median(marked.map(shareOf)),
    mainWorker: by(true),
    mainNoWorker: by(false),
    mainSeconds: sum(marked.map(({ marks: [from, to] }) => to.taskS - from.taskS)),
    mainWindow: sum(marked.map(({ marks: [from, to] }) => (to.at - from.at) / 1000)),
    heapMb: median(judged.filter((each) => each.heap).map(({ heap }) => (heap.usedSize + (heap.backingStorageSize ?? 0)) / 1e6)),
    wasmMb: median(judged.map((each) => each.wasmBytes / 1e6)),
    signaling: median(result.watched.map((each) => each.signaling.bytes)),
  };
}

/**
 * Milliseconds of main thread per MB from peers beyond what HLS.js alone needs for the same play; `plain`: figures of
 * HLS.js in the same mode. Null where nothing came from peers.
 */
export function mainPerMb(row, plain) {
  const base = plain && (row.product === 'p2pml' ? plain.mainNoWorker ?? plain.main : plain.mainWorker ?? plain.main);
  if (!base || !(row.warmPeerBytes > 1e6)) return null;
  return (1000 * (row.mainSeconds - base * row.mainWindow)) / (row.warmPeerBytes / 1e6);
}

/** For who watches the bench run. */
export function oneLine(f) {
  const percent = (x) => (x === null ? '–' : `${(100 * x).toFixed(1)} %`);
  const reasons = Object.entries(f.httpBytes).sort((a, b) => b[1] - a[1]).slice(0, 5).map(([reason, bytes]) => `${reason} ${(bytes / 1e6).toFixed(1)}`).join(' ');
  return `offload ${percent(f.warm)} warm, ${percent(f.whole)} whole of ${percent(f.possible)}; ${f.copies?.toFixed(2)} copies of ${f.warmSegments}; startup ${Math.round(f.startup)}/${Math.round(f.startupWorst)} ms; `
    + `stalls ${f.stalls}/${Math.round(f.stallMs)} ms; played ${f.played.toFixed(2)}; latency ${f.latency?.toFixed(1) ?? '–'} s; main ${percent(f.main)}${reasons ? `; HTTP MB: ${reasons}` : ''}${f.errors ? `; ${f.errors} errors` : ''}`;
}

function share(originBytes, delivered) { return delivered > 0 ? 1 - originBytes / delivered : null; }

function pathOf(url) { return new URL(url).pathname; }

function sum(list) { return list.reduce((all, each) => all + each, 0); }

export function median(list) {
  if (list.length === 0) return null;
  const sorted = [...list].sort((a, b) => a - b);
  const at = sorted.length / 2;
  return Number.isInteger(at) ? (sorted[at - 1] + sorted[at]) / 2 : sorted[Math.floor(at)];
}

function totals(list) {
  const all = {};
  for (const each of list) for (const [name, value] of Object.entries(each)) all[name] = (all[name] ?? 0) + value;
  return all;
}

function pick(object, names) { return Object.fromEntries(names.map((name) => [name, object[name]])); }
