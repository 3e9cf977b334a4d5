// Running and past experiments.
import {ask} from "./api.js";
import {empty, make} from "./dom.js";
import {decisionTable} from "./decisions.js";

export async function experiments() {
  const [begun, concluded] = await Promise.all(
    ["start_experiment", "conclude_experiment"].map(kind => ask("/decisions?limit=50&kind=" + kind)));
  const rows = [...begun.items, ...concluded.items].sort((a, b) => b.at_ms - a.at_ms);
  return [make("h2", {}, "Experiments"), rows.length ? decisionTable(rows, "Experiments") : empty("No experiment was begun yet.")];
}
export async function experiment() { return experiments(); }
