// The inbox: what waits for a person, why, how risky it is, and what happens if nothing is done.
import {ask} from "./api.js";
import {chip, make, number, sentence, when, within, words} from "./dom.js";
import {older} from "./list.js";
import {bodyOf, claim, evidence, impact, orders, scopeLink} from "./decisions.js";

export async function approvals(query, again) {
  const {items, next} = await ask(`/approvals?${new URLSearchParams(query)}`);
  return [
    make("h2", {}, "Approvals"),
    items.length ? items.map(row => card(row, again)) : make("p", {class: "empty"}, "Nothing waits for you."),
    older({}, next, "approvals", "More that wait"),
  ];
}

function card(row, again) {
  const body = bodyOf(row), last = row.transitions.at(-1);
  return make("article", {class: "card", "aria-label": claim(body)},
    make("h3", {}, make("a", {href: "#/decision/" + encodeURIComponent(row.id)}, claim(body))),
    make("p", {}, scopeLink(row.scope), ` · proposed by ${words(row.strategy)} · ${when(row.at_ms)}`),
    body.decision?.reason ? make("p", {}, sentence(body.decision.reason)) : null,
    make("p", {}, body.risk ? [chip(body.risk.level), ` risk (${number(body.risk.score)}). `] : null, last ? sentence(last.reason) + "." : null),
    make("p", {}, unanswered(row)),
    impact(body),
    make("details", {}, make("summary", {}, "Evidence"), evidence(body) || make("p", {}, "None was given.")),
    orders(row, again));
}

function unanswered(row) {
  const stays = "the present configuration stays";
  return row.deadline_ms ? `If nothing is done, it expires ${within(row.remaining_ms)} (${when(row.deadline_ms)}) and ${stays}.`
    : `If nothing is done, it expires and ${stays}.`;
}
