// The first page: is it well, what waits for a person, what happened, and what it was worth.
import {ask} from "./api.js";
import {count, dollars, empty, make, part, share, words} from "./dom.js";
import {decisionTable} from "./decisions.js";
import {listLink, older} from "./list.js";

const NEWEST = 20;

export async function overview() {
  const [counts, newest] = await Promise.all([ask("/statistics"), ask("/decisions?limit=" + NEWEST)]);
  const waiting = counts.by_state.awaiting_approval || 0;
  return [
    make("h2", {}, "Overview"),
    waiting ? make("p", {class: "notice"}, make("a", {href: "#/approvals"}, `${waiting} ${waiting === 1 ? "decision waits" : "decisions wait"} for approval`)) : null,
    make("div", {class: "numbers"}, tiles(counts)),
    part("Decisions by state", counts.decisions
      ? make("div", {class: "numbers small"}, Object.entries(counts.by_state).map(([state, some]) => tile(count(some), listLink({state}, words(state)))))
      : empty("No decision was made yet. Send insights to the topic, or run `decision-stream demo --dashboard`.")),
    part("Newest decisions", decisionTable(newest.items, "Newest decisions"), older({}, newest.next)),
  ];
}

function tiles(counts) {
  const states = counts.by_state, open = (states.executing || 0) + (states.monitoring || 0) + (states.paused || 0);
  const found = [tile(count(counts.decisions), "decisions"), tile(count(open), "under way"), tile(count(states.rolled_back), "rolled back")];
  if (Number.isFinite(counts.win_rate)) found.push(tile(share(counts.win_rate), "of changes won"));
  if (counts.saved) found.push(tile(
    `${dollars(counts.saved.estimate_usd)}`, `saved, between ${dollars(counts.saved.low_usd)} and ${dollars(counts.saved.high_usd)}`));
  return found;
}

const tile = (value, name) => make("div", {}, make("b", {}, value), name);
