/**
 * Every code that the SDK throws or tells, what it means, and what to do. The READMEs show this table.
 *
 * Thrown: a mistake in the page's own code, at once. Told: an `error` event and one console line for each code;
 * playback goes on over HTTP whatever it is. Those with a fourth word end the mesh until the page is reloaded.
 */
export const ERRORS = {
  'option-missing': ['thrown', 'A required option is absent.', 'Give it.'],
  'option-unknown': ['thrown', 'No option has this name.', 'Correct the name; the message suggests one.'],
  'option-invalid': ['thrown', 'An option has a value that it cannot have.', 'Give what the message says was expected.'],
  'not-a-player': ['thrown', '`attach` was given something that is not a player using MeshedFlow.', 'Call it with the Hls instance, made with a configuration from here.'],
  'core-missing': ['thrown', '`SharedLoader` was used before `SharedLoader.core` was set.', 'Set it before `new Hls(...)`.'],
  'event-unknown': ['thrown', '`on` or `off` was given a name that no event has.', 'Correct the name; the message lists them.'],
  'no-core': ['told', 'The mesh could not be started: the late script or the WebAssembly module is absent, altered, forbidden, or not there within a minute.', 'Serve both files as they were built, let the content security policy allow them; the message names which.', 'mesh'],
  'no-webrtc': ['told', 'This browser has no WebRTC: no peer can be reached, and the module is not fetched.', 'Nothing.', 'mesh'],
  'core-dead': ['told', 'The mesh failed and was closed; it stays off until the page is reloaded.', 'Report the message to us.', 'mesh'],
  'core-silent': ['told', 'The mesh left three loads in a row unanswered, and was closed; it stays off until the page is reloaded.', 'Report it to us, with what else the page was doing.', 'mesh'],
  'no-list': ['told', 'There is no signed list beside a playlist.', 'Sign the stream at the origin, and let CORS allow the list.'],
  'list-refused': ['told', 'A signed list is not understood.', 'Sign with a version that this SDK knows.'],
  'list-mismatch': ['told', 'A list is about another stream, rendition or resource.', 'Give the `streamId` that the origin signs; check `originBaseUrl`.'],
  'list-signature': ['told', 'A list has a false signature.', 'Find who alters lists between the signer and the viewer.'],
  'insecure-list': ['told', 'Lists come without TLS, and are not read.', 'Serve them by https.'],
  'epochs-refused': ['told', 'The lists of a playlist contradict what was signed before.', 'Keep the state file of the signer; never sign one stream twice.'],
  'quarantine': ['told', 'Two signed lists of one segment disagree; after three of them within an hour nothing is shared until the first is an hour old.', 'Let one signer sign a stream.'],
  'rendition-collision': ['told', 'Two playlists have one rendition name and different lists: both stay on HTTP while both are in use.', 'Give `originBaseUrl`, or attach the player.'],
  'rendition-elsewhere': ['told', 'A playlist is a rendition that is played from another origin already; its segments stay on HTTP.', 'Name both origins in `trustedKeyOrigins`.'],
  'ranges-ignored': ['told', 'Segments are byte ranges, and the origin answers with whole files: they are played, not shared.', 'Let the origin answer ranges.'],
  'http-mismatch': ['told', 'A segment over HTTP differs from its signed list: it is played, not shared.', 'Sign what the CDN serves.'],
  'no-keys': ['told', 'There is no key set at the origin, and no key is pinned.', 'Publish `/.well-known/meshedflow/keys.json`, or give `trustedKeys`.'],
  'keys-refused': ['told', 'The key set is not understood, or not signed by `rootKey`.', 'Publish the one that `meshedflow keys` made.'],
  'keys-expired': ['told', 'The key set has expired, by the clock of this viewer: nothing it names counts.', 'Renew it with `meshedflow keys publish`, and put it where the message says.'],
  'insecure-keys': ['told', 'Keys come without TLS, and are not read.', 'Serve them by https.'],
  'no-trusted-key': ['told', 'The list is signed by a key that does not count: not in the key set, not for this stream or time, revoked or no longer active.', 'Publish the key, or pin it.'],
  'bad-pin': ['told', 'A pinned key is no Ed25519 key.', 'Give the `x` of its JWK.'],
  'policy-unread': ['told', 'The remote policy could not be read: no peers until it was.', 'Serve it at `remoteConfigUrl`, and let CORS allow it.'],
  'policy-refused': ['told', 'The remote policy is not understood: no peers.', 'Write it by its JSON Schema.'],
  'policy-version': ['told', 'The remote policy is older than one read before, and was ignored.', 'Count its `version` up.'],
  'policy-notices': ['told', 'The remote policy has unknown members, values out of range, or keys without effect on this SDK.', 'Correct what the message names.'],
  'bad-stream-id': ['told', 'The stream or peer name is none that an edge takes.', 'Use letters, digits and `._~/-`.'],
  'edge-refused': ['told', 'The edge refused this viewer.', 'See its message: token, stream, version or load.'],
  'edge-message': ['told', 'A message of the edge is not understood.', 'Run an edge of a version that this SDK knows.'],
  'edge-flood': ['told', 'The edge said more than any edge has to, and was left for a while.', 'Run an edge that you trust.'],
  'peer-closed': ['told', 'A neighbour broke the protocol or sent false bytes, and was closed.', 'Nothing; the bytes were dropped.'],
  'own-sdp': ['told', "This browser's own connection offer is not understood.", 'Report the browser to us.'],
  'bad-word': ['told', 'Two parts of the SDK are of different versions.', 'Serve `late.js` and the module of one build.'],
} as const;

/** Codes of {@link MeshedFlowError} and of the `error` event. */
export type ErrorCode = keyof typeof ERRORS;

/** Codes after which there is no mesh on the page any more. */
export type EndCode = { [C in ErrorCode]: (typeof ERRORS)[C] extends readonly [string, string, string, 'mesh'] ? C : never }[ErrorCode];

/** Which option, what it was, and what was expected instead. */
export interface ErrorFacts {
  option?: string;
  value?: unknown;
  expected?: string;
}

/** The only error the SDK throws at the page; nothing that happens later, on the network, ever throws. */
export class MeshedFlowError extends Error {
  readonly code: ErrorCode;
  readonly option: string | undefined;
  readonly value: unknown;
  readonly expected: string | undefined;

  constructor(code: ErrorCode, message: string, facts: ErrorFacts = {}) {
    super(`MeshedFlow: ${message} [${code}]`);
    this.name = 'MeshedFlowError';
    this.code = code;
    this.option = facts.option;
    this.value = facts.value;
    this.expected = facts.expected;
  }
}
