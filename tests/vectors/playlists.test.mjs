// Playlists as the signer reads them, beside HLS.js's own parser: those of playlists/seeds.json, and what chance makes of
// them. Whatever HLS.js plays is named alike (number, discontinuity, name, duration, range, init) or left out; whatever it
// refuses is refused. MUTANTS=100000 SEED=7 asks for others than the gate's.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { bare, nameOf, renditionOf } from './playlists/names.mjs';
import { grow, random } from './playlists/grow.mjs';

globalThis.self ??= globalThis;
const MUTANTS = Number(process.env.MUTANTS ?? 4000);
const SEED = Number(process.env.SEED ?? 1);
const BASE = 'https://host.example/some/dir/';
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const seeds = JSON.parse(readFileSync(new URL('./playlists/seeds.json', import.meta.url), 'utf8'));
const { default: Hls, M3U8Parser } = await import('hls.js');

const reader = spawn('cargo', ['run', '--quiet', '--locked', '-p', 'meshedflow-origin', '--example', 'read_playlists'], { cwd: ROOT, stdio: ['pipe', 'pipe', 'inherit'] });
const answers = createInterface({ input: reader.stdout })[Symbol.asyncIterator]();
after(() => reader.stdin.end());

/** What the signer makes of a directory. */
async function signed({ entry, files }) {
  const base64 = Object.entries(files).map(([path, text]) => [path, Buffer.from(text, 'latin1').toString('base64')]);
  reader.stdin.write(`${JSON.stringify({ entry, files: Object.fromEntries(base64) })}\n`);
  const { value } = await answers.next();
  assert.ok(value, 'the reader ended');
  return JSON.parse(value);
}

/** What HLS.js makes of a text, as XMLHttpRequest gives it: UTF-8 with replacements, without a byte order mark. */
const textOf = (latin1) => new TextDecoder().decode(Buffer.from(latin1, 'latin1'));

/** The renditions that HLS.js would load: their URLs, and the multivariant playlist's variables. */
function renditions({ entry, files }) {
  const url = new URL(encodeURI(entry), BASE).href;
  const text = textOf(files[entry]);
  if (!text.startsWith('#EXTM3U')) return { refused: 'no EXTM3U' };
  if (M3U8Parser.isMediaPlaylist(text)) return { urls: [url] };
  // Some attributes that it takes for granted make it throw.
  const master = tried(() => M3U8Parser.parseMasterPlaylist(text, url)) ?? { playlistParsingError: new Error('it throws') };
  if (master.playlistParsingError) return { refused: master.playlistParsingError.message };
  if (!master.levels.length) return { refused: 'no level' };
  const media = M3U8Parser.parseMasterPlaylistMedia(text, url, master);
  const others = ['AUDIO', 'SUBTITLES'].flatMap((type) => media[type] ?? []).map((m) => m.url);
  return { master: url, urls: [...master.levels.map((l) => l.url), ...others].filter(Boolean), variables: master.variableList };
}

/** A file of the directory, if the URL is one wherever the directory is published. */
function pathOf(url) {
  const { origin, pathname } = new URL(url);
  if (!`${origin}${pathname}`.startsWith(BASE)) return undefined;
  try {
    return decodeURIComponent(pathname.slice(new URL(BASE).pathname.length));
  } catch {
    return undefined;
  }
}

function segments(text, url, variables) {
  const details = tried(() => M3U8Parser.parseLevelPlaylist(text, url, 0, 'main', 0, variables ?? null)) ?? { playlistParsingError: new Error('it throws') };
  if (details.playlistParsingError) return { refused: details.playlistParsingError.message };
  const range = (f) => (f.byteRange.length === 2 ? [...f.byteRange] : null);
  const named = (f) => ({ name: nameOf(bare(url), bare(f.relurl, url)), range: range(f), asked: f.url });
  const one = (f) => ({ sn: f.sn, cc: f.cc, ms: Math.round((f.duration || 0) * 1000), gap: Boolean(f.gap), ...named(f), init: f.initSegment && f.initSegment.relurl ? named(f.initSegment) : null });
  return { ended: !details.live, fragments: details.fragments.filter(Boolean).map((f) => tried(() => one(f)) ?? { sn: f.sn, nameless: true, relurl: f.relurl }) };
}

function tried(work) {
  try {
    return work();
  } catch {
    return undefined;
  }
}

/** What differs, a line each. `sums` counts what was compared. */
function differences(directory, ours, sums) {
  const theirs = renditions(directory);
  if (theirs.refused) return ours.refused ? [] : [`HLS.js refuses it (${theirs.refused}), the signer does not`];
  const lines = [];
  let playable = 0;
  for (const url of new Set(theirs.urls)) {
    const path = tried(() => pathOf(url));
    const text = path === undefined ? undefined : directory.files[path];
    if (text === undefined) continue;
    const rendition = ours.refused ? undefined : ours.find((r) => r.path === path);
    const plain = textOf(text);
    const parsed = plain.startsWith('#EXTM3U') ? segments(plain, url, theirs.variables) : { refused: 'no EXTM3U' };
    if (parsed.refused) {
      if (rendition) lines.push(`${path}: HLS.js refuses it (${parsed.refused}), the signer does not`);
      continue;
    }
    playable++;
    if (!rendition) {
      if (parsed.fragments.some((f) => !f.gap)) sums.refused.push(`${path}: ${ours.refused ?? 'left out'}`);
      continue;
    }
    const name = renditionOf(theirs.master ? bare(theirs.master) : bare(url), bare(url));
    if (rendition.name !== name) lines.push(`${path}: named ${rendition.name}, at a viewer ${name}`);
    if (rendition.ended !== parsed.ended) lines.push(`${path}: ended ${rendition.ended}, for HLS.js ${parsed.ended}`);
    lines.push(...unlike(rendition.segments, parsed.fragments, sums).map((line) => `${path}: ${line}`));
  }
  sums.playable += playable;
  return lines;
}

function unlike(ours, theirs, sums) {
  const lines = [];
  const left = new Map(ours.map((s) => [s.sn, s]));
  if (left.size !== ours.length) lines.push('a number comes twice');
  for (const f of theirs) {
    const mine = left.get(f.sn);
    left.delete(f.sn);
    if (!mine) {
      lines.push(`${f.sn}: not numbered by the signer`);
    } else if (mine.leftOut) {
      sums.leftOut[mine.leftOut] = (sums.leftOut[mine.leftOut] ?? 0) + 1;
    } else if (f.gap || f.nameless) {
      lines.push(`${f.sn}: signed as ${mine.name}, which HLS.js ${f.gap ? 'skips' : 'cannot name'}`);
    } else {
      sums.signed++;
      const facts = ({ cc, name, ms, range, init }) => JSON.stringify([cc, name, ms, range, init && [init.name, init.range]]);
      if (facts(mine) !== facts(f)) lines.push(`${f.sn}: ${facts(mine)}, for HLS.js ${facts(f)}`);
    }
  }
  for (const [sn, s] of left) if (!s.leftOut) lines.push(`${sn}: ${s.name} is signed, HLS.js has no such segment`);
  return lines;
}

const newSums = () => ({ playable: 0, signed: 0, leftOut: {}, refused: [] });

test(`the seeds are read as HLS.js ${Hls.version} reads them`, async () => {
  for (const [name, directory] of Object.entries(seeds)) {
    const sums = newSums();
    assert.deepEqual(differences(directory, await signed(directory), sums), [], name);
    if (name !== 'rendition-missing') assert.deepEqual(sums.refused.filter((line) => !/would both have the index/.test(line)), [], name);
  }
});

test(`what chance makes of them is, too: ${MUTANTS} of seed ${SEED}`, async () => {
  const dice = random(SEED);
  const names = Object.keys(seeds);
  const sums = newSums();
  let [wrong, whole] = [[], 0];
  for (let i = 0; i < MUTANTS && wrong.length < 12; i++) {
    const name = names[dice(names.length)];
    const grown = grow(seeds[name], seeds, dice);
    const lines = differences(grown, await signed(grown), sums);
    if (lines.length) wrong.push({ i, name, lines: lines.slice(0, 3), grown });
    whole++;
  }
  const show = wrong.map(({ i, name, lines, grown }) => `${i} ${name}: ${lines.join(' | ')}\n${JSON.stringify(grown)}`);
  assert.equal(wrong.length, 0, show.join('\n'));
  console.log(`${whole} directories, ${sums.playable} playlists that HLS.js plays, ${sums.signed} segments named alike, left out ${JSON.stringify(sums.leftOut)}, refused though it plays ${sums.refused.length}`);
  for (const why of tally(sums.refused)) console.log(`  ${why}`);
  // A signer that refuses or leaves out everything would agree as well.
  assert.ok(sums.refused.length < sums.playable / 10 && Object.values(sums.leftOut).reduce((a, b) => a + b, 0) < sums.signed / 2);
});

function tally(reasons) {
  const sums = new Map();
  for (const reason of reasons) {
    const kind = reason.replace(/^.*line \d+: /, '').replace(/"[^"]*"|\d+/g, '…').slice(0, 120);
    sums.set(kind, (sums.get(kind) ?? 0) + 1);
  }
  return [...sums].sort((a, b) => b[1] - a[1]).slice(0, 12).map(([kind, count]) => `${count} ${kind}`);
}
