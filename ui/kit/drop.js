/* Files that are dropped anywhere on the page, or pasted, go to the page's file field as if they had been chosen there.

   This component has no looks but the frame that shows where to drop. Python is told only where the page has no file
   field at the moment; then the files wait for it. Of a folder all files are taken. What is dragged from the page itself,
   as one of its pictures, is not taken, and a link that is dropped does not lead away from the page. */

const FIELD = '[data-testid="stFileUploader"] input[type="file"]';
const TEXT_FIELD = "input, textarea, [contenteditable]";
const WAIT_MS = 5000;

const drops = new WeakMap(); // by the component's root

// Streamlit calls this at every mount and again whenever the data change; see camera_watch.js.
export default function ({ parentElement, setTriggerValue }) {
  if (!drops.has(parentElement)) drops.set(parentElement, startDrop(parentElement));
  const drop = drops.get(parentElement);
  drop.serve(setTriggerValue);
  return () => {
    if (drop.servesStill(setTriggerValue)) {
      drop.stop();
      drops.delete(parentElement);
    }
  };
}

function startDrop(root) {
  let tell = () => {};
  let waiting = null;
  let asked = 0;
  let fromHere = false; // what is dragged is a part of this page
  let deep = 0; // elements under the pointer that it has entered and not left
  const frame = root.querySelector(".drop");
  const ends = new AbortController();
  const listen = (type, does) => document.addEventListener(type, does, { capture: true, signal: ends.signal });

  const field = () => document.querySelector(FIELD);
  const isOwn = (event) => event.target.closest?.('[data-testid="stFileUploader"]'); // Streamlit does it there
  const holds = (data, type) => Boolean(data) && [...data.types].includes(type);
  const holdsFiles = (data) => !fromHere && holds(data, "Files"); // Chrome says so of the page's own pictures, too
  const leadsAway = (event) =>
    holds(event.dataTransfer, "text/uri-list") && !holdsFiles(event.dataTransfer) && !event.target.closest?.(TEXT_FIELD);
  const show = (on) => frame.toggleAttribute("data-on", on);

  const give = (files) => {
    const input = field();
    const chosen = new DataTransfer();
    for (const file of input.multiple ? files : files.slice(0, 1)) chosen.items.add(file);
    input.files = chosen.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  };

  const take = (files) => {
    if (files.length === 0) return;
    if (field()) {
      give(files);
      return;
    }
    waiting?.disconnect();
    waiting = new MutationObserver(() => {
      if (!field()) return;
      waiting.disconnect();
      setTimeout(give, 100, files); // React has put the field there, and listens to it a moment later
    });
    waiting.observe(document.body, { childList: true, subtree: true });
    setTimeout(() => waiting.disconnect(), WAIT_MS);
    asked += 1;
    tell("files_wait", asked);
  };

  listen("dragstart", () => {
    fromHere = true;
  });
  listen("dragend", () => {
    fromHere = false;
  });
  listen("dragenter", (event) => {
    if (!holdsFiles(event.dataTransfer)) return;
    deep += 1;
    show(!isOwn(event));
  });
  listen("dragleave", (event) => {
    if (!holdsFiles(event.dataTransfer)) return;
    deep = Math.max(0, deep - 1);
    if (deep === 0) show(false);
  });
  listen("dragover", (event) => {
    if (isOwn(event)) return;
    if (holdsFiles(event.dataTransfer)) event.preventDefault(); // or the browser would open the file
    else if (leadsAway(event)) {
      event.preventDefault();
      event.dataTransfer.dropEffect = "none";
    }
  });
  listen("drop", (event) => {
    deep = 0;
    show(false);
    if (isOwn(event)) return;
    if (leadsAway(event)) event.preventDefault();
    if (!holdsFiles(event.dataTransfer)) return;
    event.preventDefault();
    filesOf(event.dataTransfer).then(take);
  });
  listen("paste", (event) => {
    if (event.target.closest?.(TEXT_FIELD) || !event.clipboardData?.files.length) return;
    event.preventDefault();
    take([...event.clipboardData.files]);
  });

  frame.toggleAttribute("data-listens", true);
  return {
    serve(next) {
      tell = next;
    },
    servesStill: (that) => tell === that,
    stop() {
      ends.abort();
      waiting?.disconnect();
    },
  };
}

/* The files that were dropped, and those in dropped folders; to be called before the event is over. */
async function filesOf(data) {
  const entries = [...data.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.some((entry) => entry.isDirectory)) return [...data.files];
  return (await Promise.all(entries.map(filesIn))).flat();
}

async function filesIn(entry) {
  if (entry.isFile) return [await new Promise((done, fail) => entry.file(done, fail))];
  const reader = entry.createReader(); // gives some at a time
  const inside = [];
  for (let some = null; some === null || some.length > 0; inside.push(...some))
    some = await new Promise((done, fail) => reader.readEntries(done, fail));
  const seen = inside.filter(({ name }) => !name.startsWith(".")); // the system's own notes are hidden
  return (await Promise.all(seen.map(filesIn))).flat();
}
