// What a player's ABR does over time, seen from outside: levels asked for, picture shown, estimate, emergency stops.

/** Runs in the page before its own script: notes everything in `window.__abr`, times in Unix milliseconds. */
export function watchesLevels() {
  const seen = { samples: [], loads: [], emergencies: [], odd: [] };
  window.__abr = seen;
  const now = () => performance.timeOrigin + performance.now();
  let hls = null;
  const listen = () => {
    hls.on('hlsFragLoading', (_, { frag }) => {
      if (frag.type === 'main' && frag.sn !== 'initSegment') seen.loads.push({ at: now(), level: frag.level, sn: frag.sn });
    });
    hls.on('hlsFragLoadEmergencyAborted', (_, { frag }) => seen.emergencies.push({ at: now(), level: frag.level, sn: frag.sn }));
  };
  setInterval(() => {
    const video = document.querySelector('video');
    if (window.viewer?.hls && window.viewer.hls !== hls) { hls = window.viewer.hls; listen(); }
    if (!hls?.levels?.length || !video) return;
    const ahead = video.buffered.length ? video.buffered.end(video.buffered.length - 1) - video.currentTime : 0;
    seen.samples.push({ at: now(), height: video.videoHeight, estimate: hls.bandwidthEstimate, ahead });
    if (!(hls.bandwidthEstimate > 0 && Number.isFinite(hls.bandwidthEstimate))) seen.odd.push(`estimate ${hls.bandwidthEstimate}`);
  }, 100);
}

export function seenBy(viewer) {
  return viewer.page.evaluate(() => window.__abr);
}

/** Keeps a viewer on one level, whatever its ABR thinks. */
export async function pin(viewer, level) {
  await viewer.playing();
  await viewer.page.evaluate((to) => { window.viewer.hls.nextLevel = to; }, level);
}

/** Share of the time since the first picture, from `since` on, in which the picture was at least so high. */
export function shareAt(samples, height, since = 0) {
  const shown = samples.filter((s) => s.height > 0 && s.at >= since);
  return shown.length ? shown.filter((s) => s.height >= height).length / shown.length : 0;
}

/** How often the level went up after it had gone down, or down after it had gone up. */
export function turns(loads) {
  let count = 0;
  let way = 0;
  for (let i = 1; i < loads.length; i += 1) {
    const step = Math.sign(loads[i].level - loads[i - 1].level);
    if (step && way && step !== way) count += 1;
    way = step || way;
  }
  return count;
}

/** The levels in order, `0*5 1*3`. */
export function course(loads) {
  const runs = [];
  for (const { level } of loads) {
    if (runs.at(-1)?.level === level) runs.at(-1).times += 1;
    else runs.push({ level, times: 1 });
  }
  return runs.map(({ level, times }) => `${level}*${times}`).join(' ');
}
