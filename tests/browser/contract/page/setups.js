// Runs in the page: what a page may have in its player's configuration, by name.
/* global lab */
lab.setups = {
  none: () => ({}),
  /** Adds a header; needs an opened request, so HLS.js opens it and asks again. */
  xhrHeader: () => ({ xhrSetup: (xhr) => xhr.setRequestHeader('X-Setup', 'late') }),
  /** Opens by itself, elsewhere. */
  xhrOpens: () => ({ xhrSetup: (xhr, url) => { xhr.open('GET', `${url}${url.includes('?') ? '&' : '?'}token=a`, true); xhr.setRequestHeader('X-Setup', 'opened'); } }),
  /** Opens, sets a header and then fails the first time: HLS.js opens anew, so the header goes once. */
  xhrTwice: () => ({ xhrSetup: (xhr, url) => { const again = xhr.readyState === 1; if (!again) xhr.open('GET', `${url}&first=1`, true); xhr.setRequestHeader('X-Setup', again ? 'second' : 'first'); if (!again) throw new Error('not yet'); } }),
  xhrAsync: () => ({ xhrSetup: async (xhr, url) => { await lab.wait(30); xhr.open('GET', url, true); xhr.setRequestHeader('X-Setup', 'async'); } }),
  /** Slower than the limit to the first byte, which begins when the request is sent. */
  xhrSlow: () => ({ xhrSetup: async (xhr, url) => { await lab.wait(900); xhr.open('GET', url, true); } }),
  xhrThrows: () => ({ xhrSetup: () => { throw new Error('refused by the page'); } }),
  xhrRejects: () => ({ xhrSetup: async () => { throw new Error('refused by the page'); } }),
  xhrCredentials: () => ({ xhrSetup: (xhr) => { xhr.withCredentials = true; } }),
  /** Sets a time limit of its own. */
  xhrTimeout: () => ({ xhrSetup: (xhr) => { xhr.timeout = 150; } }),
  /** Listens on the request by itself. */
  xhrListens: () => ({ xhrSetup: (xhr, url) => { for (const name of ['load', 'loadend', 'error']) xhr[`on${name}`] = () => lab.heard.push(`${new URL(url).host} ${name}`); } }),
  /** Gives the request up. */
  xhrAborts: () => ({ xhrSetup: (xhr) => { setTimeout(() => xhr.abort(), 60); } }),
  /** Writes down what it is given. */
  xhrArguments: () => ({ xhrSetup: function (xhr, url, context) { lab.heard.push(`${new URL(url).host} ${xhr instanceof XMLHttpRequest} ${new URL(url).pathname} ${context ? `${context.url === url} ${context.responseType} ${context.rangeStart}-${context.rangeEnd} ${context.frag && context.frag.sn}` : 'no context'}`); } }),
  fetchHeader: () => ({ fetching: true, fetchSetup: (context, init) => { init.headers.set('X-Setup', 'fetch'); return new Request(context.url, init); } }),
  fetchAsync: () => ({ fetching: true, fetchSetup: async (context, init) => { await lab.wait(30); init.headers.set('X-Setup', 'fetch-async'); return new Request(context.url, init); } }),
  fetchCredentials: () => ({ fetching: true, fetchSetup: (context, init) => new Request(context.url, { ...init, credentials: 'include' }) }),
  fetchElsewhere: () => ({ fetching: true, fetchSetup: (context, init) => new Request(`${context.url}&token=b`, init) }),
  fetchThrows: () => ({ fetching: true, fetchSetup: async () => { throw new Error('refused by the page'); } }),
  fetchPlain: () => ({ fetching: true }),
};
lab.heard = [];
