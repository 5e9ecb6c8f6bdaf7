// Tells a player that has nothing to play from one whose engine does not get to playing it: several browsers on two cores
// drop behind with seconds of data in hand, and no loader can help that.

const SAMPLE_MS = 50;
const ENOUGH_S = 0.5;

export class Hunger {
  /** Unix milliseconds of the samples without enough to play on. */
  hungry = [];
  /** Seconds by which the playhead fell behind the clock with enough to play. */
  heldUpSeconds = 0;

  constructor(video) {
    this.video = video;
    this.last = null;
    this.timer = setInterval(() => this.sample(), SAMPLE_MS);
  }

  stop() { clearInterval(this.timer); }

  sample() {
    const { video, last } = this;
    if (video.paused || !video.currentTime) { this.last = null; return; }
    const now = { at: performance.now(), time: video.currentTime, fed: this.ahead() >= ENOUGH_S };
    if (!now.fed) this.hungry.push(Math.round(performance.timeOrigin + now.at));
    // A jump forward is no time played.
    if (last && last.fed && now.fed && now.time - last.time < 1) this.heldUpSeconds += (now.at - last.at) / 1000 - (now.time - last.time);
    this.last = now;
  }

  ahead() {
    const { buffered, currentTime } = this.video;
    for (let i = 0; i < buffered.length; i += 1) {
      if (buffered.start(i) <= currentTime + 0.1 && buffered.end(i) > currentTime) return buffered.end(i) - currentTime;
    }
    return 0;
  }
}
