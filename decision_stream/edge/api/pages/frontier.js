// Which models no other beats in everything, scope by scope: quality against cost, latency as the size of the dot.
import {ask, scopePath} from "./api.js";
import {count, empty, make, number, table} from "./dom.js";
import {scopeLink} from "./decisions.js";
import {scatter} from "./plots.js";

const SHOWN = 12;

export async function frontier(name) {
  if (name) return [make("h2", {}, "Frontier"), await plotted(name)];
  const {items} = await ask("/scopes");
  if (!items.length) return [make("h2", {}, "Frontier"), empty("No scope is known yet. Estimates of models come with insights, or from the catalogue.")];
  const newest = [...items].sort((a, b) => b.at_ms - a.at_ms).slice(0, SHOWN);
  const more = items.length > SHOWN ? make("p", {}, `The ${SHOWN} scopes heard of last; the others are reached from their own pages.`) : null;
  return [make("h2", {}, "Frontier"), more, ...await Promise.all(newest.map(row => plotted(row.scope)))];
}

async function plotted(name) {
  const found = await ask(`${scopePath(name)}/frontier`);
  const content = found.models.length ? [
    scatter(found.models.map(point(found.in_use)), {xLabel: "cost of a request, USD (log)", yLabel: "quality", logX: true,
      label: `Models of ${name} by cost and quality; the numbers are in the table`}),
    make("p", {class: "key"}, "Green: on the front, none is better in quality, cost and latency at once. Blue: in use. Bars: one standard error of quality. Larger: slower."),
    table("Models of " + name, ["Model", "Quality", "Cost", "p50", "p95", "Samples", ""], found.models.map(it =>
      [it.model, number(it.quality), "$" + number(it.cost_usd), number(it.latency_p50_ms) + " ms", number(it.latency_p95_ms) + " ms",
        count(it.samples), [it.model === found.in_use ? "in use" : "", it.on_front ? "on the front" : ""].filter(Boolean).join(", ")])),
  ] : empty("No estimate of any model yet.");
  return make("section", {class: "card", "aria-label": "Frontier of " + name}, make("h3", {}, scopeLink(name)), content);
}

const point = inUse => it => {
  const error = it.samples ? it.quality_stddev / Math.sqrt(it.samples) : undefined;
  return {name: it.model, x: it.cost_usd, y: it.quality, yLow: it.quality - error, yHigh: it.quality + error, front: it.on_front,
    size: Math.max(5, Math.min(16, 3 * Math.log10(Math.max(10, it.latency_p95_ms)) - 3)), tone: it.model === inUse ? "use" : it.on_front ? "front" : ""};
};
