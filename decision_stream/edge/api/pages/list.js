// All decisions, a page at a time, all or those of one state. The query is in the fragment, so that a page can be kept.
import {ask} from "./api.js";
import {make, words} from "./dom.js";
import {decisionTable} from "./decisions.js";

const ROWS = 50;

/** `query` is that of the route: state, scope, cursor. */
export async function list(query) {
  const wanted = new URLSearchParams(query), {items, next} = await ask(`/decisions?limit=${ROWS}&${wanted}`);
  const state = wanted.get("state");
  return [make("h2", {}, state ? `Decisions: ${words(state)}` : "Decisions"), decisionTable(items), older(wanted, next)];
}

/** A link to what a page left out; nothing when that was all. */
export function older(wanted, next, page = "decisions", text = "Older decisions") {
  if (!next) return null;
  const query = new URLSearchParams(wanted);
  query.set("cursor", next);
  return make("p", {}, make("a", {href: `#/${page}/${encodeURIComponent(query)}`}, text));
}

export const listLink = (query, text) => make("a", {href: `#/decisions/${encodeURIComponent(new URLSearchParams(query))}`}, text);
