// The dashboard: routes in the fragment, data from /api/v1, texts only ever set as text.
"use strict";
const API = "/api/v1", page = document.getElementById("page"), status = document.getElementById("status");
const ORDERS = {awaiting_approval: ["approve", "reject"], approved: ["cancel"], executing: ["rollback"],
  monitoring: ["pause", "rollback"], paused: ["resume", "rollback"], completed: ["rollback"]};
const EMPTY = "Nothing yet. Decisions appear here as soon as the engine proposes something.";
let token = sessionStorage.getItem("token") || "";

function make(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {}))
    name.startsWith("on") ? node.addEventListener(name.slice(2), value) : node.setAttribute(name, value);
  node.append(...children.filter(child => child !== null && child !== undefined));
  return node;
}
const words = text => String(text).replaceAll("_", " ");
const when = ms => new Date(ms).toLocaleString();
const percent = share => (share > 0 ? "+" : "") + (100 * share).toFixed(1) + " %";
const number = value => value === null || value === undefined ? "–" : Number(value).toPrecision(3);

async function ask(path, method = "GET", body = null) {
  const headers = body ? {"Content-Type": "application/json"} : {};
  if (token) headers.Authorization = "Bearer " + token;
  if (method !== "GET") headers["Idempotency-Key"] = crypto.randomUUID();
  const answer = await fetch(API + path, {method, headers, body: body && JSON.stringify(body)});
  const content = await answer.json();
  if (answer.ok) return content;
  const problem = new Error(content.title + ": " + content.detail);
  problem.status = answer.status;
  throw problem;
}

function table(heads, rows) {
  return make("div", {class: "wide"}, make("table", {},
    make("thead", {}, make("tr", {}, ...heads.map(head => make("th", {scope: "col"}, head)))),
    make("tbody", {}, ...rows.map(row => make("tr", {}, ...row.map(cell => make("td", {}, cell ?? "–")))))));
}
const link = row => make("a", {href: "#/decision/" + encodeURIComponent(row.id)}, words(row.kind || "proposal"));
const decisions = rows => rows.length
  ? table(["What", "Scope", "State", "When"], rows.map(row => [link(row), row.scope, words(row.state), when(row.at_ms)]))
  : make("p", {}, EMPTY);

function claim(body) {
  const it = (body && body.decision) || {};
  if (it.kind === "model_switch") return `Switch from ${it.from_model} to ${it.to_model}`;
  if (it.kind === "start_experiment") return "Begin an experiment: " + it.variants.join(" against ");
  if (it.kind === "conclude_experiment") return "Conclude an experiment: " + (it.winner || "the control stays");
  if (it.kind === "prompt_variant") return "Serve prompt " + it.variant;
  return it.kind ? words(it.kind)[0].toUpperCase() + words(it.kind).slice(1) : "Decision";
}

function impact(body) {
  const known = Object.entries((body && body.impact) || {}).filter(([, it]) => it);
  return known.length ? table(["Expected", "Change", "Interval"], known.map(([name, it]) =>
    [name, percent(it.delta), it.interval ? `${percent(it.interval.low)} to ${percent(it.interval.high)}` : "not known"])) : null;
}

// Each interval as a bar against its threshold; numbers stand beside it, so the picture is not the only telling.
function plotted(evidence) {
  const shown = evidence.filter(it => it.interval);
  if (!shown.length) return null;
  const space = "http://www.w3.org/2000/svg", svg = document.createElementNS(space, "svg");
  const add = (tag, attributes, text) => {
    const node = document.createElementNS(space, tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    if (text) node.textContent = text;
    svg.append(node);
  };
  const ends = shown.flatMap(it => [it.interval.low, it.interval.high, it.threshold ?? 0, 0]);
  const low = Math.min(...ends), span = Math.max(...ends) - low || 1, x = value => 10 + 580 * (value - low) / span;
  svg.setAttribute("viewBox", `0 0 600 ${shown.length * 46 + 6}`);
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", "Intervals of the evidence; the numbers are in the table");
  shown.forEach((it, place) => {
    const y = place * 46;
    add("text", {x: 10, y: y + 14}, `${words(it.method)} ${it.metric || ""}: ${number(it.interval.low)} to ${number(it.interval.high)}`);
    add("rect", {x: x(it.interval.low), y: y + 22, width: Math.max(2, x(it.interval.high) - x(it.interval.low)), height: 10});
    add("line", {x1: x(it.threshold ?? 0), x2: x(it.threshold ?? 0), y1: y + 18, y2: y + 38, "stroke-dasharray": "3 2"});
  });
  return svg;
}

function orders(row, after) {
  const verbs = ORDERS[row.state] || [];
  if (!verbs.length) return null;
  const reason = make("input", {type: "text", maxlength: 1000, autocomplete: "off"});
  const told = make("p", {role: "status"});
  const order = verb => async event => {
    event.target.disabled = true;
    told.textContent = "sending";
    told.className = "";
    try {
      const path = `/decisions/${encodeURIComponent(row.id)}/${verb}?wait=10`;
      const done = await ask(path, verb === "rollback" ? "POST" : "PUT", {reason: reason.value, expected_state: row.state});
      told.textContent = done.verdict ? words(verb) + ": " + done.verdict : "The order is sent; the engine has not answered yet.";
      told.className = "done";
      setTimeout(after, 600);
    } catch (problem) {
      told.textContent = problem.message;
      told.className = "problem";
      event.target.disabled = false;
    }
  };
  return make("section", {"aria-label": "Orders"}, make("label", {}, "Reason", reason), make("div", {class: "row"},
    ...verbs.map(verb => make("button", {class: verb === "approve" || verb === "resume" ? "go" : "no", onclick: order(verb)},
      verb === "rollback" ? "Roll back" : verb[0].toUpperCase() + verb.slice(1)))), told);
}

const pages = {
  async overview() {
    const [counts, newest] = await Promise.all([ask("/statistics"), ask("/decisions?limit=20")]);
    return [make("h2", {}, "Overview"), make("div", {class: "numbers"},
      make("div", {}, make("b", {}, String(counts.decisions)), "decisions"),
      ...Object.entries(counts.by_state).map(([state, count]) => make("div", {}, make("b", {}, String(count)), words(state)))),
    make("h3", {}, "Newest decisions"), decisions(newest.items)];
  },
  async approvals() {
    const {items} = await ask("/approvals");
    if (!items.length) return [make("h2", {}, "Approvals"), make("p", {}, "Nothing waits for you.")];
    return [make("h2", {}, "Approvals"), ...items.map(row => {
      const body = row.decision || row.proposal, move = row.transitions[row.transitions.length - 1];
      return make("article", {class: "card"}, make("h3", {}, make("a", {href: "#/decision/" + encodeURIComponent(row.id)}, claim(body))),
        make("p", {}, `${row.scope} · proposed by ${words(row.strategy)} · ${when(row.at_ms)}`),
        make("p", {}, move ? move.reason : ""),
        make("p", {}, "If nothing is done it expires and the present configuration stays."), impact(body), orders(row, show));
    })];
  },
  async decision(id) {
    const row = await ask("/decisions/" + encodeURIComponent(id)), body = row.decision || row.proposal || {};
    const risk = body.risk, evidence = body.evidence || [];
    const list = (title, heads, rows) => rows.length ? [make("h3", {}, title), table(heads, rows)] : [];
    return [make("h2", {}, claim(body)), make("p", {}, `${row.scope} · ${words(row.state)} · ${words(row.strategy)} · ${when(row.at_ms)}`),
      make("p", {}, (body.decision && body.decision.reason) || ""), orders(row, show), impact(body),
      risk ? make("p", {}, `Risk: ${risk.level} (${number(risk.score)}); exposure ${number(risk.exposure)}, worst case ${number(risk.worst_case)}`) : null,
      ...list("Evidence", ["Method", "Metric", "n", "Statistic", "Threshold", "Error budget"], evidence.map(it =>
        [words(it.method), it.metric, String(it.samples ?? 0), number(it.statistic), number(it.threshold), number(it.error_budget)])),
      plotted(evidence),
      ...list("Checks", ["Check", "Found", "Allowed", ""], (body.checks || []).map(it =>
        [words(it.name), number(it.found), number(it.allowed), it.passed ? "passed" : "failed"])),
      ...list("Considered and not chosen", ["What", "Why not", ""], (body.alternatives || []).map(it => [it.what, words(it.code), it.detail || number(it.value)])),
      body.would_flip ? make("p", {}, "Would have been otherwise: " + body.would_flip) : null,
      ...list("Ramp", ["Step", "Order", "Weight", "When"], row.orders.map(it =>
        [String(it.step), words(it.order.kind), it.order.weight === undefined ? null : percent(it.order.weight).replace("+", ""), when(it.at_ms)])),
      ...list("History", ["When", "To", "By", "Why"], row.transitions.map(it => [when(it.at_ms), words(it.to_state), it.actor || "engine", it.reason]))];
  },
  async experiments() {
    const [begun, concluded] = await Promise.all(["start_experiment", "conclude_experiment"].map(kind => ask("/decisions?limit=50&kind=" + kind)));
    const rows = [...begun.items, ...concluded.items].sort((a, b) => b.at_ms - a.at_ms);
    return [make("h2", {}, "Experiments"), rows.length ? decisions(rows) : make("p", {}, "No experiment was begun yet.")];
  },
  async scopes() {
    const {items} = await ask("/scopes");
    return [make("h2", {}, "Scopes"), items.length ? table(["Scope", "Events", "Last heard of"], items.map(row =>
      [make("a", {href: "#/scope/" + encodeURIComponent(row.scope)}, row.scope), String(row.events), when(row.at_ms)])) : make("p", {}, EMPTY)];
  },
  async scope(name) {
    const [audit, rows] = await Promise.all([ask(`/scopes/${name.split("/").map(encodeURIComponent).join("/")}/audit?limit=50`),
      ask("/decisions?limit=20&scope=" + encodeURIComponent(name))]);
    return [make("h2", {}, name), make("h3", {}, "Decisions"), decisions(rows.items), make("h3", {}, "Audit trail"),
      table(["#", "When", "Verdict", "By", "Why"], audit.items.map(it => [String(it.sequence), when(it.at_ms), words(it.verdict),
        it.actor || "engine", (it.reasons || []).map(one => words(one.code)).join(", ")]))];
  },
};

function signIn() {
  const secret = make("input", {type: "password", autocomplete: "current-password"});
  return [make("h2", {}, "Sign in"), make("p", {}, "This listener needs a token; it is kept until this tab is closed."),
    make("label", {}, "Token", secret), make("button", {class: "go", onclick: () => {
      token = secret.value.trim();
      sessionStorage.setItem("token", token);
      show();
      listen();
    }}, "Sign in")];
}

let turn = 0;
async function show() {
  const mine = ++turn, [name, argument] = location.hash.replace(/^#\/?/, "").split("/");
  let content;
  try {
    content = await (pages[name] || pages.overview)(decodeURIComponent(argument || ""));
  } catch (problem) {
    content = problem.status === 401 ? signIn() : [make("h2", {}, "Not to be had"), make("p", {class: "problem"},
      problem.status ? problem.message : "The API does not answer. The engine decides without it; this page tries again.")];
  }
  if (mine === turn) page.replaceChildren(...content.filter(child => child));
}

// A reason being typed is not swept away by news.
const typing = () => [...page.querySelectorAll("input")].some(input => input.value || input === document.activeElement);
function said(text, bad) { status.textContent = text; status.className = bad ? "bad" : ""; }

async function listen() {
  const mine = listen.now = {};
  while (mine === listen.now) {
    try {
      const answer = await fetch(API + "/events", {headers: token ? {Authorization: "Bearer " + token} : {}});
      if (answer.status === 401) return said("sign in to see more", false);
      if (!answer.ok) throw new Error(answer.statusText);
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = "";
      for (;;) {
        const {value, done} = await reader.read();
        if (done) break;
        const parts = (rest + value).split("\n\n");
        rest = parts.pop();
        for (const part of parts.filter(one => one.startsWith("data: "))) {
          const news = JSON.parse(part.slice(6));
          said(news.status === "ready" ? "live" : "catching up with the journal: what is shown may be old", news.status !== "ready");
          document.getElementById("waiting").textContent = news.by_state.awaiting_approval || "";
          if (!typing()) show();
        }
      }
    } catch (problem) { /* told below */ }
    said("the API does not answer; what is shown is old", true);
    await new Promise(done => setTimeout(done, 2000));
  }
}
addEventListener("hashchange", () => { show(); page.focus(); });
show();
listen();
