// The whole why of one decision, from the claim to the outcome.
import {ask} from "./api.js";
import {chip, make, number, part, sentence, share, table, when, words} from "./dom.js";
import {bodyOf, claim, evidence, impact, orders, scopeLink} from "./decisions.js";
import {steps} from "./plots.js";

export async function decision(id, again) {
  const row = await ask("/decisions/" + encodeURIComponent(id)), body = bodyOf(row);
  return [
    make("h2", {}, claim(body)),
    make("p", {}, chip(row.state), " ", scopeLink(row.scope), ` · ${words(row.strategy)} · ${when(row.at_ms)}`),
    body.decision?.reason ? make("p", {}, sentence(body.decision.reason)) : null,
    orders(row, again),
    ramp(row),
    impact(body),
    risk(body),
    evidence(body),
    checks(body),
    part("Considered and not chosen", body.alternatives?.length && table("Considered and not chosen", ["What", "Why not", "Detail"],
      body.alternatives.map(it => [it.what, words(it.code), it.detail || number(it.value)]))),
    part("What would have changed it", body.would_flip && make("p", {}, sentence(body.would_flip))),
    part("Orders to the actuator", row.orders.length && table("Orders to the actuator", ["Step", "Order", "Weight", "When"],
      row.orders.map(it => [String(it.step), words(it.order.kind), weightOf(it) === null ? "–" : share(weightOf(it)), when(it.at_ms)]))),
    part("History", table("History", ["When", "To", "By", "Why"],
      row.transitions.map(it => [when(it.at_ms), chip(it.to_state), it.actor || "engine", it.reason]))),
    origin(body),
  ];
}

const weightOf = order => order.order.weight ?? null;

function ramp(row) {
  const points = row.orders.filter(it => weightOf(it) !== null).map(it => ({at_ms: it.at_ms, value: weightOf(it)}));
  const ends = ["rolling_back", "rolled_back", "completed", "paused", "failed", "rollback_failed"];
  const moments = row.transitions.filter(it => ends.includes(it.to_state)).map(it => ({at_ms: it.at_ms, text: words(it.to_state)}));
  const left = row.transitions.find(it => it.to_state === "rolling_back");
  if (left && points.length) points.push({at_ms: left.at_ms, value: 0});
  return part("Share of the traffic", steps(points, moments, "Share of the traffic that the change got, over time; the numbers are under orders"));
}

function risk(body) {
  const it = body.risk;
  return part("Risk", it && make("p", {}, chip(it.level), ` score ${number(it.score)}: exposed is ${share(it.exposure)} of the traffic, `,
    `the worst case is ${number(it.worst_case)} of twice the limit, ${it.reversibility > 0.5 ? "it can be undone at once" : "it can hardly be undone"}, `,
    it.novelty > 0.5 ? "and it was never in use here." : "and it was in use here before."));
}

function checks(body) {
  const rows = body.checks || [];
  return part("Checks", rows.length && table("Checks", ["Check", "Found", "Allowed", "", "Detail"], rows.map(it =>
    [words(it.name), number(it.found), number(it.allowed), chip(it.passed ? "passed" : "failed"), it.detail || ""])));
}

function origin(body) {
  const facts = [["insight", body.insight_id], ["policy", body.policy_hash], ["trace", body.trace_id || body.trace], ["engine", body.engine_version],
    ["from configuration", body.from_configuration_id], ["to configuration", body.to_configuration_id]].filter(([, value]) => value);
  return part("Origin", facts.length && make("dl", {}, facts.map(([name, value]) => [make("dt", {}, name), make("dd", {}, make("code", {}, value))])));
}
