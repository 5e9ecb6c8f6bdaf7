import type { LoadLate } from './late.js';

/** The core in a chunk of its own, so that nothing of it weighs on the first segment. */
export const loadLate: LoadLate = () => import('./late.js');
