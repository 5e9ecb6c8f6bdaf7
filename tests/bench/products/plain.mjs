// HLS.js alone. Every other viewer has its worker off, so that products that cannot live with it have their like to be
// compared with; the play is the same.

import { plays } from '../in-page.mjs';

export const plain = {
  name: 'plain',
  title: 'HLS.js',
  query: () => ({ mode: 'plain' }),
  faults: ({ settings, index }) => [[plays, index % 2 ? { ...settings, enableWorker: false } : settings]],
  worker: (index) => index % 2 === 0,
};
