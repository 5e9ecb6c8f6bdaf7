// Chromium as the tests want it: headless, real WebRTC, timers of background pages unthrottled, a fresh profile.

import { chromium } from 'playwright-core';

const EXECUTABLE = process.env.CHROMIUM ?? '/usr/bin/chromium';

const FLAGS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', '--autoplay-policy=no-user-gesture-required', '--mute-audio',
  '--disable-dev-shm-usage', '--disable-background-timer-throttling', '--disable-backgrounding-occluded-windows',
  '--disable-renderer-backgrounding',
];

/** `executablePath`: another program that ends in Chromium; `more`: flags besides the usual ones. */
export function launch({ executablePath = EXECUTABLE, more = [] } = {}) {
  return chromium.launch({ executablePath, headless: true, args: [...FLAGS, ...more], handleSIGINT: false, handleSIGTERM: false });
}

/** What a launch through a wrapper must run in the end. */
export const program = EXECUTABLE;
