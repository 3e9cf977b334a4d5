// Builds nodes. Texts are only ever set as text, so that nothing from the journal can become markup.

/** An element with attributes (`onclick` and the like are listeners) and children; null children are left out. */
export function make(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter(child => child !== null && child !== undefined && child !== false));
  return node;
}

/**
 * A table; a row is a list of texts and nodes. On a narrow screen the rows of one with more than three columns become
 * cards, which its roles would not survive by themselves.
 */
export function table(caption, heads, rows) {
  const cell = (value, place) => make("td", {role: "cell", "data-head": heads[place], "data-none": value === "–" || !value?.toString().length}, value ?? "–");
  return make("div", {class: heads.length > 3 ? "wide many" : "wide", tabindex: "0", role: "group", "aria-label": caption},
    make("table", {role: "table"},
      make("caption", {class: "unseen"}, caption),
      make("thead", {role: "rowgroup"}, make("tr", {role: "row"}, heads.map(head => make("th", {role: "columnheader", scope: "col"}, head)))),
      make("tbody", {role: "rowgroup"}, rows.map(row => make("tr", {role: "row"}, row.map(cell))))));
}

/** A titled part of a page; nothing at all when it has no content. */
export function part(title, ...content) {
  const shown = content.flat(Infinity).filter(Boolean);
  return shown.length ? make("section", {"aria-label": title}, make("h3", {}, title), shown) : null;
}

/** A box that says what is missing and what to do about it. */
export const empty = text => make("p", {class: "empty"}, text);

/** The state of a decision as a coloured chip; the colour repeats the word. */
export const chip = state => make("span", {class: "chip " + toneOf(state)}, words(state));

const TONES = {
  good: ["completed", "closed", "passed", "applied", "healthy"],
  warn: ["awaiting_approval", "paused", "rolling_back", "half_open", "medium"],
  bad: ["failed", "rejected", "rolled_back", "rollback_failed", "open", "high", "critical"],
  busy: ["approved", "executing", "monitoring", "validating", "pending", "running"],
};
function toneOf(state) {
  return Object.keys(TONES).find(tone => TONES[tone].includes(state)) || "calm";
}

export const words = text => String(text ?? "").replaceAll("_", " ");
export const sentence = text => words(text).replaceAll("->", "→").replace(/^./, first => first.toUpperCase());
export const when = ms => (ms ? new Date(ms).toLocaleString() : "–");
export const percent = share => (share > 0 ? "+" : "") + (100 * share).toFixed(1) + " %";
export const share = value => (100 * value).toFixed(value < 0.1 ? 1 : 0) + " %";
export const number = value => (value === null || value === undefined ? "–" : String(Number(Number(value).toPrecision(3))));
export const count = value => Number(value || 0).toLocaleString();
export const dollars = value => (value < 0 ? "−" : "") + "$" + Math.abs(value).toLocaleString(undefined, {maximumSignificantDigits: 3});
export const between = (interval, shown = number) => (interval ? `${shown(interval.low)} to ${shown(interval.high)}` : "not known");

/** A time to come, roughly. */
export function within(ms) {
  if (ms <= 0) return "at the engine's next look";
  const minutes = Math.round(ms / 60000);
  if (minutes < 90) return `in ${minutes} min`;
  return minutes < 2880 ? `in ${Math.round(minutes / 60)} h` : `in ${Math.round(minutes / 1440)} d`;
}
