// What goes wrong in a run. Each fault is `{title, ...}` and any of
//   shape(stream)   other settings of the origin than usual: `{rateKbps}`
//   star            each viewer in a browser and a network of its own; `uplinkKbps`: what it may send
//   begin(run)      before the first viewer
//   strike(run)     a third into the warm part; `run.victim` is the viewer it befalls, if it befalls one
//   victim          whether the first viewer is one: its own playback is not judged

import { nft } from '../browser/lib/namespace.mjs';
import { actsHidden } from '../browser/lib/pages.mjs';
import { pause } from '../browser/lib/viewers.mjs';
import { diesMidway } from './in-page.mjs';

const MIDWAY_LIMIT_MS = 15_000;

export const FAULTS = {
  leave: {
    title: 'a viewer vanishes in the middle of what it sends', least: 3, victim: true, inPage: diesMidway,
    async strike({ victim }) {
      await victim.page.evaluate(() => window.__dies.arm());
      const died = await victim.page.waitForFunction(() => window.__dies.dead, null, { polling: 20, timeout: MIDWAY_LIMIT_MS }).then(() => true, () => false);
      await victim.close();
      return died ? 'died after the first message of a body' : 'sent nothing within 15 s, so it left without that';
    },
  },
  uplink: { title: 'uplinks of 2 Mb/s', star: { uplinkKbps: 2000 } },
  origin: { title: 'the origin limited to 1.5 times one stream', shape: (stream) => ({ rateKbps: Math.round((1.5 * stream.bps) / 1000) }) },
  loss: {
    title: '5 % of all packets lost', star: {},
    begin({ hub }) { dropOnBridge(hub, 50); },
  },
  edge: {
    title: 'edge or tracker down for 20 s', proxied: true,
    async strike({ signaling }) {
      signaling.killEdge();
      await pause(20_000);
      signaling.restoreEdge();
      return `${signaling.cutSockets} sockets cut, ${signaling.refusedSockets} refused`;
    },
  },
  hidden: {
    title: 'the first viewer\'s tab hidden', least: 2, victim: true, inPage: actsHidden,
    strike: ({ victim }) => victim.page.evaluate(() => { window.__fault.hide(); return 'hidden'; }),
  },
  paused: {
    title: 'the first viewer pauses', least: 2, victim: true, liveOnly: true,
    strike: ({ victim }) => victim.page.evaluate(() => { document.querySelector('video').pause(); return 'paused'; }),
  },
};

/** Drops so many of a thousand packets that pass the bridge of this namespace. */
function dropOnBridge(hub, perMille) {
  if (!hub) throw new Error('packet loss needs network namespaces: Linux, and root');
  nft('add', 'table', 'bridge', 'bench');
  nft('add', 'chain', 'bridge', 'bench', 'lossy', '{ type filter hook forward priority 0 ; }');
  nft('add', 'rule', 'bridge', 'bench', 'lossy', 'numgen', 'random', 'mod', '1000', '<', String(perMille), 'drop');
}
