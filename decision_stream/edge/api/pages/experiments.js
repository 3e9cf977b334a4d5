// Running experiments with their intervals over time, why they are not over yet, and those of the past.
import {ask} from "./api.js";
import {between, chip, count, empty, make, number, part, percent, sentence, share, table, when, words} from "./dom.js";
import {decisionLink, decisionTable, scopeLink} from "./decisions.js";
import {band, intervals} from "./plots.js";

export async function experiments() {
  const [begun, concluded] = await Promise.all([ask("/experiments?limit=50"), ask("/decisions?limit=50&kind=conclude_experiment")]);
  const running = begun.items.filter(row => row.running), over = begun.items.filter(row => !row.running);
  return [
    make("h2", {}, "Experiments"),
    part("Running", running.length ? running.map(card)
      : empty("None is running. One begins when prompts are offered to a scope, or parameters may be tuned, and traffic suffices.")),
    part("Over", over.length ? table("Over", ["Experiment", "Scope", "State", "By", "When"],
      over.map(row => [link(row), scopeLink(row.scope), chip(row.state), words(row.strategy), when(row.at_ms)])) : empty("No experiment is over yet.")),
    part("Conclusions", concluded.items.length ? decisionTable(concluded.items, "Conclusions") : empty("Nothing was concluded yet.")),
  ];
}

/** One experiment by the decision that began it: its plan, arms, intervals over time, and how it was concluded. */
export async function experiment(id) {
  const row = await ask("/experiments/" + encodeURIComponent(id)), course = row.course;
  return [
    make("h2", {}, "Experiment " + challengers(course)),
    make("p", {}, chip(row.state), " ", scopeLink(row.scope), ` · ${words(row.strategy)} · since ${when(row.at_ms)} · `, decisionLink({id: row.id, kind: "its decision"})),
    row.running ? null : make("p", {}, sentence(row.transitions.at(-1)?.reason) + "."),
    row.conclusion ? make("p", {class: "notice"}, "Concluded: ", decisionLink(row.conclusion), " ", sentence(bodyReason(row.conclusion))) : null,
    course ? [mismatch(course), row.running ? standing(course) : null, part("Arms", arms(course)), part("Challengers against control", comparisons(course)), courses(course), plan(course)]
      : empty("Nothing was measured yet: the actuator has not reported on its arms."),
  ];
}

const bodyReason = row => (row.decision || row.proposal || {}).decision?.reason || "";
const challengers = course => (course ? Object.keys(course.challengers).join(" and ") + " against control" : "");
const link = row => make("a", {href: "#/experiment/" + encodeURIComponent(row.id)}, challengers(row.course) || "experiment");

function card(row) {
  const course = row.course;
  return make("article", {class: "card", "aria-label": "Experiment on " + row.scope},
    make("h3", {}, link(row)), make("p", {}, scopeLink(row.scope), ` · ${words(row.strategy)} · since ${when(row.at_ms)}`),
    course ? [mismatch(course), standing(course), comparisons(course)] : make("p", {}, "Its arms were not reported on yet."));
}

function mismatch(course) {
  const found = course.sample_ratio;
  return found.mismatch && make("p", {class: "notice bad", role: "alert"},
    `Units do not arrive in the ordered shares (p = ${number(found.p_value)}, limit ${number(found.level)}): its numbers are not to be trusted.`);
}

function standing(course) {
  const reached = Math.max(0, ...Object.values(course.comparisons).map(it => it.fraction || 0));
  const told = sentence(course.status.detail || course.status.code);
  return make("p", {}, course.status.over ? "Ready to be concluded: " : "Not over yet: ",
    `${told}.${/planned/.test(told) ? "" : ` ${share(Math.min(1, reached))} of the planned evidence is in.`}`);
}

function arms(course) {
  const mean = (arm, name, shown) => (arm[name] ? shown(arm[name].mean) : "–");
  return table("Arms", ["Arm", "Share", "Requests", "Scored", "Quality", "Cost", "Latency", "Errors"],
    Object.entries(course.arms).map(([name, arm]) => [name, course.shares[name] === undefined ? "–" : share(course.shares[name]), count(arm.requests),
      count(arm.quality?.samples), mean(arm, "quality", number), mean(arm, "cost_usd", value => "$" + number(value)),
      mean(arm, "latency_ms", value => number(value) + " ms"), count(arm.errors)]));
}

function comparisons(course) {
  const rows = Object.entries(course.comparisons);
  return rows.length > 0 && [
    table("Gains", ["Challenger", "Gain", "Interval", "Score", "Needed"], rows.map(([name, it]) =>
      [name, percent(it.gain), between(it.interval, percent), number(it.score), number(it.bound)])),
    intervals(rows.map(([name, it]) => ({label: `${name}: ${between(it.interval, percent)}`, low: it.interval.low, high: it.interval.high, estimate: it.gain})),
      "Gain of each challenger with its interval, against none"),
  ];
}

function courses(course) {
  return part("Intervals over time", Object.keys(course.comparisons).map(name => [
    make("h4", {}, name),
    band(course.points.filter(point => point.comparisons?.[name]).map(point => {
      const it = point.comparisons[name];
      return {at_ms: point.at_ms, low: it.interval.low, high: it.interval.high, estimate: it.gain};
    }), [{value: 0, text: "no difference"}], `Gain of ${name} with its interval over time; the newest is in the table`)
      || empty("Too few reports for a picture."),
  ]));
}

function plan(course) {
  const facts = [["units of each arm", count(Math.ceil(course.planned_pairs))], ["chance of a false winner", share(course.alpha)],
    ...Object.entries(course.shares).map(([name, part]) => ["share of " + name, share(part)])];
  return part("Plan", make("dl", {}, facts.map(([name, value]) => [make("dt", {}, name), make("dd", {}, value)])));
}
