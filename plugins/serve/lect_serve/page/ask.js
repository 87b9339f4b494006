// Requests to the server that this page came from. Addresses are relative: it may stand behind a prefix.

import { gettext, ngettext } from "./messages.js";

let key = "";

// Held in this variable alone: closing or reloading the page forgets it.
export function useKey(given) {
  key = given.trim();
}

// With the language of its message where that is not the page's.
export class Refusal extends Error {
  constructor(message, status, language = null) {
    super(message);
    this.status = status;
    this.language = language;
  }
}

export async function ask(path, body) {
  const headers = { accept: "application/json" };
  if (key) headers.authorization = `Bearer ${key}`;
  const request = { headers, method: "GET", credentials: "same-origin" };
  if (body !== undefined) {
    headers["content-type"] = "application/json";
    Object.assign(request, { method: "POST", body: JSON.stringify(body) });
  }
  let answer;
  try {
    answer = await fetch(path, request);
  } catch {
    throw new Refusal(gettext("The server cannot be reached."), 0);
  }
  let values;
  try {
    values = await answer.json();
  } catch {
    throw new Refusal(gettext("The server answered {status}, and not in JSON.", { status: answer.status }), answer.status);
  }
  if (!answer.ok) throw new Refusal(sentence(values, answer), answer.status, "en");
  return values;
}

// What the server says is wrong, as a sentence.
function sentence(values, answer) {
  const said = values?.error?.message ?? values?.error;
  const line = typeof said === "string" && said ? said : gettext("the server answered {status}", { status: answer.status });
  const after = Number(answer.headers.get("retry-after"));
  const wait = after ? ` (${ngettext("{count} second from now", "{count} seconds from now", after)})` : "";
  // A word of a sentence, and not a component's name.
  const start = /^[a-z]+ /.test(line) ? line[0].toUpperCase() : line[0];
  return `${start}${line.slice(1).replace(/\.$/, "")}${wait}.`;
}
