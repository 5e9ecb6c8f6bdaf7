// What is measured: the command line of the bench, read and checked. Everything wrong is said at once, with what was expected.

import { FAULTS } from './faults.mjs';

export const MODES = {
  'live-short': { title: 'live, 3 segments behind', live: true, behind: 3, window: 6, gapMs: 2300 },
  'live-long': { title: 'live, 9 segments behind', live: true, behind: 9, window: 12, gapMs: 2300 },
  vod: { title: 'VOD, viewers 4 s apart', live: false, gapMs: 4000 },
};
export const PRODUCTS = ['plain', 'p2pml', 'serve', 'advertise-only'];
/** A run shorter than this has no warm part. */
const LEAST_SECONDS = 20;
const MOST_SECONDS = 3600;
const MOST_VIEWERS = 16; // of one browser on two cores

export const USAGE = `usage: cargo xtask bench browser [options]
  --mode LIST      of ${Object.keys(MODES).join(', ')} (default all; with --fault live-short)
  --viewers LIST   viewers a run, 1 to ${MOST_VIEWERS} (default 2,4,8; with --fault 4)
  --product LIST   of ${PRODUCTS.join(', ')} (default all; with --fault plain,p2pml,serve)
  --fault LIST     of ${Object.keys(FAULTS).join(', ')}, or all, or none (default none)
  --only LIST      runs by name, MODE/VIEWERS/PRODUCT[/FAULT]; instead of the four above
  --seconds N      of a run, from the first viewer on, ${LEAST_SECONDS} to ${MOST_SECONDS} (default 120)
  --out DIR        raw results, one JSON file a run, and the table of all that lie there (default target/bench-browser)
  --profile        also a CPU profile of the last viewer's warm part, to be opened in Chromium's tools; it costs time itself
  --publish        write the table and the charts of what lies in DIR to tests/bench
  --report         measure nothing, only write the table
  --list           name the runs, measure nothing`;

export class Wrong extends Error {}

/** `words`: the command line; `cores` for a hint only. Throws {@link Wrong}. */
export function read(words) {
  const given = raw(words);
  const faults = among('fault', given.fault ?? 'none', ['none', 'all', ...Object.keys(FAULTS)]);
  if (faults.length > 1 && (faults.includes('none') || faults.includes('all'))) throw new Wrong(`--fault ${given.fault}: "none" and "all" stand alone`);
  const broken = faults[0] === 'all' ? Object.keys(FAULTS) : faults.filter((name) => name !== 'none');
  const options = {
    seconds: whole('seconds', given.seconds ?? '120', LEAST_SECONDS, MOST_SECONDS),
    out: given.out ?? null,
    profile: 'profile' in given,
    publish: 'publish' in given,
    report: 'report' in given,
    list: 'list' in given,
  };
  if (given.only !== undefined) {
    for (const name of ['mode', 'viewers', 'product', 'fault']) {
      if (given[name] !== undefined) throw new Wrong(`--only names runs whole; --${name} says it differently`);
    }
    return { ...options, runs: list('only', given.only).map(named) };
  }
  const modes = among('mode', given.mode ?? (broken.length ? 'live-short' : Object.keys(MODES).join(',')), Object.keys(MODES));
  const viewers = list('viewers', given.viewers ?? (broken.length ? '4' : '2,4,8')).map((n) => whole('viewers', n, 1, MOST_VIEWERS));
  const products = among('product', given.product ?? (broken.length ? 'plain,p2pml,serve' : PRODUCTS.join(',')), PRODUCTS);
  const runs = [];
  for (const fault of broken.length ? broken : [null]) {
    for (const mode of modes) for (const n of viewers) for (const product of products) runs.push(run(mode, n, product, fault));
  }
  return { ...options, runs };
}

/** The name of a run, also of its file. */
export function nameOf({ mode, viewers, product, fault }) {
  return [mode, viewers, product, ...(fault ? [fault] : [])].join('/');
}

function run(mode, viewers, product, fault) {
  const least = FAULTS[fault]?.least ?? 1;
  if (viewers < least) throw new Wrong(`--fault ${fault} needs ${least} viewers at least, not ${viewers}`);
  if (fault && !MODES[mode].live && FAULTS[fault].liveOnly) throw new Wrong(`--fault ${fault} is for live streams, not for --mode ${mode}`);
  return { mode, viewers, product, fault };
}

function named(name) {
  const [mode, viewers, product, fault, ...rest] = name.split('/');
  if (product === undefined || rest.length) throw new Wrong(`--only ${name}: expected MODE/VIEWERS/PRODUCT[/FAULT], as in live-short/4/serve`);
  return run(one('only', mode, Object.keys(MODES)), whole('only', viewers, 1, MOST_VIEWERS), one('only', product, PRODUCTS), fault === undefined ? null : one('only', fault, Object.keys(FAULTS)));
}

function raw(words) {
  const values = ['mode', 'viewers', 'product', 'fault', 'only', 'seconds', 'out'];
  const switches = ['profile', 'publish', 'report', 'list'];
  const given = {};
  for (let i = 0; i < words.length; i += 1) {
    const [, name, inline] = /^--([a-z]+)(?:=(.*))?$/.exec(words[i]) ?? [];
    if (switches.includes(name) && inline === undefined) given[name] = true;
    else if (values.includes(name)) {
      const value = inline ?? words[(i += 1)];
      if (value === undefined || value === '' || (inline === undefined && value.startsWith('--'))) throw new Wrong(`--${name} needs a value`);
      given[name] = value;
    } else throw new Wrong(`"${words[i]}" is no option`);
  }
  return given;
}

function list(flag, text) {
  const items = text.split(',').map((item) => item.trim());
  if (items.some((item) => !item)) throw new Wrong(`--${flag} ${text}: expected names with commas between them`);
  return [...new Set(items)];
}

function among(flag, text, known) { return list(flag, text).map((item) => one(flag, item, known)); }

function one(flag, item, known) {
  if (!known.includes(item)) throw new Wrong(`--${flag}: "${item}" is none of ${known.join(', ')}`);
  return item;
}

function whole(flag, text, least, most) {
  const n = Number(text);
  if (!/^\d+$/.test(text) || n < least || n > most) throw new Wrong(`--${flag}: "${text}" is no whole number from ${least} to ${most}`);
  return n;
}
