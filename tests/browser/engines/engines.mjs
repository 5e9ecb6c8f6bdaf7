// The engines by name, and how each is started.

import { Chromium } from './drivers/chromium.mjs';
import { Firefox } from './drivers/firefox.mjs';
import { WebKit } from './drivers/webkit.mjs';
import { OLD_FLAGS, oldChromium } from './old-chromium.mjs';

const old = (major) => async () => Chromium.launch(`chromium-${major}`, await oldChromium(major), OLD_FLAGS);

const START = {
  chromium: () => Chromium.launch('chromium', process.env.CHROMIUM ?? '/usr/bin/chromium'),
  'chromium-80': old(80),
  'chromium-92': old(92),
  firefox: () => Firefox.launch(),
  webkit: () => WebKit.launch(),
};

/** `{name, version, page(), close()}`; a page has `open(url)`, `evaluate(expression)`, and lists of `errors` and `console` lines. */
export function start(name) { return START[name](); }
