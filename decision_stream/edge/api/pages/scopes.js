// The scopes, and one of them: decisions, configuration and the audit trail.
import {ask, scopePath} from "./api.js";
import {count, empty, make, part, table, when, words} from "./dom.js";
import {decisionTable, scopeLink} from "./decisions.js";

export async function scopes() {
  const {items} = await ask("/scopes");
  return [make("h2", {}, "Scopes"), items.length
    ? table("Scopes", ["Scope", "Events", "Last heard of"], items.map(row => [scopeLink(row.scope), count(row.events), when(row.at_ms)]))
    : empty("No scope is known yet. A scope appears with its first insight.")];
}

export async function scope(name) {
  const [audit, rows] = await Promise.all([ask(`${scopePath(name)}/audit?limit=50`), ask("/decisions?limit=20&scope=" + encodeURIComponent(name))]);
  return [make("h2", {}, name),
    part("Decisions", decisionTable(rows.items)),
    part("Audit trail", table("Audit trail", ["#", "When", "Verdict", "By", "Why"], audit.items.map(it =>
      [String(it.sequence), when(it.at_ms), words(it.verdict), it.actor || "engine", (it.reasons || []).map(one => words(one.code)).join(", ")])))];
}
