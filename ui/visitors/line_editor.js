/* Draws the counting line and the ignored areas of a source over a still picture of it, with mouse, fingers or keys.

   All numbers are relative to the picture, from 0 to 1. Nothing is sent to Python before "Save the drawing" is pressed. */

const SVG = "http://www.w3.org/2000/svg";
const SHORTEST = 0.02; // of a line
const STEP = 0.01; // of a key
const MOST_AREAS = 20;
const MOST_CORNERS = 40;
const ARROW = 0.09; // of the picture's height
const FIRST_LINE = [[0.2, 0.6], [0.8, 0.6]];
const FIRST_AREA = [[0.35, 0.3], [0.65, 0.3], [0.65, 0.6], [0.35, 0.6]];
const HINTS = {
  line: "Drag over the picture to draw the line. Drag its ends to move them. The arrow shows the way in.",
  area: "Drag over the picture to draw an area. Drag its corners to move them, and a dot on an edge to add a corner.",
};

const editors = new WeakMap(); // by the component's root

// Streamlit calls this at every mount and again whenever the data change; see camera_watch.js.
export default function ({ parentElement, data, setTriggerValue }) {
  if (!editors.has(parentElement)) editors.set(parentElement, startEditor(parentElement));
  const editor = editors.get(parentElement);
  editor.show(data, setTriggerValue);
  return () => {
    if (editor.shows(data)) {
      editor.stop();
      editors.delete(parentElement);
    }
  };
}

function startEditor(root) {
  let data = null;
  let tell = null;
  let line = null; // [[x, y], [x, y]]
  let areas = []; // each a list of corners
  let tool = "line";
  let chosen = null; // "line", or the place of an area
  let drag = null;
  const ends = new AbortController();
  const listen = (target, type, does) => target.addEventListener(type, does, { signal: ends.signal });

  const made = document.createElement("div"); // beside what Streamlit keeps there: the style
  made.className = "editor";
  made.innerHTML = `<div class="tools" role="toolbar" aria-label="Drawing tools">
      <button type="button" data-does="line">Counting line</button>
      <button type="button" data-does="area">Area to ignore</button>
      <button type="button" data-does="turn">Turn direction</button>
      <button type="button" data-does="remove">Remove</button>
    </div>
    <p class="hint" role="status"></p>
    <div class="stage"><img alt="Still picture of the source" draggable="false"><svg role="group"
      aria-label="Counting line and areas to ignore"></svg></div>
    <div class="tools"><button type="button" class="save" data-does="save">Save the drawing</button></div>`;
  root.querySelector(".editor")?.remove();
  root.append(made);
  const [image, svg, hint] = ["img", "svg", ".hint"].map((name) => made.querySelector(name));
  const button = (does) => made.querySelector(`[data-does=${does}]`);

  const size = () => [image.naturalWidth || 16, image.naturalHeight || 9];

  const draw = () => {
    const [width, height] = size();
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.replaceChildren(...areas.flatMap(areaMarks), ...(line ? lineMarks() : []));
    hint.textContent = HINTS[tool];
    for (const name of ["line", "area"]) button(name).setAttribute("aria-pressed", tool === name);
    button("turn").disabled = !line;
    button("remove").disabled = chosen === null;
    button("remove").textContent = typeof chosen === "number" ? "Remove the area" : "Remove the line";
    button("save").disabled = !changed();
  };

  const px = ([x, y]) => [x * size()[0], y * size()[1]];
  // Marks keep their size on the screen, whatever the picture's.
  const unit = () => size()[0] / (svg.getBoundingClientRect().width || size()[0]);

  const lineMarks = () => {
    const [a, b] = line.map(px);
    const normal = inward(a, b);
    const middle = [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2];
    const reach = ARROW * size()[1] + 8 * unit();
    const tip = [middle[0] + normal[0] * reach, middle[1] + normal[1] * reach];
    const side = [-normal[1], normal[0]];
    const wing = (sign) => [0, 1].map((i) => tip[i] - 12 * unit() * normal[i] + sign * 7 * unit() * side[i]);
    const way = (name) => element("path", { class: name, d: `M${middle}L${tip}M${wing(1)}L${tip}L${wing(-1)}` });
    const word = element("text", {
      x: tip[0] + normal[0] * 14 * unit(),
      y: tip[1] + normal[1] * 14 * unit() + 5 * unit(),
      "font-size": 15 * unit(),
      "stroke-width": 4 * unit(),
      "text-anchor": Math.abs(normal[0]) < 0.4 ? "middle" : normal[0] > 0 ? "start" : "end",
    });
    word.textContent = "in";
    const body = ["casing", "stroke"].map((name) => element("line", { class: name, x1: a[0], y1: a[1], x2: b[0], y2: b[1] }));
    for (const mark of body) mark.dataset.shape = "line";
    const handles = line.map((point, i) => handle(point, `line ${i}`, `End ${i + 1} of the counting line`));
    return [...body, way("casing"), way("stroke"), word, ...handles];
  };

  const areaMarks = (corners, place) => {
    const shape = element("polygon", { class: place === chosen ? "area chosen" : "area", points: corners.map(px).join(" ") });
    shape.dataset.shape = place;
    const name = `of area ${place + 1}`;
    const middles = corners.map((corner, i) => between(corner, corners[(i + 1) % corners.length]));
    const adders = corners.length < MOST_CORNERS ? middles.map((at, i) => handle(at, `new ${place} ${i}`, `Edge ${i + 1} ${name}`, 5)) : [];
    return [shape, ...adders, ...corners.map((at, i) => handle(at, `corner ${place} ${i}`, `Corner ${i + 1} ${name}`))];
  };

  const handle = (point, does, name, radius = 9) => {
    const [cx, cy] = px(point);
    const mark = element("circle", { class: radius < 9 ? "handle small" : "handle", cx, cy, r: radius * unit(), tabindex: 0 });
    mark.setAttribute("role", "button");
    mark.setAttribute("aria-label", `${name}: arrow keys move it`);
    mark.dataset.handle = does;
    return mark;
  };

  /* What a handle's name stands for: its list of points, and the place in it. An edge gets its new corner here. */
  const grasp = (does) => {
    const [kind, first, second] = does.split(" ");
    if (kind === "line") {
      chosen = "line";
      return { points: line, at: Number(first), does };
    }
    chosen = Number(first);
    const corners = areas[chosen];
    if (kind === "corner") return { points: corners, at: Number(second), does };
    const at = Number(second) + 1;
    corners.splice(at, 0, between(corners[at - 1], corners[at % corners.length]));
    return { points: corners, at, does: `corner ${first} ${at}` };
  };

  const place = (event) => {
    const box = svg.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height].map(clamp);
  };

  const begin = (event) => {
    const from = place(event);
    const { handle: does, shape } = event.target.dataset;
    if (does) drag = grasp(does);
    else if (shape === "line") {
      chosen = "line";
      drag = { whole: line, from };
    } else if (shape !== undefined) {
      chosen = Number(shape);
      drag = { whole: areas[chosen], from };
    } else drag = { fresh: true, from, before: { line, areas: [...areas], chosen } };
    svg.setPointerCapture(event.pointerId);
    event.preventDefault();
    draw();
  };

  const move = (event) => {
    if (!drag) return;
    const now = place(event);
    if (drag.fresh) sketch(drag.from, now);
    else if (drag.whole) shift(drag.whole, now);
    else drag.points[drag.at] = now;
    draw();
  };

  /* A whole line or area moves as far as it stays inside. */
  const shift = (points, now) => {
    const by = [0, 1].map((i) => {
      const values = points.map((point) => point[i]);
      return Math.min(1 - Math.max(...values), Math.max(-Math.min(...values), now[i] - drag.from[i]));
    });
    for (const point of points) point.forEach((value, i) => (point[i] = value + by[i]));
    drag.from = now;
  };

  const sketch = (from, to) => {
    if (tool === "line") {
      line = [from, to];
      chosen = "line";
    } else if (drag.before.areas.length < MOST_AREAS) {
      areas = [...drag.before.areas, [from, [to[0], from[1]], to, [from[0], to[1]]]];
      chosen = areas.length - 1;
    }
  };

  const end = () => {
    if (!drag) return;
    if (drag.fresh && isSmall()) ({ line, areas, chosen } = drag.before); // somebody has only tapped
    drag = null;
    draw();
  };

  const isSmall = () => {
    if (chosen === null) return true;
    const points = chosen === "line" ? line : areas[chosen];
    const [first, opposite] = chosen === "line" ? points : [points[0], points[2]];
    const [width, height] = [0, 1].map((i) => Math.abs(first[i] - opposite[i]));
    return chosen === "line" ? Math.hypot(width, height) < SHORTEST : Math.min(width, height) < SHORTEST;
  };

  const actions = {
    line() {
      if (tool === "line" && !line) line = structuredClone(FIRST_LINE); // pressed twice, also by keys: one to start from
      tool = "line";
      chosen = line ? "line" : null;
    },
    area() {
      if (tool === "area" && areas.length < MOST_AREAS) areas.push(structuredClone(FIRST_AREA));
      tool = "area";
      chosen = areas.length ? areas.length - 1 : null;
    },
    turn: () => line.reverse(),
    remove() {
      if (chosen === "line") line = null;
      else areas.splice(chosen, 1);
      chosen = line ? "line" : null;
    },
    save: () => tell("saved", plain()),
  };

  const plain = () => ({ line: line?.flat() ?? null, ignored: areas.map((corners) => corners.flat()) });

  const changed = () => JSON.stringify(plain()) !== JSON.stringify({ line: data.line, ignored: data.ignored });

  listen(svg, "pointerdown", begin);
  listen(svg, "pointermove", move);
  for (const type of ["pointerup", "pointercancel"]) listen(svg, type, end);
  listen(made, "click", (event) => {
    const does = event.target.closest("button")?.dataset.does;
    if (!does) return;
    actions[does]();
    draw();
  });
  listen(svg, "keydown", (event) => {
    const by = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] }[event.key];
    const does = event.target.dataset.handle;
    if (!by || !does) return;
    event.preventDefault();
    const { points, at, does: now } = grasp(does);
    points[at] = points[at].map((value, i) => clamp(value + by[i]));
    draw();
    svg.querySelector(`[data-handle="${now}"]`)?.focus();
  });
  listen(image, "load", draw);
  const watch = new ResizeObserver(() => draw());
  watch.observe(svg);

  return {
    show(next, setTriggerValue) {
      tell = setTriggerValue;
      const other = !data || data.line?.join() !== next.line?.join() || data.ignored.join() !== next.ignored.join();
      if (data?.still !== next.still) image.src = next.still;
      data = next;
      if (other) {
        line = next.line && pairs(next.line);
        areas = next.ignored.map(pairs);
        chosen = line ? "line" : null;
      }
      draw();
    },
    shows: (those) => data === those,
    stop() {
      ends.abort();
      watch.disconnect();
      made.remove();
    },
  };
}

/* The direction of length 1 to the right of somebody who looks from a to b: the way in. */
function inward(a, b) {
  const length = Math.hypot(b[0] - a[0], b[1] - a[1]) || 1;
  return [-(b[1] - a[1]) / length, (b[0] - a[0]) / length];
}

const between = (a, b) => [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2];

const clamp = (value) => Math.min(1, Math.max(0, Math.round(value * 10000) / 10000));

const pairs = (numbers) => numbers.flatMap((x, i) => (i % 2 ? [] : [[x, numbers[i + 1]]]));

function element(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}
