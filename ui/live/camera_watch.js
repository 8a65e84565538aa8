/* Tells Python why the camera could not be opened.

   streamlit-webrtc asks for the camera inside an iframe of the same origin and keeps the answer to itself; Streamlit's own
   snapshots ask for it in the page. This component has no looks: from the main document it listens in on the iframe's
   getUserMedia, or on the page's, and reports one of the codes of
   ui/live/camera_watch.py, or null once the camera works. It never asks for the camera itself. */

const STREAMER = 'iframe[src*="streamlit_webrtc.component.webrtc_streamer"]';

// A call that follows a failure within this time is a second attempt of streamlit-webrtc's own: its outcome counts.
const RETRY_MS = 400;

// The names in https://www.w3.org/TR/mediacapture-streams/#dom-mediadevices-getusermedia. Firefox says AbortError of a
// camera that is in use; SecurityError means that cameras are switched off for the whole page.
const PROBLEM_OF_ERROR = {
  NotAllowedError: "refused",
  SecurityError: "refused",
  NotFoundError: "missing",
  NotReadableError: "busy",
  AbortError: "busy",
  NotSupportedError: "unsupported",
};

// The page itself, in the form of an iframe.
const SELF = { contentWindow: window, isConnected: true };

const watches = new WeakMap(); // by the component's root

// Streamlit calls this at every mount and again whenever the data change, but the cleanup of a superseded call only where
// that call came too late. So the watch belongs to the root, and only the cleanup of the latest call ends it.
export default function ({ parentElement, data, setStateValue }) {
  if (!watches.has(parentElement)) watches.set(parentElement, startWatch(data.ofPage));
  const watch = watches.get(parentElement);
  watch.serve(setStateValue, data.problem);
  return () => {
    if (watch.servesStill(setStateValue)) {
      watch.stop();
      watches.delete(parentElement);
    }
  };
}

function startWatch(ofPage) {
  const listening = new Map(); // iframe -> { devices, stop }
  let tell = null;
  let told; // what Python said it knows
  let known = null; // what it knows by now
  let timer = null;
  let permission = null;
  let stopped = false;

  const report = (problem) => {
    clearTimeout(timer);
    if (!stopped) for (const frame of listening.keys()) showOwnError(frame, problem === null);
    if (stopped || problem === known) return;
    known = problem;
    tell("problem", problem);
  };

  const listen = (frame) => {
    const devices = devicesOf(frame);
    if (!devices || listening.get(frame)?.devices === devices) return;
    for (const gone of [...listening.keys()].filter((f) => !f.isConnected)) listening.delete(gone);
    const stop = overhear(devices, {
      asked: () => clearTimeout(timer),
      opened: () => report(null),
      failed: (error) => {
        clearTimeout(timer);
        timer = setTimeout(report, RETRY_MS, problemOf(error));
      },
    });
    listening.set(frame, { devices, stop });
  };

  // An iframe's load event does not bubble, but it passes here on its way down: also that of one mounted later.
  const loaded = ({ target }) => {
    if (target instanceof HTMLIFrameElement && target.matches(STREAMER)) listen(target);
  };

  const permissionChanged = () => {
    if (known === "refused" && permission.state !== "denied") report(null);
  };

  if (ofPage) listen(SELF);
  else {
    document.addEventListener("load", loaded, true);
    document.querySelectorAll(STREAMER).forEach(listen);
  }
  cameraPermission().then((found) => {
    if (stopped) return;
    permission = found;
    permission?.addEventListener("change", permissionChanged);
    // The page may have asked, and been refused, before this was there.
    if (ofPage && permission?.state === "denied") report("refused");
  });

  return {
    serve(setStateValue, problem) {
      tell = setStateValue;
      if (problem !== told) told = known = problem;
      const obstacle = obstacleToAll(ofPage);
      if (obstacle) report(obstacle);
    },
    servesStill: (setStateValue) => tell === setStateValue,
    stop() {
      stopped = true;
      clearTimeout(timer);
      document.removeEventListener("load", loaded, true);
      permission?.removeEventListener("change", permissionChanged);
      listening.forEach((one) => one.stop());
    },
  };
}

/* Show streamlit-webrtc's own words for a failure, or hide them: one message on the page is enough. */
function showOwnError(frame, shown) {
  const inside = frame === SELF ? null : frame.contentDocument;
  if (!inside?.head) return;
  inside.getElementById("facetraits-quiet")?.remove();
  if (shown) return;
  const style = inside.createElement("style");
  style.id = "facetraits-quiet";
  style.textContent = ".MuiAlert-root { display: none; }";
  inside.head.append(style);
}

/* Replace devices.getUserMedia by one that does the same and calls back; returns what takes it away again. */
function overhear(devices, { asked, opened, failed }) {
  const own = Object.getOwnPropertyDescriptor(devices, "getUserMedia");
  const original = devices.getUserMedia;
  const overheard = function (...constraints) {
    const answer = original.apply(this, constraints);
    asked();
    answer.then(opened, failed);
    return answer;
  };
  devices.getUserMedia = overheard;
  return () => {
    if (devices.getUserMedia !== overheard) return; // somebody has built on it
    if (own) Object.defineProperty(devices, "getUserMedia", own);
    else delete devices.getUserMedia;
  };
}

/* What keeps every page at this address, or in this browser, from a live picture; null where nothing does. */
function obstacleToAll(ofPage) {
  if (navigator.mediaDevices?.getUserMedia && (ofPage || window.RTCPeerConnection)) return null;
  return window.isSecureContext === false ? "insecure" : "unsupported";
}

function problemOf(error) {
  // A camera asked for by its number that is not there; other constraints are wishes that no camera can fulfil.
  if (error?.name === "OverconstrainedError" && error.constraint === "deviceId") return "missing";
  return PROBLEM_OF_ERROR[error?.name] ?? "other";
}

function devicesOf(frame) {
  try {
    return frame.contentWindow.navigator.mediaDevices;
  } catch {
    return undefined; // of another origin
  }
}

/* null where the browser does not tell: Firefox before 119, Safari before 16. Safari tells but announces no change. */
async function cameraPermission() {
  try {
    return await navigator.permissions.query({ name: "camera" });
  } catch {
    return null;
  }
}
