import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Wrong, nameOf, read } from './options.mjs';

const names = (line) => read(line.split(' ').filter(Boolean)).runs.map(nameOf);

test('without options everything but the faults', () => {
  const all = names('');
  assert.equal(all.length, 3 * 3 * 4);
  assert.ok(all.includes('live-short/8/advertise-only') && all.includes('vod/2/p2pml'));
});

test('lists choose', () => {
  assert.deepEqual(names('--mode vod --viewers 2,2,3 --product serve,plain'), ['vod/2/serve', 'vod/2/plain', 'vod/3/serve', 'vod/3/plain']);
  assert.deepEqual(names('--fault=loss'), ['live-short/4/plain/loss', 'live-short/4/p2pml/loss', 'live-short/4/serve/loss']);
  assert.deepEqual(names('--only live-long/4/serve,live-short/3/p2pml/leave'), ['live-long/4/serve', 'live-short/3/p2pml/leave']);
  assert.equal(names('--fault all').length, 7 * 3);
});

test('what is wrong is named with what was expected', () => {
  const cases = [
    ['--mode live', /--mode: "live" is none of live-short, live-long, vod/],
    ['--viewers 2,many', /--viewers: "many" is no whole number from 1 to 16/],
    ['--viewers 17', /"17"/], ['--viewers 0', /"0"/], ['--viewers 2.5', /"2.5"/], ['--viewers ,', /commas/],
    ['--product ours', /--product: "ours"/], ['--seconds 5', /--seconds: "5".*20 to 3600/], ['--seconds', /--seconds needs a value/],
    ['--seconds --list', /--seconds needs a value/], ['--fault rain', /--fault: "rain"/], ['--fault all,loss', /stand alone/],
    ['--fault leave --viewers 2', /needs 3 viewers/], ['--fault paused --mode vod', /live streams/],
    ['--only live-short/4', /MODE\/VIEWERS\/PRODUCT/], ['--only live-short/4/serve/loss/x', /MODE\/VIEWERS\/PRODUCT/],
    ['--only live-short/4/serve --mode vod', /--mode says it differently/], ['--publish=yes', /"--publish=yes" is no option/], ['stray', /"stray" is no option/],
  ];
  for (const [line, why] of cases) {
    assert.throws(() => names(line), (error) => error instanceof Wrong && why.test(error.message), line);
  }
});
