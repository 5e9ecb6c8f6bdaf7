// Chromium as the tests want it: headless, real WebRTC, timers of background pages unthrottled, a fresh profile.

import { chromium } from 'playwright-core';

const EXECUTABLE = process.env.CHROMIUM ?? '/usr/bin/chromium';

const FLAGS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', '--autoplay-policy=no-user-gesture-required', '--mute-audio',
  '--disable-dev-shm-usage', '--disable-background-timer-throttling', '--disable-backgrounding-occluded-windows',
  '--disable-renderer-backgrounding',
];

export function launch() {
  return chromium.launch({ executablePath: EXECUTABLE, headless: true, args: FLAGS, handleSIGINT: false, handleSIGTERM: false });
}
