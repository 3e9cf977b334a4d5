// The dashboard: which page is shown, and when it is shown anew. Routes are in the fragment: #/decision/ID.
import {ask, listen, signInWith} from "./api.js";
import {make} from "./dom.js";
import {approvals} from "./approvals.js";
import {decision} from "./decision.js";
import {experiment, experiments} from "./experiments.js";
import {frontier} from "./frontier.js";
import {list} from "./list.js";
import {overview} from "./overview.js";
import {audit, scope, scopes} from "./scopes.js";

const PAGES = {"": overview, overview, approvals, audit, decision, decisions: list, experiments, experiment, frontier, scopes, scope};
const RETRY_MS = 2000, REFRESH_MS = 1500;
const main = document.getElementById("page"), status = document.getElementById("status");
const STANDING = {
  ready: ["live", "good"],
  "catching up": ["catching up with the journal: what is shown may be old", "warn"],
  behind: ["the engine is behind: it starts, recovers, or has too much to do", "warn"],
  still: ["the engine stands still: insights wait, and none is judged; `decision-stream doctor` says why", "bad"],
  away: ["the read model does not answer: what is shown is old; the engine decides without it", "bad"],
};
let turn = 0;

/** Show the page of the fragment; one that was asked for meanwhile wins. */
async function show({quietly = false} = {}) {
  const mine = ++turn;
  const [name, argument] = location.hash.replace(/^#\/?/, "").split("/");
  const page = PAGES[name] || overview;
  if (!quietly) main.setAttribute("aria-busy", "true");
  let content;
  try {
    content = await page(decodeURIComponent(argument || ""), () => show({quietly: true}));
  } catch (problem) {
    // What is shown stays, rather old than none, when the answer is late, missing or refused for the moment.
    if (quietly && (!problem.status || problem.status === 429 || problem.status >= 500)) return;
    content = problem.status === 401 ? signIn() : [make("h2", {}, "Not to be had"), make("p", {class: "problem"}, told(problem))];
  }
  if (mine !== turn) return;
  main.removeAttribute("aria-busy");
  if (quietly && isTyping()) return;
  replaced(content.flat(Infinity).filter(Boolean));
  document.title = `${main.querySelector("h2")?.textContent || "decision_stream"} · decision_stream`;
  for (const link of document.querySelectorAll("nav a"))
    link.getAttribute("href") === "#/" + (name || "") ? link.setAttribute("aria-current", "page") : link.removeAttribute("aria-current");
}

const told = problem => problem.status ? problem.message
  : "The API does not answer. The engine decides without it; this page tries again by itself.";

function signIn() {
  const secret = make("input", {type: "password", autocomplete: "current-password", id: "token"});
  const enter = event => {
    event.preventDefault();
    signInWith(secret.value);
    show();
    live();
  };
  return [make("h2", {}, "Sign in"), make("p", {}, "This listener needs a token. It is kept until this tab is closed."),
    make("form", {onsubmit: enter}, make("label", {for: "token"}, "Token"), secret, make("button", {class: "go"}, "Sign in"))];
}

/** New content in place of the old; what was opened stays open, and the focus stays where it was. */
function replaced(content) {
  const opened = new Set([...main.querySelectorAll("details[open]")].map(placeOf));
  const focused = main.contains(document.activeElement) && document.activeElement !== main ? placeOf(document.activeElement) : null;
  main.replaceChildren(...content);
  for (const detail of main.querySelectorAll("details")) detail.open = opened.has(placeOf(detail));
  if (focused) [...main.querySelectorAll("a, button, summary, [tabindex]")].find(node => placeOf(node) === focused)?.focus({preventScroll: true});
}

// By the card it is in and by what it says: the nodes themselves are made anew.
const placeOf = node => [node.closest("article")?.querySelector("a")?.href, node.closest("section")?.ariaLabel, node.tagName,
  (node.tagName === "DETAILS" ? node.firstElementChild : node).textContent].join("|");

// A reason that is being typed is not swept away by news.
const isTyping = () => [...main.querySelectorAll("input")].some(input => input.value || input === document.activeElement);

function say(text, tone) {
  status.textContent = text;
  status.className = tone;
}

/** Keep the page up with the engine: news is a reason to ask again, and silence is told. */
async function live() {
  live.ended?.abort();
  const mine = live.ended = new AbortController();
  let pending = null, crowded = false;
  const heard = news => {
    say(...(STANDING[news.status] || STANDING["catching up"]));
    if (news.status === "away") return;
    const waiting = news.by_state?.awaiting_approval || 0;
    document.getElementById("waiting").textContent = waiting || "";
    pending ??= setTimeout(() => { pending = null; show({quietly: true}); }, REFRESH_MS);
  };
  while (!mine.signal.aborted) {
    crowded = false;
    try {
      await listen(heard, mine.signal);
    } catch (problem) {
      if (mine.signal.aborted) return;
      if (problem.status === 401) return say("sign in to see more", "warn");
      crowded = problem.status === 503;
    }
    crowded ? say("too many pages are open: this one is not live; reload it", "warn")
      : say("the API does not answer; what is shown is old", "bad");
    await new Promise(done => setTimeout(done, RETRY_MS));
  }
}

addEventListener("hashchange", async () => { await show(); main.focus({preventScroll: true}); scrollTo(0, 0); });
show();
live();
