// What several pages show of decisions: the claim, the expected impact, the evidence, and the orders a person may give.
import {ask} from "./api.js";
import {between, chip, empty, make, number, part, percent, sentence, table, when, words} from "./dom.js";
import {intervals} from "./plots.js";

const ORDERS = {
  awaiting_approval: ["approve", "reject"], approved: ["cancel"], executing: ["rollback"],
  monitoring: ["pause", "rollback"], paused: ["resume", "rollback"], completed: ["rollback"],
};
const LABELS = {rollback: "Roll back"};
const WAIT_S = 10;

/** The decision's own record, or while it has none, its proposal. */
export const bodyOf = row => row.decision || row.proposal || {};

/** What is to be done, in one line. */
export function claim(body) {
  const it = body.decision || {};
  switch (it.kind) {
    case "model_switch": return `Switch from ${it.from_model} to ${it.to_model}`;
    case "parameter_adjustment": return "Adjust " + Object.keys(body.changes?.parameters || it.parameters || {}).join(", ");
    case "prompt_variant": return "Serve prompt " + (it.variant ?? it.variant_id);
    case "start_experiment": return "Begin an experiment: " + (it.variants || []).join(" against ");
    case "conclude_experiment": return "Conclude an experiment: " + (it.winner ? `${it.winner} wins` : "the control stays");
    case "rollback": return "Roll back";
    case "circuit_break": return `Take the route off its model for ${Math.round(it.duration_ms / 60000)} min`;
    default: return it.kind ? sentence(it.kind) : "Decision";
  }
}

export const decisionLink = row => make("a", {href: "#/decision/" + encodeURIComponent(row.id)}, sentence(row.kind || "proposal"));
export const scopeLink = name => make("a", {href: "#/scope/" + encodeURIComponent(name)}, name);

/** Decisions as a table, newest first. */
export function decisionTable(rows, caption = "Decisions") {
  if (!rows.length) return empty("Nothing yet. Decisions appear here as soon as the engine proposes something.");
  return table(caption, ["What", "Scope", "State", "By", "When"], rows.map(row =>
    [decisionLink(row), scopeLink(row.scope), chip(row.state), words(row.strategy), when(row.at_ms)]));
}

/** Expected changes, each with its interval. */
export function impact(body) {
  const known = Object.entries(body.impact || {}).filter(([, it]) => it);
  return part("Expected impact", known.length && [
    table("Expected impact", ["Of", "Change", "Interval"], known.map(([name, it]) => [name, percent(it.delta), between(it.interval, percent)])),
    intervals(known.filter(([, it]) => it.interval).map(([name, it]) =>
      ({label: `${name}: ${between(it.interval, percent)}`, low: it.interval.low, high: it.interval.high, estimate: it.delta})),
    "Expected changes with their intervals against no change"),
  ]);
}

/** What the decision rests on: method, samples, statistic against threshold, interval. */
export function evidence(body) {
  const rows = body.evidence || [];
  return part("Evidence", rows.length && [
    table("Evidence", ["Method", "Of", "Samples", "Statistic", "Threshold", "Interval", "Error budget"], rows.map(it =>
      [words(it.method), it.metric && words(it.metric), number(it.samples), number(it.statistic), number(it.threshold), between(it.interval), number(it.error_budget)])),
    intervals(rows.filter(it => it.interval).map(it =>
      ({label: `${words(it.method)} ${words(it.metric)}: ${between(it.interval)}`, low: it.interval.low, high: it.interval.high, threshold: it.threshold > it.interval.high * 5 ? 0 : it.threshold})),
    "Intervals of the evidence against their thresholds"),
  ]);
}

/** Fields and buttons for the orders that this state allows; `after` is called when one was taken. */
export function orders(row, after) {
  const verbs = (ORDERS[row.state] || []).filter(verb => verb !== "rollback" || mayBeUndone(row));
  if (!verbs.length) return null;
  const name = "reason-" + row.id;
  const reason = make("input", {id: name, type: "text", maxlength: 1000, autocomplete: "off", required: true});
  const told = make("p", {role: "status"});
  // Of one order, however often it is sent: an answer may be lost after the order was taken.
  const key = `${Date.now()}-${crypto.getRandomValues(new Uint32Array(4)).join("-")}`;
  let tries = 0;
  const order = verb => async event => {
    if (!reason.value.trim()) {
      told.textContent = "Say why: the reason is kept in the audit trail.";
      told.className = "problem";
      reason.focus();
      return;
    }
    const buttons = [...event.target.parentNode.children];
    buttons.forEach(button => { button.disabled = true; });
    told.textContent = "sending …";
    told.className = "";
    try {
      const done = await ask(`/decisions/${encodeURIComponent(row.id)}/${verb}?wait=${WAIT_S}`, {
        method: verb === "rollback" ? "POST" : "PUT", key: `${key}-${verb}-${tries}`,
        body: {reason: reason.value.trim(), expected_state: row.state},
      });
      told.textContent = done.verdict ? `${labelOf(verb)}: ${words(done.verdict)}` : "The order is sent; the engine has not answered yet.";
      told.className = "done";
      reason.value = "";
      setTimeout(after, 700);
    } catch (problem) {
      // What was refused may be ordered anew; what was not answered is the same order.
      if (problem.status) tries += 1;
      told.textContent = problem.status ? problem.message : "No answer came, so it may have been taken. Ordering it again is safe: it counts once.";
      told.className = "problem";
      buttons.forEach(button => { button.disabled = false; });
    }
  };
  return make("section", {class: "orders", "aria-label": "Orders"},
    make("label", {for: name}, "Reason"), reason,
    make("div", {class: "row"}, verbs.map(verb => make("button", {
      type: "button", class: verb === "approve" || verb === "resume" ? "go" : "no", onclick: order(verb),
    }, labelOf(verb)))), told);
}

// A rollback cannot be rolled back, and an experiment that is over has left nothing to undo.
const mayBeUndone = row => row.kind !== "rollback" && !(row.kind === "start_experiment" && row.state === "completed");

const labelOf = verb => LABELS[verb] || sentence(verb);
