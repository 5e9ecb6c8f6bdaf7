/** A live core as sessions see it: their requests in words for the core, its answers through the {@link Host}. */
import type { MeshHandle } from 'meshedflow-wasm';
import { Host } from './host.js';
import { encode } from './json.js';
import type { LaneInfo, LoadSink, MeshPort, MeshRequest, PlayerReport, RequestRecipe } from './mesh-port.js';
import { mutant } from './mutants.js';

/** Blobs that the page names begin here; the core counts its own up from 0. */
const PAGE_BLOBS = 0x80000000;

export class Port implements MeshPort {
  private readonly host = new Host((name, detail) => this.listeners.forEach((listener) => listener(name, detail)));
  private readonly listeners: Array<(name: string, detail: unknown) => void> = [];
  private readonly lanes = new Map<string, number>();
  private lastLoad = 0;
  private lastBlob = PAGE_BLOBS;

  /** `make` constructs the core around the host. */
  constructor(make: (host: Host) => MeshHandle) {
    this.host.begin(make(this.host));
  }

  get alive(): boolean {
    return this.host.alive;
  }

  lane(info: LaneInfo): number {
    const key = `${info.kind} ${info.playlist}`;
    const known = this.lanes.get(key);
    if (known !== undefined) return known;
    const no = this.lanes.size;
    this.lanes.set(key, no);
    this.say({ lane: { ...info, no } });
    return no;
  }

  load(request: MeshRequest, recipe: RequestRecipe, sink: LoadSink): number {
    const id = ++this.lastLoad;
    if (!this.alive) {
      Promise.resolve().then(() => sink.dead('core-dead'));
      return id;
    }
    this.host.recipes.set(request.lane, recipe);
    this.host.loads.set(id, { request, recipe, sink });
    this.say({ load: { ...request, id } });
    return id;
  }

  abort(id: number): void {
    if (this.host.loads.delete(id)) this.say({ abort: id });
  }

  offer(request: MeshRequest, body: ArrayBuffer, recipe?: RequestRecipe, took?: [number, number]): void {
    if (!this.alive) return;
    if (recipe) this.host.recipes.set(request.lane, recipe);
    const blob = this.lastBlob++;
    this.host.blobs.adopt(blob, new Uint8Array(body));
    const [ttfbMs, bodyMs] = took ?? [];
    this.say({ offer: { blob, length: body.byteLength, ttfbMs, bodyMs, request } });
  }

  player(report: PlayerReport): void {
    const { type, ...facts } = report;
    this.say({ player: 'hidden' in facts ? { hidden: facts.hidden } : type === 'stalled' ? type : { [type]: facts } });
  }

  consent(given: boolean): void {
    this.say({ consent: given });
  }

  stats(): unknown {
    return this.host.stats();
  }

  onEvent(listener: (name: string, detail: unknown) => void): void {
    this.listeners.push(listener);
  }

  close(): void {
    if (mutant('leave-open')) return;
    this.say('shutdown');
    const core = this.host.close();
    // Later: this may be a call from inside the core, which cannot be freed under its own feet.
    Promise.resolve().then(() => core?.free());
    this.listeners.length = 0;
  }

  private say(word: unknown): void {
    this.host.enter((core, now) => core.tell(encode(word), now), true);
  }
}
