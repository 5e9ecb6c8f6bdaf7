// Writes `results.md` and the charts beside it, from what lies in the folder of raw results.

import { readFileSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { ROOT } from '../browser/lib/demo.mjs';
import { charts } from './charts.mjs';
import { figures } from './measures.mjs';
import { MODES } from './options.mjs';
import { compared, faultSection, ordered, ratios, section } from './table.mjs';

/** `results`: what run.mjs printed, all of it. */
export function writeReport(folder, results) {
  const rows = compared(ordered(results.map(figures)));
  const drawn = charts(rows.filter((row) => !row.fault));
  for (const { file, svg } of drawn) writeFileSync(path.join(folder, file), svg);
  writeFileSync(path.join(folder, 'results.md'), `${[...head(results), ...drawn.map(({ file, title }) => `![${title}](${file})`), '', ...body(rows), ...how(results)].join('\n')}\n`);
}

function head(results) {
  const dates = results.map((each) => new Date(each.startedAt).toISOString().slice(0, 10)).sort();
  const seconds = [...new Set(results.map((each) => each.seconds))].sort((a, b) => a - b);
  const days = dates[0] === dates.at(-1) ? dates[0] : `${dates[0]} to ${dates.at(-1)}`;
  return ['# Measured beside others', '',
    `${results.length} runs of ${seconds.join(' or ')} s, ${days}, ${os.cpus().length} cores (${os.cpus()[0]?.model.trim() || 'unknown'}), ${Math.round(os.totalmem() / 2 ** 30)} GiB,`,
    `Linux ${results[0].kernel.split('-')[0]}, Chromium ${[...new Set(results.map((each) => each.chromium))].join(', ')}, Node ${[...new Set(results.map((each) => each.node))].join(', ')}. Everything runs on this one machine.`, '',
    'Command lines:', '', '```sh', ...new Set(results.map((each) => each.command)), 'cargo xtask bench browser --report --publish', '```', ''];
}

function body(rows) {
  const lines = [];
  for (const [mode, { title }] of Object.entries(MODES)) {
    const of = rows.filter((row) => row.mode === mode && !row.fault);
    if (of.length) lines.push(`## ${title[0].toUpperCase()}${title.slice(1)}`, '', ...section(of));
  }
  const against = ratios(rows);
  if (against.length) lines.push('## Against the others', '', 'Ours divided by theirs, or ours minus theirs. Below one or zero is better for us.', '', ...against, '');
  const faults = faultSection(rows);
  if (faults.length) lines.push('## When something goes wrong', '', ...faults);
  return lines;
}

function how(results) {
  const { streamBps } = results[0];
  const shape = results.find((each) => !each.fault)?.shape ?? results[0].shape;
  return ['## What was measured, and how', '',
    `- **Media**: one rendition, 480p with AAC beside it, ${(streamBps / 1e6).toFixed(2)} Mb/s in all, CMAF segments of 4 s with eight fragments. VOD is`,
    '  the same loop several times in a row.',
    `- **Origin**: \`meshedflow\`, ${shape.rateKbps / 1000} Mb/s for all viewers together, ${shape.delayMs} ms before each answer; nothing is cached.`,
    '- **Viewers**: pages of one Chromium, each in a browser context of its own, timers unthrottled. Live viewers join 2.3 s apart, VOD',
    '  viewers 4 s apart. Under lost packets and slow uplinks each has a Chromium and a network namespace of its own, joined by a bridge.',
    '- **Offload**: 1 − bytes in the origin\'s access log / bytes that HLS.js received. *Warm* counts the segments that began to reach',
    '  players later than 10 s after the last viewer joined and reached all of them, with all that the origin ever sent of them; *whole*',
    '  is everything from the first viewer on, init segments included. *Copies* are the same warm segments: origin bytes / their size.',
    '- **Carried beyond need**: origin bytes and bytes over data channels (heads and control included), by what HLS.js received. In VOD',
    '  it holds what was fetched ahead.',
    '- **Startup**: navigation to first frame. **Stall**: a playhead that stands for more than 250 ms.',
    '- **Segment from peers**: from HLS.js\'s request to its last byte, segments that came from peers whole. Who fetches ahead of the player',
    '  is quick here.',
    '- **Main thread**: the browser\'s own count of task time in the warm part, median of the viewers; *beyond HLS.js*: minus what HLS.js',
    '  alone took for the same play, by the MB that came from peers. **Heap**: after a garbage collection at the end, buffers included.',
    '- **Faults** strike a quarter into the warm part, or hold from the start where that is their nature. A lost packet is dropped on the',
    '  bridge, whatever it carries.', '',
    '## How the players were configured', '',
    `- All: hls.js ${installed('hls.js')}, \`liveSyncDurationCount\` 3 or 9 in live streams, \`maxMaxBufferLength\` 30 in VOD (by its defaults it would fetch the`,
    '  whole film at once), else its defaults.',
    '- HLS.js alone: its worker on for every other viewer and off for the rest, so that either can be compared with its like.',
    `- p2p-media-loader: \`p2p-media-loader-hlsjs\` ${installed('p2p-media-loader-hlsjs')}, core ${installed('p2p-media-loader-core')}, by \`HlsJsP2PEngine.injectMixin\`, as its documentation has it:`,
    '  `swarmId`, `announceTrackers` (one: `bittorrent-tracker` ' + `${installed('bittorrent-tracker')}, WebSocket, on loopback, its defaults), \`isP2PUploadDisabled: false\`, its default time windows.`,
    '  `rtcConfig.iceServers` is empty, as there is no internet. `enableWorker: false`: with the worker on, HLS.js takes the buffers that the',
    '  loader keeps for its peers, who then get empty segments (`fragParsingError`). In VOD it limits HLS.js\'s buffer itself (15 s).',
    '- MeshedFlow: `createMeshedFlow` and `attach`, `cmafMode` as named, all else default; HLS.js\'s worker on. Its edge is on loopback, too.'];
}

function installed(name) {
  return JSON.parse(readFileSync(path.join(ROOT, 'node_modules', name, 'package.json'), 'utf8')).version;
}
