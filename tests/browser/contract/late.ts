/** In place of the SDK's late chunk: the same code, with a core that the test scripts (`window.core`) instead of wasm. */
import { follow } from '../../../js/src/follow.js';
import { MeshLoad } from '../../../js/src/mesh-load.js';
import type { Late } from '../../../js/src/late.js';
import type { HttpFault, MeshPort, MeshRequest, RequestRecipe, LoadSink } from '../../../js/src/mesh-port.js';
import { watchSurroundings } from '../../../js/src/surroundings.js';

interface Scripted {
  /** Absent: no core can start here. */
  answer?: (request: MeshRequest, sink: LoadSink, recipe: RequestRecipe) => void;
  startedAt?: number;
  aborted: number;
  closed: number;
  offered: Array<{ request: MeshRequest; bytes: number }>;
  asked: MeshRequest[];
  reports: Array<{ type: string }>;
  lanes: unknown[];
}

export type { HttpFault };
export { MeshLoad, follow, watchSurroundings };

export const start: Late['start'] = async () => {
  const script = (window as unknown as { core: Scripted }).core;
  script.startedAt = performance.now();
  if (!script.answer) throw new Error('the test allows no core');
  const lanes: string[] = [];
  let id = 0;
  const port: MeshPort = {
    alive: true,
    lane: (info) => {
      const key = `${info.kind} ${info.playlist}`;
      if (lanes.indexOf(key) < 0) script.lanes.push(info);
      return lanes.indexOf(key) < 0 ? lanes.push(key) - 1 : lanes.indexOf(key);
    },
    load: (request, recipe, sink) => {
      script.asked.push(request);
      setTimeout(() => script.answer?.(request, sink, recipe));
      return id++;
    },
    abort: () => void script.aborted++,
    offer: (request, body) => void script.offered.push({ request, bytes: body.byteLength }),
    player: (event) => void script.reports.push(event),
    consent: () => {},
    stats: () => ({ scripted: true }),
    onEvent: () => {},
    close: () => void script.closed++,
  };
  return port;
};
