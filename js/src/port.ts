/** A live core as sessions see it: their requests in words for the core, its answers through the {@link Host}. */
import type { MeshHandle } from 'meshedflow-wasm';
import { Host } from './host.js';
import { encode } from './json.js';
import type { LaneInfo, LoadSink, MeshPort, MeshRequest, PlayerReport, RequestRecipe } from './mesh-port.js';
import { mutant } from './mutants.js';

/** Blobs that the page names begin here; the core counts its own up from 0. */
const PAGE_BLOBS = 0x80000000;

/** Playlists that have a number: fewer than the core keeps, so that it knows each of them. */
const LANES = 48;
/** The core's numbers have 16 bits. */
const LANE_NUMBERS = 0x10000;

export class Port implements MeshPort {
  private readonly host = new Host((name, detail) => this.listeners.forEach((listener) => listener(name, detail)));
  private readonly listeners: Array<(name: string, detail: unknown) => void> = [];
  private readonly lanes = new Map<string, number>();
  private nextLane = 0;
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
    // The one that is used now comes last.
    this.lanes.delete(key);
    const no = known ?? this.nextLane++ % LANE_NUMBERS;
    this.lanes.set(key, no);
    if (known !== undefined) return no;
    if (this.lanes.size > LANES) this.forgetLane();
    this.say({ lane: { ...info, no } });
    return no;
  }

  /** A playlist of long ago, one of an advertisement say, gets another number should it come back. */
  private forgetLane(): void {
    const [[key, no]] = this.lanes as unknown as [[string, number]];
    this.lanes.delete(key);
    this.host.recipes.delete(no);
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
