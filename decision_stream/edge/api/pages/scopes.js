// The scopes, and one of them: its configuration and how it came about, what runs, who may do what, and the audit trail.
import {ask, scopePath} from "./api.js";
import {chip, count, dollars, empty, make, number, part, percent, share, table, when, words} from "./dom.js";
import {decisionLink, decisionTable, scopeLink} from "./decisions.js";
import {older} from "./list.js";

const ROWS = 100, NEWEST = 20;

export async function scopes(query) {
  const {items, next} = await ask(`/scopes?limit=${ROWS}&${new URLSearchParams(query)}`);
  return [make("h2", {}, "Scopes"), items.length
    ? table("Scopes", ["Scope", "Events", "Last heard of"], items.map(row => [scopeLink(row.scope), count(row.events), when(row.at_ms)]))
    : empty("No scope is known yet. A scope appears with its first insight."), older({}, next, "scopes", "More scopes")];
}

export async function scope(name) {
  const path = scopePath(name);
  const [now, audit, rows] = await Promise.all([ask(path), ask(`${path}/audit?limit=${NEWEST}`), ask("/decisions?limit=20&scope=" + encodeURIComponent(name))]);
  return [
    make("h2", {}, name),
    make("p", {}, "Autonomy: ", words(now.autonomy), now.pinned_by ? [" · ", chip("pinned"), ` by ${now.pinned_by}`] : "",
      now.breaker.state === "closed" ? "" : [" · optimisation ", chip(now.breaker.state), ` until ${when(now.breaker.until_ms)}`],
      now.breaker.route_broken_until_ms ? [" · ", chip("route broken"), ` until ${when(now.breaker.route_broken_until_ms)}`] : "", " · ",
      make("a", {href: "#/frontier/" + encodeURIComponent(name)}, "frontier")),
    now.alarms.length ? make("p", {class: "notice bad"}, "Alarms: " + now.alarms.map(words).join(", ")) : null,
    part("Live measurements", live(now.live)),
    part("Saved so far", now.saved && make("p", {}, `${dollars(now.saved.estimate_usd)}, between ${dollars(now.saved.low_usd)} and ${dollars(now.saved.high_usd)}`)),
    part("Under way", now.ramps.length && now.ramps.map(ramp)),
    part("Configuration in use", settings(now.configuration.configuration)),
    part("How it came about", history(now.configuration.history)),
    part("Budget", now.budget && budget(now.budget)),
    part("Decisions", decisionTable(rows.items), older({scope: name}, rows.next)),
    part("Audit trail", trail(audit.items), older({scope: name}, audit.next, "audit", "Older records")),
  ];
}

/** What was applied to a scope, a page at a time; the query has the scope and the cursor. */
export async function audit(query) {
  const wanted = new URLSearchParams(query), name = wanted.get("scope") || "";
  const cursor = wanted.get("cursor"), after = cursor ? "&before=" + encodeURIComponent(cursor) : "";
  const {items, next} = await ask(`${scopePath(name)}/audit?limit=${ROWS}${after}`);
  return [make("h2", {}, "Audit trail"), make("p", {}, scopeLink(name)), trail(items), older({scope: name}, next, "audit", "Older records")];
}

const trail = records => table("Audit trail", ["#", "When", "Verdict", "By", "Why"], records.map(it =>
  [String(it.sequence), when(it.at_ms), words(it.verdict), it.actor || "engine", (it.reasons || []).map(one => words(one.code)).join(", ")]));

const pairs = rows => make("dl", {}, rows.map(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]));

function live(now) {
  return now && pairs([["quality", number(now.quality)], ["cost of a request", "$" + number(now.cost_usd)], ["latency, p95", number(now.latency_p95_ms) + " ms"],
    ["errors", share(now.error_rate)]]);
}

function settings(configuration) {
  return configuration ? pairs([["model", configuration.model], ["prompt", configuration.prompt ?? "the route's own"],
    ...Object.entries(configuration.parameters || {}).map(([name, value]) => [name, String(value)])]) : empty("No insight has told it yet.");
}

// Each version beside the one before it: only what differs is told.
function history(versions) {
  return versions.length > 0 && table("How it came about", ["Since", "What changed", "By", ""], versions.map((it, place) =>
    [when(it.since_ms), difference(it.configuration, versions[place + 1]?.configuration),
      it.decision_id ? decisionLink({id: it.decision_id, kind: "decision"}) : "first seen", it.healthy ? "held its guards" : ""]));
}

function difference(after, before) {
  const flat = it => (it ? {model: it.model, prompt: it.prompt ?? "the route's own", ...it.parameters} : {});
  const [now, then] = [flat(after), flat(before)];
  const changed = [...new Set([...Object.keys(now), ...Object.keys(then)])].filter(name => now[name] !== then[name]);
  return changed.map(name => (before ? `${name}: ${then[name] ?? "none"} → ${now[name] ?? "none"}` : `${name}: ${now[name]}`)).join(", ") || "nothing";
}

function ramp(it) {
  return make("div", {}, make("p", {}, decisionLink({id: it.id, kind: "ramp"}), ` at ${share(it.weight)} of the traffic since ${when(it.step_at_ms)}`),
    table("Guards", ["Guard", "Score", "Bound", "", "Interval"], it.guards.map(guard => [guard.metric, number(guard.score), number(guard.bound),
      chip(guard.breached ? "breached" : guard.suspicious ? "suspicious" : "passed"), guard.interval ? `${percent(guard.interval.low)} to ${percent(guard.interval.high)}` : "–"])));
}

function budget(it) {
  return make("p", {}, `${dollars(it.spent_usd)} of ${dollars(it.daily_limit_usd)} spent, until ${when(it.resets_at_ms)}.`);
}
