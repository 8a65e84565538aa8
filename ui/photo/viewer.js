/* Boxes over the picture of the page Photo, which lead to the faces' cards and back; zoom, pan and full screen.

   The picture itself is Streamlit's. This component lies over it in the same frame and draws on top of it in the screen's
   own size, so that lines and letters stay the same at every zoom. Python is told one thing: the number of a chosen
   face whose card is not on the page. */

const FRAME = ".st-key-picture_frame";
const CARD = ".ft-card[data-face]";
const MARK = ".face";
const LARGEST_ZOOM = 8;
const STEP = 1.5; // of the zoom buttons
const MOST_TEXTS = 12; // with more faces the picture would disappear under words
const LABEL_PX = 22; // height of a label
const LEAST_BOX_PX = 20; // under labels, smaller faces would disappear; they get theirs when one zooms in
const LETTER_PX = 6.6; // width of a letter in it, about
const DRAG_PX = 5; // a pointer that moves less has pressed
const SVG = "http://www.w3.org/2000/svg";

const viewers = new WeakMap(); // by the component's root

// Streamlit calls this at every mount and again whenever the data change; see camera_watch.js.
export default function ({ parentElement, data, setTriggerValue }) {
  if (!viewers.has(parentElement)) viewers.set(parentElement, startViewer(parentElement));
  const viewer = viewers.get(parentElement);
  viewer.askForCards((number) => setTriggerValue("wanted", number));
  viewer.show(data);
  return () => {
    if (viewer.shows(data)) {
      viewer.stop();
      viewers.delete(parentElement);
    }
  };
}

function startViewer(root) {
  const frame = (root.getRootNode().host ?? root).closest(FRAME);
  let data = { faces: [], size: [1, 1] };
  let zoom = 1;
  let shift = [0, 0]; // px
  let chosen = 0; // number of a face, from 1; 0 for none
  let pointed = 0;
  let hidden = false;
  let marks = [];
  let askForCard = () => {};
  let awaited = 0; // number of the face whose card has been asked for
  const ends = new AbortController();
  const listen = (target, type, does, options = {}) =>
    target.addEventListener(type, does, { ...options, signal: ends.signal });

  root.querySelector(".stage")?.remove();
  const made = document.createElement("div"); // beside what Streamlit keeps there: the style
  made.innerHTML = `<div class="stage"><svg role="group" aria-label="Faces in the picture"></svg>
    <div class="tools" role="toolbar" aria-label="View of the picture">
      ${tool("boxes", "Hide or show the boxes", "M4 5h16v14H4zM8 9h8v6H8z")}
      ${tool("out", "Zoom out", "M5 12h14")}
      ${tool("in", "Zoom in", "M5 12h14M12 5v14")}
      ${tool("full", "Full screen", "M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5")}
    </div></div>`;
  const stage = made.firstElementChild;
  root.append(stage);
  const svg = root.querySelector("svg");

  const picture = () => frame?.querySelector("img");

  /* Where the picture lies in the stage: as large as fits, in the middle. */
  const base = () => {
    const [width, height] = data.size;
    const room = stage.getBoundingClientRect();
    const scale = Math.min(room.width / width, room.height / height) || 1;
    return { x: (room.width - width * scale) / 2, y: (room.height - height * scale) / 2, scale };
  };

  const onScreen = ([x1, y1, x2, y2]) => {
    const { x, y, scale } = base();
    const at = (value, start, moved) => (start + value * scale) * zoom + moved;
    const left = at(x1, x, shift[0]);
    const top = at(y1, y, shift[1]);
    return { left, top, width: (x2 - x1) * scale * zoom, height: (y2 - y1) * scale * zoom };
  };

  const draw = () => {
    const image = picture();
    if (image) {
      image.style.transformOrigin = "0 0";
      image.style.transform = zoom === 1 ? "" : `translate(${shift[0]}px, ${shift[1]}px) scale(${zoom})`;
    }
    stage.classList.toggle("zoomed", zoom > 1);
    svg.style.display = hidden ? "none" : "";
    const boxes = data.faces.map((face) => onScreen(face.box));
    const room = stage.getBoundingClientRect();
    // First all numbers have their places, then the answers where they cover neither these nor another face.
    const places = boxes.map((box, i) => spot(`${i + 1}`, box, room));
    for (const [i, mark] of marks.entries()) {
      mark.style.display = isInside(boxes[i], room) ? "" : "none";
      place(mark, i, boxes, places, room);
    }
  };

  /* The marks stay the same elements while the picture does: one that is pressed must not vanish under the pointer. */
  const makeMarks = () => {
    marks = data.faces.map((face, i) => {
      const mark = element("g", { tabindex: 0, role: "button" });
      mark.dataset.face = i + 1;
      mark.setAttribute("aria-label", `Face ${i + 1}${face.text ? `: ${face.text}` : ""}`);
      mark.append(...["casing", "line", "plate"].map((name) => element("rect", { class: name, rx: 4 })), element("text", {}));
      return mark;
    });
    svg.replaceChildren(...marks);
  };

  const place = (mark, i, boxes, places, room) => {
    const number = i + 1;
    const { text } = data.faces[i];
    const marked = number === chosen || number === pointed;
    const [casing, line, plate, letters] = mark.children;
    mark.setAttribute("class", marked ? "face marked" : "face");
    mark.setAttribute("aria-pressed", number === chosen);
    const { left: x, top: y, width, height } = boxes[i];
    for (const rect of [casing, line]) set(rect, { x, y, width: Math.max(1, width), height: Math.max(1, height) });
    let words = `${number}`;
    if (text && (marked || data.faces.length <= MOST_TEXTS)) {
      const whole = `${number}  ${text}`;
      const at = spot(whole, boxes[i], room);
      const other = (box, k) => k !== i && cover(at, box);
      if (marked || !(places.some(other) || boxes.map(edges).some(other))) {
        words = whole;
        places[i] = at;
      }
    }
    const bare = !marked && Math.max(width, height) < LEAST_BOX_PX;
    for (const part of [plate, letters]) part.style.display = bare ? "none" : "";
    letters.textContent = words;
    const at = places[i];
    set(plate, { x: at.left, y: at.top, width: at.right - at.left, height: LABEL_PX });
    set(letters, { x: at.left + 6, y: at.top + 16 });
  };

  const cardOf = (number) => document.querySelector(`${CARD}[data-face="${number}"]`);

  const choose = (number, scroll) => {
    cardOf(chosen)?.classList.remove("ft-chosen");
    chosen = number === chosen && scroll ? 0 : number;
    const card = cardOf(chosen);
    card?.classList.add("ft-chosen");
    if (card && scroll) open(card);
    awaited = chosen && !card ? chosen : 0;
    if (awaited) askForCard(awaited);
    draw();
  };

  const open = (card) => {
    card.querySelector("details")?.setAttribute("open", "");
    card.scrollIntoView({ block: "nearest", behavior: calm() ? "auto" : "smooth" });
  };

  // Python draws the cards anew: the chosen one is marked again, and one that was asked for is opened.
  const cards = new MutationObserver(() => {
    const card = cardOf(chosen);
    card?.classList.add("ft-chosen");
    if (card && awaited === chosen) {
      awaited = 0;
      open(card);
    }
  });
  cards.observe(document.querySelector("[data-testid=stMain]") ?? document.body, { childList: true, subtree: true });

  const zoomTo = (wanted, x, y) => {
    const next = Math.min(LARGEST_ZOOM, Math.max(1, wanted));
    shift = [x - ((x - shift[0]) * next) / zoom, y - ((y - shift[1]) * next) / zoom];
    zoom = next;
    keepInside();
    draw();
  };

  const keepInside = () => {
    const room = stage.getBoundingClientRect();
    shift = [room.width, room.height].map((side, i) => Math.min(0, Math.max(side * (1 - zoom), shift[i])));
  };

  const middle = () => {
    const room = stage.getBoundingClientRect();
    return [room.width / 2, room.height / 2];
  };

  const fullScreen = () =>
    document.fullscreenElement ? document.exitFullscreen() : frame?.requestFullscreen?.().catch(() => {});

  const actions = {
    boxes: () => {
      hidden = !hidden;
      draw();
    },
    in: () => zoomTo(zoom * STEP, ...middle()),
    out: () => zoomTo(zoom / STEP, ...middle()),
    full: fullScreen,
  };

  // ---- pointers: one presses or drags, two pinch

  const pointers = new Map();
  let dragged = 0;

  const local = (event) => {
    const room = stage.getBoundingClientRect();
    return [event.clientX - room.left, event.clientY - room.top];
  };

  listen(stage, "pointerdown", (event) => {
    if (event.target.closest(".tools")) return;
    pointers.set(event.pointerId, local(event));
    dragged = 0;
  });
  listen(stage, "pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    if (!before) {
      const over = faceAt(event, MARK);
      if (over !== pointed) point(over);
      return;
    }
    const now = local(event);
    const others = [...pointers].filter(([id]) => id !== event.pointerId);
    pointers.set(event.pointerId, now);
    if (others.length === 1) {
      const other = others[0][1];
      const grown = distance(now, other) / Math.max(1, distance(before, other));
      zoomTo(zoom * grown, (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
      dragged = DRAG_PX;
    } else {
      dragged += distance(now, before);
      if (zoom > 1 && dragged >= DRAG_PX) {
        shift = [shift[0] + now[0] - before[0], shift[1] + now[1] - before[1]];
        keepInside();
        draw();
      }
    }
  });
  listen(stage, "pointerup", (event) => {
    if (!pointers.delete(event.pointerId) || dragged >= DRAG_PX) return;
    const number = faceAt(event, MARK);
    if (number || chosen) choose(number, number > 0);
  });
  for (const type of ["pointercancel", "pointerleave"]) {
    listen(stage, type, (event) => {
      pointers.delete(event.pointerId);
      if (pointed) point(0);
    });
  }
  listen(stage, "dblclick", (event) => {
    if (!event.target.closest(".tools")) zoomTo(zoom > 1 ? 1 : 2.5, ...local(event));
  });
  listen(
    stage,
    "wheel",
    (event) => {
      if (!event.ctrlKey && document.fullscreenElement !== frame) return; // the page scrolls
      event.preventDefault();
      zoomTo(zoom * Math.exp(-event.deltaY / 300), ...local(event));
    },
    { passive: false },
  );

  // ---- keys and buttons

  listen(root, "click", (event) => actions[event.target.closest("button")?.dataset.does]?.());
  listen(root, "keydown", (event) => {
    const number = faceAt(event, MARK);
    if (number && (event.key === "Enter" || event.key === " ")) choose(number, true);
    else if (event.key === "+") actions.in();
    else if (event.key === "-") actions.out();
    else if (event.key === "0") zoomTo(1, 0, 0);
    else if (event.key === "Escape" && chosen) choose(0, false);
    else return;
    event.preventDefault();
  });

  // ---- the cards

  const point = (number) => {
    cardOf(pointed)?.classList.remove("ft-pointed");
    pointed = number;
    cardOf(pointed)?.classList.add("ft-pointed");
    draw();
  };
  for (const type of ["pointerover", "focusin"]) {
    listen(document, type, (event) => {
      const number = faceAt(event, CARD);
      if (number ? number !== pointed : pointed && !root.contains(event.target) && !frame?.contains(event.target))
        point(number);
    });
  }
  listen(document, "click", (event) => {
    const number = faceAt(event, CARD);
    if (number && event.target.closest("summary")) choose(number, false);
  });

  listen(document, "fullscreenchange", () => {
    zoom = 1;
    shift = [0, 0];
    requestAnimationFrame(draw);
  });
  const watch = new ResizeObserver(() => {
    keepInside();
    draw();
  });
  watch.observe(stage);

  return {
    show(next) {
      if (data === next) return;
      const other = JSON.stringify(data.faces) !== JSON.stringify(next.faces);
      data = next;
      if (other) {
        chosen = pointed = 0;
        zoom = 1;
        shift = [0, 0];
        makeMarks();
      }
      draw();
    },
    shows: (those) => data === those,
    askForCards(ask) {
      askForCard = ask;
    },
    stop() {
      ends.abort();
      watch.disconnect();
      cards.disconnect();
      stage.remove();
      const image = picture();
      if (image) image.style.transform = "";
    },
  };
}

const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

/* Where a label stands: over its box, or under it at the upper edge, and never outside. */
function spot(text, box, room) {
  const width = 12 + LETTER_PX * text.length;
  const left = Math.max(0, Math.min(box.left - 2, room.width - width));
  const over = box.top - LABEL_PX - 2;
  const top = over >= 0 ? over : Math.min(box.top + box.height, room.height - LABEL_PX);
  return { left, top, right: left + width, bottom: top + LABEL_PX };
}

/* Number of the face that an event's mark or card is of; 0 where it is of none. */
const faceAt = (event, what) => Number(event.target.closest?.(what)?.dataset.face ?? 0);

const edges = ({ left, top, width, height }) => ({ left, top, right: left + width, bottom: top + height });

const cover = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;

const isInside = (box, room) => cover(edges(box), { left: 0, top: 0, right: room.width, bottom: room.height });

const distance = (a, b) => Math.hypot(a[0] - b[0], a[1] - b[1]);

function element(name, attributes) {
  const made = document.createElementNS(SVG, name);
  set(made, attributes);
  return made;
}

function set(target, attributes) {
  for (const [key, value] of Object.entries(attributes)) target.setAttribute(key, value);
}

function tool(does, name, path) {
  return `<button type="button" data-does="${does}" aria-label="${name}" title="${name}">
    <svg viewBox="0 0 24 24" aria-hidden="true"><path d="${path}"/></svg></button>`;
}
