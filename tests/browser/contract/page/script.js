// Runs in the page: a core that the test scripts, for moods that a real one cannot be made to show on demand.
/* global lab */
window.core = { aborted: 0, closed: 0, offered: [], asked: [], reports: [], lanes: [] };

/** How a scripted core answers; set before the player starts. */
window.script = (how) => {
  const fetchBody = async (request) => {
    const headers = request.range ? { Range: `bytes=${request.range[0]}-${request.range[1] - 1}` } : {};
    return (await fetch(request.url, { headers })).arrayBuffer();
  };
  const peerLike = (from) => ({ fromPeers: from, fromHttp: 0, reportBps: 8e6, reportTtfbMs: 20, reason: 'peer' });
  const ways = {
    /** In three steps, as from peers. */
    async peers(request, sink) {
      sink.due(performance.now() + 2000, 'peer');
      const body = await fetchBody(request);
      sink.progress(Math.floor(body.byteLength / 2), body.byteLength);
      await lab.wait(20);
      sink.loaded(body, peerLike(body.byteLength));
    },
    /** Over HTTP, the core leading. */
    async http(request, sink) {
      sink.due(null, 'no-peers');
      const response = await fetch(request.url, request.range && { headers: { Range: `bytes=${request.range[0]}-${request.range[1] - 1}` } });
      sink.httpHead(response.status, response.url, response);
      const body = await response.arrayBuffer();
      sink.httpBytes(body.byteLength, body.byteLength);
      sink.loaded(body, { fromPeers: 0, fromHttp: body.byteLength, reportBps: null, reportTtfbMs: 0, reason: 'no-peers' });
    },
    /** Never a word. */
    silent() {},
    /** Half a body, then dead. */
    async dies(request, sink) {
      sink.due(performance.now() + 2000, 'peer');
      sink.progress(1000, 100000);
      await lab.wait(30);
      sink.dead();
    },
    /** Another way each time. */
    mixed(request, sink) {
      const all = ['peers', 'http', 'silent', 'dies'];
      ways[all[window.core.asked.length % all.length]](request, sink);
    },
  };
  window.core.answer = ways[how];
};
