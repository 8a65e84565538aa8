/* Asks before the page is left while the browser's webcam records: a browser ends a webcam whose page is gone.

   The question comes from Python; where it is empty nothing is asked. The browser's "Back" cannot be asked about: then
   the recording ends, and the sign says so. */

const LINKS = '[data-testid="stPageLink-NavLink"], [data-testid="stPageLink"] a';

const guards = new WeakMap(); // by the component's root

// Streamlit calls this at every mount and again whenever the data change; see camera_watch.js.
export default function ({ parentElement, data }) {
  if (!guards.has(parentElement)) guards.set(parentElement, startGuard());
  const guard = guards.get(parentElement);
  guard.ask(data);
  return () => {
    if (guard.asks(data)) {
      guard.stop();
      guards.delete(parentElement);
    }
  };
}

function startGuard() {
  let data = { question: "" };
  const ends = new AbortController();
  // Before Streamlit hears of the click.
  const clicked = (event) => {
    const link = event.target.closest?.(LINKS);
    const stays = !link || event.ctrlKey || event.metaKey || event.shiftKey || link.href === location.href;
    if (stays || !data.question || window.confirm(data.question)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
  };
  const closing = (event) => {
    if (data.question) event.preventDefault();
  };
  document.addEventListener("click", clicked, { capture: true, signal: ends.signal });
  window.addEventListener("beforeunload", closing, { signal: ends.signal });
  return {
    ask: (next) => (data = next),
    asks: (those) => data === those,
    stop: () => ends.abort(),
  };
}
