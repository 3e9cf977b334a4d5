// Running experiments with their intervals over time, why they are not over yet, and those of the past.
import {ask} from "./api.js";
import {between, chip, count, empty, make, number, part, percent, sentence, share, table, when, words} from "./dom.js";
import {decisionLink, decisionTable, scopeLink} from "./decisions.js";
import {band, intervals} from "./plots.js";

export async function experiments() {
  const [running, begun, concluded] = await Promise.all([
    ask("/experiments"), ...["start_experiment", "conclude_experiment"].map(kind => ask("/decisions?limit=50&kind=" + kind)),
  ]);
  const past = [...begun.items, ...concluded.items].sort((a, b) => b.at_ms - a.at_ms);
  return [
    make("h2", {}, "Experiments"),
    part("Running", running.items.length ? running.items.map(card)
      : empty("None is running. One begins when prompts are offered to a scope, or parameters may be tuned, and traffic suffices.")),
    part("Begun and concluded", past.length ? decisionTable(past, "Begun and concluded") : empty("No experiment was begun yet.")),
  ];
}

/** One experiment: its plan, its arms, each challenger's interval over time, and whether units arrive as ordered. */
export async function experiment(id) {
  const row = await ask("/experiments/" + encodeURIComponent(id));
  return [
    make("h2", {}, "Experiment " + Object.keys(row.comparisons).join(" and ") + " against control"),
    make("p", {}, scopeLink(row.scope), ` · ${words(row.strategy)} · since ${when(row.started_at_ms)} · `, decisionLink({id: row.id, kind: "start_experiment"})),
    mismatch(row), standing(row), arms(row), comparisons(row), courses(row),
    part("Plan", make("dl", {}, [["units of each arm", count(row.planned_pairs)], ["chance of a false winner", share(row.alpha)],
      ...Object.entries(row.shares).map(([name, part]) => ["share of " + name, share(part)])].map(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]))),
  ];
}

function card(row) {
  return make("article", {class: "card", "aria-label": "Experiment on " + row.scope},
    make("h3", {}, make("a", {href: "#/experiment/" + encodeURIComponent(row.id)}, Object.keys(row.comparisons).join(", ") + " against control")),
    make("p", {}, scopeLink(row.scope), ` · ${words(row.strategy)} · since ${when(row.started_at_ms)}`),
    mismatch(row), standing(row), comparisons(row));
}

function mismatch(row) {
  const found = row.sample_ratio;
  return found.mismatch && make("p", {class: "notice bad", role: "alert"},
    `Units do not arrive in the ordered shares (p = ${number(found.p_value)}, limit ${number(found.level)}): its numbers are not to be trusted.`);
}

function standing(row) {
  const reached = Math.max(0, ...Object.values(row.comparisons).map(it => it.fraction || 0));
  return make("p", {}, chip(row.status.over ? "over" : "running"), ` ${sentence(row.status.detail || row.status.code)}. `,
    `${share(Math.min(1, reached))} of the planned evidence is in.`);
}

function arms(row) {
  const mean = (arm, name, shown) => (arm[name] ? shown(arm[name].mean) : "–");
  return part("Arms", table("Arms", ["Arm", "Share", "Requests", "Scored", "Quality", "Cost", "Latency", "Errors"],
    Object.entries(row.arms).map(([name, arm]) => [name, row.shares[name] === undefined ? "–" : share(row.shares[name]), count(arm.requests),
      count(arm.quality?.samples), mean(arm, "quality", number), mean(arm, "cost_usd", value => "$" + number(value)),
      mean(arm, "latency_ms", value => number(value) + " ms"), count(arm.errors)])));
}

function comparisons(row) {
  const rows = Object.entries(row.comparisons);
  return rows.length > 0 && [
    table("Challengers against control", ["Challenger", "Gain", "Interval", "Score", "Needed"], rows.map(([name, it]) =>
      [name, percent(it.gain), between(it.interval, percent), number(it.score), number(it.bound)])),
    intervals(rows.map(([name, it]) => ({label: `${name}: ${between(it.interval, percent)}`, low: it.interval.low, high: it.interval.high, estimate: it.gain})),
      "Gain of each challenger with its interval, against none"),
  ];
}

function courses(row) {
  const drawn = Object.entries(row.course || {}).map(([name, points]) =>
    [make("h4", {}, name), band(points, [{value: 0, text: "no difference"}], `Gain of ${name} with its interval over time`) || empty("Too few reports for a picture.")]);
  return part("Intervals over time", drawn);
}
