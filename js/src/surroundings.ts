/** Facts about page, device and link. */
import type { PlayerReport } from './mesh-port.js';
import { mutant } from './mutants.js';

interface NavigatorFacts {
  connection?: EventTarget & { saveData?: boolean; type?: string };
  userAgentData?: { mobile?: boolean };
  userAgent?: string;
}

/** What the browser tells of its link; Safari and Firefox tell nothing. */
function network(): { saveData: boolean; cellular: boolean } {
  const { connection } = navigator as NavigatorFacts;
  return { saveData: !!connection?.saveData && !mutant('ignore-save-data'), cellular: connection?.type === 'cellular' };
}

/** The device, for the core's options. */
export function platform(): Record<string, unknown> {
  const { userAgentData, userAgent } = navigator as NavigatorFacts;
  const mobile = userAgentData?.mobile ?? /Mobi|Android/i.test(userAgent ?? '');
  return { mobile, ...network(), webrtc: typeof RTCPeerConnection === 'function' || mutant('assume-webrtc'), unixMs: Date.now() };
}

/** Reports what changes, until the returned function is called; `leave` when the page is left. */
export function watchSurroundings(report: (event: PlayerReport) => void, leave: () => void): () => void {
  const { connection } = navigator as NavigatorFacts;
  const visible = () => report({ type: 'hidden', hidden: document.visibilityState === 'hidden' });
  const link = () => report({ type: 'network', ...network() });
  document.addEventListener('visibilitychange', visible);
  addEventListener('pagehide', leave);
  connection?.addEventListener?.('change', link);
  visible();
  return () => {
    document.removeEventListener('visibilitychange', visible);
    removeEventListener('pagehide', leave);
    connection?.removeEventListener?.('change', link);
  };
}
