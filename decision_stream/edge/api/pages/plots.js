// Small pictures in SVG. Each says its content in words too, and the numbers stand in a table beside it.

const SPACE = "http://www.w3.org/2000/svg";

function drawing(width, height, label) {
  const svg = shape("svg", {viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label});
  return svg;
}

function shape(tag, attributes, text) {
  const node = document.createElementNS(SPACE, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text !== undefined) node.textContent = text;
  return node;
}

function scale(values, from, to, {log = false, pad = 0.05} = {}) {
  const on = log ? Math.log10 : value => value;
  const known = values.filter(value => Number.isFinite(value) && (!log || value > 0)).map(on);
  let low = Math.min(...known), high = Math.max(...known);
  if (low === high) [low, high] = [low - (Math.abs(low) || 1) * 0.1, high + (Math.abs(high) || 1) * 0.1];
  const margin = (high - low) * pad;
  return value => from + ((to - from) * (on(value) - low + margin)) / (high - low + 2 * margin);
}

/** Intervals as bars, each against its threshold: rows of {label, low, high, threshold, estimate}. */
export function intervals(rows, label = "Intervals; the numbers are in the table") {
  const shown = rows.filter(row => Number.isFinite(row.low) && Number.isFinite(row.high));
  if (!shown.length) return null;
  const height = 50, svg = drawing(600, shown.length * height + 8, label);
  const x = scale(shown.flatMap(row => [row.low, row.high, row.threshold ?? 0, 0]), 12, 588);
  shown.forEach((row, place) => {
    const y = place * height;
    const mark = row.threshold ?? 0;
    svg.append(
      shape("text", {x: 12, y: y + 17}, row.label),
      shape("rect", {class: "span", x: x(row.low), y: y + 27, width: Math.max(6, x(row.high) - x(row.low)), height: 10, rx: 3}),
      shape("line", {class: "mark", x1: x(mark), x2: x(mark), y1: y + 23, y2: y + 42}),
    );
    if (Number.isFinite(row.estimate)) svg.append(shape("circle", {class: "dot", cx: x(row.estimate), cy: y + 32, r: 4}));
  });
  return svg;
}

/** Steps over time, such as a ramp's weights: points of {at_ms, value} from 0 to 1, and moments of {at_ms, text}. */
export function steps(points, moments, label) {
  if (!points.length) return null;
  const svg = drawing(600, 200, label), times = [...points, ...moments].map(one => one.at_ms);
  const last = Math.max(...times), x = scale(times, 40, 560), y = value => 150 - 120 * value;
  for (const value of [0, 0.5, 1])
    svg.append(shape("line", {class: "grid", x1: 40, x2: 590, y1: y(value), y2: y(value)}), shape("text", {x: 4, y: y(value) + 4}, `${100 * value} %`));
  let path = `M ${x(points[0].at_ms)} ${y(0)}`;
  for (const point of points) path += ` H ${x(point.at_ms)} V ${y(point.value)}`;
  svg.append(shape("path", {class: "series", d: `${path} H ${x(last)}`}));
  moments.forEach((moment, place) => {
    const end = x(moment.at_ms) > 420;
    svg.append(
      shape("line", {class: "moment", x1: x(moment.at_ms), x2: x(moment.at_ms), y1: 22, y2: 150}),
      shape("text", {x: x(moment.at_ms) + (end ? -4 : 4), y: place % 2 ? 194 : 170, "text-anchor": end ? "end" : "start"}, moment.text),
    );
  });
  return svg;
}

/** An estimate with its interval over time: points of {at_ms, low, high, estimate}; `marks` are levels to compare with. */
export function band(points, marks, label) {
  const shown = points.filter(point => Number.isFinite(point.low) && Number.isFinite(point.high));
  if (shown.length < 2) return null;
  const svg = drawing(600, 200, label), x = scale(shown.map(point => point.at_ms), 60, 590, {pad: 0});
  const y = scale([...shown.flatMap(point => [point.low, point.high]), ...marks.map(mark => mark.value)], 180, 12);
  const edge = name => shown.map(point => `${x(point.at_ms)},${y(point[name])}`);
  svg.append(shape("polygon", {class: "band", points: [...edge("high"), ...edge("low").reverse()].join(" ")}));
  svg.append(shape("polyline", {class: "series", points: shown.map(point => `${x(point.at_ms)},${y(point.estimate ?? (point.low + point.high) / 2)}`).join(" ")}));
  for (const mark of marks) {
    svg.append(shape("line", {class: "mark", x1: 60, x2: 590, y1: y(mark.value), y2: y(mark.value)}));
    svg.append(shape("text", {x: 588, y: y(mark.value) - 4, "text-anchor": "end"}, mark.text));
  }
  const ends = [Math.min(...shown.map(point => point.low)), Math.max(...shown.map(point => point.high))];
  for (const value of ends) svg.append(shape("text", {x: 4, y: y(value) + 4}, value.toPrecision(2)));
  return svg;
}

/** Points in two measures, the second axis upwards; `front` are joined by a line. Rows of {name, x, y, size, tone}. */
export function scatter(rows, {xLabel, yLabel, logX = false, label}) {
  const shown = rows.filter(row => Number.isFinite(row.x) && Number.isFinite(row.y) && (!logX || row.x > 0));
  if (!shown.length) return null;
  const svg = drawing(600, 380, label);
  const x = scale(shown.flatMap(row => [row.x, row.xLow ?? row.x, row.xHigh ?? row.x]), 56, 570, {log: logX, pad: 0.12});
  const y = scale(shown.flatMap(row => [row.y, row.yLow ?? row.y, row.yHigh ?? row.y]), 330, 20, {pad: 0.12});
  svg.append(shape("line", {class: "grid", x1: 50, x2: 590, y1: 340, y2: 340}), shape("line", {class: "grid", x1: 50, x2: 50, y1: 10, y2: 340}));
  svg.append(shape("text", {x: 590, y: 372, "text-anchor": "end"}, `${xLabel} →`), shape("text", {x: 56, y: 18}, `↑ ${yLabel}`));
  const taken = [];
  // A name goes to the first of four places around its dot where no other stands; sizes are those of a phone.
  const named = (row, left, top) => {
    const wide = 10.5 * row.name.length, places = [[11, -8], [11, 24], [-11, -8], [-11, 24]];
    if (left > 480) places.reverse();
    const box = ([dx, dy]) => ({left: dx > 0 ? left + dx : left + dx - wide, right: dx > 0 ? left + dx + wide : left + dx, top: top + dy - 17, bottom: top + dy + 5});
    const isFree = it => it.left >= 0 && it.right <= 600 && taken.every(other =>
      it.right < other.left || it.left > other.right || it.bottom < other.top || it.top > other.bottom);
    const [dx, dy] = places.find(place => isFree(box(place))) || places[0];
    taken.push(box([dx, dy]));
    return shape("text", {x: left + dx, y: top + dy, "text-anchor": dx > 0 ? "start" : "end"}, row.name);
  };
  const front = shown.filter(row => row.front).sort((a, b) => a.x - b.x);
  if (front.length > 1) svg.append(shape("polyline", {class: "front", points: front.map(row => `${x(row.x)},${y(row.y)}`).join(" ")}));
  for (const row of shown) {
    if (Number.isFinite(row.yLow)) svg.append(shape("line", {class: "whisker", x1: x(row.x), x2: x(row.x), y1: y(row.yLow), y2: y(row.yHigh)}));
    svg.append(shape("circle", {class: "point " + (row.tone || ""), cx: x(row.x), cy: y(row.y), r: row.size || 7}));
    svg.append(named(row, x(row.x), y(row.y)));
  }
  for (const value of [Math.min(...shown.map(row => row.x)), Math.max(...shown.map(row => row.x))])
    svg.append(shape("text", {x: x(value), y: 356, "text-anchor": "middle"}, value.toPrecision(2)));
  for (const value of [Math.min(...shown.map(row => row.y)), Math.max(...shown.map(row => row.y))])
    svg.append(shape("text", {x: 4, y: y(value) + 4}, value.toPrecision(3)));
  return svg;
}
