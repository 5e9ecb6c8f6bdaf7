// The demo page: fits wide and narrow screens, shows what its viewers do, and heals when one leaves.

import assert from 'node:assert/strict';
import { pause } from '../lib/viewers.mjs';

export const cases = [
  { name: 'demo-page', limitMs: 45_000, run: demoPage },
];

async function demoPage(job) {
  const page = await (await job.browser.newContext({ viewport: { width: 1280, height: 800 } })).newPage();
  const errors = [];
  page.on('pageerror', (error) => errors.push(String(error)));
  const foreign = [];
  page.on('request', (request) => { if (!request.url().startsWith(job.proxy.url) && !/^(blob|data):/.test(request.url())) foreign.push(request.url()); });
  await page.goto(`${job.proxy.url}/?viewers=3&gap=500`);
  await playing(page, '3 of 3');
  await fits(page, 1280, 800);
  await fits(page, 390, 844);
  await page.setViewportSize({ width: 1280, height: 800 });
  await page.getByRole('button', { name: 'Leave' }).first().click();
  await playing(page, '2 of 3');
  await page.getByRole('button', { name: 'Join' }).click();
  await playing(page, '3 of 3');
  await pause(1000);
  assert.deepEqual(errors, [], 'script errors');
  assert.deepEqual(foreign, [], 'requests to other hosts');
  return 'fits at 1280 and 390, a viewer left and came back';
}

function playing(page, text) {
  return page.waitForFunction((wanted) => document.getElementById('sum-playing').textContent === wanted, text, { timeout: 10_000 });
}

async function fits(page, width, height) {
  await page.setViewportSize({ width, height });
  const wide = await page.evaluate(() => document.documentElement.scrollWidth);
  assert.ok(wide <= width, `the page is ${wide} px wide on a screen of ${width}`);
}
