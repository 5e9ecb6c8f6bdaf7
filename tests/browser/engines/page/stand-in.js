// For WebKitGTK with `core=1`: it is built without WebRTC, which Safari has. With this in its place the core runs there,
// too, on the engine's own WebAssembly, streams and timers; it connects to nobody.

if (new URLSearchParams(location.search).has('core') && !window.RTCPeerConnection) {
  const never = () => new Promise(() => {});
  window.RTCPeerConnection = class extends EventTarget {
    iceConnectionState = 'new';
    createDataChannel() { return Object.assign(new EventTarget(), { readyState: 'connecting', bufferedAmount: 0, send() {}, close() {} }); }
    createOffer() { return never(); }
    createAnswer() { return never(); }
    setLocalDescription() { return never(); }
    setRemoteDescription() { return never(); }
    addIceCandidate() { return never(); }
    getStats() { return never(); }
    close() {}
  };
}
