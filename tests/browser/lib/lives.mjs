// What a page does to the core's life: options, policies, broken modules. Each function is handed to the page as text,
// before any script of the page runs, and so stands alone.

/** Options that the page adds to its own; values of the form `consent: 'never'` name a function below. */
export function adds(options) {
  const answers = {
    never: () => new Promise(() => {}),
    rejects: () => Promise.reject(new Error('the dialogue was closed')),
    throws: () => { throw new Error('no dialogue here'); },
    no: async () => false,
  };
  window.meshOptions = { ...options };
  if (options.consent in answers) window.meshOptions.consent = answers[options.consent];
}

/** A content security policy, as early as a page can state one in its markup. */
export function states(policy) {
  new MutationObserver((_, observer) => {
    if (!document.head) return;
    observer.disconnect();
    const meta = Object.assign(document.createElement('meta'), { httpEquiv: 'Content-Security-Policy', content: policy });
    document.head.prepend(meta);
  }).observe(document, { childList: true, subtree: true });
}

/** A browser in which no module is ever compiled. */
export function neverCompiles() {
  WebAssembly.compile = WebAssembly.compileStreaming = () => new Promise(() => {});
}

/** The oldest browsers served here have none. */
export function withoutFinalizers() {
  delete window.FinalizationRegistry;
  delete window.WeakRef;
}

/** Writes down how every connection is made, in `window.__made`. */
export function watchesDoors() {
  const made = (window.__made = { sockets: [], connections: [] });
  const watch = (name, list, fact) => {
    const Native = window[name];
    window[name] = new Proxy(Native, {
      construct(target, args, as) {
        list.push({ at: performance.now(), ...fact(args) });
        return Reflect.construct(target, args, as);
      },
    });
  };
  watch('WebSocket', made.sockets, ([url]) => ({ url }));
  watch('RTCPeerConnection', made.connections, ([config]) => ({ config: JSON.parse(JSON.stringify(config ?? {})) }));
  if (window.webkitRTCPeerConnection) watch('webkitRTCPeerConnection', made.connections, ([config]) => ({ config }));
}

/** An edge that names ICE servers wherever it likes. */
export function namesIceServers(servers) {
  const { set, get } = Object.getOwnPropertyDescriptor(WebSocket.prototype, 'onmessage');
  Object.defineProperty(WebSocket.prototype, 'onmessage', {
    configurable: true,
    get,
    set(listener) {
      set.call(this, listener && ((event) => {
        const message = typeof event.data === 'string' ? JSON.parse(event.data) : {};
        if (!message.welcome) return listener(event);
        message.welcome.iceServers = servers;
        window.__iceServers = servers.length;
        return listener(new MessageEvent('message', { data: JSON.stringify(message) }));
      }));
    },
  });
}

/** The page's own end is not what is looked at: only the SDK hears that it is left. */
export function keepsPlayingWhenLeft() {
  const add = EventTarget.prototype.addEventListener;
  EventTarget.prototype.addEventListener = function (type, listener, ...rest) {
    if (type === 'pagehide' && listener.name === 'leave') return undefined;
    return add.call(this, type, listener, ...rest);
  };
}
