// Requests to the server that this page came from. Addresses are relative: it may stand behind a prefix.

let key = "";

// Held in this variable alone: closing or reloading the page forgets it.
export function useKey(given) {
  key = given.trim();
}

export class Refusal extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

export async function ask(path, body) {
  const headers = { accept: "application/json" };
  if (key) headers.authorization = `Bearer ${key}`;
  if (body !== undefined) headers["content-type"] = "application/json";
  const request = { headers, method: body === undefined ? "GET" : "POST", credentials: "same-origin" };
  if (body !== undefined) request.body = JSON.stringify(body);
  let answer;
  try {
    answer = await fetch(path, request);
  } catch {
    throw new Refusal("the server cannot be reached", 0);
  }
  let values = null;
  try {
    values = await answer.json();
  } catch {
    throw new Refusal(`the server answered with something else than JSON (${answer.status})`, answer.status);
  }
  if (!answer.ok) throw new Refusal(lineOf(values, answer), answer.status);
  return values;
}

function lineOf(values, answer) {
  const line = values?.error?.message ?? values?.error ?? `the server answered ${answer.status}`;
  const after = answer.headers.get("retry-after");
  return after ? `${line} (in ${after} s)` : String(line);
}
