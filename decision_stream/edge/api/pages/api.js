// Talks to /api/v1 as the signed-in caller.

const API = "/api/v1";
const REQUEST_TIMEOUT_MS = 40000;
let token = sessionStorage.getItem("token") || "";

/** Remember a secret until the tab is closed. */
export function signInWith(secret) {
  token = secret.trim();
  sessionStorage.setItem("token", token);
}

/** The JSON answer of a route. Throws an Error with `status` of a problem, or without one when nothing answers. */
export async function ask(path, {method = "GET", body = null, key = null} = {}) {
  const headers = authorization();
  if (body) headers["Content-Type"] = "application/json";
  if (key) headers["Idempotency-Key"] = key;
  const answer = await fetch(API + path, {
    method, headers, body: body && JSON.stringify(body), signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
  });
  const content = await answer.json();
  if (answer.ok) return content;
  const problem = new Error(`${content.title}: ${content.detail}`);
  problem.status = answer.status;
  throw problem;
}

/** The parts of a scope's name as a path. */
export const scopePath = scope => "/scopes/" + scope.split("/").map(encodeURIComponent).join("/");

/** Calls `heard` with every piece of news of the live stream; ends when the stream does, throws when it cannot begin. */
export async function listen(heard, signal) {
  const answer = await fetch(API + "/events", {headers: authorization(), signal});
  if (!answer.ok) {
    const problem = new Error(answer.statusText);
    problem.status = answer.status;
    throw problem;
  }
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let rest = "";;) {
    const {value, done} = await reader.read();
    if (done) return;
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const data = block.split("\n").find(line => line.startsWith("data: "));
      if (data) heard(JSON.parse(data.slice(6)));
    }
  }
}

function authorization() {
  return token ? {Authorization: "Bearer " + token} : {};
}
